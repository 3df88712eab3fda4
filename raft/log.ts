/**
 * The log as the core sees it: entries after a base (index 0, or the last entry that was compacted or that a snapshot includes), kept in
 * memory. Sizes are kept as a running sum, so that the octets of any range are a subtraction and no account can leak.
 */

import { assert } from './assert.ts'
import type { Entry } from './entry.ts'
import type { Membership } from './membership.ts'

/** The place before the first entry of a log. */
export interface LogBase {
  readonly index: number
  readonly term: number
}

/** With the configuration that is in force there; null: that of the first boot. */
export interface LogStart extends LogBase {
  readonly configuration: Membership | null
}

/** Of a log of which nothing was compacted. */
export const emptyBase: LogBase = { index: 0, term: 0 }
export const emptyStart: LogStart = { ...emptyBase, configuration: null }

export class RaftLog {
  #baseIndex: number
  #baseTerm: number
  #entries: Entry[] = []
  /** Octets of all entries that this log ever held, up to the base, and up to and including the one at the same place. */
  #octetsUpToBase = 0
  #octetsUpTo: number[] = []

  constructor(entries: readonly Entry[], base: LogBase = emptyBase) {
    this.#baseIndex = base.index
    this.#baseTerm = base.term
    for (const entry of entries) this.append(entry)
  }

  get base(): LogBase {
    return { index: this.#baseIndex, term: this.#baseTerm }
  }

  get firstIndex(): number {
    return this.#baseIndex + 1
  }

  get lastIndex(): number {
    return this.#baseIndex + this.#entries.length
  }

  get lastTerm(): number {
    return this.#entries.at(-1)?.term ?? this.#baseTerm
  }

  /** The term of the entry at `index`; null where there is none. A missing entry never equals a term (a zero would). */
  term(index: number): number | null {
    if (index === this.#baseIndex) return this.#baseTerm
    return this.#entries[index - this.#baseIndex - 1]?.term ?? null
  }

  entry(index: number): Entry | null {
    return this.#entries[index - this.#baseIndex - 1] ?? null
  }

  append(entry: Entry): void {
    assert(entry.index === this.lastIndex + 1, `append of index ${entry.index} after ${this.lastIndex}`)
    assert(entry.term >= this.lastTerm, `append of term ${entry.term} after ${this.lastTerm}`)
    this.#octetsUpTo.push((this.#octetsUpTo.at(-1) ?? this.#octetsUpToBase) + entry.encoded.length)
    this.#entries.push(entry)
  }

  /** Removes the entries from `index` on. */
  truncateFrom(index: number): void {
    assert(index > this.#baseIndex, `truncation from ${index}, but ${this.#baseIndex} is the base`)
    this.#entries.length = index - this.#baseIndex - 1
    this.#octetsUpTo.length = this.#entries.length
  }

  /** Forgets the entries up to `index`, which becomes the base. */
  compactTo(index: number): void {
    const term = this.term(index)
    assert(term !== null, `compaction to ${index}, but the log holds ${this.firstIndex} to ${this.lastIndex}`)
    const count = index - this.#baseIndex
    this.#octetsUpToBase = this.#octetsUpTo[count - 1] ?? this.#octetsUpToBase
    this.#entries.splice(0, count)
    this.#octetsUpTo.splice(0, count)
    this.#baseIndex = index
    this.#baseTerm = term
  }

  /** Begins anew after `base`: a snapshot includes everything up to there, and what we held is not its continuation. */
  reset(base: LogBase): void {
    this.#baseIndex = base.index
    this.#baseTerm = base.term
    this.#entries = []
    this.#octetsUpTo = []
    this.#octetsUpToBase = 0
  }

  /** The entries from `from` to `to`, both included. */
  slice(from: number, to: number): Entry[] {
    return this.#entries.slice(from - this.#baseIndex - 1, to - this.#baseIndex)
  }

  /** The entries from `from` on that fit into `maxOctets` and `maxEntries`; at least one if there is one. */
  page(from: number, maxOctets: number, maxEntries: number): Entry[] {
    const end = Math.min(this.lastIndex, from + maxEntries - 1)
    let to = Math.min(from, end)
    while (to < end && this.octetsBetween(from, to + 1) <= maxOctets) to++
    return this.slice(from, to)
  }

  /** The encoded octets of the entries from `from` to `to`, both included. */
  octetsBetween(from: number, to: number): number {
    if (to < from) return 0
    const before = this.#octetsUpTo[from - this.#baseIndex - 2] ?? this.#octetsUpToBase
    return (this.#octetsUpTo[to - this.#baseIndex - 1] ?? before) - before
  }

  /** Whether a log that ends so is at least as up to date as ours (§5.4.1). */
  isUpToDate(lastLogIndex: number, lastLogTerm: number): boolean {
    if (lastLogTerm !== this.lastTerm) return lastLogTerm > this.lastTerm
    return lastLogIndex >= this.lastIndex
  }

  /** The highest index up to `index` whose term is at most `term`: a log that has `term` at `index` cannot match ours above it. */
  lastIndexOfTermAtMost(index: number, term: number): number {
    let candidate = Math.min(index, this.lastIndex)
    while (candidate > this.#baseIndex && this.term(candidate)! > term) candidate--
    return candidate
  }
}
