/**
 * What an owner asks for, and when: ceilings long before they are reached, horizons that stay a little ahead of the traffic and no more.
 *
 * A ceiling may be far ahead: skipped numbers cost nothing. A horizon may not, for a takeover burns what lies between the traffic and it.
 * So it grows at the traffic's rate, corrected such that the lead is back at its target within SPAN, and a record is worth its octets
 * only when the lead has left a band around the target, when the rate would lead it out, or when a packet waits.
 */

import type { ChildGrant } from '../../context/grants.ts'
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
/** A growing limit is renewed, or given another rate, this many ticks before its growth stops. */
const RENEW_BEFORE_TICKS = 24

type HorizonPart = NonNullable<ChildGrant['horizon']>

/** The lead that a horizon should have over the highest number accepted, in packets: no whole number. */
export function targetLead(rate: number, horizonMs: number): number {
  return rate < MINIMUM_GROWTH ? 0 : (rate / RATE_SCALE) * (horizonMs / TICK_MS)
}

/** A record's part for a ceiling that is more than half used; null: none needed, or asked for already. */
export function wantCeiling(child: OwnedChild, tick: number, nowMs: number): ChildGrant['ceiling'] {
  const lead = Math.max(OUTBOUND_LEAD, Math.ceil((child.meterOut.rate * SPAN_TICKS) / RATE_SCALE))
  const limit = limitAt(child.ceiling, tick, child.maximum)
  if (limit - child.next >= lead / 2 || limit === child.maximum) return null
  const again = child.beyondCeiling.length > 0 ? ASK_AGAIN_WAITING_MS : ASK_AGAIN_MS
  if (child.askedCeiling.limit > child.next && nowMs - child.askedCeiling.atMs < again) return null
  const wanted = Math.min(child.maximum, child.next + lead)
  child.askedCeiling = { limit: wanted, atMs: nowMs }
  return { wanted, rate: 0 }
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
  const { rate } = child.meterIn
  const wanted = Math.min(child.maximum, Math.round(limit))
  child.askedHorizon = { limit: wanted, atMs: nowMs }
  return { wanted, rate: rate < MINIMUM_GROWTH ? 0 : rate, shrink: false }
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
export function stepHorizon(child: OwnedChild, tick: number, horizonMs: number, nowMs: number): HorizonStep {
  const { quietTicks } = child.meterIn
  if (quietTicks >= QUIET_TICKS) return stepQuiet(child, tick, nowMs)
  if (quietTicks > PAUSE_TICKS) return none
  const lead = limitAt(child.horizon, tick, child.maximum) - child.window.highest + halfTick(child.horizon.rate)
  const target = targetLead(child.meterIn.rate, horizonMs)
  if (lead > 3 * target + 2 * SLACK) return cut(child, horizonMs, nowMs)
  if (nowMs - child.askedHorizon.atMs < ASK_AGAIN_MS) return none
  if (lead < (target - 1) / 2) return { type: 'record', horizon: ask(child, targetLimit(child, horizonMs), nowMs) }
  if (lead > 2 * target + SLACK) return correct(child, lead, horizonMs, nowMs)
  return tick - child.horizon.tick >= SPAN_TICKS - RENEW_BEFORE_TICKS ? prolong(child, lead, horizonMs, nowMs) : none
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

/** Growth is about to stop: it goes on as it is if that keeps the lead within its band for another span. */
function prolong(child: OwnedChild, lead: number, horizonMs: number, nowMs: number): HorizonStep {
  const rate = correctedRate(child, lead, horizonMs)
  if (rate === 0 && child.horizon.rate === 0) return none
  child.askedHorizon = { limit: 0, atMs: nowMs }
  const drift = (Math.abs(rate - child.horizon.rate) * SPAN_TICKS) / RATE_SCALE
  if (drift <= targetLead(child.meterIn.rate, horizonMs) / 2 + SLACK / 2) return { type: 'renew' }
  return { type: 'record', horizon: { wanted: 0, rate, shrink: false } }
}
