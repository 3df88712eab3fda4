/** Says when the next packet of a call is due: one every 20 ms. Pure; the time comes in. */

import { NOMINAL_MS } from './measuring.ts'

export class Pacer {
  #nextMs: number
  #number = 0

  /** The first packet is due at `startMs`. */
  constructor(startMs: number) {
    this.#nextMs = startMs
  }

  get nextMs(): number {
    return this.#nextMs
  }

  /** The number of a packet that is due, to be sent now; null when none is. Ask until null: who is late makes up for it. */
  due(nowMs: number): number | null {
    if (nowMs < this.#nextMs) return null
    this.#nextMs += NOMINAL_MS
    return this.#number++
  }
}
