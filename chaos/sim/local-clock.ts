/** A gateway's own clocks: the monotonic one runs at its own rate, and the wall clock is set now and then. */

import type { Now } from '../../src/gateway/clock.ts'
import type { Scheduler } from './scheduler.ts'

/** The wall clock at the start of every simulation. */
export const EPOCH_MS = 1_790_000_000_000

export class LocalClock {
  readonly #scheduler: Scheduler
  readonly #rate: number
  #wallOffsetMs = 0

  /** `rate`: its milliseconds in one of simulated time. */
  constructor(scheduler: Scheduler, rate: number) {
    this.#scheduler = scheduler
    this.#rate = rate
  }

  get monotonicMs(): number {
    return this.#scheduler.nowMs * this.#rate
  }

  now(): Now {
    return { monotonicMs: this.monotonicMs, wallMs: EPOCH_MS + Math.floor(this.#scheduler.nowMs) + this.#wallOffsetMs }
  }

  /** Sets it so far from the true time. */
  setWall(offsetMs: number): void {
    this.#wallOffsetMs = Math.floor(offsetMs)
  }

  /** How much simulated time passes while so much passes here. */
  simulated(localMs: number): number {
    return localMs / this.#rate
  }
}

/** The clock of a process: it stands still while the process does, as RaftServer's. */
export class ProcessClock {
  readonly #clock: LocalClock
  readonly #maxStepMs: number
  #nowMs = 0
  #readMs: number

  constructor(clock: LocalClock, maxStepMs: number) {
    this.#clock = clock
    this.#maxStepMs = maxStepMs
    this.#readMs = clock.monotonicMs
  }

  now(): number {
    const readMs = this.#clock.monotonicMs
    this.#nowMs += Math.min(readMs - this.#readMs, this.#maxStepMs)
    this.#readMs = readMs
    return this.#nowMs
  }
}
