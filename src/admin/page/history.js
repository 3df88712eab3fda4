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

/**
 * What the counts were at each event, oldest first, as far back as the events tell. `sample`: after all of them. The events are all that happened since
 * the first of them, so between two of them, and before the last one that is too old, nothing changed.
 */
export function countBack(sample, events) {
  const oldestMs = sample.timeMs - KEPT_MS
  const before = []
  const sessions = { ...sample.sessions }
  let { timeMs } = sample
  const note = (atMs) => {
    if (before.at(-1)?.timeMs !== atMs) before.push({ timeMs: atMs, sessions: { ...sessions }, rates: null })
    timeMs = atMs
  }
  for (const event of events.toReversed()) {
    const eventMs = Math.min(Date.parse(event.time), timeMs)
    const change = changeOf(event)
    const entries = Object.entries(change ?? {})
    if (eventMs < oldestMs) note(oldestMs)
    else if (change === null || entries.length > 0) note(eventMs)
    if (change === null || eventMs < oldestMs || before.length >= MAX_SAMPLES) break
    for (const [gateway, by] of entries) sessions[gateway] = (sessions[gateway] ?? 0) - by
    if (entries.some(([gateway]) => sessions[gateway] < 0)) break
    if (entries.length > 0) note(eventMs - 1)
  }
  return before.toReversed()
}

/** By how much an event changed the sessions of which gateway; null: it does not say. */
function changeOf({ type, what, from, to, gateway }) {
  // How long they stood still is told later, of sessions that had moved before.
  if (what?.endsWith('carried on')) return {}
  if (type === 'takeover') return null
  if (type === 'transfer') return { [from]: -1, [to]: 1 }
  if (type !== 'session' || what === undefined) return {}
  if (what === 'established') return gateway === undefined ? null : { [gateway]: 1 }
  if (what.startsWith('ended')) return gateway === undefined ? null : { [gateway]: -1 }
  return what === 'replaced' ? null : {}
}
