/**
 * Very many built-in clients in one process. They share sockets, which no system has ten thousand of; whom a datagram is for its SPI tells.
 */

import type { ClientEvent, ClientPort } from '../../src/client/client.ts'
import { Client } from '../../src/client/client.ts'
import type { RetransmissionTimes } from '../../src/client/retransmission.ts'
import { clientName } from '../../src/cli/demo/client-name.ts'
import { parseIdentity } from '../../src/context/identity.ts'
import type { Endpoint } from '../../src/context/session-context.ts'
import { createEspCrypto } from '../../src/crypto/node-esp-crypto.ts'
import { nodeIkeCrypto } from '../../src/crypto/node-ike-crypto.ts'
import { systemRandom } from '../../src/crypto/random.ts'
import { monotonicMs } from '../../src/dataplane/clock.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { dataView } from '../../src/kit/bytes.ts'
import { Drops } from '../../src/network/drops.ts'
import { UdpSocket } from '../../src/network/udp.ts'

export interface CrowdSetup {
  /** The number of the first client: names go by it. */
  readonly first: number
  readonly count: number
  readonly gateway: { readonly ike: Endpoint; readonly natT: Endpoint }
  readonly gatewayIdentity: string
  readonly secret: Bytes
}

export interface CrowdHandlers {
  readonly retransmission: RetransmissionTimes
  /** From a failure to the next attempt; null: none. */
  readonly retryMs: number | null
  /** `session`: the client's number. */
  readonly deliver: (session: number, packet: Bytes) => void
  readonly event: (session: number, event: ClientEvent) => void
}

export const CROWD_SOCKETS = 64
const TICK_MS = 250
const TICK_PARTS = 50
const NON_ESP_MARKER_OCTETS = 4

export class Crowd {
  /** The first one's number is `first`. */
  readonly clients: readonly Client[]
  readonly #setup: CrowdSetup
  readonly #handlers: CrowdHandlers
  readonly #sockets: readonly UdpSocket[]
  readonly #byIkeSpi = new Map<bigint, Client>()
  readonly #byEspSpi = new Map<number, Client>()
  readonly #random = systemRandom()
  readonly #espCrypto = createEspCrypto(this.#random)
  /** What is kept back until it is released; null: nothing is. */
  #held: (() => void)[] | null = null
  #part = 0

  static async open(setup: CrowdSetup, handlers: CrowdHandlers): Promise<Crowd> {
    let crowd: Crowd | null = null
    const sockets: UdpSocket[] = []
    while (sockets.length < CROWD_SOCKETS) {
      const onDatagram = (datagram: Bytes, { port }: Endpoint): void => crowd?.datagram(datagram, port)
      sockets.push(await UdpSocket.open({ local: { address: Uint8Array.of(127, 0, 0, 1), port: 0 }, drops: new Drops(), onDatagram }))
    }
    crowd = new Crowd(setup, handlers, sockets)
    return crowd
  }

  private constructor(setup: CrowdSetup, handlers: CrowdHandlers, sockets: readonly UdpSocket[]) {
    this.#setup = setup
    this.#handlers = handlers
    this.#sockets = sockets
    this.clients = Array.from({ length: setup.count }, (_, i) => this.#client(setup.first + i))
    setInterval(() => this.#tick(), TICK_MS / TICK_PARTS)
  }

  /** Keeps back what the clients send, until it is released at one moment: then nobody waits for another's key exchange. */
  hold(): void {
    this.#held = []
  }

  release(): void {
    const held = this.#held ?? []
    this.#held = null
    for (const send of held) send()
  }

  datagram(datagram: Bytes, port: number): void {
    const from: ClientPort = port === this.#setup.gateway.ike.port ? 'ike' : 'nat-t'
    this.#receiver(datagram, from)?.datagram(datagram, from, monotonicMs())
  }

  /** A part of the clients, by turns: all at once would hold up what is measured. */
  #tick(): void {
    const nowMs = monotonicMs()
    for (let i = this.#part; i < this.clients.length; i += TICK_PARTS) this.clients[i]!.tick(nowMs)
    this.#part = (this.#part + 1) % TICK_PARTS
  }

  /** IKE begins with the initiator's SPI, on the NAT-T port after four zeros (RFC 3948 §2.2); ESP with the receiver's. */
  #receiver(datagram: Bytes, from: ClientPort): Client | undefined {
    const view = dataView(datagram)
    const isEsp = from === 'nat-t' && datagram.length >= NON_ESP_MARKER_OCTETS && view.getUint32(0) !== 0
    if (isEsp) return this.#byEspSpi.get(view.getUint32(0))
    const at = from === 'ike' ? 0 : NON_ESP_MARKER_OCTETS
    return datagram.length < at + 8 ? undefined : this.#byIkeSpi.get(view.getBigUint64(at))
  }

  #client(session: number): Client {
    const { gateway, gatewayIdentity, secret } = this.#setup
    const { retransmission, retryMs, deliver, event } = this.#handlers
    const socket = this.#sockets[session % this.#sockets.length]!
    const client: Client = new Client({
      crypto: nodeIkeCrypto,
      espCrypto: this.#espCrypto,
      random: this.#random,
      identity: parseIdentity(clientName(session)),
      remoteIdentity: parseIdentity(gatewayIdentity),
      secret,
      local: socket.local,
      gateway,
      retransmission,
      dpdMs: 0,
      retryMs,
      effects: {
        send: (port, datagram) => {
          // Every attempt begins with an IKE_SA_INIT of an SPI of its own.
          if (port === 'ike') this.#byIkeSpi.set(dataView(datagram).getBigUint64(0), client)
          const send = (): void => void socket.send(port === 'ike' ? gateway.ike : gateway.natT, datagram)
          if (this.#held === null) send()
          else this.#held.push(send)
        },
        deliver: (packet) => deliver(session, packet),
        event: (happened) => {
          if (happened.type === 'established') this.#byEspSpi.set(happened.tunnel.spiIn, client)
          event(session, happened)
        },
      },
    })
    return client
  }
}
