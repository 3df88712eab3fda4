/** Says when the next frame is due. Pure; the time comes in. */

import { FRAME_MS } from './frame.ts'

export class Pacer {
  #nextMs: number
  #number = 0

  /** The first frame is due at `startMs`. */
  constructor(startMs: number) {
    this.#nextMs = startMs
  }

  get nextMs(): number {
    return this.#nextMs
  }

  /** The number of a frame that is due, to be sent now; null when none is. Ask until null: who is late makes up for it. */
  due(nowMs: number): number | null {
    if (nowMs < this.#nextMs) return null
    this.#nextMs += FRAME_MS
    return this.#number++
  }
}
