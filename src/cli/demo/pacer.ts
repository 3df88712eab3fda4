/** Says when the next packet of a call is due: one every 20 ms, unless told. Pure; the time comes in. */

import { NOMINAL_MS } from './measuring.ts'

export class Pacer {
  /** How many were due so far. */
  sent = 0
  readonly #periodMs: number
  #nextMs: number

  /** The first packet is due at `startMs`. */
  constructor(startMs: number, periodMs: number = NOMINAL_MS) {
    this.#nextMs = startMs
    this.#periodMs = periodMs
  }

  get nextMs(): number {
    return this.#nextMs
  }

  /** The number of a packet that is due, to be sent now; null when none is. Ask until null: who is late makes up for it. */
  due(nowMs: number): number | null {
    if (nowMs < this.#nextMs) return null
    this.#nextMs += this.#periodMs
    return this.sent++
  }
}
