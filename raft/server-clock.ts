/**
 * A server's own time: it stands still while the process does, and after every timer the sockets are drained before the timer acts, so that a server
 * that was frozen accuses no one of the silence it slept through.
 */

import { performance } from 'node:perf_hooks'
import { clearImmediate, clearTimeout, setImmediate, setTimeout } from 'node:timers'

export class ServerClock {
  readonly #maxStepMs: number
  readonly #onTick: (now: number) => void
  #now = 0
  #read = performance.now()
  #timer: NodeJS.Timeout | null = null
  #timerDue = Infinity
  #tick: NodeJS.Immediate | null = null
  #isStopped = false

  /** However long the process stood still, the clock goes on by `maxStepMs` at most. */
  constructor(maxStepMs: number, onTick: (now: number) => void) {
    this.#maxStepMs = maxStepMs
    this.#onTick = onTick
  }

  /** In ms, from the start. */
  now(): number {
    const read = performance.now()
    this.#now += Math.min(read - this.#read, this.#maxStepMs)
    this.#read = read
    return this.#now
  }

  /** One timer, for the next deadline, but never further away than the longest step. */
  arm(deadline: number): void {
    if (this.#isStopped) return
    const due = Math.min(deadline, this.#now + this.#maxStepMs)
    if (this.#timer !== null && this.#timerDue <= due) return
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timerDue = due
    this.#timer = setTimeout(() => this.#fired(), Math.max(1, due - this.#now))
  }

  stop(): void {
    this.#isStopped = true
    if (this.#timer !== null) clearTimeout(this.#timer)
    if (this.#tick !== null) clearImmediate(this.#tick)
  }

  #fired(): void {
    this.#timer = null
    this.#timerDue = Infinity
    this.#tick ??= setImmediate(() => {
      this.#tick = null
      this.#onTick(this.now())
    })
  }
}
