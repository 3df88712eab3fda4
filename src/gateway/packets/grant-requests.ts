/**
 * What an owner asks for, and when: ceilings long before they are reached, horizons that stay a little ahead of the traffic and no more.
 *
 * A ceiling may be far ahead: skipped numbers cost nothing. A horizon may not, for a takeover burns what lies between the traffic and it.
 * So it grows at the traffic's rate, and a record is worth its octets only when the lead has left a band around the target, when the rate
 * would lead it out, or when a packet waits.
 *
 * No rate is exact, and each renewal loses the fraction of a number that the limit had grown by; a lead that is off by a number at each
 * renewal would need a record every few seconds. So a rate is a little more than the traffic's, and the moment of a renewal, which costs
 * nothing, makes up for it: a lead that is too long has its horizon stand still at the end of its span until it is right again.
 */

import type { ChildGrant, Grant } from '../../context/grants.ts'
import { MAX_RATE, OUTBOUND_LEAD, RATE_SCALE, SPAN_TICKS, TICK_MS, limitAt } from '../../context/grants.ts'
import type { OwnedChild } from './owned-session.ts'

/** A session that accepted nothing for so many ticks (250 ms) has gone quiet. */
export const QUIET_TICKS = 10
/** One that paused for so long (100 ms) may be about to: its growing lead is judged when that is clear. */
const PAUSE_TICKS = 4
/** Asked for and not applied by then: ask again, sooner where a packet waits. */
const ASK_AGAIN_MS = 100
const ASK_AGAIN_WAITING_MS = 60
const SHRINK_AGAIN_MS = 500
const CUT_AGAIN_MS = 250
/** Below 10 packets a second a horizon doesn't grow: each packet waits for its commit, and nothing is ever ahead of the traffic. */
const MINIMUM_GROWTH = RATE_SCALE / 4
/** A lead above twice its target and this is too long; above three times its target and twice this it is cut at once. */
const SLACK = 4
/** A growing limit is renewed, or given another rate, this many ticks before its growth stops: time to ask once more. */
const RENEW_BEFORE_TICKS = 4
/** A horizon's rate is by this part more than the traffic's, and by a packet in the time over which that was measured, in the units of grants. */
const RATE_EXCESS = 1 / 200
const MAX_DOUBT = 4
/** A lead that is beyond its target by so many ticks' growth is too long for a renewal. Less would need more records: some of the leads would get too short. */
const TOO_LONG_TICKS = 3 / 8
/** The same of a ceiling, whose lead costs nothing. */
const CEILING_EXCESS = 1 / 16

type HorizonPart = NonNullable<ChildGrant['horizon']>

/** Of an owner: its committed tick, and the one that is proposed next. */
export interface Ticks {
  readonly committed: number
  readonly next: number
}

/** A renewal that goes out with the next tick is right in time, or late. */
function isDue(grant: Grant, { next }: Ticks): boolean {
  return next - grant.tick >= SPAN_TICKS - RENEW_BEFORE_TICKS
}

/** The lead that a horizon should have over the highest number accepted, in packets: no whole number. */
export function targetLead(rate: number, horizonMs: number): number {
  return rate < MINIMUM_GROWTH ? 0 : (rate / RATE_SCALE) * (horizonMs / TICK_MS)
}

/** A ceiling's lead, in numbers: what is sent in a span, if that is more than a fresh one has. */
function ceilingLead(child: OwnedChild): number {
  return Math.max(OUTBOUND_LEAD, Math.ceil((child.meterOut.rate * SPAN_TICKS) / RATE_SCALE))
}

/** Traffic that has been steady for a while: its renewals keep the ceiling ahead, too. */
function ceilingRate({ meterOut }: OwnedChild): number {
  return meterOut.isSettled ? Math.min(MAX_RATE, Math.ceil(meterOut.rate * (1 + CEILING_EXCESS))) : 0
}

/** A record's part for a ceiling that is more than half used; null: none needed, or asked for already. */
export function wantCeiling(child: OwnedChild, tick: number, nowMs: number): ChildGrant['ceiling'] {
  const lead = ceilingLead(child)
  const limit = limitAt(child.ceiling, tick, child.maximum)
  if (limit - child.next >= lead / 2 || limit === child.maximum) return null
  const again = child.beyondCeiling.length > 0 ? ASK_AGAIN_WAITING_MS : ASK_AGAIN_MS
  if (child.askedCeiling.limit > child.next && nowMs - child.askedCeiling.atMs < again) return null
  const wanted = Math.min(child.maximum, child.next + lead)
  child.askedCeiling = { limit: wanted, atMs: nowMs }
  return { wanted, rate: ceilingRate(child) }
}

/** The same of a ceiling that grows without need: numbers are not for ever. */
export function wantLessCeiling(child: OwnedChild, tick: number, nowMs: number): ChildGrant['ceiling'] {
  if (child.ceiling.rate <= child.meterOut.rate || nowMs - child.askedCeiling.atMs < ASK_AGAIN_MS) return null
  if (limitAt(child.ceiling, tick, child.maximum) - child.next <= 3 * ceilingLead(child)) return null
  child.askedCeiling = { limit: 0, atMs: nowMs }
  return { wanted: 0, rate: 0 }
}

/** What is said of a ceiling that would need a record before long, in one that is made anyway; null: nothing. */
export function alsoCeiling(child: OwnedChild, tick: number): ChildGrant['ceiling'] {
  const { ceiling, meterOut } = child
  if (!meterOut.isSettled || meterOut.quietTicks > PAUSE_TICKS || ceiling.rate >= meterOut.rate) return null
  if (limitAt(ceiling, tick, child.maximum) - child.next > ceilingLead(child)) return null
  return { wanted: 0, rate: ceilingRate(child) }
}

/** Whether the ceiling of traffic that only goes out stops growing soon and is not far ahead: of other traffic the horizon is renewed, and it with that. */
export function isCeilingDue(child: OwnedChild, ticks: Ticks, nowMs: number): boolean {
  const { ceiling, horizon, meterOut, askedCeiling } = child
  if (ceiling.rate === 0 || horizon.rate > 0 || meterOut.quietTicks > PAUSE_TICKS) return false
  if (!isDue(ceiling, ticks) || nowMs - askedCeiling.atMs < ASK_AGAIN_MS) return false
  if (limitAt(ceiling, ticks.committed, child.maximum) - child.next >= ceilingLead(child)) return false
  child.askedCeiling = { limit: 0, atMs: nowMs }
  return true
}

/** A record's part for a horizon that a packet with this number waits for; null: it is asked for already. */
export function wantHorizonFor(child: OwnedChild, sequence: number, horizonMs: number, nowMs: number): ChildGrant['horizon'] {
  const { limit, atMs } = child.askedHorizon
  if (limit >= sequence && nowMs - atMs < ASK_AGAIN_WAITING_MS) return null
  child.meterIn.doubt()
  return ask(child, sequence + targetLead(child.meterIn.rate, horizonMs), nowMs)
}

/** Growing with the traffic from `limit` on. */
function ask(child: OwnedChild, limit: number, nowMs: number): HorizonPart {
  const wanted = Math.min(child.maximum, Math.round(limit))
  child.askedHorizon = { limit: wanted, atMs: nowMs }
  return { wanted, rate: horizonRate(child), shrink: false }
}

function horizonRate({ meterIn: { rate, measuredTicks } }: OwnedChild): number {
  if (rate < MINIMUM_GROWTH) return 0
  return Math.min(MAX_RATE, Math.ceil(rate * (1 + RATE_EXCESS) + Math.min(MAX_DOUBT, RATE_SCALE / measuredTicks)))
}

/** What to do about a horizon. */
export type HorizonStep =
  | { readonly type: 'none' }
  /** It is right and will stop growing soon. */
  | { readonly type: 'renew' }
  | { readonly type: 'record'; readonly horizon: HorizonPart }
  /** Stop accepting above `to` first, then commit it (rule 12). `raise`: a raise that follows in the next record; null: the session is quiet. */
  | { readonly type: 'shrink'; readonly to: number; readonly raise: HorizonPart | null }

const none: HorizonStep = { type: 'none' }

/**
 * Looked at once a tick of ours, when the lead is at its lowest: the growth of this tick is yet to be committed. Half of that growth is
 * added, so leads are means over a tick.
 */
export function stepHorizon(child: OwnedChild, ticks: Ticks, horizonMs: number, nowMs: number): HorizonStep {
  const { quietTicks } = child.meterIn
  if (quietTicks >= QUIET_TICKS) return stepQuiet(child, ticks.committed, nowMs)
  if (quietTicks > PAUSE_TICKS) return none
  const lead =
    limitAt(child.horizon, ticks.committed, child.maximum) - child.position.of(child.window.highest) + halfTick(child.horizon.rate)
  const target = targetLead(child.meterIn.rate, horizonMs)
  if (lead > 3 * target + 2 * SLACK) return cut(child, horizonMs, nowMs)
  if (nowMs - child.askedHorizon.atMs < ASK_AGAIN_MS) return none
  if (lead < (target - 1) / 2) return { type: 'record', horizon: ask(child, targetLimit(child, horizonMs), nowMs) }
  if (lead > 2 * target + SLACK) return correct(child, lead, horizonMs, nowMs)
  return isDue(child.horizon, ticks) ? prolong(child, lead, ticks, horizonMs, nowMs) : none
}

function halfTick(rate: number): number {
  return rate / RATE_SCALE / 2
}

/** Where the horizon should be once the tick that goes out with the record is committed. */
function targetLimit(child: OwnedChild, horizonMs: number): number {
  const { rate } = child.meterIn
  return child.window.highest + targetLead(rate, horizonMs) + halfTick(rate < MINIMUM_GROWTH ? 0 : rate)
}

/** Whether nothing is ahead of a quiet session's traffic any more. */
export function isAtRest(child: OwnedChild, tick: number): boolean {
  return limitAt(child.horizon, tick, child.maximum) <= child.window.highest && child.horizon.rate === 0
}

/** A quiet session's horizon goes back to the highest number accepted. */
function stepQuiet(child: OwnedChild, tick: number, nowMs: number): HorizonStep {
  if (isAtRest(child, tick) || nowMs - child.shrunkAtMs < SHRINK_AGAIN_MS) return none
  child.shrunkAtMs = nowMs
  return { type: 'shrink', to: child.window.highest, raise: null }
}

/** A lead far beyond its target, such as after a burst, would take long to be used up. */
function cut(child: OwnedChild, horizonMs: number, nowMs: number): HorizonStep {
  if (nowMs - child.shrunkAtMs < CUT_AGAIN_MS) return none
  child.meterIn.doubt()
  child.shrunkAtMs = nowMs
  const raise = ask(child, targetLimit(child, horizonMs), nowMs)
  return { type: 'shrink', to: raise.wanted, raise }
}

/** The rate that brings the lead back to its target within SPAN. */
function correctedRate(child: OwnedChild, lead: number, horizonMs: number): number {
  const { rate } = child.meterIn
  if (rate < MINIMUM_GROWTH) return 0
  const correction = ((targetLead(rate, horizonMs) - lead) * RATE_SCALE) / SPAN_TICKS
  return Math.max(0, Math.min(MAX_RATE, Math.round(rate + correction)))
}

function correct(child: OwnedChild, lead: number, horizonMs: number, nowMs: number): HorizonStep {
  child.meterIn.doubt()
  const rate = correctedRate(child, lead, horizonMs)
  // Being corrected already.
  if (rate >= child.horizon.rate) return none
  child.askedHorizon = { limit: 0, atMs: nowMs }
  return { type: 'record', horizon: { wanted: 0, rate, shrink: false } }
}

/**
 * Growth is about to stop, or has stopped. It goes on at its rate if that keeps the lead within its band for another span, but not before what
 * is too much of the lead has been used up.
 */
function prolong(child: OwnedChild, lead: number, ticks: Ticks, horizonMs: number, nowMs: number): HorizonStep {
  const { horizon, meterIn } = child
  const rate = horizonRate(child)
  if (rate === 0 && horizon.rate === 0) return none
  const target = targetLead(meterIn.rate, horizonMs)
  if (growth(horizon.rate - rate) > target / 4 + SLACK / 4) {
    child.askedHorizon = { limit: 0, atMs: nowMs }
    return { type: 'record', horizon: { wanted: 0, rate, shrink: false } }
  }
  if (lead + growth(horizon.rate - meterIn.rate) < (target - 1) / 2) {
    return { type: 'record', horizon: ask(child, targetLimit(child, horizonMs), nowMs) }
  }
  const isStanding = ticks.next - horizon.tick > SPAN_TICKS
  const leadAfter = isStanding ? lead - meterIn.rate / RATE_SCALE : lead
  if (leadAfter > target + TOO_LONG_TICKS * (horizon.rate / RATE_SCALE)) return none
  child.askedHorizon = { limit: 0, atMs: nowMs }
  return { type: 'renew' }
}

/** In numbers, over a span. */
function growth(rate: number): number {
  return (rate * SPAN_TICKS) / RATE_SCALE
}
