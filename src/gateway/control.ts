/**
 * The control core of a gateway: the agreed state, IKE, ownership, and everything that is proposed. No I/O: inputs are method calls with
 * the time, effects go out through `ControlEffects`. The packet core (packets.ts) is its other half.
 *
 * What it does follows from what was applied; what it believes (who is down, who leads) only decides what it proposes.
 */

import type { Bytes } from '../kit/bytes.ts'
import { dataView, fromHex, toHex } from '../kit/bytes.ts'
import { DecodeError } from '../kit/wire.ts'
import type { IkeCrypto } from '../kit/ike-crypto.ts'
import type { Random } from '../kit/random.ts'
import { formatSealingKeyId } from '../kit/sealer.ts'
import type { Sealer, SealingKeyId } from '../kit/sealer.ts'
import { newestClusterVersion } from '../context/cluster-version.ts'
import type { LogStatus } from '../context/log-status.ts'
import type { ProposalPriority } from '../context/proposal-priority.ts'
import type { Traffic } from '../context/traffic.ts'
import { addTraffic } from '../context/traffic.ts'
import type { VpnConfiguration } from '../context/vpn-configuration.ts'
import { emptyVpnConfiguration } from '../context/vpn-configuration.ts'
import { decodeVpnConfiguration } from '../context/vpn-configuration-codec.ts'
import { stillMatches } from '../ike/session-match.ts'
import { trafficOf } from '../session/accounts.ts'
import { apply } from '../session/apply.ts'
import type { Command } from '../session/commands.ts'
import { UnknownCommandError, decodeCommand } from '../session/commands.ts'
import type { Incarnation } from '../session/incarnations.ts'
import type { Result } from '../session/results.ts'
import { refused } from '../session/results.ts'
import type { State } from '../session/state.ts'
import { createState } from '../session/state.ts'
import { addressHolders, heldBy, localAddressOf, ownership, scanExpired } from '../session/view.ts'
import type { AuditEvent } from './audit-trail.ts'
import { AuditTrail } from './audit-trail.ts'
import type { BalanceSettings } from './balance/balancer.ts'
import { Balancer, defaultBalanceSettings } from './balance/balancer.ts'
import { StaleLoads } from './balance/stale-loads.ts'
import type { Now } from './clock.ts'
import { ClusterUpgrade } from './cluster-upgrade.ts'
import { Counters } from './counters.ts'
import type { ControlMessage } from './control-message.ts'
import { decodeControlMessage, encodeControlMessage } from './control-message.ts'
import type { GatewayEvent } from './events.ts'
import { eventsOf } from './events.ts'
import { GrantCounts } from './grant-counts.ts'
import { IkeExchanges } from './ike-exchanges.ts'
import { ExchangeCounts } from './ike/exchange-counts.ts'
import type { IkeLimits } from './ike/limits.ts'
import { defaultIkeLimits } from './ike/limits.ts'
import type { IkeArrival } from './ike/surroundings.ts'
import { Interruptions } from './interruptions.ts'
import type { FromPackets, PacketReport, ToPackets } from './packet-messages.ts'
import { Resealing } from './resealing.ts'
import { SealingKeyAgreement } from './sealing-key.ts'
import { SessionAccounts } from './session-accounts.ts'
import type { ChildCounts } from './session-counts.ts'
import { carriedRows } from './session-counts.ts'
import type { Silence } from './failure-detector.ts'
import { Liveness } from './liveness.ts'
import { memberIds } from './membership.ts'
import type { AppendFailure } from './proposals.ts'
import { Proposals } from './proposals.ts'
import type { SessionCounts } from './session-census.ts'
import { SessionCensus } from './session-census.ts'
import { SessionReview } from './session-review.ts'
import { StateAgreement } from './state-agreement.ts'
import { TakeoverTimes } from './takeover-times.ts'
import { Tenures } from './tenures.ts'
import { Transfers } from './transfers.ts'

export interface ControlEffects {
  /** Append to the log as command `serial` of the present client (see `ControlOptions.client`). */
  append(serial: number, command: Bytes, priority: ProposalPriority): void
  toPackets(message: ToPackets): void
  /** This gateway holds these cluster addresses now (octets); empty: none. Called when that changes. */
  hold(addresses: readonly Bytes[]): void
  event(event: GatewayEvent): void
  /** Of a session that this gateway owns. */
  audit(event: AuditEvent): void
  /** A majority of gateways has made something else of the first `applied` commands: this one's state is not the agreed one, and it must stop. */
  diverged(applied: number): void
  /**
   * A client that is not in yet waits for its turn: call `admit` when there is time for one. Absent: none has to wait, and a storm of them may hold up
   * everything else.
   */
  readonly clientWaits?: () => void
  /** The log has what this build does not know: it must stop, and a newer one take its place. */
  outdated(problem: string): void
}

export interface ControlOptions {
  readonly self: string
  /** The first members, this gateway among them; none where it joins a cluster. Later the log says who they are. */
  readonly gateways: readonly string[]
  readonly capacity: number
  /** Filled from a checkpoint, see `restored`. Default: nothing was ever applied. */
  readonly state?: State
  /** Cluster addresses that this gateway can hold. */
  readonly addresses: readonly Bytes[]
  readonly timing: { readonly heartbeatMs: number; readonly gatewayDownMs: number; readonly servingLeaseMs: number }
  readonly crypto: IkeCrypto
  readonly random: Random
  readonly sealer: Sealer
  /** The present one first (ike/surroundings.ts). */
  readonly steeringKeys: () => readonly Bytes[]
  /** The defaults unless told. */
  readonly ike?: IkeLimits
  readonly balance?: BalanceSettings
  /** A session of ours that has no traffic for so long is let rest; 10 minutes unless told. */
  readonly quietMs?: number
  /** No ESP packet is longer; 1,500 unless told. */
  readonly packetOctets?: number
  /** The sealing keys that this gateway has, the one that seals first; none where nobody changes them. */
  readonly sealingKeys?: () => readonly SealingKeyId[]
  /** The newest cluster version that this build knows; a simulated older build's is less. */
  readonly newestVersion?: number
  readonly effects: ControlEffects
}

/** How often the shell calls `tick`. */
export const CONTROL_TICK_MS = 10
const EXPIRY_ROWS = 1024
const PACKET_OCTETS = 1500
/** A session without traffic for so long is let rest. */
const QUIET_MS = 600_000
/** So many at a tick. */
const QUIET_SESSIONS = 16

export class Control {
  readonly state: State
  readonly counters = new Counters()
  readonly exchanges = new ExchangeCounts()
  readonly grants = new GrantCounts()
  readonly takeovers = new TakeoverTimes()
  /** Told for how long another gateway was silent, whenever something of it arrives. */
  onSilence: (gateway: string, silence: Silence) => void = () => undefined
  /** Told how long it took to hand a session to another gateway, and for how long of it the session stood still, ms. */
  onHandedOver: (times: { readonly totalMs: number; readonly frozenMs: number }) => void = () => undefined
  readonly #o: ControlOptions
  readonly #proposals: Proposals
  readonly #liveness: Liveness
  readonly #tenures: Tenures
  readonly #ike: IkeExchanges
  readonly #transfers: Transfers
  readonly #agreement: StateAgreement
  readonly #review: SessionReview
  readonly #balancer: Balancer
  readonly #staleLoads: StaleLoads
  readonly #upgrade: ClusterUpgrade
  readonly #census: SessionCensus
  readonly #accounts: SessionAccounts
  readonly #audit: AuditTrail
  readonly #interruptions: Interruptions
  readonly #sealingKey: SealingKeyAgreement
  readonly #resealing: Resealing
  #appliedIndex = 0
  #incarnation = 0
  #nonce = 0n
  /** As of the last input that told it. */
  #wallMs = 0
  /** Its incarnation has ended, and it is not well enough for another one yet. */
  #isToComeUp = false
  #vpn: { version: number; configuration: VpnConfiguration } = { version: 0, configuration: emptyVpnConfiguration }
  #report: PacketReport | null = null
  #status: LogStatus | null = null
  #expiryRow = 0
  readonly #ending = new Set<number>()
  #held = ''
  /** What was left to be sealed under the present key when it was looked at last. */
  #toReseal = 0
  #holders = ''

  constructor(options: ControlOptions) {
    this.#o = options
    this.state = options.state ?? createState()
    const { state, counters } = this
    const { self, effects, sealer, crypto, random, steeringKeys } = options
    const toPackets = (message: ToPackets): void => effects.toPackets(message)
    const isLeaving = (session: number): boolean => this.#transfers.isLeaving(session)
    this.#proposals = new Proposals((serial, octets, priority) => effects.append(serial, octets, priority))
    this.#liveness = new Liveness({
      self,
      gateways: options.gateways,
      timing: { ...options.timing, tickMs: CONTROL_TICK_MS },
      state,
      proposals: this.#proposals,
      counters,
      wallMs: () => this.#wallMs,
      send: (gateway, message) => this.#send(gateway, message),
      lease: (untilMs) => toPackets({ type: 'lease', untilMs }),
      silence: (gateway, silence) => this.onSilence(gateway, silence),
    })
    const takenOver = (session: number, nowMs: number): void => {
      this.takeovers.opened(session, this.#incarnation, nowMs)
      this.#audit.takenOver(session)
    }
    this.#tenures = new Tenures({ self, state, sealer, toPackets, isLeaving, takenOver })
    this.#accounts = new SessionAccounts(this.#proposals, () => state.clusterVersion >= 2)
    this.#audit = new AuditTrail({
      state,
      incarnation: () => this.#incarnation,
      isInstalled: (session) => this.#tenures.isInstalled(session),
      unsettled: (session) => this.#accounts.unsettled(session),
      tell: (event) => effects.audit(event),
    })
    this.#interruptions = new Interruptions({
      state,
      proposals: this.#proposals,
      wallMs: () => this.#wallMs,
      send: (gateway, message) => this.#send(gateway, message),
      quiet: (sessions, from) => {
        // Of those that a packet has opened, though nothing could be made of it, the audit trail knows.
        const unopened = sessions.filter((session) => !this.#tenures.isInstalled(session))
        for (const session of unopened) this.#tenures.settled(session)
        this.#audit.takenOverQuietly(unopened, from)
      },
    })
    this.#census = new SessionCensus(state)
    this.#ike = new IkeExchanges({
      self,
      state,
      crypto,
      random,
      sealer,
      steeringKeys,
      proposals: this.#proposals,
      counters,
      exchanges: this.exchanges,
      limits: options.ike ?? defaultIkeLimits,
      addresses: options.addresses,
      vpn: () => this.#vpn.configuration,
      packetOctets: options.packetOctets ?? PACKET_OCTETS,
      countsOf: (session, spiIn) => this.#tenures.countsOf(session, spiIn),
      send: (local, remote, datagrams) => toPackets({ type: 'send-outer', local, remote, datagrams }),
      forward: (gateway, arrival) => this.#sendIke(gateway, arrival),
      isLeaving,
      leftSite: (session, now) => this.#followClient(session, now),
      clientWaits: effects.clientWaits ?? null,
      exhausted: () => this.#comeUpAnew(),
    })
    this.#agreement = new StateAgreement({
      self,
      gateways: () => memberIds(this.#status, options.gateways),
      state,
      counters,
      send: (gateway, message) => this.#send(gateway, message),
      diverged: (applied) => effects.diverged(applied),
    })
    this.#review = new SessionReview({
      state,
      incarnation: () => this.#incarnation,
      matches: (context) => stillMatches({ crypto, vpn: this.#vpn.configuration }, context),
      end: (session) => this.#endDisallowed(session),
    })
    this.#balancer = new Balancer({
      state,
      settings: options.balance ?? defaultBalanceSettings,
      isLeader: () => this.#incarnation !== 0 && this.#status?.role === 'leader',
      isHeldBack: (gateway) => this.backoffMs(gateway) > 0,
      canServe: (session, { addresses }) => addresses.includes(toHex(localAddressOf(state, session) ?? new Uint8Array(0))),
      order: (session, owner, to, nowMs) => this.requestTransfer(session, owner, to, { monotonicMs: nowMs }),
    })
    this.#staleLoads = new StaleLoads({
      state,
      incarnation: () => this.#incarnation,
      open: (session) => {
        if (!isLeaving(session) && !this.#tenures.isInstalled(session)) this.#tenures.refresh(session, { open: true })
      },
    })
    this.#upgrade = new ClusterUpgrade({
      self,
      newest: options.newestVersion ?? newestClusterVersion,
      state,
      propose: (command, settled) => this.#proposeOnce(command, settled),
      outdated: (problem) => effects.outdated(problem),
    })
    this.#sealingKey = new SealingKeyAgreement({
      self,
      state,
      own: options.sealingKeys ?? (() => []),
      propose: (command, settled) => this.#proposeOnce(command, settled),
    })
    this.#resealing = new Resealing({
      state,
      sealer,
      vpn: () => this.#vpn,
      incarnation: () => this.#incarnation,
      isLeader: () => this.#status?.role === 'leader',
      propose: (command, settled) => this.#proposeOnce(command, settled),
    })
    this.#transfers = new Transfers({
      self,
      state,
      proposals: this.#proposals,
      tenures: () => this.#tenures,
      toPackets,
      hasPendingExchange: (session) => this.#ike.hasPending(session),
      account: this.#balancer.account,
      wallMs: () => this.#wallMs,
      handedOver: (handover) => {
        this.#interruptions.left(handover.to, { ...handover, ms: handover.frozenMs })
        this.onHandedOver(handover)
      },
    })
  }

  // ---- what the shell may look at

  get appliedIndex(): number {
    return this.#appliedIndex
  }

  /** Of this process, while it is up; else 0. */
  get incarnation(): number {
    return this.#incarnation
  }

  get report(): PacketReport | null {
    return this.#report
  }

  /** What a Child SA of a session of this gateway's has carried since it has the session, up to a second ago; null: nothing, or it is another's. */
  countsOf(session: number, spiIn: number): ChildCounts | null {
    return this.#tenures.countsOf(session, spiIn)
  }

  /** What the session has carried in all, as far as this gateway knows: of one of its own up to a second ago, else what is agreed. */
  carried(session: number): Traffic {
    return addTraffic(trafficOf(this.state, session), this.#accounts.unsettled(session))
  }

  /** Sessions that this gateway is handing over. */
  get leaving(): readonly { session: number; to: string; stage: string }[] {
    return this.#transfers.leaving
  }

  /** How many sessions this gateway owned within the last second, by phase. */
  get sessionCounts(): SessionCounts {
    return this.#census.counts
  }

  /** The other gateways, and whether the mesh carries both ways. */
  get links(): Liveness['links'] {
    return this.#liveness.links
  }

  /** Whether every client has to show by a cookie that it is where it says. */
  areCookiesRequired(now: Now): boolean {
    return this.#ike.areCookiesRequired(now)
  }

  /** How even the load is, and what was moved to make it so. */
  get balance(): Pick<Balancer, 'imbalance' | 'moves' | 'rounds'> {
    return this.#balancer
  }

  /** How many sessions, and secrets of the configuration, are sealed under a former key. */
  get toReseal(): number {
    return this.#resealing.remaining
  }

  /** The sealing keys without which a gateway can't carry what there is. */
  get sealingKeysNeeded(): ReadonlySet<SealingKeyId> {
    return this.#resealing.needed
  }

  /** The sealing keys that a gateway has; null: it has not said. */
  sealingKeysOf(gateway: string): readonly SealingKeyId[] | null {
    return this.#sealingKey.keysOf(gateway)
  }

  get vpn(): VpnConfiguration {
    return this.#vpn.configuration
  }

  /** For how long sessions go to others rather than to this gateway, since it came and went; 0: it is as good as any. */
  backoffMs(gateway: string): number {
    return Math.max(0, (this.state.incarnations.gateway(gateway)?.steadyAtMs ?? 0) - Math.max(this.#wallMs, this.state.clockMs))
  }

  get isDraining(): boolean {
    return this.state.incarnations.gateway(this.#o.self)?.draining === true
  }

  /** Whether a majority of voters has been heard lately enough to serve. */
  hasLease(now: Now): boolean {
    return this.#liveness.hasLease(now)
  }

  /** Whether the other gateways' sessions can be reached from here, as far as they can at all. */
  get reachesOthers(): boolean {
    return this.#liveness.reachesOthers
  }

  /** Why this gateway should be sent no traffic; empty: it may. */
  unreadyReasons(now: Now): string[] {
    const reasons: string[] = []
    if (this.#incarnation === 0) reasons.push('it has no incarnation yet')
    if (!this.#liveness.hasLease(now)) reasons.push('its serving lease has run out')
    if (this.isDraining) reasons.push('it is draining')
    return reasons
  }

  /**
   * All that what it does from now on depends on beside the agreed state, as plain values. Left out are whom it believes to be down, counters, how
   * it would even out the load, and the serials of proposals, which are names. `ageOf`: what is to be told of a time.
   */
  inspect(ageOf: (atMs: number) => number): unknown {
    return [
      [this.#incarnation, this.#nonce, this.#isToComeUp, [...this.#ending], this.#held, this.#holders],
      this.#tenures.inspect(ageOf),
      this.#ike.inspect(ageOf),
      this.#transfers.inspect(ageOf),
      this.#proposals.inspect(),
    ]
  }

  // ---- inputs

  /**
   * The state was filled from a checkpoint that reflects the log up to `index`: before `start`, or, with a snapshot of the leader's, at any
   * time. Nothing of what this process knew and wanted before is of use then; `start` it again.
   */
  restored(index: number): void {
    this.#appliedIndex = index
    this.#forgetAll()
    this.#proposals.forget()
    this.#agreement.restored()
    this.#loadVpn()
    this.#review.begin()
    this.#updateHeld()
    this.#toReseal = this.toReseal
  }

  /** The process starts: its first proposal is a new incarnation. */
  start({ wallMs }: Pick<Now, 'wallMs'>): void {
    this.#wallMs = wallMs
    this.#propose(this.#gatewayUp())
  }

  /** A command was committed; `own` is its serial if this process proposed it. Undecodable ones are refused by all alike. */
  committed(index: number, octets: Bytes, own: number | null, now: Now): void {
    this.#appliedIndex = index
    this.#wallMs = now.wallMs
    const command = this.#decode(octets)
    const atStake = command === null ? null : mayEnd(this.state, command)
    if (command !== null) this.#audit.before(command)
    const result = command === null ? refused('undecodable') : apply(this.state, command)
    if (atStake?.up === false) this.#noteTakeover(atStake, command!.type === 'gateway-up', now)
    if (command !== null) this.#react(command, result, now)
    if (own !== null) this.#proposals.applied(own, result, now)
    if (command === null) return
    this.#audit.after(command, result)
    const applied = { nowMs: now.wallMs, isPast: this.#incarnation === 0 }
    for (const event of eventsOf(this.state, index, command, result, applied)) this.#o.effects.event(event)
    this.#lookAtSealing(index, now)
  }

  /** A change of the sealing key is complete with the command that leaves nothing under another one. */
  #lookAtSealing(index: number, { wallMs }: Now): void {
    const before = this.#toReseal
    this.#toReseal = this.toReseal
    if (before === 0 || this.#toReseal > 0) return
    const what = `sealing key ${formatSealingKeyId(this.state.sealing.current)} seals everything`
    this.#o.effects.event({ index, timeMs: wallMs, type: 'config', what })
  }

  /** All commands of a delivery were applied. */
  caughtUp(now: Now): void {
    this.#tenures.retryUnresolved(now.monotonicMs)
    this.#ike.retryParked(now)
    this.#transfers.tick(now.monotonicMs)
    this.#updateHeld()
    this.#updateHolders()
  }

  /** Returns whether the command is appended again under this serial. */
  appendFailed(serial: number, failure: AppendFailure, now: Now): boolean {
    return this.#proposals.failed(serial, failure, now.monotonicMs)
  }

  /** When role, term, leader or configuration change; and at every tick, for how far the log is, and for what a leader knows of the others. */
  logStatus(status: LogStatus): void {
    this.#status = status
    this.#liveness.status(status)
  }

  /** For how long this gateway's disk has been at one write, in ms. */
  disk(writingForMs: number): void {
    this.#liveness.disk(writingForMs)
  }

  /** For how long the packet core's thread has stood still, while this one went round; 0 where nobody tells. */
  get packetsStillMs(): number {
    return this.#liveness.packetsStillMs
  }

  /** The packet core's thread goes round: to be told every few ms by whoever has one. */
  packetsGoRound(): void {
    this.#liveness.packetsGoRound()
  }

  /** The state of a connection to another gateway. */
  peer(gateway: string, state: 'connected' | 'closed' | 'refused', now: Now): void {
    if (state !== 'connected') {
      this.#upgrade.lost(gateway)
      this.#sealingKey.lost(gateway)
    }
    this.#liveness.peer(gateway, state, now)
  }

  /** The newest cluster version that another gateway's build knows, and the sealing keys that it has, as it says on every connection, and again every few seconds. */
  announced(gateway: string, newestVersion: number, sealingKeys: readonly SealingKeyId[] = []): void {
    this.#upgrade.announced(gateway, newestVersion)
    this.#sealingKey.announced(gateway, sealingKeys)
  }

  packets(message: FromPackets, now: Now): void {
    switch (message.type) {
      case 'ike':
        this.#ike.handle({ datagram: message.datagram, path: { local: message.local, remote: message.remote }, epoch: 0, hops: 0 }, now)
        break
      case 'resolve':
        this.#tenures.resolve(message.key, now.monotonicMs)
        break
      case 'advance':
        this.#advance(message, now)
        break
      case 'frozen':
        this.#transfers.frozen(message.session, message.epoch, message.children)
        this.#transfers.tick(now.monotonicMs)
        break
      case 'mesh':
        this.#mesh(message.gateway, message.payload, now)
        break
      case 'report':
        this.#report = message.report
        break
      case 'counted':
        this.#tenures.counted(message.counts)
        for (const row of carriedRows(message.carried)) {
          this.#interruptions.carried(row)
          if (!this.#audit.carried(row)) this.#accounts.carried(row, now.monotonicMs)
        }
        break
    }
  }

  /** How many requests of clients that are not in yet wait for `admit`. */
  get waitingClients(): number {
    return this.#ike.waiting
  }

  /** Serves the one whose turn it is. False: none waits, or there is no time for key exchanges just now. */
  admit(now: Now): boolean {
    return this.#ike.admit(now)
  }

  /** Every CONTROL_TICK_MS, after the sockets were drained. */
  tick(now: Now): void {
    this.#wallMs = now.wallMs
    this.#liveness.tick(now)
    this.#maybeComeUp()
    this.#proposals.tick(now.monotonicMs)
    this.#tenures.tick(now.monotonicMs)
    this.#ike.tick(now)
    this.#transfers.tick(now.monotonicMs)
    this.#agreement.tick(now.monotonicMs)
    this.#restQuiet(now)
    this.#expire(now)
    this.#review.tick(now.monotonicMs)
    this.takeovers.tick(now.monotonicMs)
    this.#accounts.tick(now.monotonicMs)
    this.#interruptions.tick(now.monotonicMs)
    this.#census.tick(this.#incarnation, now.monotonicMs)
    this.#staleLoads.tick(now.monotonicMs)
    this.#upgrade.tick(this.#status)
    this.#sealingKey.tick(this.#status)
    this.#resealing.tick()
    this.#audit.tick()
    this.#balancer.tick(now.monotonicMs)
  }

  // ---- requests of operators

  /** Proposes a command on behalf of an operator. */
  request(command: Command, done: (result: Result) => void): void {
    this.#proposals.propose(command, { repeat: true, applied: done })
  }

  /** Asks the session's owner, perhaps this gateway, to hand it to `to`. What comes of it shows in the agreed state. */
  requestTransfer(session: number, owner: string, to: string, { monotonicMs }: Pick<Now, 'monotonicMs'>): void {
    if (owner === this.#o.self) this.#transfers.start(session, to, monotonicMs)
    else this.#send(owner, { type: 'transfer', session, to })
  }

  /** Asks the leader, perhaps this gateway, to even the load out now. Returns who that is; null: nobody leads. */
  requestRebalance(): string | null {
    const leader = this.#status?.leader ?? null
    if (leader === this.#o.self) this.#balancer.rebalance()
    else if (leader !== null) this.#send(leader, { type: 'rebalance' })
    return leader
  }

  /** Asks the session's owner to tell the client (IKE DELETE) and end it. What comes of it shows in the agreed state. */
  requestTermination(session: number): void {
    const owner = ownership(this.state, session)
    if (owner === null) return
    if (owner.gateway === this.#o.self) this.#terminate(session, 'operator')
    else this.#send(owner.gateway, { type: 'terminate', session })
  }

  // ---- reactions to what was applied

  #react(command: Command, result: Result, now: Now): void {
    if (result.type === 'refused') return
    switch (command.type) {
      case 'gateway-up':
        if (result.type === 'up') this.#risen(command.nonce, command.gateway, result, now)
        this.#ownersChanged(now)
        break
      case 'gateway-down':
        if (result.type === 'ended') this.#ended(command.incarnation, result.gateway)
        if (result.type === 'ended') this.#balancer.changed(result.gateway, now.monotonicMs)
        this.#ownersChanged(now)
        break
      case 'advance':
        if (command.incarnation !== this.#incarnation || result.type !== 'batch') break
        this.#o.effects.toPackets({ type: 'ticked', tick: this.state.incarnations.get(this.#incarnation)!.tick })
        this.#tenures.granted(result.taken)
        break
      case 'transfer':
        if (result.type !== 'batch') break
        this.#transferred(command.incarnation, command.to, result.taken, now)
        if (this.#incarnation !== 0 && command.incarnation !== command.to)
          this.#balancer.transferred(result.taken, command.to, now.monotonicMs)
        this.#review.add(result.taken)
        break
      case 'reclaim':
        this.#tenures.reclaimed(command.session)
        break
      case 'commit-exchange':
        this.#changed(command.session, command.context !== null)
        if (result.type === 'done') for (const session of result.ended ?? []) this.#gone(session)
        if (command.context !== null) this.#review.add([command.session])
        this.#ike.exchangeApplied(command, now)
        break
      case 'end-session':
        this.#gone(command.session)
        break
      case 'put-vpn':
        this.#loadVpn()
        this.#review.begin()
        break
      case 'set-draining':
        this.#balancer.changed(command.gateway, now.monotonicMs)
        break
      case 'create-session':
      case 'move-address':
      case 'lease-spis':
      case 'account':
      case 'interruptions':
      case 'reserve-addresses':
      case 'set-sealing-key':
      case 'reseal-sessions':
        break
      case 'reseal-vpn':
        this.#loadVpn()
        break
      case 'set-cluster-version':
        this.#upgrade.applied(command.version)
        break
    }
  }

  #risen(nonce: bigint, gateway: string, up: Extract<Result, { type: 'up' }>, now: Now): void {
    if (up.ended !== 0) this.#ended(up.ended, gateway)
    if (nonce === this.#nonce && this.#incarnation === 0 && gateway === this.#o.self) {
      this.#incarnation = up.incarnation
      this.#tenures.begin(up.incarnation)
      this.#ike.begin(up.incarnation, up.firstSpi)
      this.#transfers.begin(up.incarnation)
      this.#interruptions.begin(up.incarnation)
      this.#balancer.begin(now.monotonicMs)
    } else if (this.#incarnation !== 0) {
      // What rose before us, we only hear of now.
      this.#balancer.risen(gateway, now.monotonicMs)
    }
  }

  /** Rule 10: whose incarnation ended forgets everything and comes up anew; everybody else asks anew where its sessions are. */
  #ended(incarnation: number, gateway: string): void {
    if (incarnation === this.#incarnation) {
      this.#comeUpAnew()
      return
    }
    this.#o.effects.toPackets({ type: 'forget-routes', gateway, sessions: [] })
  }

  #noteTakeover(ended: Incarnation, isRestart: boolean, { monotonicMs }: Now): void {
    const silentMs = this.#liveness.silentMs(ended.gateway, monotonicMs)
    this.takeovers.ended(ended, silentMs, monotonicMs)
    // What was heard last of one that started again may have been of the new process.
    this.#interruptions.ended(ended, silentMs === null || isRestart ? null : monotonicMs - silentMs, monotonicMs)
  }

  #ownersChanged(now: Now): void {
    this.#review.ownersChanged()
    this.#staleLoads.ownersChanged(now.monotonicMs)
  }

  #comeUpAnew(): void {
    this.#forgetAll()
    this.#isToComeUp = true
    this.#maybeComeUp()
  }

  /** One that can carry nothing would be given sessions, and be declared down again. */
  #maybeComeUp(): void {
    if (!this.#isToComeUp || !this.#liveness.mayComeUp) return
    this.#isToComeUp = false
    this.#propose(this.#gatewayUp())
  }

  #forgetAll(): void {
    this.#incarnation = 0
    this.#tenures.begin(0)
    this.#ike.begin(0, null)
    this.#transfers.begin(0)
    this.#interruptions.begin(0)
    this.#ending.clear()
    this.#isToComeUp = false
  }

  #gatewayUp(): Command {
    this.#nonce = dataView(this.#o.random.bytes(8)).getBigUint64(0)
    const { self, capacity, addresses } = this.#o
    return { type: 'gateway-up', gateway: self, nonce: this.#nonce, capacity, addresses, nowMs: this.#wallMs }
  }

  #transferred(from: number, to: number, sessions: readonly number[], now: Now): void {
    // Incarnations that ended may be forgotten already; then nothing went to them.
    if (sessions.length === 0) return
    const target = this.state.incarnations.get(to)!.gateway
    const isToUs = to === this.#incarnation && to !== 0
    if (isToUs && from === to) for (const session of sessions) this.#tenures.rest(session)
    else for (const session of sessions) this.#tenures.refresh(session, { open: isToUs, movedTo: target })
    if (isToUs && from !== to) this.#interruptions.arrived(this.state.incarnations.get(from)!.gateway, sessions, now.monotonicMs)
    this.#o.effects.toPackets({ type: 'forget-routes', gateway: null, sessions })
  }

  /** To whoever holds the address that the client speaks to now. */
  #followClient(session: number, now: Now): void {
    const address = toHex(localAddressOf(this.state, session)!)
    const holder = addressHolders(this.state).find((one) => one.address === address)?.gateway ?? null
    if (holder !== null) this.#transfers.start(session, holder, now.monotonicMs)
  }

  #gone(session: number): void {
    this.#ending.delete(session)
    this.#changed(session, true)
  }

  #changed(session: number, isContextNew: boolean): void {
    if (!isContextNew) return
    // A session that is not open here, new ones too, is opened by its first packet.
    this.#tenures.refresh(session)
    if (!this.#tenures.isInstalled(session)) this.#o.effects.toPackets({ type: 'forget-routes', gateway: null, sessions: [session] })
  }

  #loadVpn(): void {
    try {
      this.#vpn = { version: this.state.vpn.version, configuration: decodeVpnConfiguration(this.state.vpn.configuration) }
      this.#ike.configured()
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      this.counters.add('vpn-undecodable', 1)
    }
  }

  #updateHeld(): void {
    const held = this.#incarnation === 0 ? [] : heldBy(this.state, this.#incarnation)
    const key = held.join()
    if (key === this.#held) return
    this.#held = key
    this.#o.effects.hold(held.map((address) => fromHex(address)!))
  }

  #updateHolders(): void {
    const holders = addressHolders(this.state)
    const key = holders.map(({ address, gateway }) => `${address} ${gateway}`).join()
    if (key === this.#holders) return
    this.#holders = key
    const known = holders.map(({ address, gateway }) => ({ address: fromHex(address)!, gateway }))
    this.#o.effects.toPackets({ type: 'holders', holders: known })
  }

  // ---- proposals

  #propose(command: Command): void {
    this.#proposals.propose(command, { repeat: true })
  }

  /** `settled`: it was applied, or nobody can tell any more whether it was. */
  #proposeOnce(command: Command, settled: () => void): void {
    this.#proposals.propose(command, { repeat: true, applied: settled, givenUp: settled })
  }

  #advance(message: Extract<FromPackets, { type: 'advance' }>, now: Now): void {
    if (this.#incarnation === 0) return
    const { tick, grants, renewals } = message
    // A horizon is asked for, or goes on growing, only for authentic packets that came from the client.
    for (const { session, children } of grants) if (children.some(({ horizon }) => horizon?.shrink === false)) this.#ike.heard(session, now)
    for (const session of renewals) this.#ike.heard(session, now)
    const advance = { type: 'advance', incarnation: this.#incarnation, tick, grants, renewals } as const
    this.grants.asked(advance)
    this.#proposals.propose(advance, {
      repeat: false,
      applied: (result) => this.grants.settled(advance, result),
      givenUp: () => this.grants.settled(advance, null),
    })
  }

  /** Ends half-open sessions and tombstones of ours whose time has come. */
  #expire(now: Now): void {
    if (this.#incarnation === 0) return
    const { expired, next } = scanExpired(this.state, this.#incarnation, now.wallMs, this.#expiryRow, EXPIRY_ROWS)
    this.#expiryRow = next
    for (const { session, epoch, version } of expired) {
      if (this.#ending.has(session) || this.#transfers.isLeaving(session) || this.#ike.hasPending(session)) continue
      this.#ending.add(session)
      this.#proposals.propose(
        { type: 'end-session', incarnation: this.#incarnation, session, epoch, version, nowMs: now.wallMs },
        { repeat: true, applied: () => this.#ending.delete(session) },
      )
    }
  }

  /** The configuration does not let it in any more. */
  #endDisallowed(session: number): void {
    this.counters.add('session-disallowed', 1)
    this.#terminate(session, 'configuration')
  }

  #terminate(session: number, reason: 'operator' | 'configuration'): void {
    this.#audit.ending(session, reason)
    this.#ike.terminate(session)
  }

  /** Sessions that are quiet for long cost the packet core nothing until their next packet. */
  #restQuiet(now: Now): void {
    for (const session of this.#tenures.quiet(now.monotonicMs - (this.#o.quietMs ?? QUIET_MS), QUIET_SESSIONS)) {
      this.#tenures.touch(session)
      this.#transfers.rest(session, now.monotonicMs)
    }
  }

  // ---- mesh

  #send(gateway: string, message: ControlMessage): void {
    this.#o.effects.toPackets({ type: 'send-mesh', gateway, payload: encodeControlMessage(message) })
  }

  #sendIke(gateway: string, arrival: IkeArrival): void {
    const { datagram, path, epoch, hops } = arrival
    this.#send(gateway, { type: 'ike', epoch, hops, local: path.local, remote: path.remote, datagram })
  }

  #mesh(gateway: string, payload: Bytes, now: Now): void {
    const message = this.#decodeMesh(payload)
    if (message === null) return
    this.#liveness.heard(gateway, message, now)
    switch (message.type) {
      case 'ping':
      case 'pong':
        break
      case 'ike':
        this.#ike.handle({ ...message, path: { local: message.local, remote: message.remote } }, now)
        break
      case 'transfer':
        this.#transfers.start(message.session, message.to, now.monotonicMs)
        break
      case 'terminate':
        this.#terminate(message.session, 'operator')
        break
      case 'state-hash':
        this.#agreement.heard(gateway, message.applied, message.hash)
        break
      case 'rebalance':
        this.#balancer.rebalance()
        break
      case 'stood-still':
        this.#interruptions.stoodStill(message.sessions, now.monotonicMs)
        break
    }
  }

  #decodeMesh(payload: Bytes): ControlMessage | null {
    try {
      return decodeControlMessage(payload)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      this.counters.add('mesh-malformed', 1)
      return null
    }
  }

  #decode(octets: Bytes): Command | null {
    try {
      return decodeCommand(octets)
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
      if (error instanceof UnknownCommandError) this.#o.effects.outdated(error.message)
      this.counters.add('command-undecodable', 1)
      return null
    }
  }
}

/** The incarnation that is up and that the command, if it is not refused, ends: afterwards nobody may know it any more. Null: none. */
function mayEnd({ incarnations }: State, command: Command): Incarnation | null {
  if (command.type === 'gateway-up') return incarnations.current(command.gateway) ?? null
  const ended = command.type === 'gateway-down' ? incarnations.get(command.incarnation) : undefined
  return ended?.up === true ? ended : null
}
