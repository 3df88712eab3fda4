/**
 * Keeps the limits of this gateway's sessions ahead of their traffic: measures, and proposes ticks, records and renewals (protocol.md
 * rules 4, 6 and 12; what is wanted is judged in grant-requests.ts).
 *
 * Only sessions with traffic, or with something unsettled, are looked at: a quiet one costs nothing. All that is due at a tick of ours
 * goes out in one proposal; a record that a packet waits for goes at once, together with others of the same millisecond.
 */

import type { ChildGrant, GrantRecord } from '../../context/grants.ts'
import { TICK_MS } from '../../context/grants.ts'
import type { FromPackets } from '../packet-messages.ts'
import type { HorizonStep, Ticks } from './grant-requests.ts'
import {
  QUIET_TICKS,
  alsoCeiling,
  isAtRest,
  isCeilingDue,
  stepHorizon,
  wantCeiling,
  wantHorizonFor,
  wantLessCeiling,
} from './grant-requests.ts'
import { LOAD_WINDOW_MS } from './load-meter.ts'
import type { OwnedChild, OwnedSession } from './owned-session.ts'

/** A gateway that was frozen doesn't make up for all of it: its limits needn't grow for packets that were not handled. */
const MAX_TICK_STEPS = 4
/** A new address of a client is committed at most so often. */
const MOVED_EVERY_MS = 1000
const URGENT_EVERY_MS = 1
/** Of records, and of renewals, in one proposal: the log's entries are bounded, and one that is too long would be refused as a whole. */
const MAX_BATCH = 4096

export class GrantKeeper {
  readonly #horizonMs: number
  readonly #propose: (advance: Extract<FromPackets, { type: 'advance' }>) => void
  readonly #active = new Set<OwnedSession>()
  /** Not active, and the last record says that they carry something: until when that is not looked at; in the order of these. */
  readonly #fading = new Map<OwnedSession, number>()
  /** The last tick of ours that was proposed, and the one that is committed. */
  #proposedTick = 0
  #tick = 0
  /** Null: no tick yet. */
  #tickAtMs: number | null = null
  /** Records that packets wait for. */
  #urgent: GrantRecord[] = []
  #urgentAtMs = -Infinity

  constructor(horizonMs: number, propose: (advance: Extract<FromPackets, { type: 'advance' }>) => void) {
    this.#horizonMs = horizonMs
    this.#propose = propose
  }

  /** Our committed tick. */
  get tick(): number {
    return this.#tick
  }

  get activeCount(): number {
    return this.#active.size
  }

  /** A new incarnation: its ticks start at 0. */
  begin(): void {
    this.#active.clear()
    this.#fading.clear()
    this.#urgent = []
    this.#proposedTick = 0
    this.#tick = 0
  }

  ticked(tick: number): void {
    this.#tick = Math.max(this.#tick, tick)
    this.#proposedTick = Math.max(this.#proposedTick, tick)
  }

  /** The session has traffic, or limits to look after. */
  touch(session: OwnedSession): void {
    if (session.isActive) return
    session.isActive = true
    this.#active.add(session)
  }

  forget(session: OwnedSession): void {
    session.isActive = false
    this.#active.delete(session)
    this.#fading.delete(session)
  }

  /** All that what it asks for from now on depends on, beside the sessions themselves. */
  inspect(ageOf: (atMs: number) => number): unknown {
    const active = [...this.#active].map(({ session }) => session)
    const tickAge = this.#tickAtMs === null ? null : ageOf(this.#tickAtMs)
    const fading = [...this.#fading].map(([{ session }, dueMs]) => [session, ageOf(dueMs)])
    return [active, fading, this.#proposedTick, this.#tick, tickAge, this.#urgent, ageOf(this.#urgentAtMs)]
  }

  /** A packet with this number waits for its horizon. */
  askForHorizon(child: OwnedChild, sequence: number, nowMs: number): void {
    const horizon = wantHorizonFor(child, sequence, this.#horizonMs, nowMs)
    if (horizon !== null) this.#urgent.push(record(child.session, [{ spiIn: child.spiIn, ceiling: null, horizon }], nowMs))
  }

  /** Asks for a higher ceiling if it is more than half used. */
  askForCeiling(child: OwnedChild, nowMs: number): void {
    const ceiling = wantCeiling(child, this.#tick, nowMs)
    if (ceiling !== null) this.#urgent.push(record(child.session, [{ spiIn: child.spiIn, ceiling, horizon: null }], nowMs))
  }

  /** Proposes what packets wait for, once a millisecond at most. */
  flush(nowMs: number): void {
    if (this.#urgent.length === 0 || nowMs - this.#urgentAtMs < URGENT_EVERY_MS) return
    const grants = this.#urgent
    this.#urgent = []
    this.#urgentAtMs = nowMs
    this.#proposeAll(0, grants, [])
  }

  /** Called every few ms: when a tick of ours has passed, proposes all that is due in one message. */
  step(nowMs: number): void {
    this.#tickAtMs ??= nowMs
    const steps = Math.floor((nowMs - this.#tickAtMs) / TICK_MS)
    if (steps <= 0) return this.flush(nowMs)
    this.#tickAtMs = steps > MAX_TICK_STEPS ? nowMs : this.#tickAtMs + steps * TICK_MS
    this.#ownTick(Math.min(steps, MAX_TICK_STEPS), nowMs)
  }

  #ownTick(steps: number, nowMs: number): void {
    const grants = this.#urgent
    this.#urgent = []
    const renewals: number[] = []
    const ticks = { committed: this.#tick, next: this.#proposedTick + steps }
    let hasTraffic = false
    for (const session of this.#active) {
      for (const child of session.children) measure(child, steps)
      hasTraffic ||= session.children.some((child) => !isQuiet(child))
      if (session.frozen) continue
      if (this.#stepSession(session, ticks, grants, nowMs)) renewals.push(session.session)
      if (this.#isSettled(session)) this.#rest(session, nowMs)
    }
    this.#stepFading(grants, nowMs)
    if (hasTraffic) this.#proposedTick += steps
    if (!hasTraffic && grants.length === 0 && renewals.length === 0) return
    this.#proposeAll(hasTraffic ? this.#proposedTick : 0, grants, renewals)
  }

  /** The tick goes out with the first batch: what follows counts from it. */
  #proposeAll(tick: number, grants: readonly GrantRecord[], renewals: readonly number[]): void {
    for (let at = 0; at === 0 || at < Math.max(grants.length, renewals.length); at += MAX_BATCH) {
      const batch = { grants: grants.slice(at, at + MAX_BATCH), renewals: renewals.slice(at, at + MAX_BATCH) }
      this.#propose({ type: 'advance', tick: at === 0 ? tick : 0, ...batch })
    }
  }

  /** Adds the records that a session needs; true: it needs none, but a renewal. */
  #stepSession(session: OwnedSession, ticks: Ticks, grants: GrantRecord[], nowMs: number): boolean {
    const parts: ChildGrant[] = []
    const raises: ChildGrant[] = []
    const stops: { child: OwnedChild; to: number }[] = []
    let isRenewalDue = false
    for (const child of session.children) {
      const { spiIn } = child
      const step = stepHorizon(child, ticks, this.#horizonMs, nowMs)
      const horizon = partOf(step)
      const ceiling = wantCeiling(child, this.#tick, nowMs) ?? wantLessCeiling(child, this.#tick, nowMs)
      if (ceiling !== null || horizon !== null) parts.push({ spiIn, ceiling, horizon })
      if (step.type === 'shrink') stops.push({ child, to: step.to })
      if (step.type === 'shrink' && step.raise !== null) raises.push({ spiIn, ceiling: null, horizon: step.raise })
      isRenewalDue ||= step.type === 'renew' || isCeilingDue(child, ticks, nowMs)
    }
    const isMoveDue = session.hasMoved && nowMs - session.movedAtMs >= MOVED_EVERY_MS
    const isLoadWrong = session.load.step(nowMs)
    if (parts.length > 0 || isMoveDue || isLoadWrong) {
      const first = record(session, this.#withCeilings(session, parts), nowMs)
      // Rule 12: the stop is in force before anybody can commit the lower horizon.
      for (const { child, to } of stops) child.stopAt(to, first.serial)
      grants.push(first)
    }
    if (raises.length > 0) grants.push(record(session, raises, nowMs))
    return isRenewalDue
  }

  /** A record that is made anyway says of ceilings, too, what would need one before long. */
  #withCeilings({ children }: OwnedSession, parts: readonly ChildGrant[]): readonly ChildGrant[] {
    return children.flatMap((child) => {
      const part = parts.find(({ spiIn }) => spiIn === child.spiIn)
      const ceiling = part?.ceiling ?? alsoCeiling(child, this.#tick)
      if (part === undefined && ceiling === null) return []
      return [{ spiIn: child.spiIn, ceiling, horizon: part?.horizon ?? null }]
    })
  }

  /** Now and then a packet passes, or none any more: then the agreed state is to say so. */
  #stepFading(grants: GrantRecord[], nowMs: number): void {
    for (const [session, dueMs] of this.#fading) {
      if (dueMs > nowMs) return
      this.#fading.delete(session)
      if (session.isActive) continue
      if (!session.frozen && session.load.step(nowMs)) grants.push(record(session, [], nowMs))
      if (session.load.told > 0) this.#fading.set(session, nowMs + LOAD_WINDOW_MS)
    }
  }

  /** Quiet both ways, with nothing ahead of its traffic and nothing to tell. */
  #isSettled(session: OwnedSession): boolean {
    if (session.hasMoved) return false
    return session.children.every((child) => isQuiet(child) && isAtRest(child, this.#tick) && !child.isWaiting)
  }

  #rest(session: OwnedSession, nowMs: number): void {
    this.forget(session)
    if (session.load.told > 0) this.#fading.set(session, nowMs + LOAD_WINDOW_MS)
    for (const { meterIn, meterOut } of session.children) {
      meterIn.reset()
      meterOut.reset()
    }
  }
}

function measure({ meterIn, meterOut, position, window }: OwnedChild, ticks: number): void {
  for (let i = 0; i < ticks; i++) {
    meterIn.tick()
    meterOut.tick()
  }
  position.follow(window.highest, meterIn, ticks)
}

function isQuiet({ meterIn, meterOut }: OwnedChild): boolean {
  return meterIn.quietTicks >= QUIET_TICKS && meterOut.quietTicks >= QUIET_TICKS
}

function partOf(step: HorizonStep): ChildGrant['horizon'] {
  if (step.type === 'record') return step.horizon
  return step.type === 'shrink' ? { wanted: step.to, rate: 0, shrink: true } : null
}

/** A record with a fresh serial. Whatever it is for, it says where the client is if that is not committed yet. */
function record(session: OwnedSession, children: readonly ChildGrant[], nowMs: number): GrantRecord {
  if (session.hasMoved) session.movedAtMs = nowMs
  const packetsPerSecond = session.load.tell(nowMs)
  const remote = session.hasMoved ? session.remote : null
  return { session: session.session, epoch: session.epoch, serial: session.nextSerial(), children, packetsPerSecond, remote }
}
