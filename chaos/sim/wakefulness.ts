/** Whether a process runs. While it is stopped nothing happens in it: what arrives waits, and timers that were due act once it has read that. */

import type { Scheduler } from './scheduler.ts'

export class Wakefulness {
  readonly #scheduler: Scheduler
  #pausedUntilMs = 0
  /** What came in the pause. */
  #waiting: (() => void)[] = []
  /** What came by a socket that is read first. */
  #first: (() => void)[] = []
  /** Timers that were due in the pause, once each. */
  readonly #due = new Set<() => void>()
  #isOver = false

  constructor(scheduler: Scheduler) {
    this.#scheduler = scheduler
  }

  get isPaused(): boolean {
    return this.#pausedUntilMs > this.#scheduler.nowMs
  }

  /** SIGSTOP for so long; Infinity: until `resume`. */
  pause(forMs: number): void {
    this.#pausedUntilMs = Math.max(this.#pausedUntilMs, this.#scheduler.nowMs + forMs)
    if (this.#pausedUntilMs < Infinity) this.#scheduler.after(forMs, () => this.#wake())
  }

  resume(): void {
    this.#pausedUntilMs = 0
    this.#wake()
  }

  /** The process is gone, and with it what waited. */
  end(): void {
    this.#isOver = true
    this.#waiting = []
    this.#first = []
    this.#due.clear()
  }

  /** Runs at once, or after the pause, all in the order in which it came, or never when the process is gone. */
  run(then: () => void): void {
    if (this.#isOver) return
    if (this.isPaused) this.#waiting.push(then)
    else then()
  }

  /** As `run`, but ahead of what came in the pause some other way: sockets are read in any order, and only what came by one of them in its own. */
  runFirst(then: () => void): void {
    if (this.isPaused && !this.#isOver) this.#first.push(then)
    else this.run(then)
  }

  /** As `run`, for a timer that fires again and again. */
  timer(then: () => void): void {
    if (this.#isOver) return
    if (this.isPaused) this.#due.add(then)
    else then()
  }

  #wake(): void {
    if (this.isPaused) return
    const waiting = [...this.#first, ...this.#waiting]
    const due = [...this.#due]
    this.#first = []
    this.#waiting = []
    this.#due.clear()
    for (const then of [...waiting, ...due]) this.run(then)
  }
}
