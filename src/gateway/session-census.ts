/**
 * How many sessions this gateway owns, by phase. Who owns what is derived session by session, so nobody keeps a sum: it goes over all of them in
 * slices, 100,000 in half a second, and what the last pass found is what it tells.
 */

import type { SessionPhase } from '../context/session-context.ts'
import type { State } from '../session/state.ts'
import { phaseOf } from '../session/view.ts'

export type SessionCounts = Readonly<Record<SessionPhase, number>>

/** Rows looked at in a tick of 10 ms. */
const ROWS = 2048
/** A pass begins no sooner after the one before has begun. */
const PASS_MS = 500

export class SessionCensus {
  readonly #state: State
  #finished: SessionCounts = none()
  #running = none()
  #row = 0
  #isUnderWay = false
  #startedMs = -Infinity

  constructor(state: State) {
    this.#state = state
  }

  /** As the last pass found them. */
  get counts(): SessionCounts {
    return this.#finished
  }

  /** Looks at the next rows. `incarnation`: ours; 0: none, so nothing is owned. */
  tick(incarnation: number, nowMs: number): void {
    if (!this.#isUnderWay && nowMs - this.#startedMs < PASS_MS) return
    if (!this.#isUnderWay) this.#begin(nowMs)
    const end = Math.min(this.#state.sessions.end, this.#row + ROWS)
    for (; this.#row < end; this.#row++) {
      const phase = phaseOf(this.#state, this.#row, incarnation)
      if (phase !== null) this.#running[phase] += 1
    }
    if (end < this.#state.sessions.end) return
    this.#isUnderWay = false
    this.#finished = this.#running
  }

  #begin(nowMs: number): void {
    this.#isUnderWay = true
    this.#startedMs = nowMs
    this.#row = 0
    this.#running = none()
  }
}

function none(): Record<SessionPhase, number> {
  return { 'half-open': 0, established: 0, tombstone: 0 }
}
