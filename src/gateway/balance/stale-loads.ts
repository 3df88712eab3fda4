/**
 * After a takeover the agreed state says of each session what its former owner measured. Those whose packets come are measured by the new owner
 * soon; a client that fell silent at that moment would count for ever. So some time later owners open what nothing came for, and find it quiet.
 */

import type { State } from '../../session/state.ts'
import { establishedOwner } from '../../session/view.ts'

export interface StaleLoadsOptions {
  readonly state: State
  /** Of this process; 0: none. */
  readonly incarnation: () => number
  /** Opens the session here, if it is not. */
  readonly open: (session: number) => void
}

const WAIT_MS = 30_000
/** Rows looked at in a tick, and sessions opened. */
const ROWS = 1024
const OPENED = 4

export class StaleLoads {
  readonly #o: StaleLoadsOptions
  /** When to begin; null: nothing is to be done. */
  #dueMs: number | null = null
  #row = 0

  constructor(options: StaleLoadsOptions) {
    this.#o = options
  }

  /** Sessions of others may be ours since now. */
  ownersChanged(nowMs: number): void {
    this.#dueMs = nowMs + WAIT_MS
    this.#row = 0
  }

  tick(nowMs: number): void {
    if (this.#dueMs === null || nowMs < this.#dueMs) return
    const owner = this.#o.incarnation()
    const { sessions } = this.#o.state
    const end = Math.min(sessions.end, this.#row + ROWS)
    for (let opened = 0; this.#row < end && opened < OPENED; this.#row++) {
      if (!this.#isStale(this.#row, owner)) continue
      this.#o.open(sessions.id[this.#row]!)
      opened += 1
    }
    if (this.#row >= sessions.end) this.#dueMs = null
  }

  /** No record of this tenure was applied: nothing came that wanted one. */
  #isStale(row: number, owner: number): boolean {
    const { sessions } = this.#o.state
    if (sessions.packetsPerSecond[row] === 0 || establishedOwner(this.#o.state, row) !== owner || owner === 0) return false
    return sessions.serial[row] === 0
  }
}
