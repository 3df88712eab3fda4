/** How long a gateway's disk takes: it is quick, slow for a while, or hangs; or it fails a write, and then the process that wrote ends. */

import type { SeededRandom } from '../../src/kit/random.ts'
import type { Scheduler } from './scheduler.ts'

export class Drive {
  readonly #scheduler: Scheduler
  readonly #random: SeededRandom
  readonly #meanMs: number
  #slowUntilMs = 0
  #hungUntilMs = 0
  /** Writes that would be done, but the disk hangs. */
  #waiting: (() => void)[] = []
  #isToFail = false

  constructor(scheduler: Scheduler, random: SeededRandom, meanMs: number) {
    this.#scheduler = scheduler
    this.#random = random
    this.#meanMs = meanMs
  }

  /** Calls `done` when a synced write is durable. */
  write(done: (hasFailed: boolean) => void): void {
    const isSlow = this.#slowUntilMs > this.#scheduler.nowMs
    const ms = -Math.log(1 - this.#random.fraction()) * this.#meanMs * (isSlow ? SLOWER : 1)
    this.#scheduler.after(ms, () => this.#finish(done))
  }

  #finish(done: (hasFailed: boolean) => void): void {
    if (this.#hungUntilMs > this.#scheduler.nowMs) {
      this.#waiting.push(() => this.#finish(done))
      return
    }
    const hasFailed = this.#isToFail
    this.#isToFail = false
    done(hasFailed)
  }

  beSlow(forMs: number): void {
    this.#slowUntilMs = this.#scheduler.nowMs + forMs
  }

  /** Infinity: for good, unless it is healed. */
  hang(forMs: number): void {
    this.#hungUntilMs = this.#scheduler.nowMs + forMs
    if (forMs < Infinity) this.#scheduler.after(forMs, () => this.#resume())
  }

  failNext(): void {
    this.#isToFail = true
  }

  heal(): void {
    this.#slowUntilMs = 0
    this.#hungUntilMs = 0
    this.#isToFail = false
    this.#resume()
  }

  #resume(): void {
    if (this.#hungUntilMs > this.#scheduler.nowMs) return
    for (const finish of this.#waiting.splice(0)) finish()
  }
}

const SLOWER = 20
