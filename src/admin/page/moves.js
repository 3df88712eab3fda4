/**
 * Events folded into what people want to read: a takeover of many sessions, or a batch of transfers, is one entry, with what was measured of the
 * interruptions of its sessions.
 */

const MAX_ENTRIES = 200
/** Of one entry: beyond that, the first ones speak for all. */
const MAX_INTERRUPTIONS = 2000
/** Transfers from one gateway with no longer pauses between them are one batch. */
const BATCH_MS = 2000
/** Of what is told of many by their middle and their longest. */
const MIDDLES = 64
/** What is told of sessions after they moved belongs to that for so long. */
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
    if (event.what?.endsWith('carried on')) return this.#measured(event, timeMs)
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

  /** For how long sessions stood still, some seconds after they moved. */
  #measured(event, timeMs) {
    const { type, from, to, sessions = 1 } = event
    const moved = this.entries.find((entry) => entry.type === type && entry.from === from && timeMs - entry.lastMs <= MEASURED_MS)
    const entry = moved ?? this.#begin({ ...event, interruptionMs: undefined, to: undefined }, timeMs, sessions)
    const room = MAX_INTERRUPTIONS - entry.interruptions.length
    entry.interruptions.push(...figuresOf(event).slice(0, Math.max(0, room)))
    // Where transferred sessions went is known; who took over how many is told here.
    if (moved === undefined || type === 'takeover') entry.to[to] = (entry.to[to] ?? 0) + sessions
    return entry
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

/** Of several as many as it takes to show their middle and their longest. */
function figuresOf({ sessions = 1, interruptionMs, interruptionP50Ms = interruptionMs }) {
  return [...Array(Math.min(sessions - 1, MIDDLES)).fill(interruptionP50Ms), interruptionMs]
}

function join(entry, { session, to, interruptionMs }, timeMs, isCounted) {
  entry.lastMs = Math.max(entry.lastMs, timeMs)
  if (isCounted) entry.sessions = (entry.sessions ?? 0) + 1
  if (to !== undefined) entry.to[to] = (entry.to[to] ?? 0) + 1
  if (entry.session !== session) entry.session = null
  if (typeof interruptionMs === 'number' && entry.interruptions.length < MAX_INTERRUPTIONS) entry.interruptions.push(interruptionMs)
  return entry
}
