/**
 * Looks over the sessions of this gateway when the VPN configuration has changed, and ends those with DELETE that it would not let in any more.
 *
 * Each owner looks over its own, in slices. Whoever becomes the owner of a session in the meantime looks, too: the old owner may have died
 * before it came to that one. So for some time after a change every further session of ours is looked at, and all of them when owners change.
 */

import type { SessionContext } from '../context/session-context.ts'
import type { State } from '../session/state.ts'
import { ownership, scanEstablished, sessionView } from '../session/view.ts'

export interface ReviewOptions {
  readonly state: State
  /** Of this process; 0: none. */
  readonly incarnation: () => number
  /** Whether the configuration in force would let the session in. */
  readonly matches: (context: SessionContext) => boolean
  readonly end: (session: number) => void
}

/** Rows looked at in a tick, and contexts opened: a millisecond or so. */
const ROWS = 1024
const CONTEXTS = 32
/** By then every owner has been through: a million rows take 10 s, and so many sessions of one owner five minutes. */
const REVIEW_MS = 600_000

export class SessionReview {
  readonly #o: ReviewOptions
  /** The next row; −1: through. */
  #row = -1
  #isBeginning = false
  /** What comes later is of no interest to the present review. */
  #untilMs = -Infinity
  #nowMs = -Infinity
  /** Sessions that became ours, or were established, behind the row that we are at. */
  readonly #further = new Set<number>()

  constructor(options: ReviewOptions) {
    this.#o = options
  }

  /** Another configuration is in force, or may be since we last looked. */
  begin(): void {
    this.#isBeginning = true
    this.#row = 0
  }

  /** Sessions of others may be ours from now on. */
  ownersChanged(): void {
    if (this.#isUnderWay) this.#row = 0
  }

  /** These were established, or may be ours from now on. */
  add(sessions: readonly number[]): void {
    if (this.#isUnderWay) for (const session of sessions) this.#further.add(session)
  }

  get #isUnderWay(): boolean {
    return this.#isBeginning || this.#nowMs < this.#untilMs
  }

  tick(nowMs: number): void {
    this.#nowMs = nowMs
    if (this.#isBeginning) this.#untilMs = nowMs + REVIEW_MS
    this.#isBeginning = false
    const owner = this.#o.incarnation()
    if (owner === 0) return
    let looks = 0
    for (const session of this.#further) {
      if (looks++ === CONTEXTS) break
      this.#further.delete(session)
      this.#lookAtOne(session, owner)
    }
    if (this.#row === -1) return
    const { sessions, next } = scanEstablished(this.#o.state, owner, this.#row, { rows: ROWS, sessions: CONTEXTS })
    this.#row = next
    for (const { session, context } of sessions) if (!this.#o.matches(context)) this.#o.end(session)
  }

  #lookAtOne(session: number, owner: number): void {
    const now = ownership(this.#o.state, session)
    if (now?.owner !== owner || now.phase !== 'established') return
    if (!this.#o.matches(sessionView(this.#o.state, session)!.context)) this.#o.end(session)
  }
}
