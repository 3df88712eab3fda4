/**
 * Brings into the agreed state what sessions have carried here: of one with traffic once a minute, and when its tenure here ends at once. What is
 * not agreed when this process dies is lost, a minute of a session's counts at the most; nothing is counted twice, for the log delivers each proposal once.
 */

import type { Traffic } from '../context/traffic.ts'
import { addTraffic, isNoTraffic, lessTraffic, noTraffic } from '../context/traffic.ts'
import type { Proposals } from './proposals.ts'
import type { Carried } from './session-counts.ts'

/** A session with traffic costs 20 octets of the log in so long: 100,000 of them 33 KB a second. */
export const ACCOUNT_MS = 60_000
/** In one command, and one a tick: no entry gets long, and no tick. */
const SESSIONS_AT_ONCE = 1024

interface Waiting {
  readonly traffic: Traffic
  readonly dueMs: number
}

export class SessionAccounts {
  readonly #proposals: Proposals
  readonly #mayTell: () => boolean
  /** In the order in which they are due, but for those that end, which are `#urgent`, too. */
  readonly #waiting = new Map<number, Waiting>()
  readonly #urgent = new Set<number>()
  /** Proposed, and not applied yet. */
  readonly #underWay = new Map<number, Traffic>()

  /** `mayTell`: whether all gateways know such commands. */
  constructor(proposals: Proposals, mayTell: () => boolean) {
    this.#proposals = proposals
    this.#mayTell = mayTell
  }

  /** A session has carried this, or no more than it is known to have. */
  carried(carried: Carried, nowMs: number): void {
    const { session, isLast } = carried
    const known = this.#waiting.get(session)
    if (known === undefined && isNoTraffic(carried)) return
    this.#waiting.set(session, {
      traffic: addTraffic(known?.traffic ?? noTraffic, carried),
      dueMs: known?.dueMs ?? nowMs + ACCOUNT_MS,
    })
    if (isLast) this.#urgent.add(session)
  }

  /** What the session has carried here and is not agreed yet. */
  unsettled(session: number): Traffic {
    return addTraffic(this.#waiting.get(session)?.traffic ?? noTraffic, this.#underWay.get(session) ?? noTraffic)
  }

  /** The session has ended, and all that it carried is told already. */
  forget(session: number): void {
    this.#waiting.delete(session)
    this.#urgent.delete(session)
  }

  tick(nowMs: number): void {
    if (!this.#mayTell()) return this.#forgetEnded(nowMs)
    const sessions = this.#due(nowMs)
    if (sessions.length === 0) return
    const rows = sessions.map((session) => ({ session, ...this.#waiting.get(session)!.traffic }))
    for (const row of rows) {
      this.forget(row.session)
      this.#underWay.set(row.session, addTraffic(this.#underWay.get(row.session) ?? noTraffic, row))
    }
    const settled = (): void => rows.forEach((row) => this.#settle(row))
    this.#proposals.propose({ type: 'account', sessions: rows }, { repeat: true, applied: settled, givenUp: settled })
  }

  /** A new cluster agrees on its version within seconds. While an older build stays, there may be ever more of those that have gone. */
  #forgetEnded(nowMs: number): void {
    for (const session of this.#urgent) if ((this.#waiting.get(session)?.dueMs ?? 0) <= nowMs) this.forget(session)
  }

  #due(nowMs: number): number[] {
    const due = [...this.#urgent].slice(0, SESSIONS_AT_ONCE)
    for (const [session, { dueMs }] of this.#waiting) {
      if (dueMs > nowMs || due.length === SESSIONS_AT_ONCE) break
      if (!this.#urgent.has(session)) due.push(session)
    }
    return due
  }

  #settle(row: Traffic & { readonly session: number }): void {
    const left = lessTraffic(this.#underWay.get(row.session) ?? row, row)
    if (isNoTraffic(left)) this.#underWay.delete(row.session)
    else this.#underWay.set(row.session, left)
  }
}
