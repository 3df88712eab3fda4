/**
 * When the newest entries came into this server's log, and how long each batch of them took to this server's disk: for people. Bounded, and
 * forgotten as entries are committed.
 */

import type { Persist } from './effects.ts'

interface Batch {
  readonly first: number
  last: number
  readonly atMs: number
}

/** A follower that is far behind gets more than it commits; of the oldest nothing is known then. */
const maxBatches = 4096

export class LogTimes {
  /** In the order of their indexes, without overlap. */
  readonly #inLog: Batch[] = []
  readonly #unwritten: { readonly sequence: number; readonly atMs: number }[] = []

  appended({ sequence, entries }: Pick<Persist, 'sequence' | 'entries'>, nowMs: number): void {
    const [first, last] = [entries[0]?.index, entries.at(-1)?.index]
    if (first === undefined || last === undefined) return
    while ((this.#inLog.at(-1)?.first ?? -1) >= first) this.#inLog.pop()
    const former = this.#inLog.at(-1)
    if (former !== undefined) former.last = Math.min(former.last, first - 1)
    this.#inLog.push({ first, last, atMs: nowMs })
    if (this.#inLog.length > maxBatches) this.#inLog.shift()
    this.#unwritten.push({ sequence, atMs: nowMs })
  }

  /** Batches up to this one are on disk: how long each took, in ms. */
  written(sequence: number, nowMs: number): number[] {
    const took: number[] = []
    while (this.#unwritten.length > 0 && this.#unwritten[0]!.sequence <= sequence) took.push(nowMs - this.#unwritten.shift()!.atMs)
    return took
  }

  /** When the entry came into the log; null: not known. Asked in the order of the indexes: what lies before is forgotten. */
  take(index: number): number | null {
    while (this.#inLog.length > 0 && this.#inLog[0]!.last < index) this.#inLog.shift()
    const [batch] = this.#inLog
    return batch !== undefined && batch.first <= index ? batch.atMs : null
  }
}
