/**
 * The two paths beside each other: the packet core with OpenSSL called directly and the one with node:crypto get the same packets, good ones
 * and rubbish, IPv4 and IPv6, and must let out the same octets and count the same drops.
 */

import { deepEqual, equal, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { parseAddress } from '../../src/context/address.ts'
import type { Grant } from '../../src/context/grants.ts'
import { MAX_SEQUENCE_NUMBER } from '../../src/context/grants.ts'
import type { Endpoint } from '../../src/context/session-context.ts'
import { createEvpEspCrypto } from '../../src/crypto/evp-esp-crypto.ts'
import { createEspCrypto } from '../../src/crypto/node-esp-crypto.ts'
import { fastPathFault } from '../../src/dataplane/data-path.ts'
import { encapsulate } from '../../src/esp/packet.ts'
import type { FromPackets, SessionInstall } from '../../src/gateway/packet-messages.ts'
import { PacketCore } from '../../src/gateway/packets.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import type { EspCrypto } from '../../src/kit/esp-crypto.ts'
import { buildUdpPacket } from '../../src/kit/ip-packet.ts'
import { SeededRandom } from '../../src/kit/random.ts'
import type { NamedSuite } from '../support/esp-suites.ts'
import { espSuites } from '../support/esp-suites.ts'
import { ordinaryPacketOptions } from '../support/packet-options.ts'

const fault = fastPathFault()
const options = { skip: fault ?? false }

const SPI = 0x1234_5678
const local: Endpoint = { address: Uint8Array.of(10, 99, 0, 100), port: 4500 }
const remote: Endpoint = { address: Uint8Array.of(192, 0, 2, 1), port: 40_000 }
const unlimited: Grant = { base: MAX_SEQUENCE_NUMBER, rate: 0, tick: 0 }
const ends = {
  4: { client: parseAddress('10.77.0.9')!, server: parseAddress('10.50.0.9')! },
  6: { client: parseAddress('fd77::9')!, server: parseAddress('fd50::9')! },
}
const any = [4, 16].map((octets) => ({
  protocol: 0,
  startPort: 0,
  endPort: 0xffff,
  start: new Uint8Array(octets),
  end: new Uint8Array(octets).fill(255),
}))

/** One core, with what it let out. */
class Side {
  readonly core: PacketCore
  readonly out: string[] = []

  constructor(crypto: EspCrypto, suite: NamedSuite) {
    this.core = new PacketCore({
      self: 'sg1',
      crypto,
      ...ordinaryPacketOptions,
      ownInnerAddresses: [parseAddress('10.50.0.1')!, parseAddress('fd50::1')!],
      reply: { way: 'direct', endpoints: [] },
      effects: {
        sendOuter: (_local, _remote, datagram) => this.out.push(`outer ${toHex(datagram)}`),
        deliverInner: (packet) => this.out.push(`inner ${toHex(packet)}`),
        sendMesh: (gateway, message) => this.out.push(`mesh ${gateway} ${toHex(message)}`),
        toControl: (message) => this.#control(message),
      },
    })
    const key = keyOf(crypto, suite)
    const { virtualIps } = { virtualIps: [ends[4].client, ends[6].client] }
    const remoteTs = virtualIps.map((address) => ({ protocol: 0, startPort: 0, endPort: 0xffff, start: address, end: address }))
    const session: SessionInstall = {
      session: 1,
      epoch: 1,
      since: 1,
      serial: 0,
      local,
      remote,
      follow: false,
      virtualIps,
      children: [
        {
          spiIn: SPI,
          spiOut: SPI + 1,
          suite: { ...suite, esn: 0 },
          keyIn: key,
          keyOut: key,
          localTs: any,
          remoteTs,
          start: 1,
          ceiling: unlimited,
          floor: 0,
          horizon: unlimited,
          window: { highest: 0, seen: null },
        },
      ],
    }
    this.core.control({ type: 'incarnation', incarnation: 1 }, 0)
    this.core.control({ type: 'lease', untilMs: Infinity }, 0)
    this.core.control({ type: 'install', session }, 0)
  }

  /** Lends the octets to the core, and overwrites them. */
  take(type: 'outer' | 'inner', octets: Bytes): void {
    const memory = octets.slice()
    if (type === 'outer') this.core.outer(memory, local, remote, 1)
    else this.core.inner(memory, 1)
    memory.fill(0xee)
  }

  /** Grants come at once, without limits. */
  #control(message: FromPackets): void {
    if (message.type !== 'advance') return
    const grants = message.grants.map(({ session, epoch, serial }) => ({
      session,
      epoch,
      serial,
      children: [{ spiIn: SPI, ceiling: unlimited, horizon: unlimited }],
    }))
    this.core.control({ type: 'granted', grants }, 1)
  }
}

function keyOf(crypto: EspCrypto, suite: NamedSuite): Bytes {
  return new SeededRandom(suite.keyBits + suite.integ).bytes(crypto.keyOctets(suite)!)
}

type Family = 4 | 6

function toHex(octets: Bytes): string {
  return Buffer.from(octets).toString('hex')
}

function inner(family: Family, direction: 'up' | 'down', octets: number, random: SeededRandom): Bytes {
  const { client, server } = ends[family]
  const [source, destination] = direction === 'up' ? [client, server] : [server, client]
  const packet = buildUdpPacket({ source, destination, sourcePort: 7, destinationPort: 9, payload: random.bytes(octets) })
  // IPv4 without DF now and then: it is fragmented.
  if (family === 4 && octets % 2 === 0) packet.set([0, 0], 6)
  return packet
}

for (const suite of espSuites) {
  test(`${suite.name}: the same packets in, the same octets out and the same drops`, options, () => {
    const fast = new Side(createEvpEspCrypto(new SeededRandom(1)), suite)
    const plain = new Side(createEspCrypto(new SeededRandom(1)), suite)
    const random = new SeededRandom(suite.encr)
    const sealing = createEspCrypto(new SeededRandom(3))
    const cipher = sealing.cipher(suite, keyOf(sealing, suite))!
    const give = (type: 'outer' | 'inner', octets: Bytes): void => {
      for (const side of [fast, plain]) side.take(type, octets)
    }
    let delivered = 0
    for (let i = 0; i < 60; i++) {
      const family = i % 3 === 0 ? 6 : 4
      const length = Math.floor(random.fraction() * 1600)
      give('inner', inner(family, 'down', length, random))
      const esp = encapsulate(cipher, SPI, i + 1, inner(family, 'up', length, random))
      give('outer', esp)
      delivered += 1
      // The same once more, then what is cut, changed, of another SPI, and random.
      give('outer', esp)
      give('outer', esp.subarray(0, Math.floor(random.fraction() * esp.length)))
      const changed = encapsulate(cipher, SPI, i + 200, inner(family, 'up', 40, random))
      changed[8 + Math.floor(random.fraction() * (changed.length - 8))]! ^= 1 << (i % 8)
      give('outer', changed)
      const rubbish = random.bytes(Math.floor(random.fraction() * 200))
      give('outer', rubbish)
      give('inner', rubbish)
      if (rubbish.length < 8) continue
      rubbish.set([0x12, 0x34, 0x56, 0x78])
      give('outer', rubbish)
    }
    deepEqual(fast.out, plain.out)
    deepEqual(fast.core.drops.toRecord(), plain.core.drops.toRecord())
    equal(fast.out.filter((line) => line.startsWith('inner 45') || line.startsWith('inner 60')).length >= delivered, true)
    for (const reason of ['esp-replay', 'esp-icv', 'esp-short', 'inner-malformed', 'inner-too-big'] as const) {
      ok(fast.core.drops.get(reason) > 0, reason)
    }
    fast.core.control({ type: 'incarnation', incarnation: 0 }, 2)
  })
}
