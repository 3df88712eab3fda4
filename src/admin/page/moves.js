/**
 * Events folded into what people want to read: a takeover of many sessions, or a batch of transfers, is one entry, with what was measured of the
 * interruptions of its sessions.
 */

const MAX_ENTRIES = 200
/** Of one entry: beyond that, the first ones speak for all. */
const MAX_INTERRUPTIONS = 2000
/** Transfers from one gateway with no longer pauses between them are one batch. */
const BATCH_MS = 2000
/** What is told of a session after its takeover belongs to it for so long. */
const MEASURED_MS = 300_000

/**
 * Entries, newest first: `{ id, type, timeMs, lastMs, from, to: { sg2: 3 }, gateway, sessions, session, interruptions, what }`. `sessions`: how many
 * moved; null: not known. `session`: where it is one.
 */
export class Moves {
  entries = []
  #count = 0

  /** `sessionsBefore(gateway, timeMs)`: how many it had, or null. Gives the entry that the event is in; null: it is in none. */
  add(event, sessionsBefore = () => null) {
    const timeMs = Date.parse(event.time)
    if (event.type === 'session') return null
    if (event.type === 'transfer') return this.#transferred(event, timeMs)
    if (event.type === 'takeover') return this.#takenOver(event, timeMs, sessionsBefore)
    return this.#begin(event, timeMs)
  }

  #transferred(event, timeMs) {
    const batch = this.entries.find(
      ({ type, from, lastMs }) => type === 'transfer' && from === event.from && Math.abs(timeMs - lastMs) <= BATCH_MS,
    )
    return batch === undefined ? this.#begin(event, timeMs, 1) : join(batch, event, timeMs, true)
  }

  #takenOver(event, timeMs, sessionsBefore) {
    const whole = this.entries.find(
      ({ type, from, timeMs: atMs }) => type === 'takeover' && from === event.from && timeMs - atMs <= MEASURED_MS,
    )
    if (event.session === undefined) return this.#begin(event, timeMs, sessionsBefore(event.from, timeMs))
    return whole === undefined ? this.#begin(event, timeMs, 1) : join(whole, event, timeMs, whole.session !== null)
  }

  #begin({ type, from = null, gateway = null, session = null, what = '', to, interruptionMs }, timeMs, sessions = null) {
    const entry = {
      id: ++this.#count,
      type,
      timeMs,
      lastMs: timeMs,
      from,
      to: to === undefined ? {} : { [to]: 1 },
      gateway,
      sessions,
      session,
      interruptions: typeof interruptionMs === 'number' ? [interruptionMs] : [],
      what,
    }
    this.entries.unshift(entry)
    if (this.entries.length > MAX_ENTRIES) this.entries.pop()
    return entry
  }
}

function join(entry, { session, to, interruptionMs }, timeMs, isCounted) {
  entry.lastMs = Math.max(entry.lastMs, timeMs)
  if (isCounted) entry.sessions = (entry.sessions ?? 0) + 1
  if (to !== undefined) entry.to[to] = (entry.to[to] ?? 0) + 1
  if (entry.session !== session) entry.session = null
  if (typeof interruptionMs === 'number' && entry.interruptions.length < MAX_INTERRUPTIONS) entry.interruptions.push(interruptionMs)
  return entry
}
