/**
 * Which sessions a checkpoint has to write: the dirty ones, by row, apart for each of a session's two records (checkpoint.ts).
 *
 * Whoever changes a session says so *before* it does: while a checkpoint is being given, a row that it still has to give is encoded
 * first, so that all its records together are the state at one moment. A few octets a row, and nothing a change but two tests.
 */

import { assert } from '../kit/assert.ts'
import type { Bytes } from '../kit/bytes.ts'

/** A session's two records, as bits. */
export const contextPart = 1
export const motionPart = 2
export const bothParts = contextPart | motionPart

const FIRST_CAPACITY = 64

/** Encodes these parts of the row as they are now. */
export type EncodeRow = (row: number, parts: number) => void

export class Changes {
  /** Changed since the last `begin`. */
  #dirty: Bytes = new Uint8Array(FIRST_CAPACITY)
  /** Still to be given by the checkpoint under way. */
  #due: Bytes = new Uint8Array(FIRST_CAPACITY)
  /** Given by the last checkpoint; until the next `begin` it may turn out not to have been written. */
  #given: Bytes = new Uint8Array(FIRST_CAPACITY)
  /** 1: a record of the row's session may have been written, so its end has to be. */
  #stored: Bytes = new Uint8Array(FIRST_CAPACITY)
  /** Sessions that ended since the last `begin`, and those whose end the last checkpoint gave. */
  #removed: number[] = []
  #removing: readonly number[] = []
  #encode: EncodeRow | null = null

  /** The row's session is about to change. */
  before(row: number, parts: number): void {
    if (row >= this.#dirty.length) this.#grow(row)
    const due = this.#due[row]! & parts
    if (due !== 0) this.#encode!(row, due)
    this.#dirty[row]! |= parts
  }

  /** The row's session is about to end. */
  beforeRemoval(row: number, session: number): void {
    this.before(row, bothParts)
    this.#dirty[row] = 0
    this.#given[row] = 0
    if (this.#stored[row] === 1) this.#removed.push(session)
    this.#stored[row] = 0
  }

  /** All rows in use were read from a checkpoint: nothing has changed since. */
  restored(rows: number): void {
    if (rows > this.#dirty.length) this.#grow(rows - 1)
    this.#dirty.fill(0)
    this.#stored.fill(1, 0, rows)
  }

  // ---- of the checkpoint

  /** A checkpoint of what is dirty now; the last one counts as written. Returns the sessions that ended. */
  begin(encode: EncodeRow): readonly number[] {
    assert(this.#encode === null, 'one checkpoint at a time')
    const clean = this.#due
    this.#due = this.#dirty
    this.#dirty = clean
    this.#given.fill(0)
    this.#removing = this.#removed
    this.#removed = []
    this.#encode = encode
    return this.#removing
  }

  /** The first row from `row` on that is still due; -1: none. */
  nextDue(row: number): number {
    const due = this.#due
    for (let at = row; at < due.length; at++) if (due[at] !== 0) return at
    return -1
  }

  dueParts(row: number): number {
    return this.#due[row]!
  }

  /** These parts of the row were encoded for the checkpoint. */
  give(row: number, parts: number): void {
    this.#due[row]! &= ~parts
    this.#given[row]! |= parts
    this.#stored[row] = 1
  }

  /** All was given. */
  end(): void {
    this.#encode = null
  }

  /** The last checkpoint was not written: what it gave or still had to give is dirty again. */
  undo(): void {
    for (let row = 0; row < this.#dirty.length; row++) this.#dirty[row]! |= this.#due[row]! | this.#given[row]!
    this.#due.fill(0)
    this.#given.fill(0)
    this.#removed = this.#removing.concat(this.#removed)
    this.#removing = []
    this.#encode = null
  }

  #grow(row: number): void {
    const length = Math.max(row + 1, Math.ceil(1.25 * this.#dirty.length))
    const grown = (flags: Bytes): Bytes => {
      const larger = new Uint8Array(length)
      larger.set(flags)
      return larger
    }
    this.#dirty = grown(this.#dirty)
    this.#due = grown(this.#due)
    this.#given = grown(this.#given)
    this.#stored = grown(this.#stored)
  }
}
