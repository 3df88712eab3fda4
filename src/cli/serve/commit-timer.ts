/** How long commands of this gateway's take to be committed and applied here, stage by stage (observations.ts). */

import { performance } from 'node:perf_hooks'
import type { CommitStage } from './observations.ts'

interface Timed {
  readonly proposedMs: number
  /** When it came into this gateway's log, and when it was known to be committed; null: not yet, or not known. */
  inLogMs: number | null
  committedMs: number | null
}

/** The quickest is that of one to two of these. */
const QUICKEST_SPAN_MS = 5000

export class CommitTimer {
  readonly #observe: (stage: CommitStage, seconds: number) => void
  readonly #nowMs: () => number
  /** In the order in which they were proposed. */
  readonly #timed = new Map<number, Timed>()
  #quickest = { sinceMs: -Infinity, formerMs: Infinity, ms: Infinity }

  /** `nowMs`: the clock of the log (`performance.now`). */
  constructor(observe: (stage: CommitStage, seconds: number) => void, nowMs: () => number = () => performance.now()) {
    this.#observe = observe
    this.#nowMs = nowMs
  }

  /** For how long the oldest command has been on its way; 0: there is none. */
  get ageMs(): number {
    const [oldest] = this.#timed.values()
    return oldest === undefined ? 0 : this.#nowMs() - oldest.proposedMs
  }

  /** How long the quickest command of the last seconds took; 0: there was none. */
  get quickestMs(): number {
    const ms = Math.min(this.#quickest.formerMs, this.#quickest.ms)
    return Number.isFinite(ms) ? ms : 0
  }

  /** Appended, for the first time or again: the first counts. */
  proposed(serial: number): void {
    if (!this.#timed.has(serial)) this.#timed.set(serial, { proposedMs: this.#nowMs(), inLogMs: null, committedMs: null })
  }

  /** Nobody waits for it any longer; it may be in the log all the same. */
  givenUp(serial: number): void {
    this.#timed.delete(serial)
  }

  /** The state was replaced: nothing that was proposed is waited for. */
  forget(): void {
    this.#timed.clear()
  }

  committed(serial: number, inLogMs: number | null): void {
    const timed = this.#timed.get(serial)
    // A second copy comes after it was applied, and is not timed any more.
    if (timed === undefined) return
    timed.inLogMs = inLogMs
    timed.committedMs = this.#nowMs()
  }

  applied(serial: number): void {
    const timed = this.#timed.get(serial)
    if (timed === undefined) return
    this.#timed.delete(serial)
    const { proposedMs, inLogMs, committedMs } = timed
    const appliedMs = this.#nowMs()
    this.#tookMs(appliedMs - proposedMs, appliedMs)
    this.#observe('total', (appliedMs - proposedMs) / 1000)
    if (committedMs !== null) this.#observe('apply', (appliedMs - committedMs) / 1000)
    if (committedMs === null || inLogMs === null) return
    // An append whose outcome was unknown may have come into the log before it was repeated, but not before it was proposed.
    this.#observe('propose', (inLogMs - proposedMs) / 1000)
    this.#observe('replicate', (committedMs - inLogMs) / 1000)
  }

  #tookMs(ms: number, nowMs: number): void {
    const { sinceMs, ms: quickestMs } = this.#quickest
    if (nowMs - sinceMs >= QUICKEST_SPAN_MS) this.#quickest = { sinceMs: nowMs, formerMs: quickestMs, ms }
    else this.#quickest.ms = Math.min(quickestMs, ms)
  }
}
