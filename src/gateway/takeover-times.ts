/**
 * How long takeovers take on this gateway: from the applied end of an incarnation to each of its sessions' being open here, ready to carry packets.
 * A session is opened by its first packet, so those that are quiet say nothing. For people.
 */

import type { Incarnation } from '../session/incarnations.ts'
import { bucketOf } from '../session/incarnations.ts'

export interface TakeoverListener {
  /** A session is open here, so long after its owner's end was applied; and after its owner was last heard, null where it never was. */
  opened(times: { readonly isFirst: boolean; readonly sinceEndMs: number; readonly sinceHeardMs: number | null }): void
  /** So long after the end the last session was opened, of those that had packets within the time that is looked at. */
  finished(lastMs: number): void
}

interface Takeover {
  readonly ended: Incarnation
  readonly endedMs: number
  /** For how long it had been silent then. */
  readonly silentMs: number | null
  lastMs: number | null
}

/** What is opened later had no packets, or rested. */
const WATCHED_MS = 5000
const MAX_TAKEOVERS = 16

export class TakeoverTimes {
  listener: TakeoverListener = { opened: () => undefined, finished: () => undefined }
  #underWay: Takeover[] = []

  /** An incarnation's end was applied, of a gateway that had been silent for so long; null: it was never heard. */
  ended(ended: Incarnation, silentMs: number | null, nowMs: number): void {
    if (this.#underWay.length < MAX_TAKEOVERS) this.#underWay.push({ ended, endedMs: nowMs, silentMs, lastMs: null })
  }

  /** A session was opened here, by the incarnation `owner` of ours, which has had it since it changed hands last. */
  opened(session: number, owner: number, nowMs: number): void {
    const takeover = this.#underWay.find(({ ended }) => ended.successors?.[bucketOf(session)] === owner)
    if (takeover === undefined) return
    const sinceEndMs = nowMs - takeover.endedMs
    const sinceHeardMs = takeover.silentMs === null ? null : takeover.silentMs + sinceEndMs
    this.listener.opened({ isFirst: takeover.lastMs === null, sinceEndMs, sinceHeardMs })
    takeover.lastMs = sinceEndMs
  }

  tick(nowMs: number): void {
    if (this.#underWay.length === 0) return
    const over = this.#underWay.filter(({ endedMs }) => nowMs - endedMs >= WATCHED_MS)
    if (over.length === 0) return
    this.#underWay = this.#underWay.filter((takeover) => !over.includes(takeover))
    for (const { lastMs } of over) if (lastMs !== null) this.listener.finished(lastMs)
  }
}
