/**
 * Who had how many sessions in the last minutes. What is seen from now on is asked for; what was before the page was opened is counted back from
 * the events, as far as they say enough: of a takeover they don't say how many sessions went where.
 */

/** The longest window of the chart. */
export const KEPT_MS = 900_000
const MAX_SAMPLES = 4000
/** Nobody looked for so long: what was meanwhile is not known. */
export const GAP_MS = 5000

/** Samples `{ timeMs, sessions: { sg1: 10 }, rates: { sg1: 500 } }`, oldest first; `rates` null where it is not known. */
export class History {
  samples = []

  add(timeMs, gateways) {
    const of = (key) => Object.fromEntries(gateways.map((gateway) => [gateway.id, gateway[key]]))
    const last = this.samples.at(-1)
    if (last !== undefined && last.timeMs >= timeMs) return
    this.samples.push({ timeMs, sessions: of('sessions'), rates: of('packetsPerSecond') })
    const oldest = this.samples.findIndex((sample) => sample.timeMs >= timeMs - KEPT_MS)
    this.samples.splice(0, Math.max(oldest - 1, this.samples.length - MAX_SAMPLES, 0))
  }

  /** Puts what was before the first sample in front. `events` in their order, none later than that sample. */
  seed(events) {
    const [first] = this.samples
    if (first !== undefined) this.samples.unshift(...countBack(first, events))
  }

  /** How many sessions a gateway had just before a time; null: not known. */
  sessionsBefore(gateway, timeMs) {
    const sample = this.samples.findLast((one) => one.timeMs < timeMs)
    return sample?.sessions[gateway] ?? null
  }

  /** The last so many rates of a gateway. */
  rates(gateway, many) {
    return this.samples.slice(-many).map(({ rates }) => rates?.[gateway] ?? null)
  }
}

/** What the counts were at each event, oldest first, as far back as the events tell. `sample`: after all of them. */
export function countBack(sample, events) {
  const before = []
  const sessions = { ...sample.sessions }
  let { timeMs } = sample
  for (const event of events.toReversed()) {
    const change = changeOf(event)
    const eventMs = Math.min(Date.parse(event.time), timeMs)
    if (change === null || eventMs < sample.timeMs - KEPT_MS || before.length >= MAX_SAMPLES) break
    timeMs = eventMs
    const entries = Object.entries(change)
    if (entries.length === 0) continue
    // As it was after the event, and until the next one.
    if (before.at(-1)?.timeMs !== timeMs) before.push({ timeMs, sessions: { ...sessions }, rates: null })
    for (const [gateway, by] of entries) sessions[gateway] = (sessions[gateway] ?? 0) - by
    if (entries.some(([gateway]) => sessions[gateway] < 0)) break
    before.push({ timeMs: timeMs - 1, sessions: { ...sessions }, rates: null })
  }
  return before.toReversed()
}

/** By how much an event changed the sessions of which gateway; null: it does not say. */
function changeOf({ type, what, from, to, gateway }) {
  if (type === 'takeover') return null
  if (type === 'transfer') return { [from]: -1, [to]: 1 }
  if (type !== 'session' || what === undefined) return {}
  if (what === 'established') return gateway === undefined ? null : { [gateway]: 1 }
  if (what.startsWith('ended')) return gateway === undefined ? null : { [gateway]: -1 }
  return what === 'replaced' ? null : {}
}
