/** Sessions of the bench: installed in a gateway with limits that never hold anything back, and their clients' ends. */

import { MAX_SEQUENCE_NUMBER } from '../../src/context/grants.ts'
import type { Endpoint } from '../../src/context/session-context.ts'
import { createEspCrypto } from '../../src/crypto/node-esp-crypto.ts'
import { createEvpEspCrypto } from '../../src/crypto/evp-esp-crypto.ts'
import { systemRandom } from '../../src/crypto/random.ts'
import { fastPathFault } from '../../src/dataplane/data-path.ts'
import { encapsulate } from '../../src/esp/packet.ts'
import type { SessionInstall } from '../../src/gateway/packet-messages.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import type { EspCipher } from '../../src/kit/esp-crypto.ts'
import { buildUdpPacket } from '../../src/kit/ip-packet.ts'
import type { BenchSuite } from './suites.ts'

export const CLIENT_PORT = 7000
export const HOST_PORT = 7777
export const hostAddress = Uint8Array.of(10, 50, 0, 1)

const everything = { protocol: 0, startPort: 0, endPort: 0xffff, start: new Uint8Array(4), end: new Uint8Array(4).fill(255) }
/** A limit that holds nothing back. */
export const unlimited = { base: MAX_SEQUENCE_NUMBER, rate: 0, tick: 0 }

/** The bench's own work is to be small, so it takes the fast ciphers where it can. */
const crypto = fastPathFault() === null ? createEvpEspCrypto(systemRandom()) : createEspCrypto(systemRandom())

export class Tunnel {
  readonly install: SessionInstall
  readonly address: Bytes
  readonly #cipher: EspCipher
  readonly #spi: number
  #next = 1

  /** `network`: the second octet of the client's address, 10.NETWORK.0.0/16. */
  constructor(options: { id: number; network: number; suite: BenchSuite['suite']; local: Endpoint; remote: Endpoint }) {
    const { id, suite, local, remote } = options
    this.address = Uint8Array.of(10, options.network, id >> 8, id & 255)
    this.#spi = 0x1000_0000 + id
    const key = systemRandom().bytes(crypto.keyOctets(suite)!)
    this.#cipher = crypto.cipher(suite, key)!
    const own = { ...everything, start: this.address, end: this.address }
    const child = {
      spiIn: this.#spi,
      spiOut: 0x2000_0000 + id,
      suite,
      keyIn: key,
      keyOut: key,
      localTs: [everything],
      remoteTs: [own],
      start: 1,
      ceiling: unlimited,
      floor: 0,
      horizon: unlimited,
      window: { highest: 0, seen: null },
    }
    this.install = {
      session: id,
      epoch: 1,
      since: 1,
      serial: 0,
      local,
      remote,
      follow: false,
      virtualIps: [this.address],
      children: [child],
    }
  }

  /** The client's next ESP packet, with an inner packet of so many octets. */
  seal(octets: number): Bytes {
    return encapsulate(this.#cipher, this.#spi, this.#next++, this.inner(octets, 'up'))
  }

  /** An inner packet, to the host or to the client. */
  inner(octets: number, direction: 'up' | 'down'): Bytes {
    const isUp = direction === 'up'
    return buildUdpPacket({
      source: isUp ? this.address : hostAddress,
      destination: isUp ? hostAddress : this.address,
      sourcePort: isUp ? CLIENT_PORT : HOST_PORT,
      destinationPort: isUp ? HOST_PORT : CLIENT_PORT,
      payload: new Uint8Array(octets - 28),
    })
  }
}
