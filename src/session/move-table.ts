/**
 * Rows of how sessions that have changed hands came to their owners: a row each time, behind one another, the latest first. A session that has not moved
 * has none, and costs nothing. Where a takeover's packets come first rows are added by the thousand, so adding takes no objects.
 */

import { assert } from '../kit/assert.ts'
import { mix32 } from '../kit/hash.ts'
import { RowIndex } from '../kit/row-index.ts'
import { MAX_INTERRUPTION_MS } from './interruptions-command.ts'
import { FIRST_CAPACITY, Table, grown } from './tables.ts'

/** How a session came to an owner. */
export const ways = ['established', 'takeover', 'transfer'] as const
export type Way = (typeof ways)[number]
/** Places in `ways`. */
export const ESTABLISHED = 0
export const TAKEOVER = 1
export const TRANSFER = 2

/** Owners of a session that are kept, the latest. */
export const MAX_MOVES = 16

/** For how long a session stood still as it came to an owner. `isQuiet`: until it could have carried a packet, for none came in time. */
export interface Interruption {
  readonly ms: number
  readonly isQuiet: boolean
}

export interface Move {
  /** The gateway that had it before, as its place among all that there ever were; of `established`: the one that has it since then. */
  readonly from: number
  /** The first of the new owner's. */
  readonly epoch: number
  /** Wall-clock ms; 0: nobody said. */
  readonly atMs: number
  /** Place in `ways`. */
  readonly way: number
  /** The one that it came from had established it, in its first epoch. */
  readonly isFirst: boolean
}

export class MoveTable extends Table {
  session = new Uint32Array(FIRST_CAPACITY)
  from = new Uint32Array(FIRST_CAPACITY)
  epoch = new Uint32Array(FIRST_CAPACITY)
  at = new Float64Array(FIRST_CAPACITY)
  /** Place in `ways`, and FIRST and QUIET. */
  way = new Uint8Array(FIRST_CAPACITY)
  /** One more than the interruption in ms; 0: it is not known. */
  interruption = new Uint32Array(FIRST_CAPACITY)
  /** The move before. */
  next = new Uint32Array(FIRST_CAPACITY)
  readonly #latest = new RowIndex((row) => mix32(this.session[row]!))

  protected growColumns(capacity: number): void {
    this.session = grown(this.session, capacity)
    this.from = grown(this.from, capacity)
    this.epoch = grown(this.epoch, capacity)
    this.at = grown(this.at, capacity)
    this.way = grown(this.way, capacity)
    this.interruption = grown(this.interruption, capacity)
    this.next = grown(this.next, capacity)
  }

  get indexOctets(): number {
    return this.#latest.octets
  }

  /** The row of a session's latest move, by the session's row; -1: it has not moved. */
  latest(session: number): number {
    return this.#latest.count === 0 ? -1 : this.#latest.find(mix32(session), (row) => this.session[row] === session)
  }

  /** The row of the move before; -1: none that is known. */
  before(row: number): number {
    return this.next[row]! - 1
  }

  /** The session in this row has moved; returns the move's row. The oldest one is forgotten when they are too many. */
  add(session: number, { from, epoch, atMs, way, isFirst }: Move): number {
    const former = this.latest(session)
    if (former !== -1) this.#latest.remove(former)
    const row = this.take()
    this.session[row] = session
    this.from[row] = from
    this.epoch[row] = epoch
    this.at[row] = atMs
    this.way[row] = way | (isFirst ? FIRST : 0)
    this.interruption[row] = 0
    this.next[row] = former + 1
    this.#latest.add(row)
    if (former !== -1) this.#forgetBeyond(row)
    return row
  }

  wayOf(row: number): number {
    return this.way[row]! & WAY
  }

  isFirst(row: number): boolean {
    return (this.way[row]! & FIRST) !== 0
  }

  /** Null: nobody has said, or not yet. */
  interruptionOf(row: number): Interruption | null {
    const told = this.interruption[row]!
    return told === 0 ? null : { ms: told - 1, isQuiet: (this.way[row]! & QUIET) !== 0 }
  }

  setInterruption(row: number, { ms, isQuiet }: Interruption): void {
    assert(ms <= MAX_INTERRUPTION_MS, `an interruption is at most ${MAX_INTERRUPTION_MS} ms, got ${ms}`)
    this.interruption[row] = ms + 1
    this.way[row] = (this.way[row]! & ~QUIET) | (isQuiet ? QUIET : 0)
  }

  /** Rows of a session's moves, the oldest first. */
  rowsOf(session: number): number[] {
    const rows: number[] = []
    for (let row = this.latest(session); row !== -1; row = this.before(row)) rows.unshift(row)
    return rows
  }

  /** Nothing is known of the session in this row any more. */
  forget(session: number): void {
    const latest = this.latest(session)
    if (latest === -1) return
    this.#latest.remove(latest)
    this.#releaseFrom(latest)
  }

  #forgetBeyond(latest: number): void {
    let row = latest
    for (let count = 1; count < MAX_MOVES && row !== -1; count++) row = this.before(row)
    if (row === -1) return
    const oldest = this.before(row)
    this.next[row] = 0
    this.#releaseFrom(oldest)
  }

  #releaseFrom(first: number): void {
    for (let row = first; row !== -1;) {
      const before = this.before(row)
      this.release(row)
      row = before
    }
  }
}

const WAY = 3
const QUIET = 4
const FIRST = 8
