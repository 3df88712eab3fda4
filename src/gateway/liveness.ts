/**
 * Who is alive, and who is declared down: heartbeats to the other gateways, the detector's suspicions, and, on the leader, the proposals of
 * GatewayDown that follow. All of it decides only what is proposed and how long this gateway serves; S1–S5 never lean on it.
 *
 * A gateway whose own disk hangs is sick: soon the log goes on without it, and its sessions would starve. So is one whose packet thread hangs,
 * and a leader that the others' answers do not reach: the others miss it, but only the leader declares anybody down. It stops serving and
 * declares itself down; when it is well again it learns of that from the log, and comes up anew. One that lags behind may not know yet which its
 * incarnation is: it answers no pings, so that the others declare it down.
 *
 * Whoever may be at fault itself accuses no one of silence: not while its packet thread stands still, and not while it is without the answers of a
 * majority of voters.
 *
 * Whom to watch follows from the log: the members of the latest configuration, and gateways that are up and were members once. Those the
 * leader declares down when they fall silent, or when they had time to: nobody else would.
 */

import type { State } from '../session/state.ts'
import type { LogStatus } from '../context/log-status.ts'
import type { Now } from './clock.ts'
import type { ControlMessage, Suspicion } from './control-message.ts'
import type { Counters } from './counters.ts'
import type { DetectorTiming, Silence, VoterSets } from './failure-detector.ts'
import { FailureDetector, majorityOf, PATIENCE } from './failure-detector.ts'
import { memberIds, presentGateways } from './membership.ts'
import type { Proposals } from './proposals.ts'

export interface LivenessOptions {
  readonly self: string
  /** Until the log says who its members are. */
  readonly gateways: readonly string[]
  readonly timing: DetectorTiming
  readonly state: State
  readonly proposals: Proposals
  readonly counters: Counters
  /** What accusations are stamped with. */
  readonly wallMs: () => number
  readonly send: (gateway: string, message: ControlMessage) => void
  /** This gateway may serve until then, in monotonic ms. Called when that changes. */
  readonly lease: (untilMs: number) => void
  /** Something was heard of another gateway after so long. */
  readonly silence: (gateway: string, silence: Silence) => void
}

/** Not at any time. */
const NO_LEASE = 0
/** So long after the packet thread was last heard of it may still be going round: it says so every tick, and both are late at times. */
const STILL_TICKS = 3

export class Liveness {
  readonly #o: LivenessOptions
  readonly #detector: FailureDetector
  #status: LogStatus | null = null
  #leaseUntilMs = -Infinity
  #isDiskHung = false
  #isThreadHung = false
  /** For so many ticks this incarnation of ours has missed a majority of voters on the mesh. */
  #cutOff = { incarnation: 0, ticks: 0 }
  /** Since the packet thread was last heard of; null: nobody tells. */
  #stillTicks: number | null = null
  /** On the leader: for how many ticks a gateway has not answered on Raft's connections. */
  readonly #unreachableTicks = new Map<string, number>()
  /** For how many ticks a gateway has been up that is no member any more. */
  readonly #formerTicks = new Map<string, number>()
  /** Incarnations whose GatewayDown we have proposed, until its outcome is known. */
  readonly #accused = new Set<number>()

  constructor(options: LivenessOptions) {
    this.#o = options
    this.#detector = new FailureDetector(options.self, options.gateways, () => this.#voterSets(), options.timing)
  }

  hasLease(now: Now): boolean {
    return !this.#isSick && this.#detector.leaseUntilMs(now.monotonicMs) >= now.monotonicMs
  }

  /** Whether this gateway can carry nothing, for a reason of its own. */
  get #isSick(): boolean {
    return this.#isDiskHung || this.#isThreadHung
  }

  /** Whether a new incarnation could carry anything. */
  get mayComeUp(): boolean {
    return !this.#isDiskHung && !this.#isDeaf
  }

  get #isDeaf(): boolean {
    return (this.#stillTicks ?? 0) > STILL_TICKS
  }

  /** For how long the packet thread has stood still, counted in ticks: a process that stood still as a whole does not count. */
  get packetsStillMs(): number {
    return (this.#stillTicks ?? 0) * this.#o.timing.tickMs
  }

  /** Whether packets of other gateways' sessions can be passed on: each of those that are up has answered, or is believed to be down. */
  get reachesOthers(): boolean {
    return this.#o.state.incarnations.up().every(({ gateway }) => gateway === this.#o.self || this.#detector.isTried(gateway))
  }

  /** The other gateways, and whether each is heard and hears this one. */
  get links(): readonly { readonly gateway: string; readonly isUp: boolean }[] {
    return [...this.#detector.peers].map((gateway) => ({ gateway, isUp: this.#detector.suspicion(gateway) === null }))
  }

  /** For how long nothing was heard of a gateway; null: never, or of this one. */
  silentMs(gateway: string, nowMs: number): number | null {
    return this.#detector.silentMs(gateway, nowMs)
  }

  /** For how long our own disk has been at one write. Less than half a lease is slow, which costs nothing but our vote. */
  disk(writingForMs: number): void {
    const isDiskHung = writingForMs > this.#o.timing.servingLeaseMs / 2
    if (isDiskHung && !this.#isDiskHung) this.#o.counters.add('disk-hung', 1)
    this.#isDiskHung = isDiskHung
  }

  /** The packet thread goes round. From the first time on that this is told, its silence counts: through it we hear the others. */
  packetsGoRound(): void {
    this.#stillTicks = 0
  }

  status(status: LogStatus): void {
    this.#status = status
    this.#follow()
    this.#judge()
  }

  /** The state of a connection to another gateway. */
  peer(gateway: string, state: 'connected' | 'closed' | 'refused', now: Now): void {
    if (state === 'connected') this.#detector.connected(gateway)
    // To a former member no connection is tried any more.
    const isGone = state === 'refused' || (state === 'closed' && this.#formerTicks.has(gateway))
    if (!isGone || !this.#detector.refused(gateway, now.monotonicMs)) return
    this.#sendPing(this.#detector.ping(now.monotonicMs))
    this.#judge()
  }

  /** Anything authentic of another gateway arrived; `message`: its ping or pong. */
  heard(gateway: string, message: ControlMessage, now: Now): void {
    const silence = this.#detector.heard(gateway, now.monotonicMs)
    if (silence !== null) this.#o.silence(gateway, silence)
    if (message.type === 'pong') this.#ponged(gateway, message, now)
    if (message.type !== 'ping') return
    this.#detector.pinged(gateway, message.suspects, now.monotonicMs)
    // Who was declared down gets no lease from here: one that was frozen would go on serving until it has applied its own end.
    if (!this.#isSick && this.#o.state.incarnations.current(gateway) !== undefined) this.#sendPong(gateway, message.sequence)
    if (message.suspects.length > 0) this.#judge()
  }

  /** Every tick of the control core, after the sockets were drained. */
  tick(now: Now): void {
    const incarnation = this.#o.state.incarnations.current(this.#o.self)?.number ?? 0
    const isUp = incarnation !== 0
    this.#notePackets()
    const ping = this.#detector.tick(now.monotonicMs, isUp, this.#isDeaf)
    if (ping !== null) this.#sendPing(ping)
    this.#follow()
    this.#noteUnreachable()
    this.#noteFormer()
    this.#noteCutOff(incarnation)
    this.#judge()
    if (this.#isSick || this.#isLeaderCutOff()) this.#declareSick()
    else this.#extendLease(now)
  }

  #notePackets(): void {
    if (this.#stillTicks !== null) this.#stillTicks += 1
    // By then the others have missed it for long. Alone it has to be as sure as one of them alone.
    const isThreadHung = this.packetsStillMs >= PATIENCE * this.#o.timing.gatewayDownMs
    if (isThreadHung && !this.#isThreadHung) this.#o.counters.add('packet-thread-hung', 1)
    this.#isThreadHung = isThreadHung
  }

  #noteCutOff(incarnation: number): void {
    const isSame = incarnation !== 0 && incarnation === this.#cutOff.incarnation
    this.#cutOff = { incarnation, ticks: isSame && !this.#hearsMajority() ? this.#cutOff.ticks + 1 : 0 }
  }

  /** Its lease is out. The log may reach a majority, though the mesh does not; where it does not, either, this leads to nothing. */
  #isLeaderCutOff(): boolean {
    return this.#status?.role === 'leader' && this.#cutOff.ticks * this.#o.timing.tickMs >= this.#o.timing.servingLeaseMs
  }

  /** Of each set of voters a majority, with this gateway if it votes, is heard and answers. */
  #hearsMajority(): boolean {
    const isHeard = (voter: string): boolean => voter === this.#o.self || this.#detector.suspicion(voter) === null
    return this.#voterSets().every((voters) => voters.filter(isHeard).length >= majorityOf(voters))
  }

  #members(): readonly string[] {
    return memberIds(this.#status, this.#o.gateways)
  }

  #follow(): void {
    this.#detector.follow(presentGateways(this.#members(), this.#o.state))
  }

  /** Up, and removed by a configuration that is committed: only such a one is final. */
  #noteFormer(): void {
    const { configurationIndex, commitIndex } = this.#status ?? { configurationIndex: 0, commitIndex: -1 }
    const members = this.#members()
    const isFinal = configurationIndex <= commitIndex
    const former = this.#o.state.incarnations.up().filter(({ gateway }) => isFinal && !members.includes(gateway))
    for (const gateway of this.#formerTicks.keys()) if (!former.some((one) => one.gateway === gateway)) this.#formerTicks.delete(gateway)
    for (const { gateway } of former) this.#formerTicks.set(gateway, (this.#formerTicks.get(gateway) ?? 0) + 1)
  }

  #voterSets(): VoterSets {
    const sets = this.#status?.voterSets ?? []
    return sets.some((voters) => voters.length > 0) ? sets : [this.#o.gateways]
  }

  /** What is committed up to there we have, and with it every configuration that was in force by then. */
  #ponged(gateway: string, { sequence, configuration }: Extract<ControlMessage, { type: 'pong' }>, now: Now): void {
    const isLending = configuration !== null && configuration <= (this.#status?.commitIndex ?? 0)
    this.#detector.ponged(gateway, sequence, now.monotonicMs, isLending)
  }

  /** Whom the log does not reach, it leaves without the outcome of anything, though the mesh may carry. */
  #noteUnreachable(): void {
    const members = this.#status?.role === 'leader' ? this.#status.members : []
    for (const { id, state } of members) this.#unreachableTicks.set(id, state === 'unreachable' ? this.#ticksUnreachable(id) + 1 : 0)
    if (members.length === 0) this.#unreachableTicks.clear()
  }

  #ticksUnreachable(gateway: string): number {
    return this.#unreachableTicks.get(gateway) ?? 0
  }

  /** Without anybody else's opinion: only the leader knows. */
  #isUnreachableForLong(gateway: string): boolean {
    const { tickMs, gatewayDownMs } = this.#o.timing
    return this.#ticksUnreachable(gateway) * tickMs >= PATIENCE * gatewayDownMs
  }

  #suspects(): { incarnation: number; suspicion: Suspicion; gateway: string }[] {
    const suspects: { incarnation: number; suspicion: Suspicion; gateway: string }[] = []
    for (const gateway of this.#detector.peers) {
      const suspicion =
        this.#detector.suspicion(gateway) ?? (this.#isUnreachableForLong(gateway) || this.#hasHadTimeToLeave(gateway) ? 'silent' : null)
      const incarnation = this.#o.state.incarnations.current(gateway)
      if (suspicion !== null && incarnation !== undefined) suspects.push({ incarnation: incarnation.number, suspicion, gateway })
    }
    return suspects
  }

  /** It is waited for, so that what it still passes on arrives; but not for ever. */
  #hasHadTimeToLeave(gateway: string): boolean {
    const { tickMs, gatewayDownMs } = this.#o.timing
    return (this.#formerTicks.get(gateway) ?? 0) * tickMs >= PATIENCE * gatewayDownMs
  }

  /**
   * The leader declares down whom it suspects and another voter suspects, too, or who has been silent for long, on the mesh or on Raft's
   * connections; never so many that no majority of voters remains (H8). Of silence on the mesh it accuses nobody while it misses a majority there.
   */
  #judge(): void {
    if (this.#status?.role !== 'leader') return
    const hearsMajority = this.#hearsMajority()
    for (const { incarnation, gateway } of this.#suspects()) {
      if (this.#accused.has(incarnation)) continue
      const isMissed = this.#detector.isSilentForLong(gateway) || this.#detector.confirmations(incarnation, gateway) > 0
      const isKnown = this.#isUnreachableForLong(gateway) || this.#formerTicks.has(gateway)
      if (!(hearsMajority && isMissed) && !isKnown) continue
      if (this.#mayGo(gateway)) this.#accuse(incarnation)
    }
  }

  #declareSick(): void {
    if (this.#leaseUntilMs !== NO_LEASE) this.#o.lease(NO_LEASE)
    this.#leaseUntilMs = NO_LEASE
    const own = this.#o.state.incarnations.current(this.#o.self)
    if (own === undefined || this.#accused.has(own.number)) return
    if (this.#mayGo(this.#o.self)) this.#accuse(own.number)
  }

  /** Whether a majority of the voters is up without it: of each set that it is in. */
  #mayGo(gateway: string): boolean {
    const sets = this.#voterSets().filter((voters) => voters.includes(gateway))
    const countUp = (voters: readonly string[]): number =>
      voters.filter((voter) => voter !== gateway && this.#isUpAndNotAccused(voter)).length
    return sets.every((voters) => countUp(voters) >= majorityOf(voters))
  }

  /** Whom we have accused counts as down before that is committed. */
  #isUpAndNotAccused(gateway: string): boolean {
    const incarnation = this.#o.state.incarnations.current(gateway)
    return incarnation !== undefined && !this.#accused.has(incarnation.number)
  }

  #accuse(incarnation: number): void {
    this.#accused.add(incarnation)
    this.#o.counters.add('gateways-declared-down', 1)
    const settled = (): void => void this.#accused.delete(incarnation)
    this.#o.proposals.propose(
      { type: 'gateway-down', incarnation, nowMs: this.#o.wallMs() },
      { repeat: 'while-unknown', applied: settled, givenUp: settled },
    )
  }

  #extendLease(now: Now): void {
    const untilMs = this.#detector.leaseUntilMs(now.monotonicMs)
    if (untilMs === this.#leaseUntilMs || untilMs === -Infinity) return
    this.#leaseUntilMs = untilMs
    this.#o.lease(untilMs)
  }

  #sendPong(gateway: string, sequence: number): void {
    const { standing, configurationIndex } = this.#status ?? { standing: 'member', configurationIndex: 0 }
    this.#o.send(gateway, { type: 'pong', sequence, configuration: standing === 'member' ? configurationIndex : null })
  }

  #sendPing(sequence: number): void {
    const suspects = this.#suspects()
    for (const gateway of this.#detector.peers) this.#o.send(gateway, { type: 'ping', sequence, suspects })
  }
}
