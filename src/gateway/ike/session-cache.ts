/**
 * Sessions with their secrets unsealed, kept until they change, and the stored replies that leave. Nothing but what was applied ever
 * leaves (rule 14): a reply is read back from the agreed state, by whichever gateway owns the session then.
 */

import type { OpenSession, Path } from '../../ike/decision.ts'
import { openSession } from '../../ike/open-session.ts'
import { renderReply } from '../../ike/responder.ts'
import type { ContextMemo, SessionView } from '../../session/view.ts'
import { sessionView, storedReply } from '../../session/view.ts'
import type { Now } from '../clock.ts'
import { decodeReply } from '../reply.ts'
import { TokenBucket } from '../packets/token-bucket.ts'
import type { IkeSurroundings } from './surroundings.ts'
import { makeRoom } from '../../kit/make-room.ts'

interface OpenedSession {
  readonly view: SessionView
  readonly open: OpenSession
  readonly exchanges: TokenBucket
}

interface CachedSession {
  /** What `open` was unsealed from. */
  readonly memo: ContextMemo
  version: number
  /** With the client's present address. */
  open: OpenSession
  /** Stored replies of this version sent in the present second. */
  replies: number
  repliesSinceMs: number
  /** New requests of the peer: an authenticated client must not fill the log. */
  readonly exchanges: TokenBucket
}

/** A session's exchanges at once, in seconds' worth: roaming and several rekeyings may come together. */
const BURST_SECONDS = 10

const MAX_CACHED = 4096
/** Without a further exchange, stored replies leave at most this often a second and session (RFC 7296 §2.4 asks for a bound on what a peer can make us do). */
export const MAX_REPLIES_PER_SECOND = 5

export class SessionCache {
  readonly #o: IkeSurroundings
  readonly #cached = new Map<number, CachedSession>()

  constructor(surroundings: IkeSurroundings) {
    this.#o = surroundings
  }

  clear(): void {
    this.#cached.clear()
  }

  /** Null: there is no such session, or its secrets don't open here. */
  open(session: number, now: Now): OpenedSession | null {
    const cached = this.#cached.get(session)
    const memo = cached?.memo ?? { decoded: null }
    const unsealed = memo.decoded
    const view = sessionView(this.#o.state, session, memo)
    if (view === null) return null
    const { version } = view
    // Most exchanges, a liveness check among them, leave the context as it was.
    if (cached !== undefined && memo.decoded === unsealed) {
      if (cached.version !== version) Object.assign(cached, { version, replies: 0, repliesSinceMs: now.monotonicMs })
      cached.open = { ...cached.open, context: view.context }
      return { view, open: cached.open, exchanges: cached.exchanges }
    }
    const open = openSession(this.#o, view.context)
    if (open === null) {
      this.#cached.delete(session)
      return null
    }
    const { exchangesPerSecond } = this.#o.limits
    const exchanges = cached?.exchanges ?? new TokenBucket(exchangesPerSecond, BURST_SECONDS * exchangesPerSecond)
    this.#keep(session, { memo, version, open, replies: 0, repliesSinceMs: now.monotonicMs, exchanges })
    return { view, open, exchanges }
  }

  /** Sends the stored reply of one of the session's IKE SAs to where its request came from. */
  sendStored(session: number, spi: bigint, path: Path, now: Now): void {
    const opened = this.open(session, now)
    if (opened === null) return
    const ike = opened.view.ikes.find((candidate) => candidate.spi === spi)
    if (ike === undefined || ike.expectedRequest === 0) return
    const reply = storedReply(this.#o.state, spi)
    if (reply.length === 0) return
    if (!this.#mayReply(this.#cached.get(session)!, now)) return this.#o.counters.add('ike-repeat-limit', 1)
    const datagrams = renderReply(this.#o, opened.open, ike.spi, ike.expectedRequest - 1, decodeReply(reply))
    if (datagrams !== null) this.#o.send(path.local, path.remote, datagrams)
  }

  #mayReply(cached: CachedSession, now: Now): boolean {
    if (now.monotonicMs - cached.repliesSinceMs >= 1000) {
      cached.repliesSinceMs = now.monotonicMs
      cached.replies = 0
    }
    cached.replies += 1
    return cached.replies <= MAX_REPLIES_PER_SECOND
  }

  #keep(session: number, cached: CachedSession): void {
    this.#cached.delete(session)
    makeRoom(this.#cached, MAX_CACHED, (oldest) => this.#cached.delete(oldest))
    this.#cached.set(session, cached)
  }
}
