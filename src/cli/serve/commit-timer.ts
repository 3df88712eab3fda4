/** How long commands of this gateway's take to be committed and applied here, stage by stage (observations.ts). */

import { performance } from 'node:perf_hooks'
import type { CommitStage } from './observations.ts'

interface Timed {
  readonly proposedMs: number
  /** When it came into this gateway's log, and when it was known to be committed; null: not yet, or not known. */
  inLogMs: number | null
  committedMs: number | null
}

export class CommitTimer {
  readonly #observe: (stage: CommitStage, seconds: number) => void
  readonly #timed = new Map<number, Timed>()

  constructor(observe: (stage: CommitStage, seconds: number) => void) {
    this.#observe = observe
  }

  /** Appended, for the first time or again: the first counts. */
  proposed(serial: number): void {
    if (!this.#timed.has(serial)) this.#timed.set(serial, { proposedMs: performance.now(), inLogMs: null, committedMs: null })
  }

  /** It is certainly in no log. */
  dropped(serial: number): void {
    this.#timed.delete(serial)
  }

  committed(serial: number, inLogMs: number | null): void {
    const timed = this.#timed.get(serial)
    // A second copy comes after it was applied, and is not timed any more.
    if (timed === undefined) return
    timed.inLogMs = inLogMs
    timed.committedMs = performance.now()
  }

  applied(serial: number): void {
    const timed = this.#timed.get(serial)
    if (timed === undefined) return
    this.#timed.delete(serial)
    const { proposedMs, inLogMs, committedMs } = timed
    const appliedMs = performance.now()
    this.#observe('total', (appliedMs - proposedMs) / 1000)
    if (committedMs !== null) this.#observe('apply', (appliedMs - committedMs) / 1000)
    if (committedMs === null || inLogMs === null) return
    // An append whose outcome was unknown may have come into the log before it was repeated, but not before it was proposed.
    this.#observe('propose', (inLogMs - proposedMs) / 1000)
    this.#observe('replicate', (committedMs - inLogMs) / 1000)
  }
}
