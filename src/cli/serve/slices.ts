/** Work that comes in any amount, done in slices of some ms, between which everything else on this thread has its turn: Raft, the pings, the ticks. */

import { clearImmediate, setImmediate } from 'node:timers'
import { monotonicMs } from '../../dataplane/clock.ts'

export class Slices {
  readonly #sliceMs: number
  readonly #next: () => boolean
  readonly #nowMs: () => number
  #turn: NodeJS.Immediate | null = null

  /** `next` does the next piece; false: there is none now. `nowMs`: monotonic. */
  constructor(sliceMs: number, next: () => boolean, nowMs: () => number = monotonicMs) {
    this.#sliceMs = sliceMs
    this.#next = next
    this.#nowMs = nowMs
  }

  /** There is something to do. */
  wake(): void {
    this.#turn ??= setImmediate(() => this.#slice())
  }

  close(): void {
    if (this.#turn !== null) clearImmediate(this.#turn)
    this.#turn = null
  }

  #slice(): void {
    this.#turn = null
    const untilMs = this.#nowMs() + this.#sliceMs
    do {
      if (!this.#next()) return
    } while (this.#nowMs() < untilMs)
    this.wake()
  }
}
