/**
 * A whole cluster in one process: three gateways' real cores, their clients, the trusted host and an agreed log, on a simulated clock and
 * network. One seed gives one run, octet for octet. Checkers look at every packet and every exchange (DESIGN.md §1).
 */

import type { ClientPort } from '../../src/client/client.ts'
import { OUTBOUND_LEAD } from '../../src/context/grants.ts'
import { formatAddress } from '../../src/context/address.ts'
import type { Endpoint } from '../../src/context/session-context.ts'
import type { EspProposal } from '../../src/context/vpn-configuration.ts'
import { encodeVpnConfiguration } from '../../src/context/vpn-configuration-codec.ts'
import { createEspCrypto } from '../../src/crypto/node-esp-crypto.ts'
import { createSealer } from '../../src/crypto/sealer.ts'
import { spiOf } from '../../src/esp/packet.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { toHex } from '../../src/kit/bytes.ts'
import type { EspCrypto } from '../../src/kit/esp-crypto.ts'
import type { IkeCrypto } from '../../src/kit/ike-crypto.ts'
import { keyExchangeMethod } from '../../src/kit/ike-crypto.ts'
import { buildUdpPacket, parseUdpPacket } from '../../src/kit/ip-packet.ts'
import type { ReplyOptions } from '../../src/gateway/packets/reply-path.ts'
import { SeededRandom, randomBelow } from '../../src/kit/random.ts'
import type { Sealer } from '../../src/kit/sealer.ts'
import type { Command } from '../../src/session/commands.ts'
import { decodeCommand, encodeCommand } from '../../src/session/commands.ts'
import { digest, ownership, scanSessions, sessionByAddress, sessionView } from '../../src/session/view.ts'
import { defaultEspProposals } from '../../src/client/defaults.ts'
import { AddressBinding } from './checkers/address-binding.ts'
import { GrantedLimits } from './checkers/granted-limits.ts'
import { OnePendingExchange } from './checkers/one-pending-exchange.ts'
import { ExchangeAgreement } from './checkers/exchange-agreement.ts'
import { ReplayAcceptance } from './checkers/replay-acceptance.ts'
import { ReplyPath } from './checkers/reply-path.ts'
import { SequenceNumberReuse } from './checkers/sequence-number-reuse.ts'
import { StaleOwner } from './checkers/stale-owner.ts'
import { Violation } from './checkers/violation.ts'
import { CheckpointDisk } from './checkpoint-disk.ts'
import { seededIkeCrypto } from './crypto.ts'
import { EPOCH_MS, GatewayNode } from './gateway-node.ts'
import type { ApplyHook } from './hook.ts'
import { SimLog } from './log.ts'
import { markOf, markPayload } from './marks.ts'
import { NoProgress } from './no-progress.ts'
import type { Fault, NetworkFaults, Plan } from './plan.ts'
import { calmLog, calmNetwork } from './plan.ts'
import { Scheduler } from './scheduler.ts'
import { SimClient } from './sim-client.ts'
import { drawStaleCommand } from './stale-commands.ts'
import { createCommand } from '../../test/support/contexts.ts'
import { testVpn } from '../../test/support/vpn.ts'

const clusterAddress = Uint8Array.of(198, 51, 100, 1)
const gatewayEndpoints = { ike: { address: clusterAddress, port: 500 }, natT: { address: clusterAddress, port: 4500 } }
const host = Uint8Array.of(10, 50, 0, 9)
/** After the faults the cluster has so long to recover, then so long to show that all traffic flows. */
const RECOVERY_MS = 4000
const PROOF_MS = 2500
const REFUSED_AFTER_MS = 2
const STALE_EVERY_MS = 60
const ACCUSERS = 2
const CROWD_AFTER_MS = 800
/** Who proposes what no gateway of the simulation does. */
const NOBODY = 1n
/** How often a transfer is taken back. */
const RECLAIMED = 0.4
/** So many of the clients' last ESP packets are sent again, so long after each fault. */
const RECORDED = 100
const REPLAY_AFTER_MS = [15, 120, 500]
/** After the faults clients send this often, too: numbers that a takeover burnt are soon behind. */
const HEALED_PACKET_MS = 10

/** Clients rekey with a key exchange and without. */
function withOptionalPfs(proposal: EspProposal): EspProposal {
  return { ...proposal, ke: [keyExchangeMethod.x25519, keyExchangeMethod.none] }
}

export interface RunSummary {
  readonly seed: number
  readonly simulatedMs: number
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
  readonly crashes: number
  readonly faults: number
  /** Of everything that was sent, committed and delivered: equal for two runs of one seed. */
  readonly fingerprint: string
}

export class World {
  readonly scheduler = new Scheduler()
  readonly log: SimLog
  readonly ids: readonly string[]
  readonly crypto: IkeCrypto
  readonly espCrypto: EspCrypto
  readonly sealer: Sealer
  readonly random: SeededRandom
  readonly addresses = [clusterAddress]
  readonly natTPorts = [gatewayEndpoints.natT.port]
  readonly reply: ReplyOptions
  readonly #plan: Plan
  readonly #nodes = new Map<string, GatewayNode>()
  readonly #disks = new Map<string, CheckpointDisk>()
  readonly #clients: SimClient[] = []
  readonly #network: SeededRandom
  #clientFaults: NetworkFaults
  #meshFaults: NetworkFaults
  #downCounter = 0
  #proposed = 0
  #crashes = 0
  #isHealed = false
  #fingerprint = 0x811c9dc5
  readonly sequenceNumbers = new SequenceNumberReuse()
  readonly replays = new ReplayAcceptance()
  readonly exchanges = new ExchangeAgreement()
  readonly staleOwners: StaleOwner
  readonly limits: GrantedLimits
  readonly pendingExchanges = new OnePendingExchange()
  readonly hook: ApplyHook | null
  readonly bindings = new AddressBinding()
  readonly replyPath = new ReplyPath()

  readonly quietMs: number

  constructor(plan: Plan, hook: ApplyHook | null = null) {
    this.#plan = plan
    this.quietMs = plan.quietMs
    this.hook = hook
    this.staleOwners = new StaleOwner(hook)
    this.limits = new GrantedLimits(this.staleOwners.state)
    this.random = new SeededRandom(plan.seed)
    this.#network = this.random.fork()
    this.#clientFaults = plan.client
    this.#meshFaults = plan.mesh
    this.reply = { way: plan.viaHolder ? 'via-holder' : 'direct', endpoints: Object.values(gatewayEndpoints) }
    this.ids = Array.from({ length: plan.gateways }, (_, i) => `sg${i + 1}`)
    this.crypto = seededIkeCrypto(this.random.fork())
    this.espCrypto = createEspCrypto(this.random.fork())
    this.sealer = createSealer({ keys: [new Uint8Array(32).fill(42)], cluster: 'sim', random: this.random.fork() })
    this.log = new SimLog(this.scheduler, this.random.fork(), plan.gateways, calmLog)
    this.log.onCommit = (command) => {
      this.#mix(command.octets)
      const ends = this.staleOwners.ended.length
      this.staleOwners.committed(command.octets)
      if (this.staleOwners.ended.length > ends) this.#accuseAgain(this.staleOwners.ended.at(-1)!)
      this.pendingExchanges.committed(command.octets)
      this.limits.committed(decodeCommand(command.octets))
    }
  }

  /** Runs the plan to its end. Throws `Violation` or `NoProgress`. */
  run(): RunSummary {
    for (const id of this.ids) this.#start(id)
    this.scheduler.runUntil(300)
    this.#configure()
    this.scheduler.runUntil(600)
    this.log.faults = this.#plan.log
    this.#startClients()
    this.#startStaleCommands()
    if (this.#plan.crowd > 0) this.scheduler.after(CROWD_AFTER_MS, () => this.#makeCrowd())
    for (const { atMs, which } of this.#plan.floods) this.scheduler.after(atMs - this.scheduler.nowMs, () => this.#flood(which))
    for (const { atMs, which, what, withKe } of this.#plan.rekeys) {
      this.scheduler.after(atMs - this.scheduler.nowMs, () => this.#clients[which % this.#clients.length]!.rekey(what, withKe))
    }
    for (const fault of this.#plan.faults) this.scheduler.after(fault.atMs - this.scheduler.nowMs, () => this.#inject(fault))
    this.scheduler.runUntil(this.#plan.faultsUntilMs)
    this.#heal()
    const recoveredMs = this.#plan.faultsUntilMs + RECOVERY_MS
    this.scheduler.runUntil(recoveredMs)
    const before = this.#clients.map((client) => ({ client, up: this.#upCounts.get(client.name) ?? 0, down: client.received }))
    this.scheduler.runUntil(recoveredMs + PROOF_MS)
    this.#proveAgreement()
    this.#proveProgress(before)
    return this.#summary()
  }

  // ---- as the nodes' world

  sendOuter(from: string, local: Endpoint, remote: Endpoint, octets: Bytes): void {
    const datagram = octets.slice()
    this.#mix(datagram)
    if (!this.replyPath.isForAnother(from, datagram)) this.#made(from, local, datagram)
    const client = this.#clients.find(({ endpoint }) => formatAddress(endpoint.ike.address) === formatAddress(remote.address))
    if (client === undefined)
      throw new Violation('S6', `${from} sent a datagram to ${formatAddress(remote.address)}, where there is nobody`)
    if (this.#plan.viaHolder && !this.#mayUse(from, local)) return
    const port: ClientPort = local.port === gatewayEndpoints.natT.port ? 'nat-t' : 'ike'
    this.#transmit(this.#clientFaults, () => client.client.datagram(datagram.slice(), port, this.scheduler.nowMs))
  }

  /** A gateway made a datagram, wherever it leaves. */
  #made(from: string, local: Endpoint, datagram: Bytes): void {
    const isNatT = local.port === gatewayEndpoints.natT.port
    const isIke = !isNatT || spiOf(datagram) === 0
    if (isIke) {
      const message = isNatT ? datagram.subarray(4) : datagram
      this.sequenceNumbers.ike(from, message)
      this.exchanges.ike(from, message)
    } else {
      this.sequenceNumbers.esp(from, datagram)
      this.limits.espSent(from, datagram)
    }
  }

  /** A network that knows the holder, as the log names it, lets nobody else send from the address. */
  #mayUse(from: string, local: Endpoint): boolean {
    const { holders, incarnations } = this.staleOwners.state
    const holder = incarnations.get(holders.get(toHex(local.address)) ?? 0)
    return holder === undefined || holder.gateway === from
  }

  deliverInner(from: string, packet: Bytes): void {
    const inner = parseUdpPacket(packet)
    const mark = inner === null ? null : markOf(inner.payload)
    if (inner === null || mark === null) throw new Violation('S6', `${from} delivered a packet that nobody sent`)
    const name = `${mark.client}/${mark.direction}/${mark.counter}`
    this.replays.delivered(from, name)
    this.limits.accepted(from, name)
    this.bindings.fromClient(mark.client, formatAddress(inner.source))
    this.#upCounts.set(mark.client, (this.#upCounts.get(mark.client) ?? 0) + 1)
  }

  /** Not of a mutant: what stands around `apply` changes sessions without saying so. */
  disk(gateway: string): { readonly disk: CheckpointDisk; readonly everyMs: number } | null {
    const everyMs = this.#plan.checkpointEveryMs
    if (everyMs === 0 || this.hook !== null) return null
    const disk = this.#disks.get(gateway) ?? new CheckpointDisk()
    this.#disks.set(gateway, disk)
    return { disk, everyMs }
  }

  proposed(from: string, octets: Bytes): void {
    this.pendingExchanges.proposed(from, octets)
  }

  sendMesh(from: string, to: string, message: Bytes): void {
    const octets = message.slice()
    const reply = this.replyPath.given(from, to, octets)
    if (reply !== null) this.#made(from, reply.local, reply.datagram)
    this.#transmit(this.#meshFaults, () => this.#nodes.get(to)?.mesh(from, octets))
  }

  receivedMesh(gateway: string, message: Bytes, run: () => void): void {
    this.replyPath.received(gateway, message, run)
  }

  diverged(gateway: string, applied: number): void {
    throw new Violation('S5', `${gateway} made something else of the first ${applied} commands than the others`)
  }

  event(): void {
    // The simulator looks at states and packets; events are for operators.
  }

  // ---- the run

  /** ESP packets that clients sent lately. */
  readonly #recorded: { readonly client: SimClient; readonly port: ClientPort; readonly datagram: Bytes }[] = []
  readonly #upCounts = new Map<string, number>()

  #start(id: string): void {
    this.#nodes.set(id, new GatewayNode(id, this))
    for (const [other, node] of this.#nodes) if (other !== id) node.peer(id, 'connected')
  }

  #configure(): void {
    const node = this.#nodes.get(this.ids[0]!)!
    const espProposals = (this.random.uint32() % 2 === 0 ? defaultEspProposals : defaultEspProposals.slice(1)).map(withOptionalPfs)
    const configuration = testVpn(this.sealer, 14, espProposals)
    node.control.request({ type: 'put-vpn', expectedVersion: 0, configuration: encodeVpnConfiguration(configuration) }, () => undefined)
  }

  #startClients(): void {
    const world = {
      crypto: this.crypto,
      espCrypto: this.espCrypto,
      random: this.random.fork(),
      gateway: gatewayEndpoints,
      host,
      addresses: this.bindings,
      nowMs: () => this.scheduler.nowMs,
      send: (client: SimClient, port: ClientPort, datagram: Bytes) => this.#fromClient(client, port, datagram),
    }
    for (let i = 0; i < this.#plan.clients; i++) {
      const client = new SimClient(i, world)
      this.#clients.push(client)
      this.scheduler.after(this.random.fraction() * 400, () => client.client.start(this.scheduler.nowMs))
      this.scheduler.every(20, () => {
        client.tick(this.scheduler.nowMs)
        return true
      })
      this.#startTraffic(client)
    }
  }

  /** Both ways, with pauses: quiet sessions shrink their horizons, and come back. */
  #startTraffic(client: SimClient): void {
    const random = this.random.fork()
    let quietUntilMs = 0
    this.scheduler.every(this.#plan.packetEveryMs, () => {
      const now = this.scheduler.nowMs
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
    const node = this.#anyNode()
    if (packet !== null && node !== null) this.#transmit(calmNetwork, () => node.inner(packet))
  }

  /** Null: the client has no tunnel yet. */
  #packetFor(client: SimClient): Bytes | null {
    if (client.virtualIp === null) return null
    this.#downCounter += 1
    const payload = markPayload({ client: client.name, direction: 'down', counter: this.#downCounter })
    return buildUdpPacket({ source: host, destination: client.virtualIp, sourcePort: 7, destinationPort: 7, payload })
  }

  /** More packets at once than a ceiling leads, to the gateway that owns the client's session. */
  #flood(which: number): void {
    const client = this.#clients[which % this.#clients.length]!
    const { state } = this.staleOwners
    const session = client.virtualIp === null ? null : sessionByAddress(state, client.virtualIp)
    const node = session === null ? undefined : this.#nodes.get(ownership(state, session)!.gateway)
    for (let i = 0; i < OUTBOUND_LEAD + 200; i++) {
      const packet = this.#packetFor(client)
      if (packet !== null) node?.inner(packet)
    }
  }

  /** Commands that are out of date, as of an owner gone wrong. */
  #startStaleCommands(): void {
    const random = this.random.fork()
    this.scheduler.every(STALE_EVERY_MS, () => {
      const { state, ended } = this.staleOwners
      const command = drawStaleCommand(state, random, EPOCH_MS + Math.floor(this.scheduler.nowMs), ended.slice(-3))
      if (command !== null) this.#propose(command)
      return !this.#isHealed
    })
  }

  #makeCrowd(): void {
    const [owner] = this.staleOwners.state.incarnations.up()
    for (let i = 1; i <= this.#plan.crowd && owner !== undefined; i++) this.#propose(createCommand(owner.number, BigInt(i)))
  }

  /** Several detectors accuse one gateway: a second GatewayDown of an incarnation is the common case (H4). */
  #accuseAgain(incarnation: number): void {
    for (let i = 0; i < ACCUSERS; i++) this.#propose({ type: 'gateway-down', incarnation })
  }

  /** The owner takes a session back that it is handing over: as after a timeout, but at any moment. */
  #reclaim(session: number): void {
    const now = ownership(this.staleOwners.state, session)
    if (now?.ownerUp) this.#propose({ type: 'reclaim', incarnation: now.owner, session, epoch: now.epoch })
  }

  #propose(command: Command): void {
    this.#proposed += 1
    this.log.append('nobody', NOBODY, this.#proposed, encodeCommand(command))
  }

  /** Somebody on the way sends again what clients sent lately: what was accepted before must not be accepted by the next owner. */
  #replay(): void {
    for (const { client, port, datagram } of this.#recorded) this.#arrive(client, port, datagram)
  }

  /** Any gateway takes any client's datagram. */
  #fromClient(client: SimClient, port: ClientPort, datagram: Bytes): void {
    this.#mix(datagram)
    if (port === 'nat-t' && spiOf(datagram) !== 0) {
      this.limits.fromClient(client.lastMark, datagram)
      this.#recorded.push({ client, port, datagram: datagram.slice() })
      if (this.#recorded.length > RECORDED) this.#recorded.shift()
    }
    this.#arrive(client, port, datagram.slice())
  }

  #arrive(client: SimClient, port: ClientPort, datagram: Bytes): void {
    const local = port === 'ike' ? gatewayEndpoints.ike : gatewayEndpoints.natT
    const remote = port === 'ike' ? client.endpoint.ike : client.endpoint.natT
    this.#transmit(this.#clientFaults, () => this.#anyNode()?.outer(datagram.slice(), local, remote))
  }

  #anyNode(): GatewayNode | null {
    const nodes = [...this.#nodes.values()]
    return nodes.length === 0 ? null : nodes[randomBelow(this.#network, nodes.length)]!
  }

  /** Over a network that loses, repeats, delays and so reorders. */
  #transmit(faults: NetworkFaults, arrive: () => void): void {
    if (this.#network.fraction() < faults.loss) return
    const copies = this.#network.fraction() < faults.duplicate ? 2 : 1
    for (let i = 0; i < copies; i++) this.scheduler.after(this.#network.fraction() * 2 * faults.delayMs * (1 + i), arrive)
  }

  // ---- faults

  #inject(fault: Fault): void {
    const id = this.ids[fault.which % this.ids.length]!
    for (const afterMs of REPLAY_AFTER_MS) this.scheduler.after(afterMs, () => this.#replay())
    const node = this.#nodes.get(id)
    switch (fault.type) {
      case 'crash':
        // A majority stays, or nothing could be asked of the cluster.
        if (node === undefined || this.#nodes.size < this.ids.length) return
        this.#crash(id, node, fault.forMs)
        break
      case 'pause':
        node?.pause(fault.forMs)
        break
      case 'declare-down': {
        const incarnation = this.staleOwners.state.incarnations.current(id)
        const accuser = this.#anyNode()
        const others = this.staleOwners.state.incarnations.up().length
        if (incarnation !== undefined && others > 2)
          accuser?.control.request({ type: 'gateway-down', incarnation: incarnation.number }, () => undefined)
        break
      }
      case 'transfer': {
        const sessions = scanSessions(this.staleOwners.state, 0, 1000).sessions.filter(({ phase }) => phase === 'established')
        const session = sessions[fault.which % Math.max(1, sessions.length)]
        const via = this.#anyNode()
        if (session === undefined) break
        via?.control.requestTransfer(session.session, session.gateway, id, this.#now())
        if (this.random.fraction() < RECLAIMED) this.scheduler.after(this.random.fraction() * 20, () => this.#reclaim(session.session))
        break
      }
      case 'drain':
        this.#anyNode()?.control.request({ type: 'set-draining', gateway: id, draining: fault.forMs > 100 }, () => undefined)
        break
    }
  }

  #crash(id: string, node: GatewayNode, forMs: number): void {
    this.#crashes += 1
    node.crash()
    this.#nodes.delete(id)
    for (const other of this.#nodes.values()) {
      if (this.random.fraction() < 0.8) this.scheduler.after(REFUSED_AFTER_MS, () => other.peer(id, 'refused'))
    }
    this.scheduler.after(forMs, () => {
      if (!this.#nodes.has(id)) this.#start(id)
    })
  }

  #heal(): void {
    this.#isHealed = true
    this.log.faults = calmLog
    this.#clientFaults = calmNetwork
    this.#meshFaults = calmNetwork
    for (const id of this.ids) if (!this.#nodes.has(id)) this.#start(id)
    // A takeover burns what lies below the new floor: a horizon that a burst pushed up may be hundreds of numbers ahead of its client.
    for (const client of this.#clients) {
      this.scheduler.every(HEALED_PACKET_MS, () => {
        client.sendPacket()
        this.#toClient(client)
        return true
      })
    }
  }

  // ---- the end

  #proveProgress(before: readonly { client: SimClient; up: number; down: number }[]): void {
    for (const { client, up, down } of before) {
      if (!client.isUp) throw this.#noProgress(client, 'it has no tunnel')
      if (!client.hasRekeyed) throw this.#noProgress(client, 'a rekeying has not come to its end')
      if ((this.#upCounts.get(client.name) ?? 0) === up) throw this.#noProgress(client, 'nothing arrives at the trusted host any more')
      if (client.received === down) throw this.#noProgress(client, 'nothing arrives at the client any more')
      if (client.client.counters.sequenceNumbersReused > this.#duplicatesAllowed()) {
        throw new Violation('S1', `${client.name} saw a sequence number twice on a network that repeats nothing`)
      }
    }
  }

  /** With what one needs to see why. */
  #noProgress(client: SimClient, problem: string): NoProgress {
    const { state } = this.staleOwners
    const session = client.virtualIp === null ? null : sessionByAddress(state, client.virtualIp)
    const view = session === null ? null : sessionView(state, session)
    const children = view?.children.map(({ window: { highest }, ...child }) => ({ ...child, highest }))
    const nodes = [...this.#nodes.values()].map((node) => `${node.id}: ${node.describe()}`)
    const agreed =
      view === null
        ? 'no session'
        : `session ${view.session} of ${view.gateway} up=${view.ownerUp} epoch ${view.epoch}: ${JSON.stringify(children)}`
    return new NoProgress([`${client.name}: ${problem}`, agreed, `client: ${JSON.stringify(client.client.counters)}`, ...nodes].join('\n'))
  }

  /** A network that repeats datagrams shows the client numbers twice, and so does a mesh that repeats replies. */
  #duplicatesAllowed(): number {
    const { client, mesh, viaHolder } = this.#plan
    return client.duplicate > 0 || (viaHolder && mesh.duplicate > 0) ? Infinity : 0
  }

  #proveAgreement(): void {
    const expected = this.staleOwners.digest()
    for (const [id, node] of this.#nodes) {
      if (node.control.appliedIndex !== this.log.commands.length) continue
      if (node.control.state.historyHash !== this.staleOwners.state.historyHash)
        throw new Violation('S5', `${id} has applied the same commands and has another history`)
      if (digest(node.control.state) !== expected) throw new Violation('S5', `${id} has applied the same commands and is in another state`)
    }
  }

  #summary(): RunSummary {
    return {
      seed: this.#plan.seed,
      simulatedMs: Math.round(this.scheduler.nowMs),
      commands: this.log.commands.length,
      espSent: this.sequenceNumbers.packets,
      exchanges: this.exchanges.messages,
      sentUp: this.#clients.reduce((sum, { client }) => sum + client.counters.sent, 0),
      accepted: this.replays.count,
      sentDown: this.#downCounter,
      received: this.#clients.reduce((sum, { received }) => sum + received, 0),
      rekeyed: this.#clients.reduce((sum, { rekeyed }) => sum + rekeyed, 0),
      crashes: this.#crashes,
      faults: this.#plan.faults.length,
      fingerprint: (this.#fingerprint >>> 0).toString(16).padStart(8, '0'),
    }
  }

  #now(): { monotonicMs: number; wallMs: number } {
    return { monotonicMs: this.scheduler.nowMs, wallMs: Math.floor(this.scheduler.nowMs) }
  }

  #mix(octets: Bytes): void {
    for (const octet of octets) this.#fingerprint = Math.imul(this.#fingerprint ^ octet, 0x01000193)
  }
}
