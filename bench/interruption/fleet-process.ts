/**
 * Very many built-in clients and the trusted host, in one process that has no gateway in it: entry point of a child process. The host sends to the
 * clients in turn, one stamped packet each, at one rate for all of them together.
 *
 * The clients share sockets, which no system has ten thousand of; whom a datagram is for its SPI tells.
 */

import { setTimeout as delay } from 'node:timers/promises'
import type { ClientEvent, ClientPort } from '../../src/client/client.ts'
import { Client } from '../../src/client/client.ts'
import { parseIdentity } from '../../src/context/identity.ts'
import type { Endpoint } from '../../src/context/session-context.ts'
import { createEspCrypto } from '../../src/crypto/node-esp-crypto.ts'
import { nodeIkeCrypto } from '../../src/crypto/node-ike-crypto.ts'
import { systemRandom } from '../../src/crypto/random.ts'
import { monotonicMs } from '../../src/dataplane/clock.ts'
import { TrustedHost } from '../../src/dataplane/trusted-host.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { dataView } from '../../src/kit/bytes.ts'
import { Drops } from '../../src/network/drops.ts'
import { UdpSocket } from '../../src/network/udp.ts'
import { callPacket, readCallPacket } from '../../src/cli/demo/call-packet.ts'
import { clientName } from '../../src/cli/demo/client-name.ts'
import type { FleetPacket } from './readiness.ts'

export interface FleetSetup {
  readonly type: 'fleet'
  readonly sessions: number
  readonly packetsPerSecond: number
  readonly gateway: { readonly ike: Endpoint; readonly natT: Endpoint }
  readonly gatewayIdentity: string
  readonly secret: Bytes
  /** Of the loopback plane: the trusted host's port, and the one that the gateways share. */
  readonly host: Endpoint
  readonly inside: Endpoint
}

export type ToFleet =
  | FleetSetup
  /** Begin to send. */
  | { readonly type: 'flow' }
  | { readonly type: 'packets'; readonly fromMs: number; readonly toMs: number }

export type FromFleet =
  | { readonly type: 'up'; readonly sessions: number }
  | { readonly type: 'packets'; readonly packets: readonly FleetPacket[]; readonly reAuthentications: number }

const SOCKETS = 64
const SEND_MS = 2
const TICK_MS = 250
const TICK_PARTS = 50
const TELL_MS = 250
/** Clients that are connecting at a time: more would only wait for one another, and repeat themselves. */
const DIALLING = 64
const retransmission = { firstMs: 2000, base: 1.8, tries: 5, limitMs: Infinity }
const NON_ESP_MARKER_OCTETS = 4

class Fleet {
  readonly #setup: FleetSetup
  readonly #sockets: readonly UdpSocket[]
  readonly #host: TrustedHost
  readonly #clients: Client[] = []
  readonly #byIkeSpi = new Map<bigint, Client>()
  readonly #byEspSpi = new Map<number, Client>()
  readonly #addresses = new Map<number, Bytes>()
  readonly #random = systemRandom()
  readonly #espCrypto = createEspCrypto(this.#random)
  /** By the number of the packet. */
  readonly #sentMs: number[] = []
  readonly #arrivedMs: (number | null)[] = []
  #part = 0

  static async open(setup: FleetSetup): Promise<Fleet> {
    let fleet: Fleet | null = null
    const sockets: UdpSocket[] = []
    while (sockets.length < SOCKETS) {
      const onDatagram = (datagram: Bytes, { port }: Endpoint): void => fleet?.datagram(datagram, port)
      sockets.push(await UdpSocket.open({ local: { address: Uint8Array.of(127, 0, 0, 1), port: 0 }, drops: new Drops(), onDatagram }))
    }
    const { host, inside, sessions } = setup
    const sources = Math.min(sessions, SOCKETS)
    const trusted = await TrustedHost.open({ listen: host, gateways: inside, sources, onPacket: () => undefined })
    fleet = new Fleet(setup, sockets, trusted)
    return fleet
  }

  private constructor(setup: FleetSetup, sockets: readonly UdpSocket[], host: TrustedHost) {
    this.#setup = setup
    this.#sockets = sockets
    this.#host = host
    for (let session = 0; session < setup.sessions; session++) this.#clients.push(this.#client(session))
    setInterval(() => this.#tick(), TICK_MS / TICK_PARTS)
  }

  /** A part of the clients, by turns: all at once would hold up what is measured. */
  #tick(): void {
    const nowMs = monotonicMs()
    for (let i = this.#part; i < this.#clients.length; i += TICK_PARTS) this.#clients[i]!.tick(nowMs)
    this.#part = (this.#part + 1) % TICK_PARTS
  }

  get up(): number {
    return this.#addresses.size
  }

  async dial(): Promise<void> {
    for (const [begun, client] of this.#clients.entries()) {
      while (begun - this.up >= DIALLING) await delay(SEND_MS)
      client.start(monotonicMs())
    }
  }

  /** From now on, to the sessions in turn. */
  flow(): void {
    const startMs = monotonicMs()
    const addresses = [...this.#addresses]
    const periodMs = 1000 / this.#setup.packetsPerSecond
    setInterval(() => {
      const nowMs = monotonicMs()
      while (startMs + this.#sentMs.length * periodMs <= nowMs) {
        const counter = this.#sentMs.length
        const [session, address] = addresses[counter % addresses.length]!
        this.#sentMs.push(nowMs)
        this.#arrivedMs.push(null)
        this.#host.send(session, callPacket('down', address, { session, counter, sentMs: nowMs }))
      }
    }, SEND_MS)
  }

  packets(fromMs: number, toMs: number): FromFleet {
    const packets = this.#sentMs.flatMap((sentMs, i) =>
      sentMs < fromMs || sentMs > toMs ? [] : [{ sentMs, arrivedMs: this.#arrivedMs[i]! }],
    )
    return { type: 'packets', packets, reAuthentications: this.#clients.reduce((sum, { counters }) => sum + counters.reAuthentications, 0) }
  }

  datagram(datagram: Bytes, port: number): void {
    const from: ClientPort = port === this.#setup.gateway.ike.port ? 'ike' : 'nat-t'
    this.#receiver(datagram, from)?.datagram(datagram, from, monotonicMs())
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
      retryMs: TICK_MS,
      effects: {
        send: (port, datagram) => {
          // Every attempt begins with an IKE_SA_INIT of an SPI of its own.
          if (port === 'ike') this.#byIkeSpi.set(dataView(datagram).getBigUint64(0), client)
          socket.send(port === 'ike' ? gateway.ike : gateway.natT, datagram)
        },
        deliver: (packet) => this.#deliver(session, packet),
        event: (event) => this.#event(session, client, event),
      },
    })
    return client
  }

  #deliver(session: number, packet: Bytes): void {
    const stamp = readCallPacket('down', packet)
    if (stamp?.session === session) this.#arrivedMs[stamp.counter] ??= monotonicMs()
  }

  #event(session: number, client: Client, event: ClientEvent): void {
    if (event.type !== 'established') return
    this.#byEspSpi.set(event.tunnel.spiIn, client)
    const address = event.tunnel.virtualIps[0]
    if (address !== undefined) this.#addresses.set(session, address)
  }
}

function tell(message: FromFleet): void {
  if (process.connected) process.send?.(message, () => undefined)
}

async function begin(setup: FleetSetup): Promise<Fleet> {
  const fleet = await Fleet.open(setup)
  void fleet.dial()
  const timer = setInterval(() => {
    tell({ type: 'up', sessions: fleet.up })
    if (fleet.up === setup.sessions) clearInterval(timer)
  }, TELL_MS)
  return fleet
}

let fleet: Fleet | null = null
process.on('message', (message: ToFleet) => {
  if (message.type === 'fleet') void begin(message).then((begun) => (fleet = begun))
  if (message.type === 'flow') fleet?.flow()
  if (message.type === 'packets' && fleet !== null) tell(fleet.packets(message.fromMs, message.toMs))
})
process.on('disconnect', () => process.exit(0))
