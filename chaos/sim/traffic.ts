/** The clients, the trusted host, and the network in front of the gateways: any of a site takes any client's datagram to its address. */

import type { ClientPort } from '../../src/client/client.ts'
import { OUTBOUND_LEAD } from '../../src/context/grants.ts'
import type { Endpoint } from '../../src/context/session-context.ts'
import { spiOf } from '../../src/esp/packet.ts'
import { isResponse, peekHeader } from '../../src/ike/wire/header.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { toHex } from '../../src/kit/bytes.ts'
import { buildUdpPacket } from '../../src/kit/ip-packet.ts'
import { SeededRandom, randomBelow } from '../../src/kit/random.ts'
import { ownership, sessionByAddress, sessionView } from '../../src/session/view.ts'
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
import type { SiteEndpoints, Sites } from './sites.ts'
import { firstSite, natTPort } from './sites.ts'
import type { Trace } from './trace.ts'
import { Whereabouts, endpointName } from './whereabouts.ts'

const host = Uint8Array.of(10, 50, 0, 9)
const CLIENT_TICK_MS = 20
/** So many of the clients' last ESP packets are sent again when something happened. */
const RECORDED = 100
/** After the faults clients send this often, too, and more while nothing gets through: numbers that a takeover burnt are soon behind. */
const HEALED_PACKET_MS = 25
const STUCK_MS = 200
const STUCK_PACKETS = 50
const FEW_CLIENTS = 12

export interface TrafficOptions extends Pick<SimClientWorld, 'crypto' | 'espCrypto'> {
  readonly plan: Plan
  readonly scheduler: Scheduler
  readonly random: SeededRandom
  readonly cluster: Cluster
  readonly judges: Judges
  readonly trace: Trace
  readonly sites: Sites
}

/** Of clients with two sites. */
const FOLLOWERS = 0.7
const GOES_OVER = 0.01

export class Traffic {
  readonly #o: TrafficOptions
  readonly clients: SimClient[] = []
  readonly #network: SeededRandom
  readonly #whereabouts: Whereabouts<SimClient>
  /** ESP packets that clients sent lately. */
  readonly #recorded: { readonly client: SimClient; readonly remote: Endpoint; readonly port: ClientPort; readonly datagram: Bytes }[] = []
  #faults: NetworkFaults
  #isHealed = false
  readonly #speaksTo = new Map<SimClient, SiteEndpoints>()
  /** Clients that go over, as strongSwan does, to where a gateway's request came from. */
  readonly #followers = new Set<SimClient>()
  /** Who is given a gateway's datagram just now, and where that came from. */
  #receiving: { readonly client: SimClient; readonly from: SiteEndpoints } | null = null
  /** Gateways that the network sends clients' packets to; null: all that run. */
  #steered: ReadonlySet<string> | null = null
  /** Inner packets that the trusted host sent. */
  sentDown = 0

  constructor(options: TrafficOptions) {
    this.#o = options
    this.#network = options.random.fork()
    this.#faults = options.plan.client
    this.#whereabouts = new Whereabouts(new SeededRandom(options.plan.seed ^ 0x3047e5))
  }

  start(): void {
    const { plan, scheduler, random, judges, crypto, espCrypto } = this.#o
    const world: SimClientWorld = {
      crypto,
      espCrypto,
      random: random.fork(),
      gateway: firstSite,
      host,
      judges,
      epochOf: (client) => ownership(judges.state, this.sessionOf(client)!)!.epoch,
      nowMs: () => scheduler.nowMs,
      send: (client, port, datagram) => this.#fromClient(client, port, datagram),
    }
    for (let i = 0; i < plan.clients; i++) {
      const kind = plan.kinds[i] ?? 'fixed'
      const client = new SimClient(i, kind, this.#whereabouts.first(i, kind), world)
      this.#whereabouts.move(client, null, client.place)
      this.#speaksTo.set(client, firstSite)
      if (plan.hasTwoSites && random.fraction() < FOLLOWERS) this.#followers.add(client)
      this.clients.push(client)
      const startMs = plan.startsMs[i] ?? scheduler.nowMs + random.fraction() * 400
      scheduler.after(startMs - scheduler.nowMs, () => client.client.start(scheduler.nowMs))
      scheduler.every(this.#slowdown(CLIENT_TICK_MS), () => {
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
    for (const client of this.clients) {
      this.#startHealedPackets(client)
      // Whom nobody leads has to find the other site by itself.
      if (this.#nodesAt(this.#speaksTo.get(client)!).length === 0 && !this.#isLed(client)) this.#goOver(client)
    }
  }

  /** Whether the cluster knows to which site the client speaks, and where it is, and the client follows it to another. */
  #isLed(client: SimClient): boolean {
    const { judges, sites } = this.#o
    const session = this.sessionOf(client)
    if (session === null || !this.#followers.has(client)) return false
    const { local, remote } = sessionView(judges.state, session)!.context
    return sites.at(local.address) === this.#speaksTo.get(client) && endpointName(remote) === endpointName(client.place.natT)
  }

  /** A takeover burns what lies below the new floor: a horizon that a burst pushed up may be thousands of numbers ahead of its client. */
  #startHealedPackets(client: SimClient): void {
    const { scheduler, judges } = this.#o
    let [delivered, changedMs] = [0, scheduler.nowMs]
    // Where there are many, each has its turn more rarely, and no more time.
    const catchUp = Math.round(this.#slowdown(STUCK_PACKETS))
    scheduler.every(this.#slowdown(HEALED_PACKET_MS), () => {
      const now = judges.delivered.get(client.name) ?? 0
      if (now !== delivered) changedMs = scheduler.nowMs
      delivered = now
      const count = scheduler.nowMs - changedMs < STUCK_MS ? 1 : catchUp
      for (let i = 0; i < count; i++) client.sendPacket()
      this.#toClient(client)
      return true
    })
  }

  /** A gateway sends a datagram to a client. */
  fromGateway(from: string, local: Endpoint, remote: Endpoint, octets: Bytes): void {
    const { trace, scheduler, judges, plan, sites } = this.#o
    const datagram = octets.slice()
    trace.octets(scheduler.nowMs, `${from} sends to ${endpointName(remote)} from ${local.port}`, datagram)
    judges.sentOuter(from, local, remote, datagram)
    if (this.#whereabouts.at(remote) === undefined)
      throw new Violation('S6', `${from} sent a datagram to ${endpointName(remote)}, where nobody has ever been`)
    const site = sites.at(local.address)
    if (site !== sites.of(from)) throw new Violation('reply path', `${from} sent a datagram from an address of the other site`)
    if (plan.viaHolder && !this.#mayUse(from, local)) return
    const port: ClientPort = local.port === natTPort ? 'nat-t' : 'ike'
    transmit(scheduler, this.#network, this.#faults, () => {
      const client = this.#whereabouts.at(remote) ?? null
      if (client === null) return
      this.#receiving = { client, from: site }
      client.client.datagram(datagram.slice(), port, scheduler.nowMs)
      this.#receiving = null
    })
  }

  /** More packets at once than a ceiling leads, to the gateway that owns the client's session. */
  flood(which: number): void {
    const { judges, cluster } = this.#o
    const client = this.clients[which % this.clients.length]!
    const session = this.sessionOf(client)
    const node = session === null ? undefined : cluster.nodes.get(ownership(judges.state, session)!.gateway)
    for (let i = 0; i < OUTBOUND_LEAD + 200; i++) {
      const packet = this.#packetFor(client)
      if (packet !== null) node?.inner(packet)
    }
  }

  /** Somebody on the way sends again what clients sent lately: what was accepted before must not be accepted by the next owner. */
  replay(): void {
    for (const { client, remote, port, datagram } of this.#recorded) this.#arrive(client, remote, port, datagram)
  }

  /** The client, of those that ever move, is somewhere else from now on. What is on its way to where it was arrives at whoever is there then. */
  move(which: number): void {
    const { scheduler, trace } = this.#o
    const movable = this.clients.filter(({ kind }) => kind !== 'fixed')
    const client = movable[which % Math.max(1, movable.length)]
    const place = client === undefined ? null : this.#whereabouts.next(client.kind, client.place)
    if (client === undefined || place === null) return
    trace.line(scheduler.nowMs, `${client.name} moves to ${endpointName(place.natT)}`)
    this.#whereabouts.move(client, client.place, place)
    client.moveTo(place)
  }

  /** After all that is committed; null: it has none. */
  sessionOf(client: SimClient): number | null {
    return client.virtualIp === null ? null : sessionByAddress(this.#o.judges.state, client.virtualIp)
  }

  /** What each client does so often when there are a few, all of many do a little more rarely, or nothing else would be simulated. */
  #slowdown(periodMs: number): number {
    return periodMs * Math.max(1, this.#o.plan.clients / FEW_CLIENTS)
  }

  /** Any that runs and can be reached. */
  anyNode(): GatewayNode | null {
    return this.#anyOf(this.#nodes())
  }

  #anyOf(nodes: readonly GatewayNode[]): GatewayNode | null {
    return nodes.length === 0 ? null : nodes[randomBelow(this.#network, nodes.length)]!
  }

  #nodes(): GatewayNode[] {
    return [...this.#o.cluster.nodes.values()].filter(({ id }) => this.#steered?.has(id) ?? true)
  }

  #nodesAt(site: SiteEndpoints): GatewayNode[] {
    return this.#nodes().filter(({ id }) => this.#o.sites.of(id) === site)
  }

  /** To the other site. */
  #goOver(client: SimClient): void {
    this.#speaksTo.set(client, this.#o.sites.other(this.#speaksTo.get(client)!))
    client.goOver()
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
      if (plan.hasTwoSites && !this.#isHealed && random.fraction() < GOES_OVER) this.#goOver(client)
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
    const mark = { client: client.name, direction: 'down', counter: this.sentDown } as const
    const payload = markPayload(mark)
    this.#o.judges.conservation.sent(mark)
    return buildUdpPacket({ source: host, destination: client.virtualIp, sourcePort: 7, destinationPort: 7, payload })
  }

  #fromClient(client: SimClient, port: ClientPort, datagram: Bytes): void {
    const { trace, scheduler, judges } = this.#o
    const remote = port === 'ike' ? client.place.ike : client.place.natT
    trace.octets(scheduler.nowMs, `${client.name} sends by ${port}`, datagram)
    if (port === 'nat-t' && spiOf(datagram) !== 0) {
      judges.limits.fromClient(client.lastMark, datagram)
      this.#recorded.push({ client, remote, port, datagram: datagram.slice() })
      if (this.#recorded.length > RECORDED) this.#recorded.shift()
    }
    const askedFrom = this.#receiving?.client === client && isAnswer(port, datagram) ? this.#receiving.from : null
    if (askedFrom !== null && askedFrom !== this.#speaksTo.get(client) && this.#followers.has(client)) this.#goOver(client)
    this.#arrive(client, remote, port, datagram.slice(), askedFrom)
  }

  /** `site`: where a request came from that this answers; null: the one that the client speaks to. */
  #arrive(client: SimClient, remote: Endpoint, port: ClientPort, datagram: Bytes, site: SiteEndpoints | null = null): void {
    const to = site ?? this.#speaksTo.get(client)!
    const local = port === 'ike' ? to.ike : to.natT
    transmit(this.#o.scheduler, this.#network, this.#faults, () => this.#anyOf(this.#nodesAt(to))?.outer(datagram.slice(), local, remote))
  }

  /** A network that knows the holder, as the log names it, lets nobody else send from the address. */
  #mayUse(from: string, local: Endpoint): boolean {
    const { holders, incarnations } = this.#o.judges.state
    const holder = incarnations.get(holders.get(toHex(local.address)) ?? 0)
    return holder === undefined || holder.gateway === from
  }
}

/** Whether it is an IKE response; `datagram` as on the wire. */
function isAnswer(port: ClientPort, datagram: Bytes): boolean {
  if (port === 'nat-t' && spiOf(datagram) !== 0) return false
  const header = peekHeader(port === 'nat-t' ? datagram.subarray(4) : datagram)
  return header !== null && isResponse(header)
}
