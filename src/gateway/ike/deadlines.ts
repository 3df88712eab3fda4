/**
 * When each session of ours is to be looked at: a few numbers a row of the session table, so that a quiet session costs nothing but a glance
 * every few seconds. Nothing of it is agreed: it follows from the agreed state, but for when a client was last heard, which its owner knows.
 *
 * A new owner takes it that the client was heard when the session came to it.
 */

import type { State } from '../../session/state.ts'
import { establishedRow, mostPackets } from '../../session/view.ts'

/** Times are kept in these, one more than it is, so that 0 is "not known". */
const UNIT_MS = 100
/** Deadlines are of the wall clock, which may be set: no look is further away. */
const MAX_WAIT_MS = 3_600_000
/** Columns grow by a quarter. */
const GROWTH = 1.25
/** Rows glanced at in a tick: all of them within so many ticks, a quarter of a second, while that are no more than the bound. */
const ROUND_TICKS = 25
const MAX_ROWS = 1024
/** Sessions looked at in a tick. */
export const LOOKS = 32
/** Of sessions that have just become ours, where nothing presses: after a takeover there are very many, and their packets come first. */
export const CALM_FIRST_LOOKS = 4

/** What a look found out. */
export interface Look {
  /** From now to the next one. */
  readonly waitMs: number
  /** Unless a Child SA has so many packets in a direction before. */
  readonly packets: number
}

export class Deadlines {
  readonly #state: State
  #heard = new Uint32Array(0)
  #lookAt = new Uint32Array(0)
  /** More than 32 bits, for extended sequence numbers. */
  #packets = new Float64Array(0)
  /** Which session, in which tenure of ours, the row was looked at as. */
  #session = new Uint32Array(0)
  #epoch = new Uint32Array(0)
  #row = 0
  readonly #soon = new Set<number>()

  constructor(state: State) {
    this.#state = state
  }

  /** Another incarnation of ours, another state, or another configuration: everything is looked at anew. */
  forget(): void {
    this.#heard.fill(0)
    this.lookAtAll()
  }

  lookAtAll(): void {
    this.#lookAt.fill(0)
  }

  /** Something authentic came from the client. */
  heard(session: number, nowMs: number): void {
    const row = this.#rowOf(session)
    if (row !== -1) this.#heard[row] = units(nowMs)
  }

  /** How long ago something authentic came from the client, or the session came to us. */
  silentMs(session: number, nowMs: number): number {
    const row = this.#rowOf(session)
    const heard = row === -1 ? 0 : this.#heard[row]!
    return heard === 0 ? 0 : Math.max(0, nowMs - (heard - 1) * UNIT_MS)
  }

  /** At the next tick. */
  lookSoon(session: number): void {
    this.#soon.add(session)
  }

  /** Glances at some rows, and looks at the sessions of `owner` that may be due; for the first time at no more than `firstLooks`. */
  tick(owner: number, nowMs: number, firstLooks: number, look: (session: number) => Look): void {
    this.#grow()
    let [looks, first] = [0, 0]
    for (const session of this.#soon) {
      this.#soon.delete(session)
      const row = this.#state.sessions.find(session)
      if (row !== -1 && establishedRow(this.#state, row, owner) !== null) this.#look(row, session, nowMs, look)
      if (++looks === LOOKS) return
    }
    const { end } = this.#state.sessions
    const rows = Math.min(Math.ceil(end / ROUND_TICKS), MAX_ROWS)
    for (let count = 0; count < rows; count++) {
      if (this.#row >= end) this.#row = 0
      const row = this.#row++
      const session = establishedRow(this.#state, row, owner)
      if (session === null) this.#heard[row] = 0
      else if (this.#heard[row] === 0 && ++first > firstLooks) continue
      else if (this.#isDue(row, session, nowMs)) {
        this.#look(row, session, nowMs, look)
        if (++looks === LOOKS) return
      }
    }
  }

  #isDue(row: number, session: number, nowMs: number): boolean {
    if (this.#heard[row] === 0) this.#heard[row] = units(nowMs)
    if (this.#lookAt[row]! <= units(nowMs)) return true
    if (this.#session[row] !== session >>> 0 || this.#epoch[row] !== this.#state.sessions.epoch[row]) return true
    return mostPackets(this.#state, row) >= this.#packets[row]!
  }

  #look(row: number, session: number, nowMs: number, look: (session: number) => Look): void {
    if (this.#heard[row] === 0) this.#heard[row] = units(nowMs)
    const { waitMs, packets } = look(session)
    this.#lookAt[row] = units(nowMs + Math.min(waitMs, MAX_WAIT_MS) + UNIT_MS - 1)
    this.#packets[row] = packets
    this.#session[row] = session
    this.#epoch[row] = this.#state.sessions.epoch[row]!
  }

  #rowOf(session: number): number {
    this.#grow()
    return this.#state.sessions.find(session)
  }

  #grow(): void {
    const { end } = this.#state.sessions
    if (end <= this.#heard.length) return
    const capacity = Math.ceil(GROWTH * end)
    this.#heard = grown(this.#heard, capacity)
    this.#lookAt = grown(this.#lookAt, capacity)
    this.#packets = grown(this.#packets, capacity)
    this.#session = grown(this.#session, capacity)
    this.#epoch = grown(this.#epoch, capacity)
  }
}

function units(ms: number): number {
  return Math.floor(ms / UNIT_MS) + 1
}

function grown<T extends Uint32Array | Float64Array>(column: T, capacity: number): T {
  const larger = new (column.constructor as new (length: number) => T)(capacity)
  larger.set(column)
  return larger
}
