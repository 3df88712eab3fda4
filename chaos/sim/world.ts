/**
 * A whole cluster in one process: gateways' real cores, each with the real Raft core under it, their clients and the trusted host, on simulated
 * clocks, disks and networks. One seed gives one run, octet for octet. First anything may happen; then a majority is healed for good, and
 * everything that waits must come to its end. Checkers look at every step, packet and exchange (DESIGN.md §1).
 */

import { encodeVpnConfiguration } from '../../src/context/vpn-configuration-codec.ts'
import type { ConnectionConfiguration, EspProposal } from '../../src/context/vpn-configuration.ts'
import { noChildLifetimes } from '../../src/context/vpn-configuration.ts'
import { createEspCrypto } from '../../src/crypto/node-esp-crypto.ts'
import { SealingKeys, sealingKeyId } from '../../src/crypto/sealer.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { keyExchangeMethod } from '../../src/kit/ike-crypto.ts'
import { SeededRandom } from '../../src/kit/random.ts'
import { defaultEspProposals } from '../../src/client/defaults.ts'
import { testVpn } from '../../test/support/vpn.ts'
import { Cluster } from './cluster.ts'
import { seededIkeCrypto } from './crypto.ts'
import { Faults } from './faults.ts'
import { GatewayChanges } from './gateway-changes.ts'
import { heal } from './healing.ts'
import type { ApplyHook } from './hook.ts'
import { Judges } from './judges.ts'
import { Links } from './links.ts'
import { Memberships } from './memberships.ts'
import type { MidstCounts } from './midst.ts'
import { Midst } from './midst.ts'
import type { NodeWorld } from './node-world.ts'
import type { Plan } from './plan.ts'
import { calmConnections, calmNetwork } from './plan.ts'
import { Proof } from './proof.ts'
import { Requests } from './requests.ts'
import { Scheduler } from './scheduler.ts'
import { natTPort, Sites } from './sites.ts'
import { Trace } from './trace.ts'
import { Traffic } from './traffic.ts'

/** The cluster has so long to come up, then to be configured. */
const UP_MS = 800
const CONFIGURED_MS = 1100
/** After the faults the cluster has so long to recover, then so long to show that all traffic flows. */
const RECOVERY_MS = 5000
const PROOF_MS = 1500
const CROWD_AFTER_MS = 800
/** One after the other is put in the place of the one before. */
const sealingKeys = [42, 43, 44].map((octet) => new Uint8Array(32).fill(octet))
const sealingKeyIds = sealingKeys.map(sealingKeyId)

export interface RunSummary {
  readonly seed: number
  readonly simulatedMs: number
  readonly gateways: number
  /** Things that happened. */
  readonly events: number
  readonly commands: number
  readonly espSent: number
  readonly exchanges: number
  /** Inner packets that clients sent, that gateways delivered, that the trusted host sent, and that clients received. */
  readonly sentUp: number
  readonly accepted: number
  readonly sentDown: number
  readonly received: number
  /** CREATE_CHILD_SA exchanges that clients have completed. */
  readonly rekeyed: number
  /** Those that gateways have started, and that clients have answered. */
  readonly rekeyedByGateways: number
  readonly crashes: number
  readonly faults: number
  /** Snapshots of a leader's that took the place of a gateway's state. */
  readonly snapshots: number
  /** Gateways that had lost their disks and were members again. */
  readonly rejoined: number
  /** Sessions that changed hands to even the load out. */
  readonly balanced: number
  /** Configurations that were committed: of a change of the voters two. */
  readonly configurations: number
  /** Gateways that joined, and left for good. */
  readonly joined: number
  readonly left: number
  readonly reads: number
  readonly clients: number
  /** How often clients have moved, and how often they were told that they were followed (MOBIKE). */
  readonly moves: number
  readonly followed: number
  /** ESP packets to clients of which it was judged that their later owner knows where they have gone. */
  readonly toFollowed: number
  /** Packets that were sent on as their first, second and third hop between gateways, and those that came out in the end. */
  readonly sentBy: readonly number[]
  readonly arrivedBy: readonly number[]
  /** What sessions were in the middle of when faults happened. */
  readonly midst: Readonly<MidstCounts>
  /** Whether load and failures have met: else the run does not count. */
  readonly counts: boolean
  /** Of everything that happened: equal for two runs of one seed. */
  readonly fingerprint: string
}

export class World {
  readonly #plan: Plan
  readonly #scheduler = new Scheduler()
  readonly #random: SeededRandom
  readonly #trace: Trace
  readonly #judges: Judges
  readonly #links: Links
  readonly #cluster: Cluster
  readonly #memberships: Memberships
  readonly #traffic: Traffic
  readonly #faults: Faults
  readonly #gatewayChanges: GatewayChanges
  readonly #requests: Requests
  readonly #midst = new Midst()
  readonly #surroundings: NodeWorld

  constructor(plan: Plan, hook: ApplyHook | null = null, print: ((line: string) => void) | null = null) {
    this.#plan = plan
    this.#trace = new Trace(print)
    this.#random = new SeededRandom(plan.seed)
    const random = this.#random
    const scheduler = this.#scheduler
    const [crypto, espCrypto] = [seededIkeCrypto(random.fork()), createEspCrypto(random.fork())]
    const ids = Array.from({ length: plan.gateways }, (_, i) => `sg${i + 1}`)
    const sites = new Sites(plan.hasTwoSites)
    this.#judges = new Judges({
      hook,
      ids,
      nowMs: () => scheduler.nowMs,
      natTPort,
      machine: (id) => this.#cluster.host(id).machine,
      cores: () => [...this.#cluster.nodes.values()].map(({ member }) => member.raft),
      onCommitted: (index, octets, result) => {
        this.#trace.octets(scheduler.nowMs, `commit ${index}`, octets)
        this.#requests.committed(index, octets, this.#judges.state, result)
        if (result.type === 'ended') this.#faults.accuseAgain(this.#judges.staleOwners.ended.at(-1)!)
      },
    })
    const judges = this.#judges
    const trace = this.#trace
    this.#links = new Links(scheduler, random.fork(), { raft: calmConnections, mesh: calmNetwork })
    const links = this.#links
    const ofGateways = random.fork()
    // Of all gateways: they have the same keys, and one that lags behind the log seals under the next one already.
    const sealer = new SealingKeys({ keys: sealingKeys, cluster: 'sim', random: random.fork(), agreed: () => judges.state.sealing.current })
    this.#surroundings = {
      scheduler,
      random: ofGateways,
      ids,
      crypto,
      espCrypto,
      sealer,
      sites,
      replyWay: plan.viaHolder ? 'via-holder' : 'direct',
      hook,
      quietMs: plan.quietMs,
      balance: plan.balance,
      // Not of a mutant: what stands around `apply` changes sessions without saying so.
      checkpointEveryMs: hook === null ? plan.checkpointEveryMs : 0,
      compactionTailOctets: plan.compactionTailOctets,
      judges,
      sendOuter: (from, local, remote, datagram) => this.#traffic.fromGateway(from, local, remote, datagram),
      sendMesh: (from, to, message) => this.#sendMesh(from, to, message),
      sendRaft: (from, envelope, octets) => {
        trace.octets(scheduler.nowMs, `${from}>${envelope.to} ${envelope.message.type}`, octets)
        const isLost = this.#memberships.sent(envelope.message)
        links.send('raft', from, envelope.to, () => this.#cluster.nodes.get(envelope.to)?.raft(from, octets, isLost))
      },
      removed: (id) => this.#cluster.leave(id),
      crashed: (id) => this.#cluster.crash(id, 50 + 1500 * this.#random.fraction()),
    }
    this.#cluster = new Cluster(plan, random.fork(), links, trace, this.#surroundings)
    const cluster = this.#cluster
    this.#memberships = new Memberships(ids, cluster, judges)
    const memberships = this.#memberships
    this.#traffic = new Traffic({ plan, scheduler, random: random.fork(), cluster, judges, trace, sites, crypto, espCrypto })
    const traffic = this.#traffic
    const onFault = (): void => this.#midst.fault(traffic.clients, judges.state, (client) => traffic.sessionOf(client))
    this.#faults = new Faults({ scheduler, random: random.fork(), cluster, memberships, links, judges, traffic, sealer, trace, onFault })
    const drain = (gateway: string): void =>
      this.#traffic.anyNode()?.control.request({ type: 'set-draining', gateway, draining: true }, () => undefined)
    this.#gatewayChanges = new GatewayChanges({
      scheduler,
      random: new SeededRandom(plan.seed ^ 0x1eaf),
      cluster,
      memberships,
      trace,
      drain,
      onChange: onFault,
    })
    this.#requests = new Requests({ scheduler, random: random.fork(), cluster, judges, trace, configuration: () => this.#configuration() })
  }

  /** Runs the plan to its end. Throws `Violation` or `NoProgress`. */
  run(): RunSummary {
    this.#start()
    this.#scheduler.runUntil(this.#plan.faultsUntilMs)
    this.#faults.end()
    this.#gatewayChanges.end()
    const healed = heal(
      {
        scheduler: this.#scheduler,
        random: this.#random.fork(),
        cluster: this.#cluster,
        memberships: this.#memberships,
        links: this.#links,
        trace: this.#trace,
      },
      this.#plan.healsAll,
    )
    this.#traffic.heal(healed)
    const proof = new Proof({
      plan: this.#plan,
      cluster: this.#cluster,
      judges: this.#judges,
      memberships: this.#memberships,
      traffic: this.#traffic,
      requests: this.#requests,
      healed,
      healedAtMs: this.#plan.faultsUntilMs,
      pass: (ms) => this.#scheduler.runUntil(this.#scheduler.nowMs + ms),
    })
    this.#scheduler.runUntil(this.#plan.faultsUntilMs + RECOVERY_MS)
    proof.begin()
    this.#scheduler.runUntil(this.#plan.faultsUntilMs + RECOVERY_MS + PROOF_MS)
    proof.end()
    return this.#summary()
  }

  #start(): void {
    const { plan, scheduler } = { plan: this.#plan, scheduler: this.#scheduler }
    const at = (atMs: number, run: () => void): void => scheduler.after(atMs - scheduler.nowMs, run)
    for (const id of this.#surroundings.ids) this.#cluster.start(id)
    scheduler.runUntil(UP_MS)
    const [first] = this.#cluster.nodes.values()
    const configuration = this.#configuration()
    const call = this.#requests.configures(first!.id)
    first!.ask(({ control }) =>
      control.request({ type: 'put-vpn', expectedVersion: 0, configuration }, () => this.#requests.configured(call)),
    )
    scheduler.runUntil(CONFIGURED_MS)
    this.#links.faults = { raft: plan.raft, mesh: plan.mesh }
    this.#traffic.start()
    this.#requests.start()
    this.#faults.startStaleCommands()
    if (plan.crowd > 0) at(scheduler.nowMs + CROWD_AFTER_MS, () => this.#faults.makeCrowd(plan.crowd))
    for (const { atMs, which } of plan.floods) at(atMs, () => this.#traffic.flood(which))
    const { clients } = this.#traffic
    for (const { atMs, which, what, withKe } of plan.rekeys) at(atMs, () => clients[which % clients.length]!.rekey(what, withKe))
    for (const { atMs, which } of plan.moves) at(atMs, () => this.#traffic.move(which))
    for (const fault of plan.faults) at(fault.atMs, () => this.#faults.inject(fault))
    for (const change of plan.gatewayChanges) at(change.atMs, () => this.#gatewayChanges.make(change))
    for (const { atMs } of plan.puts) at(atMs, () => this.#put())
    for (const { atMs } of plan.rebalances) at(atMs, () => this.#traffic.anyNode()?.ask(({ control }) => void control.requestRebalance()))
    for (const { atMs } of plan.keyChanges) at(atMs, () => this.#changeKey())
  }

  #changeKey(): void {
    this.#traffic.anyNode()?.ask(({ control }) => {
      const from = control.state.sealing.current
      const to = sealingKeyIds[(sealingKeyIds.indexOf(from) + 1) % sealingKeyIds.length]!
      control.request({ type: 'set-sealing-key', from, to }, () => undefined)
    })
  }

  #put(): void {
    const node = this.#traffic.anyNode()
    if (node !== null) this.#requests.put(node)
  }

  #sendMesh(from: string, to: string, message: Bytes): void {
    const octets = message.slice()
    this.#judges.sentMesh(from, to, octets)
    const copies = this.#links.send('mesh', from, to, () => this.#cluster.nodes.get(to)?.mesh(from, octets))
    this.#judges.copiedMesh(octets, copies)
  }

  /** Never the same octets: its secrets are sealed anew. */
  #configuration(): Bytes {
    const vpn = testVpn(this.#surroundings.sealer, Math.max(14, this.#plan.clients + 10), this.#espProposals)
    return encodeVpnConfiguration({ ...vpn, connections: vpn.connections.map((connection) => this.#withLifetimes(connection)) })
  }

  /** Nothing ends by its age: who is gone in the end has lost something. */
  #withLifetimes(connection: ConnectionConfiguration): ConnectionConfiguration {
    const { childS, ikeS, livenessS } = this.#plan.gatewayAsks
    const lifetimes = { ...noChildLifetimes, rekeyTime: childS, randTime: Math.min(1, childS) }
    return {
      ...connection,
      children: connection.children.map((child) => ({ ...child, lifetimes })),
      lifetimes: { rekeyTime: ikeS, overTime: 600, randTime: Math.min(1, ikeS), dpdDelay: livenessS },
    }
  }

  get #espProposals(): readonly EspProposal[] {
    return (this.#plan.seed % 2 === 0 ? defaultEspProposals : defaultEspProposals.slice(1)).map(withChoices)
  }

  #summary(): RunSummary {
    const { clients } = this.#traffic
    return {
      seed: this.#plan.seed,
      simulatedMs: Math.round(this.#scheduler.nowMs),
      gateways: this.#plan.gateways,
      events: this.#scheduler.events,
      commands: this.#judges.commands,
      espSent: this.#judges.sequenceNumbers.packets,
      exchanges: this.#judges.exchanges.messages,
      sentUp: clients.reduce((sum, { client }) => sum + client.counters.sent, 0),
      accepted: this.#judges.replays.count,
      sentDown: this.#traffic.sentDown,
      received: clients.reduce((sum, { received }) => sum + received, 0),
      rekeyed: clients.reduce((sum, { rekeyed }) => sum + rekeyed, 0),
      rekeyedByGateways: clients.reduce((sum, { offered }) => sum + offered, 0),
      crashes: this.#cluster.crashes,
      faults: this.#plan.faults.length,
      snapshots: this.#judges.snapshots,
      rejoined: this.#judges.rejoined,
      balanced: this.#cluster.balanced,
      configurations: this.#memberships.count,
      joined: this.#gatewayChanges.joined,
      left: this.#gatewayChanges.left,
      reads: this.#requests.reads,
      clients: clients.length,
      moves: clients.reduce((sum, { moves }) => sum + moves, 0),
      followed: clients.reduce((sum, { followed }) => sum + followed, 0),
      toFollowed: this.#judges.addresses.judged,
      sentBy: this.#judges.meshWays.sentBy,
      arrivedBy: this.#judges.meshWays.arrivedBy,
      midst: this.#midst.counts,
      counts: this.#midst.isMet,
      fingerprint: this.#trace.fingerprint,
    }
  }
}

/** Clients rekey with a key exchange and without; some want extended sequence numbers. */
function withChoices(proposal: EspProposal): EspProposal {
  return { ...proposal, ke: [keyExchangeMethod.x25519, keyExchangeMethod.none], esn: [0, 1] }
}
