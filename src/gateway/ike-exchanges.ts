/**
 * IKE on this gateway: datagram → owner → decision → commit → what `apply` stored goes out (DESIGN.md "The way of an IKE exchange").
 *
 * Commit before send: a decision's octets go into the log, and what leaves is read back from the applied state. One uncommitted exchange
 * a session; while it is under way further datagrams of the session are dropped, for the client repeats them. A refusal because of a
 * taken address or SPI is decided again with fresh values; any other refusal is for ever, and somebody else's turn.
 *
 * Here are the way to the owner and the exchanges of established sessions; ike/ has the rest.
 */

import type { Bytes } from '../kit/bytes.ts'
import { emptyBytes, toHex } from '../kit/bytes.ts'
import { encodeSessionContext } from '../context/session-context-codec.ts'
import type { Decision, Reply } from '../ike/decision.ts'
import { decide } from '../ike/responder.ts'
import type { IkeHeader } from '../ike/wire/header.ts'
import { exchangeType, isResponse, peekHeader, receiverSpi } from '../ike/wire/header.ts'
import type { CommitExchange } from '../session/commands.ts'
import type { Result } from '../session/results.ts'
import { isTaken } from '../session/results.ts'
import { ownership, sessionByIkeSpi } from '../session/view.ts'
import type { Now } from './clock.ts'
import { FragmentedMessages } from './ike/fragments.ts'
import { HalfOpenSessions } from './ike/half-open-sessions.ts'
import { OwnRequests } from './ike/own-requests.ts'
import { IkeParking } from './ike/parking.ts'
import { PendingExchanges } from './ike/pending-exchanges.ts'
import type { ProposedExchange } from './ike/proposed-exchange.ts'
import { IkeResources } from './ike/resources.ts'
import { SessionCache } from './ike/session-cache.ts'
import { hasLeftSite } from './ike/sites.ts'
import type { IkeArrival, IkeSurroundings } from './ike/surroundings.ts'
import { MAX_ATTEMPTS, MAX_HOPS } from './ike/surroundings.ts'
import { WaitingRoom } from './ike/waiting-room.ts'
import { decodeReply, encodeReply } from './reply.ts'

export class IkeExchanges {
  readonly #o: IkeSurroundings
  readonly #pending = new PendingExchanges()
  readonly #parking = new IkeParking()
  readonly #resources: IkeResources
  readonly #cache: SessionCache
  readonly #halfOpen: HalfOpenSessions
  readonly #ownRequests: OwnRequests
  readonly #fragments = new FragmentedMessages()
  readonly #room: WaitingRoom

  constructor(surroundings: IkeSurroundings) {
    this.#o = surroundings
    this.#resources = new IkeResources(surroundings)
    this.#cache = new SessionCache(surroundings)
    this.#room = new WaitingRoom(surroundings.clientWaits)
    this.#halfOpen = new HalfOpenSessions(surroundings, this.#resources, this.#cache, this.#room)
    const parts = { resources: this.#resources, cache: this.#cache, pending: this.#pending }
    this.#ownRequests = new OwnRequests(surroundings, parts, (exchange, now) => this.#commit(exchange, now))
  }

  /** A new incarnation of ours with its first range of SPIs; 0: the last one ended. */
  begin(incarnation: number, firstSpi: number | null): void {
    this.#resources.begin(incarnation, firstSpi)
    this.#pending.clear()
    this.#room.clear()
    this.#halfOpen.clear()
    this.#cache.clear()
    this.#ownRequests.clear()
    this.#fragments.clear()
  }

  /** Tells the client by a DELETE of the IKE SA, as soon as no other exchange is under way, and ends the session. */
  terminate(session: number): void {
    this.#ownRequests.terminate(session)
  }

  /** Anybody's exchange was applied: of a request of ours, whoever owns the session sends it, and sends it again. */
  exchangeApplied(command: CommitExchange, now: Now): void {
    this.#ownRequests.applied(command, now)
  }

  /** Something authentic came from the client of a session of ours. */
  heard(session: number, now: Now): void {
    this.#ownRequests.heard(session, now)
  }

  /** The VPN configuration is another one. */
  configured(): void {
    this.#ownRequests.configured()
  }

  /** What of established sessions is under way, and what waits. Left out are requests of our own, half-open sessions and the bounds on floods. */
  inspect(ageOf: (atMs: number) => number): unknown {
    return [this.#pending.inspect(), this.#parking.inspect(ageOf), this.#resources.inspect()]
  }

  /** Clients that are not in yet and wait for `admit`. */
  get waiting(): number {
    return this.#room.waiting
  }

  /** Serves the next request of a client that is not in yet. False: none waits, or there is no time for those that do. */
  admit(now: Now): boolean {
    return this.#room.serve(now, this.#halfOpen.mayBegin(now))
  }

  areCookiesRequired(now: Now): boolean {
    return this.#halfOpen.areCookiesRequired(now)
  }

  hasPending(session: number): boolean {
    return this.#pending.has(session)
  }

  handle(arrival: IkeArrival, now: Now): void {
    if (!this.#tryHandle(arrival, now)) this.#park(arrival, now)
  }

  #park(arrival: IkeArrival, now: Now): void {
    this.#o.counters.add('ike-unknown-spi', this.#parking.park(arrival, now))
  }

  /** Something was applied: parked datagrams may find their session now. */
  retryParked(now: Now): void {
    this.#parking.retry((arrival) => this.#tryHandle(arrival, now))
  }

  tick(now: Now): void {
    this.#resources.tick()
    this.#o.counters.add('ike-unknown-spi', this.#parking.expire(now))
    this.#o.counters.add('ike-fragments-expired', this.#fragments.expire(now))
    this.#ownRequests.tick(now)
  }

  /** False: no session for it (yet), or the session is between owners. `isAdmitted`: it has waited for its turn. */
  #tryHandle(arrival: IkeArrival, now: Now, isAdmitted = false): boolean {
    const header = peekHeader(arrival.datagram)
    if (header === null) {
      this.#o.counters.add('ike-malformed', 1)
      return true
    }
    if (receiverSpi(header) !== 0n) return this.#toOwner(header, arrival, now, isAdmitted)
    if (header.exchange === exchangeType.ikeSaInit && !isResponse(header)) this.#halfOpen.handle(arrival, now)
    else this.#o.counters.add('ike-malformed', 1)
    return true
  }

  #toOwner(header: IkeHeader, arrival: IkeArrival, now: Now, isAdmitted: boolean): boolean {
    const spi = receiverSpi(header)
    const session = sessionByIkeSpi(this.#o.state, spi)
    if (session === null) return false
    const owner = ownership(this.#o.state, session)!
    if (!owner.ownerUp || this.#o.isLeaving(session)) return false
    if (owner.gateway !== this.#o.self) return this.#forward(owner.gateway, arrival, owner.epoch)
    if (owner.owner !== this.#resources.incarnation || this.#hasToWait(session, header)) return false
    if (owner.phase === 'half-open' && !isAdmitted) this.#enter(session, arrival, now)
    else this.#exchange(session, spi, arrival, 1, now)
    return true
  }

  /** The client is not in yet. */
  #enter(session: number, arrival: IkeArrival, now: Now): void {
    const { datagram } = arrival
    const key = `${session} ${toHex(this.#o.crypto.sha256(datagram))}`
    const entered = this.#room.enter('begun', key, datagram.length, now, (at) => {
      if (!this.#tryHandle(arrival, at, true)) this.#park(arrival, at)
    })
    if (entered === 'full') this.#o.counters.add('ike-waiting-full', 1)
  }

  /** While an exchange of the session is being committed; a client repeats a request that is dropped then, but not an answer. */
  #hasToWait(session: number, header: IkeHeader): boolean {
    return this.#pending.isOurs(session) || (isResponse(header) && this.#pending.has(session))
  }

  /** On only under a newer epoch than the one that it was routed by; a gateway that lags keeps the datagram until it has applied. */
  #forward(gateway: string, arrival: IkeArrival, epoch: number): boolean {
    if (arrival.epoch >= epoch) return false
    if (arrival.hops >= MAX_HOPS) this.#o.counters.add('ike-hops', 1)
    else this.#o.forward(gateway, { ...arrival, epoch, hops: arrival.hops + 1 })
    return true
  }

  // ---- exchanges of a session that is ours

  #exchange(session: number, spi: bigint, arrival: IkeArrival, attempts: number, now: Now): void {
    const { datagram } = arrival
    if (this.#pending.has(session)) {
      this.#o.exchanges.count(datagram, 'in', 'waiting')
      return this.#o.counters.add('ike-exchange-pending', 1)
    }
    const opened = this.#cache.open(session, now)
    if (opened === null) return this.#o.counters.add('ike-unsealable', 1)
    const { view, open, exchanges } = opened
    const ike = view.ikes.find((candidate) => candidate.spi === spi)
    if (ike === undefined) return this.#o.counters.add('ike-unknown-spi', 1)
    const addresses = new Set<string>()
    const expected = {
      request: ike.expectedRequest,
      response: ike.pending === null ? null : ike.nextRequest - 1,
      mayRequest: exchanges.has(now.monotonicMs),
    }
    const decision = decide(this.#resources.environment(now, addresses), open, expected, arrival.whole ?? datagram, arrival.path)
    switch (decision.type) {
      case 'repeat':
        this.heard(session, now)
        this.#o.exchanges.count(datagram, 'in', 'repeated')
        return this.#cache.sendStored(session, decision.ikeSpi, arrival.path, now)
      case 'answer':
        this.#o.exchanges.count(datagram, 'in', 'answered')
        return this.#o.send(arrival.path.local, arrival.path.remote, decision.datagrams)
      case 'fragment': {
        const added = this.#fragments.add(session, decision.ikeSpi, decision.fragment, now)
        if (added === 'ignored') this.#o.counters.add('ike-fragment-ignored', 1)
        return typeof added === 'string' ? undefined : this.#exchange(session, spi, { ...arrival, whole: added }, attempts, now)
      }
      case 'commit':
        exchanges.take(now.monotonicMs)
        if (decision.problem !== null) this.#o.counters.add(`auth-${decision.problem}`, 1)
        return this.#commit(
          { view, direction: 'request', decision, pending: { arrival, addresses: [...addresses], attempts, isOurs: false }, outcome: null },
          now,
        )
      case 'response': {
        const reply = { type: 'datagrams' as const, datagrams: [] }
        const pending = { arrival, addresses: [], attempts, isOurs: true }
        return this.#commit({ view, direction: 'own-response', decision: { ...decision, reply }, pending, outcome: decision.outcome }, now)
      }
      default:
        return this.#drop(decision, datagram)
    }
  }

  #commit(exchange: ProposedExchange, now: Now): void {
    const { view, direction, decision, pending } = exchange
    const { session, epoch, version } = view
    const { ikeSpi, messageId, context, reply, uniqueness = 'none' } = decision
    this.#pending.begin(session, pending)
    this.#resources.promise(pending.addresses)
    this.#o.proposals.propose(
      {
        type: 'commit-exchange',
        incarnation: this.#resources.incarnation,
        session,
        epoch,
        version,
        direction,
        ikeSpi,
        messageId,
        reply: encodeReply(reply),
        context: context === null ? null : encodeSessionContext(context),
        uniqueness,
        nowMs: now.wallMs,
      },
      { repeat: true, applied: (result, at) => this.#committed(exchange, result, at) },
    )
  }

  /** Of our own request nothing is sent here: `OwnRequests` does, as for every owner after us. */
  #committed({ view, direction, decision, pending, outcome }: ProposedExchange, result: Result, now: Now): void {
    if (!this.#pending.end(view.session, pending)) return
    this.#resources.release(pending.addresses)
    const isAgain = direction === 'request' && isTaken(result) && pending.attempts < MAX_ATTEMPTS
    if (!isAgain) this.#count({ view, direction, decision, pending, outcome }, result)
    if (outcome !== null && result.type === 'done') this.#ownRequests.answered(view.session, outcome, now)
    if (direction !== 'request') return
    if (result.type === 'done') {
      this.#cache.sendStored(view.session, decision.ikeSpi, pending.arrival.path, now)
      if (hasLeftSite(this.#o.addresses, view.context, decision.context)) this.#o.leftSite(view.session, now)
    } else if (isAgain) this.#again(view.session, decision.ikeSpi, pending, now)
  }

  /** The same request, decided anew with fresh values, if the session is ours still. */
  #again(session: number, spi: bigint, { arrival, attempts }: ProposedExchange['pending'], now: Now): void {
    const owner = ownership(this.#o.state, session)
    if (owner?.owner === this.#resources.incarnation && !this.#o.isLeaving(session)) {
      this.#exchange(session, spi, arrival, attempts + 1, now)
    }
  }

  /** Of what was given up no message is at hand: it is read off the request that waited for its answer. */
  #count({ view, direction, decision, pending, outcome }: ProposedExchange, result: Result): void {
    const { exchanges } = this.#o
    const isDone = result.type === 'done'
    if (direction === 'request') {
      const outcomeOfRequest = decision.problem === undefined || decision.problem === null ? 'committed' : 'rejected'
      return exchanges.count(pending.arrival.datagram, 'in', isDone ? outcomeOfRequest : 'refused')
    }
    if (direction === 'own-request') return exchanges.count(firstOf(decision.reply), 'out', isDone ? 'asked' : 'refused')
    const asked = view.ikes.find(({ spi }) => spi === decision.ikeSpi)?.pending ?? null
    const message = asked === null ? pending.arrival.datagram : firstOf(decodeReply(asked))
    exchanges.count(message, 'out', isDone ? (outcome === null ? 'unanswered' : 'answered') : 'refused')
  }

  #drop(decision: Decision, datagram: Bytes): void {
    const header = peekHeader(datagram)
    this.#o.exchanges.count(datagram, header !== null && isResponse(header) ? 'out' : 'in', 'dropped')
    this.#o.counters.add(decision.type === 'drop' ? decision.reason : `ike-${decision.type}`, 1)
  }
}

function firstOf(reply: Reply): Bytes {
  return reply.type === 'datagrams' ? (reply.datagrams[0] ?? emptyBytes) : emptyBytes
}
