/** The clients, the trusted host, and the network in front of the gateways: any of them takes any client's datagram. */

import type { ClientPort } from '../../src/client/client.ts'
import { formatAddress } from '../../src/context/address.ts'
import { OUTBOUND_LEAD } from '../../src/context/grants.ts'
import type { Endpoint } from '../../src/context/session-context.ts'
import { spiOf } from '../../src/esp/packet.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { toHex } from '../../src/kit/bytes.ts'
import { buildUdpPacket } from '../../src/kit/ip-packet.ts'
import type { SeededRandom } from '../../src/kit/random.ts'
import { randomBelow } from '../../src/kit/random.ts'
import { ownership, sessionByAddress } from '../../src/session/view.ts'
import type { Cluster } from './cluster.ts'
import { Violation } from './checkers/violation.ts'
import type { GatewayNode } from './gateway-node.ts'
import type { Judges } from './judges.ts'
import { transmit } from './links.ts'
import { markPayload } from './marks.ts'
import type { NetworkFaults, Plan } from './plan.ts'
import { calmNetwork } from './plan.ts'
import type { Scheduler } from './scheduler.ts'
import type { SimClientWorld } from './sim-client.ts'
import { SimClient } from './sim-client.ts'
import type { Trace } from './trace.ts'

export const clusterAddress = Uint8Array.of(198, 51, 100, 1)
export const gatewayEndpoints = { ike: { address: clusterAddress, port: 500 }, natT: { address: clusterAddress, port: 4500 } }
const host = Uint8Array.of(10, 50, 0, 9)
const CLIENT_TICK_MS = 20
/** So many of the clients' last ESP packets are sent again when something happened. */
const RECORDED = 100
/** After the faults clients send this often, too, and more while nothing gets through: numbers that a takeover burnt are soon behind. */
const HEALED_PACKET_MS = 25
const STUCK_MS = 200
const STUCK_PACKETS = 50

export interface TrafficOptions extends Pick<SimClientWorld, 'crypto' | 'espCrypto'> {
  readonly plan: Plan
  readonly scheduler: Scheduler
  readonly random: SeededRandom
  readonly cluster: Cluster
  readonly judges: Judges
  readonly trace: Trace
}

export class Traffic {
  readonly #o: TrafficOptions
  readonly clients: SimClient[] = []
  readonly #network: SeededRandom
  readonly #byAddress = new Map<string, SimClient>()
  /** ESP packets that clients sent lately. */
  readonly #recorded: { readonly client: SimClient; readonly port: ClientPort; readonly datagram: Bytes }[] = []
  #faults: NetworkFaults
  #isHealed = false
  /** Gateways that the network sends clients' packets to; null: all that run. */
  #steered: ReadonlySet<string> | null = null
  /** Inner packets that the trusted host sent. */
  sentDown = 0

  constructor(options: TrafficOptions) {
    this.#o = options
    this.#network = options.random.fork()
    this.#faults = options.plan.client
  }

  start(): void {
    const { plan, scheduler, random, judges, crypto, espCrypto } = this.#o
    const world: SimClientWorld = {
      crypto,
      espCrypto,
      random: random.fork(),
      gateway: gatewayEndpoints,
      host,
      addresses: judges.bindings,
      nowMs: () => scheduler.nowMs,
      send: (client, port, datagram) => this.#fromClient(client, port, datagram),
    }
    for (let i = 0; i < plan.clients; i++) {
      const client = new SimClient(i, world)
      this.clients.push(client)
      this.#byAddress.set(formatAddress(client.endpoint.ike.address), client)
      scheduler.after(random.fraction() * 400, () => client.client.start(scheduler.nowMs))
      scheduler.every(CLIENT_TICK_MS, () => {
        client.tick(scheduler.nowMs)
        return true
      })
      this.#startPackets(client)
    }
  }

  /** From here on the network is calm, and brings clients' packets only to these gateways. */
  heal(gateways: ReadonlySet<string>): void {
    this.#isHealed = true
    this.#steered = gateways
    this.#faults = calmNetwork
    for (const client of this.clients) this.#startHealedPackets(client)
  }

  /** A takeover burns what lies below the new floor: a horizon that a burst pushed up may be thousands of numbers ahead of its client. */
  #startHealedPackets(client: SimClient): void {
    const { scheduler, judges } = this.#o
    let [delivered, changedMs] = [0, scheduler.nowMs]
    scheduler.every(HEALED_PACKET_MS, () => {
      const now = judges.delivered.get(client.name) ?? 0
      if (now !== delivered) changedMs = scheduler.nowMs
      delivered = now
      const count = scheduler.nowMs - changedMs < STUCK_MS ? 1 : STUCK_PACKETS
      for (let i = 0; i < count; i++) client.sendPacket()
      this.#toClient(client)
      return true
    })
  }

  /** A gateway sends a datagram to a client. */
  fromGateway(from: string, local: Endpoint, remote: Endpoint, octets: Bytes): void {
    const { trace, scheduler, judges, plan } = this.#o
    const datagram = octets.slice()
    trace.octets(scheduler.nowMs, `${from} sends to ${formatAddress(remote.address)}:${local.port}`, datagram)
    judges.sentOuter(from, local, datagram)
    const client = this.#byAddress.get(formatAddress(remote.address))
    if (client === undefined)
      throw new Violation('S6', `${from} sent a datagram to ${formatAddress(remote.address)}, where there is nobody`)
    if (plan.viaHolder && !this.#mayUse(from, local)) return
    const port: ClientPort = local.port === gatewayEndpoints.natT.port ? 'nat-t' : 'ike'
    transmit(scheduler, this.#network, this.#faults, () => client.client.datagram(datagram.slice(), port, scheduler.nowMs))
  }

  /** More packets at once than a ceiling leads, to the gateway that owns the client's session. */
  flood(which: number): void {
    const { judges, cluster } = this.#o
    const client = this.clients[which % this.clients.length]!
    const session = client.virtualIp === null ? null : sessionByAddress(judges.state, client.virtualIp)
    const node = session === null ? undefined : cluster.nodes.get(ownership(judges.state, session)!.gateway)
    for (let i = 0; i < OUTBOUND_LEAD + 200; i++) {
      const packet = this.#packetFor(client)
      if (packet !== null) node?.inner(packet)
    }
  }

  /** Somebody on the way sends again what clients sent lately: what was accepted before must not be accepted by the next owner. */
  replay(): void {
    for (const { client, port, datagram } of this.#recorded) this.#arrive(client, port, datagram)
  }

  /** Any that runs and can be reached. */
  anyNode(): GatewayNode | null {
    const nodes = [...this.#o.cluster.nodes.values()].filter(({ id }) => this.#steered?.has(id) ?? true)
    return nodes.length === 0 ? null : nodes[randomBelow(this.#network, nodes.length)]!
  }

  /** Both ways, with pauses: quiet sessions shrink their horizons, and come back. */
  #startPackets(client: SimClient): void {
    const { scheduler, plan } = this.#o
    const random = this.#o.random.fork()
    let quietUntilMs = 0
    scheduler.every(plan.packetEveryMs, () => {
      const now = scheduler.nowMs
      if (now < quietUntilMs && !this.#isHealed) return true
      if (random.fraction() < 0.01) quietUntilMs = now + random.fraction() * 1500
      client.sendPacket()
      if (random.fraction() < 0.02) for (let i = 0; i < 20; i++) client.sendPacket()
      this.#toClient(client)
      return true
    })
  }

  #toClient(client: SimClient): void {
    const packet = this.#packetFor(client)
    const node = this.anyNode()
    if (packet !== null && node !== null) transmit(this.#o.scheduler, this.#network, calmNetwork, () => node.inner(packet))
  }

  /** Null: the client has no tunnel yet. */
  #packetFor(client: SimClient): Bytes | null {
    if (client.virtualIp === null) return null
    this.sentDown += 1
    const payload = markPayload({ client: client.name, direction: 'down', counter: this.sentDown })
    return buildUdpPacket({ source: host, destination: client.virtualIp, sourcePort: 7, destinationPort: 7, payload })
  }

  #fromClient(client: SimClient, port: ClientPort, datagram: Bytes): void {
    const { trace, scheduler, judges } = this.#o
    trace.octets(scheduler.nowMs, `${client.name} sends by ${port}`, datagram)
    if (port === 'nat-t' && spiOf(datagram) !== 0) {
      judges.limits.fromClient(client.lastMark, datagram)
      this.#recorded.push({ client, port, datagram: datagram.slice() })
      if (this.#recorded.length > RECORDED) this.#recorded.shift()
    }
    this.#arrive(client, port, datagram.slice())
  }

  #arrive(client: SimClient, port: ClientPort, datagram: Bytes): void {
    const local = port === 'ike' ? gatewayEndpoints.ike : gatewayEndpoints.natT
    const remote = port === 'ike' ? client.endpoint.ike : client.endpoint.natT
    transmit(this.#o.scheduler, this.#network, this.#faults, () => this.anyNode()?.outer(datagram.slice(), local, remote))
  }

  /** A network that knows the holder, as the log names it, lets nobody else send from the address. */
  #mayUse(from: string, local: Endpoint): boolean {
    const { holders, incarnations } = this.#o.judges.state
    const holder = incarnations.get(holders.get(toHex(local.address)) ?? 0)
    return holder === undefined || holder.gateway === from
  }
}
