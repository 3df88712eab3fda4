/**
 * Requests of our own: liveness checks, rekeyings, DELETE (RFC 7296 §1.3, §1.4, §2.4). What is to be asked for next follows from the agreed
 * state and the configuration (`judge`, `dueDelete`), or an operator wants it. Its octets are built when no other exchange of the session is
 * under way and nothing of ours is unanswered under its IKE SA (§2.3), committed, and only then sent; and sent again, as they are, until the
 * peer answers, by whoever owns the session then. Whom nothing reaches is dead, and its session ends.
 */

import type { Bytes } from '../../kit/bytes.ts'
import { toHex } from '../../kit/bytes.ts'
import { randomBelow } from '../../kit/random.ts'
import type { SessionContext } from '../../context/session-context.ts'
import { localIkeSpi } from '../../context/session-context.ts'
import type { Outcome } from '../../ike/decision.ts'
import type { UnderIkeSa } from '../../ike/own-deletes.ts'
import { dueDelete, isRekeyingIke } from '../../ike/own-deletes.ts'
import type { OwnRequest } from '../../ike/own-request.ts'
import { abandon } from '../../ike/own-response.ts'
import { buildRequest } from '../../ike/responder.ts'
import { notifyType } from '../../ike/wire/notify.ts'
import type { CommitExchange } from '../../session/commands.ts'
import type { SessionView } from '../../session/view.ts'
import { mostPacketsOf, ownership, sessionByIkeSpi, sessionView } from '../../session/view.ts'
import type { Now } from '../clock.ts'
import { decodeReply } from '../reply.ts'
import type { Look } from './deadlines.ts'
import { CALM_FIRST_LOOKS, Deadlines, LOOKS } from './deadlines.ts'
import type { Judgement, Usage } from './lifetimes.ts'
import { judge } from './lifetimes.ts'
import { endpointHere, isAtSite } from './sites.ts'
import type { PendingExchanges } from './pending-exchanges.ts'
import type { ProposedExchange } from './proposed-exchange.ts'
import type { IkeResources } from './resources.ts'
import type { SessionCache } from './session-cache.ts'
import type { IkeSurroundings } from './surroundings.ts'
import { makeRoom } from '../../kit/make-room.ts'

/** A request that the peer has not answered. */
interface Schedule {
  readonly session: number
  nextMs: number
  attempts: number
  /** When it went last, from here. */
  sentMs: number
  /** Whether the peer was heard after that: the way is open, and the wait, which has grown while it was not, need not be kept. */
  isHeard: boolean
}

/** A rekeying that was refused: not before `untilMs`, and with `group`, if the peer has named one. */
interface Deferred {
  readonly untilMs: number
  readonly group: number | null
}

/**
 * Sent again after 1, 2, 4, 8, 16, 16 … s. "Retransmission … at least a dozen times over a period of at least several minutes before giving up"
 * (§2.4): after 175 s, a little later than strongSwan does. Between them also to a peer that has just been heard.
 */
const FIRST_RESEND_MS = 1000
const MAX_RESEND_MS = 16_000
export const MAX_RESENDS = 13
/** What a peer that is busy with the same SA is asked again: "it will … wait" (§2.25), but not for long. */
const BUSY_MS = { minimum: 1000, spread: 1000 } as const
/** What a peer does not want is asked again so much later: its configuration may change, and ours. */
const REFUSED_MS = { minimum: 60_000, spread: 30_000 } as const
const MAX_DEFERRED = 16_384
/**
 * A client that has been told of this site's address, and speaks to another's still, is told again so much later: the NAT in front of it lets
 * nothing in from here, or it does not care.
 */
export const TOLD_MS = 600_000
/**
 * From this site's address first; then from the one that the client speaks to, by turns: its answer to either ends the exchange. Whom neither
 * reaches is not dead yet, for the other site may be: it is asked for about half an hour.
 */
const ANCHOR_RESENDS = 3
export const MAX_ANCHOR_RESENDS = 120
/** A session whose request could not begin now. */
const AGAIN_MS = 100

export class OwnRequests {
  readonly #o: IkeSurroundings
  readonly #resources: IkeResources
  readonly #cache: SessionCache
  readonly #pending: PendingExchanges
  readonly #commit: (exchange: ProposedExchange, now: Now) => void
  readonly #deadlines: Deadlines
  /** Sessions that an operator ends, until the DELETE is committed. */
  readonly #terminating = new Set<number>()
  /** By our SPI of the IKE SA. Of every owner: whoever owns the session next goes on. */
  readonly #unanswered = new Map<bigint, Schedule>()
  /** Sessions that were heard since the last tick, if anything is unanswered. */
  readonly #heard = new Set<number>()
  /** By our SPI of what was to be rekeyed. */
  readonly #deferred = new Map<bigint, Deferred>()
  /** When clients that were told of this site's address are told again, by their session. */
  readonly #told = new Map<number, number>()
  /** Child SAs that a peer has made by an answer which was not acceptable, by their session. */
  readonly #orphans = new Map<number, number>()

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
    this.#deadlines = new Deadlines(surroundings.state)
  }

  /** Our incarnation ended or began. */
  clear(): void {
    this.#terminating.clear()
    this.#deferred.clear()
    this.#told.clear()
    this.#orphans.clear()
    this.#deadlines.forget()
  }

  /** The configuration is another one. */
  configured(): void {
    this.#deadlines.lookAtAll()
  }

  /** Tells the client by a DELETE of the IKE SA, as soon as no other exchange is under way, and ends the session. */
  terminate(session: number): void {
    if (this.#isOurs(session)) this.#terminating.add(session)
  }

  /** Something authentic came from the client. */
  heard(session: number, now: Now): void {
    this.#deadlines.heard(session, now.monotonicMs)
    if (this.#unanswered.size > 0) this.#heard.add(session)
  }

  /** Anybody's exchange was applied. Every gateway remembers what is unanswered. */
  applied({ session, direction, ikeSpi, context }: CommitExchange, now: Now): void {
    if (direction === 'own-request') this.#unanswered.set(ikeSpi, unsent(session))
    else this.heard(session, now)
    if (direction === 'own-response') this.#unanswered.delete(ikeSpi)
    // A client's liveness check changes nothing that is to be looked at.
    if ((context !== null || direction === 'own-response') && this.#isOurs(session)) this.#deadlines.lookSoon(session)
  }

  /** Our request was answered, and what that makes is applied. */
  answered(session: number, outcome: Outcome, now: Now): void {
    if (outcome.type === 'told-addresses') return keepLast(this.#told, session, now.monotonicMs + TOLD_MS)
    if (outcome.type === 'collided') this.#o.counters.add(outcome.won ? 'ike-collision-won' : 'ike-collision-lost', 1)
    if (outcome.type === 'done' || outcome.type === 'collided' || outcome.task.type === 'delete-children') return
    const { task } = outcome
    const spi = task.type === 'rekey-child' ? BigInt(task.spiIn) : this.#newestSpi(session)
    if (outcome.type === 'other-group') return this.#defer(spi, { untilMs: -Infinity, group: outcome.group })
    this.#o.counters.add('ike-own-request-refused', 1)
    if (outcome.notify === null && task.type === 'rekey-child') this.#orphans.set(session, task.newSpiIn)
    const { minimum, spread } = outcome.notify === notifyType.temporaryFailure ? BUSY_MS : REFUSED_MS
    this.#defer(spi, { untilMs: now.monotonicMs + minimum + randomBelow(this.#o.random, spread), group: null })
  }

  tick(now: Now): void {
    for (const session of this.#terminating) this.#terminate(session, now)
    for (const [ikeSpi, schedule] of this.#unanswered) {
      if (this.#heard.has(schedule.session)) schedule.isHeard = true
      if (schedule.nextMs <= now.monotonicMs || isHurried(schedule, now.monotonicMs)) this.#resend(ikeSpi, schedule, now)
    }
    this.#heard.clear()
    if (this.#resources.incarnation === 0) return
    // Clients of a site that is gone are to be told at once.
    const firstLooks = this.#hasOtherSites ? LOOKS : CALM_FIRST_LOOKS
    this.#deadlines.tick(this.#resources.incarnation, now.monotonicMs, firstLooks, (session) => this.#look(session, now))
  }

  /** Whether the cluster has addresses that this gateway can't hold. */
  get #hasOtherSites(): boolean {
    const { state, addresses } = this.#o
    return [...state.holders.keys()].some((address) => !addresses.some((own) => toHex(own) === address))
  }

  #isOurs(session: number): boolean {
    const now = ownership(this.#o.state, session)
    return now !== null && this.#resources.incarnation !== 0 && now.owner === this.#resources.incarnation
  }

  #newestSpi(session: number): bigint {
    const newest = sessionView(this.#o.state, session)?.ikes.at(-1)
    return newest?.spi ?? 0n
  }

  #defer(spi: bigint, deferred: Deferred): void {
    keepLast(this.#deferred, spi, deferred)
  }

  // ---- what is to be asked for next

  #look(session: number, now: Now): Look {
    const view = sessionView(this.#o.state, session)!
    this.#remember(view)
    const judgement = this.#judge(view, now)
    const silentMs = this.#deadlines.silentMs(session, now.monotonicMs)
    const due = this.#due(view, judgement, silentMs, now)
    if (due !== null) {
      const hasBegun = this.#begin(session, due, now)
      return { waitMs: hasBegun ? 1000 : AGAIN_MS, packets: Infinity }
    }
    const untilDeferredMs = this.#deferredMs(view.context, now)
    const untilToldMs = this.#told.has(session) ? this.#told.get(session)! - now.monotonicMs : Infinity
    const waitMs = Math.min(judgement.nextMs - now.wallMs, judgement.livenessMs - silentMs, untilDeferredMs, untilToldMs)
    return { waitMs: Math.max(AGAIN_MS, waitMs), packets: judgement.packets }
  }

  /** After a restart from a checkpoint, what is unanswered is in the state alone. */
  #remember({ session, ikes, context }: SessionView): void {
    for (const { spi, pending } of ikes) {
      if (pending !== null && !this.#unanswered.has(spi) && !isDeleted(context, spi)) this.#unanswered.set(spi, unsent(session))
    }
  }

  #judge({ session, context, children }: SessionView, now: Now): Judgement {
    return judge(context, this.#o.vpn(), {
      nowMs: now.wallMs,
      packetOctets: this.#o.packetOctets,
      usage: (spiIn) =>
        this.#usage(
          session,
          children.find((child) => child.spiIn === spiIn),
        ),
      isDeferred: (spi) => (this.#deferred.get(spi)?.untilMs ?? -Infinity) > now.monotonicMs,
    })
  }

  /** The first deferral that ends. */
  #deferredMs({ children, ikeSas }: SessionContext, now: Now): number {
    if (this.#deferred.size === 0) return Infinity
    const spis = [...children.map(({ spiIn }) => BigInt(spiIn)), ...ikeSas.map(localIkeSpi)]
    const waits = spis.map((spi) => (this.#deferred.get(spi)?.untilMs ?? -Infinity) - now.monotonicMs)
    return Math.min(Infinity, ...waits.filter((wait) => wait > 0))
  }

  #due({ session, context, ikes }: SessionView, judgement: Judgement, silentMs: number, now: Now): UnderIkeSa | null {
    const isFree = (spi: bigint): boolean => ikes.some((ike) => ike.spi === spi && ike.pending === null)
    const deletion = dueDelete(context, now.wallMs, isFree)
    if (deletion !== null) return deletion
    const replaced = unconfirmedReplacement({ context, ikes })
    if (replaced !== null && isFree(replaced) && this.#isElsewhere(session, context, now))
      return { ikeSpi: replaced, request: { type: 're-anchor' } }
    const ikeSpi = ikes.at(-1)!.spi
    if (!isFree(ikeSpi) || isRekeyingIke(context)) return null
    const orphan = this.#orphans.get(session)
    if (orphan !== undefined) return { ikeSpi, request: { type: 'delete-children', spisIn: [orphan] } }
    if (judgement.request !== null) return { ikeSpi, request: this.#withGroup(judgement.request, ikeSpi) }
    if (this.#isElsewhere(session, context, now)) return { ikeSpi, request: { type: 're-anchor' } }
    return silentMs >= judgement.livenessMs ? { ikeSpi, request: { type: 'liveness' } } : null
  }

  /** Whether the client speaks to another site's address, and this one's is to be told to it. */
  #isElsewhere(session: number, context: SessionContext, now: Now): boolean {
    const { addresses } = this.#o
    const isHere = isAtSite(addresses, context.local)
    if (!isHere && (this.#told.get(session) ?? -Infinity) > now.monotonicMs) return false
    this.#told.delete(session)
    return !isHere && endpointHere(addresses, context) !== null
  }

  #withGroup(request: OwnRequest, ikeSpi: bigint): OwnRequest {
    if (request.type !== 'rekey-child' && request.type !== 'rekey-ike') return request
    const spi = request.type === 'rekey-ike' ? ikeSpi : BigInt(request.spiIn)
    return { ...request, group: this.#deferred.get(spi)?.group ?? null }
  }

  /**
   * As the packet core counted; what it does not know of, from before it had the session, by how far the numbers had come, each packet as long as
   * can be.
   */
  #usage(session: number, child: SessionView['children'][number] | undefined): Usage {
    if (child === undefined) return { packets: 0, octets: 0, granted: 0 }
    const { packetOctets } = this.#o
    const granted = mostPacketsOf(child)
    const told = this.#o.countsOf(session, child.spiIn)
    if (told === null) {
      const packets = Math.max(child.start - 1, child.window.highest)
      return { packets, octets: packets * packetOctets, granted }
    }
    const before = { sent: told.next - 1 - told.packetsOut, received: told.highest - told.packetsIn }
    const octets = Math.max(before.sent * packetOctets + told.octetsOut, before.received * packetOctets + told.octetsIn)
    return { packets: Math.max(told.next - 1, told.highest), octets, granted }
  }

  // ---- asking

  #terminate(session: number, now: Now): void {
    const view = this.#isOurs(session) ? sessionView(this.#o.state, session) : null
    if (view === null || view.phase === 'tombstone') {
      this.#terminating.delete(session)
      return
    }
    this.#begin(session, { ikeSpi: view.ikes.at(-1)!.spi, request: { type: 'delete' } }, now)
  }

  /** False: not now. */
  #begin(session: number, { ikeSpi, request }: UnderIkeSa, now: Now): boolean {
    if (this.#pending.has(session) || this.#o.isLeaving(session)) return false
    const opened = this.#cache.open(session, now)
    if (opened === null) return false
    const { view, open } = opened
    const ike = view.ikes.find(({ spi }) => spi === ikeSpi)
    if (ike === undefined || ike.pending !== null) return false
    const built = buildRequest(this.#resources.environment(now, new Set()), open, ikeSpi, ike.nextRequest, request)
    if (built === null) return false
    if (request.type === 'delete-children' && request.spisIn[0] === this.#orphans.get(session)) this.#orphans.delete(session)
    this.#o.counters.add(`ike-own-${request.type}`, 1)
    this.#propose(view, 'own-request', { ikeSpi, messageId: ike.nextRequest, context: built.context, datagrams: built.datagrams }, now)
    return true
  }

  #propose(
    view: SessionView,
    direction: 'own-request' | 'own-response',
    { datagrams, ...values }: { ikeSpi: bigint; messageId: number; context: SessionContext | null; datagrams: readonly Bytes[] },
    now: Now,
  ): void {
    const path = { local: view.context.local, remote: view.context.remote }
    this.#commit(
      {
        view,
        direction,
        decision: { ...values, reply: { type: 'datagrams', datagrams } },
        pending: { arrival: { datagram: new Uint8Array(0), path, epoch: 0, hops: 0 }, addresses: [], attempts: 1, isOurs: true },
        outcome: null,
      },
      now,
    )
  }

  // ---- asking again

  /** Who doesn't own the session looks again in a while: it may by then, and the peer not have answered. */
  #resend(ikeSpi: bigint, schedule: Schedule, now: Now): void {
    const session = sessionByIkeSpi(this.#o.state, ikeSpi)
    const view = session === null ? null : sessionView(this.#o.state, session)
    const pending = view?.ikes.find(({ spi }) => spi === ikeSpi)?.pending ?? null
    if (view === null || pending === null || isDeleted(view.context, ikeSpi)) {
      this.#unanswered.delete(ikeSpi)
      return
    }
    const { context } = view
    const isOurs = this.#isOurs(view.session)
    const isReAnchoring = context.ikeSas.some((sa) => sa.task?.type === 're-anchor' && localIkeSpi(sa) === ikeSpi)
    if (isOurs && schedule.attempts > (isReAnchoring ? MAX_ANCHOR_RESENDS : MAX_RESENDS)) return this.#giveUp(view, ikeSpi, now)
    const isDue = schedule.nextMs <= now.monotonicMs
    if (isDue) schedule.nextMs = now.monotonicMs + Math.min(MAX_RESEND_MS, FIRST_RESEND_MS * 2 ** schedule.attempts)
    schedule.sentMs = now.monotonicMs
    schedule.isHeard = false
    if (!isOurs) return
    if (isDue) schedule.attempts += 1
    const request = decodeReply(pending)
    const from = isReAnchoring && isDue && isFromHere(schedule.attempts) ? endpointHere(this.#o.addresses, context) : null
    if (request.type === 'datagrams') this.#o.send(from ?? context.local, context.remote, request.datagrams)
  }

  /** "if … no response … the endpoint … MUST conclude … the other endpoint has failed" (§2.4). */
  #giveUp(view: SessionView, ikeSpi: bigint, now: Now): void {
    const { session, context } = view
    const sa = context.ikeSas.find((one) => localIkeSpi(one) === ikeSpi)
    const ike = view.ikes.find(({ spi }) => spi === ikeSpi)
    if (sa === undefined || ike === undefined || this.#pending.has(session) || this.#o.isLeaving(session)) return
    this.#o.counters.add('ike-peer-dead', 1)
    const ended = abandon(context, sa, now.wallMs)
    this.#propose(view, 'own-response', { ikeSpi, messageId: ike.nextRequest - 1, context: ended, datagrams: [] }, now)
  }
}

function unsent(session: number): Schedule {
  return { session, nextMs: -Infinity, attempts: 0, sentMs: -Infinity, isHeard: false }
}

/** A peer that speaks is asked again without the rest of the wait, and that is none of the attempts after which it is dead. */
function isHurried({ sentMs, isHeard }: Schedule, nowMs: number): boolean {
  return isHeard && nowMs - sentMs >= FIRST_RESEND_MS
}

/** `attempts`: with this one. */
function isFromHere(attempts: number): boolean {
  return attempts <= ANCHOR_RESENDS || attempts % 2 === 0
}

/** The newest entries stay. */
function keepLast<K, V>(map: Map<K, V>, key: K, value: V): void {
  map.delete(key)
  makeRoom(map, MAX_DEFERRED, (oldest) => map.delete(oldest))
  map.set(key, value)
}

/**
 * Our SPI of the IKE SA that the newest takes the place of, while it may be that the client has not had our answer yet, and so knows the older one
 * alone. It repeats its request to where nobody may be any more: it has to be led away from there under what it knows. Null: the newest is proven.
 */
function unconfirmedReplacement({ context, ikes }: Pick<SessionView, 'context' | 'ikes'>): bigint | null {
  const [older, newest] = ikes.slice(-2)
  if (older === undefined || newest === undefined || newest.expectedRequest > 0 || isDeleted(context, older.spi)) return null
  return older.spi
}

/** A peer that has deleted an IKE SA answers nothing under it any more. */
function isDeleted(context: SessionContext, ikeSpi: bigint): boolean {
  return context.ikeSas.some((sa) => sa.deletedAt !== 0 && localIkeSpi(sa) === ikeSpi)
}
