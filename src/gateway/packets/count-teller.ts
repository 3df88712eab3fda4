/**
 * Tells the control core what sessions carry: a second after they were installed, and a second after the first packet since it was last told; nothing more
 * of those that carry nothing.
 */

import { isNoTraffic } from '../../context/traffic.ts'
import { CarriedWriter, CountWriter } from '../session-counts.ts'
import type { OwnedSession } from './owned-session.ts'

const TELL_MS = 1000
/** Sessions told of at a time, so that no turn gets long. */
const SESSIONS_AT_ONCE = 1024

export class CountTeller {
  /** When a session is to be told of; in the order of these. */
  readonly #due = new Map<OwnedSession, number>()
  readonly #carried = new CarriedWriter()

  /** A packet of the session was sent or accepted. */
  carried(session: OwnedSession, nowMs: number): void {
    if (session.firstMs === 0) session.firstMs = nowMs
    this.counted(session, nowMs)
  }

  /** The session was installed, or carries. */
  counted(session: OwnedSession, nowMs: number): void {
    if (!this.#due.has(session)) this.#due.set(session, nowMs + TELL_MS)
  }

  /** The session's tenure is over: what it carried in it is told once more. */
  ended(session: OwnedSession): void {
    this.#due.delete(session)
    this.#carried.add({ session: session.session, isLast: true, ...session.takeCarried() })
  }

  /** What is to be told now; null: nothing. */
  tell(nowMs: number): { readonly counts: Float64Array; readonly carried: Float64Array } | null {
    const writer = new CountWriter()
    let sessions = 0
    for (const [session, dueMs] of this.#due) {
      if (dueMs > nowMs || sessions === SESSIONS_AT_ONCE) break
      this.#due.delete(session)
      sessions += 1
      for (const child of session.children) writer.add(session.session, child)
      const carried = session.takeCarried()
      if (!isNoTraffic(carried)) this.#carried.add({ session: session.session, isLast: false, ...carried })
    }
    return writer.isEmpty && this.#carried.isEmpty ? null : { counts: writer.finish(), carried: this.#carried.take() }
  }
}
