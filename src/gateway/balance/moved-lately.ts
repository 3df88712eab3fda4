/** Sessions that changed hands lately: none is moved again so soon. Bounded; what is oldest goes first. */

import { makeRoom } from '../../kit/make-room.ts'

const MAX_REMEMBERED = 65_536

export class MovedLately {
  readonly #restMs: number
  /** Until when; in the order of these. */
  readonly #untilMs = new Map<number, number>()

  constructor(restMs: number) {
    this.#restMs = restMs
  }

  has(session: number): boolean {
    return this.#untilMs.size > 0 && this.#untilMs.has(session)
  }

  add(session: number, nowMs: number): void {
    this.#untilMs.delete(session)
    makeRoom(this.#untilMs, MAX_REMEMBERED, (oldest) => this.#untilMs.delete(oldest))
    this.#untilMs.set(session, nowMs + this.#restMs)
  }

  tick(nowMs: number): void {
    for (const [session, untilMs] of this.#untilMs) {
      if (untilMs > nowMs) return
      this.#untilMs.delete(session)
    }
  }
}
