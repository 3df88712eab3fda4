/**
 * A hash index over the rows of a table, off the JavaScript heap: finds a row by a key that the row itself holds.
 *
 * Open addressing with linear probing, between an eighth and two thirds full; a cell holds a row number plus one. Removal shifts later rows back, so there are no tombstones
 * and the cost stays flat however many rows have come and gone.
 */

import { assert } from './assert.ts'

const MINIMUM_CELLS = 16

export class RowIndex {
  readonly #hashOf: (row: number) => number
  #cells = new Uint32Array(MINIMUM_CELLS)
  #count = 0

  /** `hashOf` gives the 32-bit hash of the key in a row; it must not change while the row is in the index. */
  constructor(hashOf: (row: number) => number) {
    this.#hashOf = hashOf
  }

  get count(): number {
    return this.#count
  }

  /** Octets that it takes. */
  get octets(): number {
    return this.#cells.byteLength
  }

  /** The row with this hash for which `matches` is true, or -1. */
  find(hash: number, matches: (row: number) => boolean): number {
    const mask = this.#cells.length - 1
    for (let at = hash & mask; ; at = (at + 1) & mask) {
      const cell = this.#cells[at]!
      if (cell === 0) return -1
      if (matches(cell - 1)) return cell - 1
    }
  }

  /** Adds a row. Several may have the same key; then `find` meets them all. */
  add(row: number): void {
    if (3 * (this.#count + 1) > 2 * this.#cells.length) this.#resize(2 * this.#cells.length)
    this.#place(row)
    this.#count += 1
  }

  /** Removes a row; its key must still be what it was when it was added. */
  remove(row: number): void {
    const mask = this.#cells.length - 1
    let at = this.#hashOf(row) & mask
    while (this.#cells[at] !== row + 1) {
      assert(this.#cells[at] !== 0, `row ${row} is not in the index`)
      at = (at + 1) & mask
    }
    this.#count -= 1
    for (let next = (at + 1) & mask; this.#cells[next] !== 0; next = (next + 1) & mask) {
      const home = this.#hashOf(this.#cells[next]! - 1) & mask
      const isBetween = at <= next ? at < home && home <= next : at < home || home <= next
      if (isBetween) continue
      this.#cells[at] = this.#cells[next]!
      at = next
    }
    this.#cells[at] = 0
    if (8 * this.#count < this.#cells.length && this.#cells.length > MINIMUM_CELLS) this.#resize(this.#cells.length / 2)
  }

  #place(row: number): void {
    const mask = this.#cells.length - 1
    let at = this.#hashOf(row) & mask
    while (this.#cells[at] !== 0) at = (at + 1) & mask
    this.#cells[at] = row + 1
  }

  #resize(length: number): void {
    const old = this.#cells
    this.#cells = new Uint32Array(length)
    for (const cell of old) if (cell !== 0) this.#place(cell - 1)
  }
}
