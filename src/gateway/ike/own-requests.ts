/**
 * Requests of our own (so far: DELETE). They queue as intents; their octets are built when no other exchange is under way, committed, and
 * only then sent, and sent again until the peer answers, by whoever owns the session then.
 */

import type { Bytes } from '../../kit/bytes.ts'
import { localIkeSpi } from '../../context/session-context.ts'
import { buildRequest } from '../../ike/responder.ts'
import type { SessionView } from '../../session/view.ts'
import { ownership, sessionView } from '../../session/view.ts'
import type { Now } from '../clock.ts'
import { decodeReply } from '../reply.ts'
import type { PendingExchanges } from './pending-exchanges.ts'
import type { IkeResources } from './resources.ts'
import type { SessionCache } from './session-cache.ts'
import type { IkeSurroundings } from './surroundings.ts'
import type { ProposedExchange } from './proposed-exchange.ts'

/** A request that the peer has not answered. */
interface Schedule {
  nextMs: number
  attempts: number
}

/** Our requests are sent again after 1, 2, 4 … s, so often (RFC 7296 §2.4 leaves it to us). */
const FIRST_RESEND_MS = 1000
const MAX_RESENDS = 6

export class OwnRequests {
  readonly #o: IkeSurroundings
  readonly #resources: IkeResources
  readonly #cache: SessionCache
  readonly #pending: PendingExchanges
  readonly #commit: (exchange: ProposedExchange, now: Now) => void
  /** Sessions that an operator ends, until the DELETE is committed. */
  readonly #terminating = new Set<number>()
  /** Of every owner: whoever owns the session next goes on. */
  readonly #unanswered = new Map<number, Schedule>()

  constructor(
    surroundings: IkeSurroundings,
    parts: { readonly resources: IkeResources; readonly cache: SessionCache; readonly pending: PendingExchanges },
    commit: (exchange: ProposedExchange, now: Now) => void,
  ) {
    this.#o = surroundings
    this.#resources = parts.resources
    this.#cache = parts.cache
    this.#pending = parts.pending
    this.#commit = commit
  }

  /** Our incarnation ended or began. */
  clear(): void {
    this.#terminating.clear()
  }

  /** Tells the client by a DELETE of the IKE SA, as soon as no other exchange is under way, and ends the session. */
  terminate(session: number): void {
    if (this.#isOurs(session)) this.#terminating.add(session)
  }

  /** Anybody's own request was applied: every gateway remembers it. */
  committed(session: number): void {
    this.#unanswered.set(session, { nextMs: -Infinity, attempts: 0 })
  }

  tick(now: Now): void {
    for (const session of this.#terminating) this.#proposeDelete(session, now)
    for (const [session, schedule] of this.#unanswered) if (schedule.nextMs <= now.monotonicMs) this.#resend(session, schedule, now)
  }

  #isOurs(session: number): boolean {
    const now = ownership(this.#o.state, session)
    return now !== null && this.#resources.incarnation !== 0 && now.owner === this.#resources.incarnation
  }

  #proposeDelete(session: number, now: Now): void {
    const opened = this.#isOurs(session) ? this.#cache.open(session, now) : null
    if (opened === null || opened.view.phase === 'tombstone') {
      this.#terminating.delete(session)
      return
    }
    const { view, open } = opened
    const ike = view.ikes.at(-1)!
    if (this.#pending.has(session) || this.#o.isLeaving(session) || ike.pending !== null) return
    const request = buildRequest(this.#resources.environment(now, new Set()), open, ike.spi, ike.nextRequest, { type: 'delete' })
    if (request === null) return
    const { datagrams, context } = request
    const path = { local: view.context.local, remote: view.context.remote }
    this.#commit(
      {
        view,
        direction: 'own-request',
        decision: { ikeSpi: ike.spi, messageId: ike.nextRequest, context, reply: { type: 'datagrams', datagrams } },
        pending: { arrival: { datagram: datagrams[0]!, path, epoch: 0, hops: 0 }, addresses: [], attempts: 1 },
      },
      now,
    )
  }

  /** Who doesn't own the session looks again in a while: it may by then, and the peer not have answered. */
  #resend(session: number, schedule: Schedule, now: Now): void {
    const isOurs = this.#isOurs(session)
    schedule.nextMs = now.monotonicMs + FIRST_RESEND_MS * 2 ** schedule.attempts
    const view = sessionView(this.#o.state, session)
    const pending = view === null ? null : unansweredRequest(view)
    if (view === null || pending === null || schedule.attempts > MAX_RESENDS) {
      this.#unanswered.delete(session)
      return
    }
    if (!isOurs) return
    schedule.attempts += 1
    const request = decodeReply(pending)
    if (request.type === 'datagrams') this.#o.send(view.context.local, view.context.remote, request.datagrams)
  }
}

/** Encoded; null: there is none. A peer that has deleted an IKE SA answers nothing under it any more. */
function unansweredRequest({ context, ikes }: SessionView): Bytes | null {
  const isDeleted = (spi: bigint): boolean => context.ikeSas.some((sa) => sa.deletedAt !== 0 && localIkeSpi(sa) === spi)
  return ikes.find(({ spi, pending }) => pending !== null && !isDeleted(spi))?.pending ?? null
}
