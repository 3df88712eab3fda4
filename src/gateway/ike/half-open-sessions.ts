/**
 * IKE_SA_INIT: requests that belong to no session yet (DESIGN.md "The way of an IKE exchange").
 *
 * A half-open session is keyed by the hash of the request and its source. A keyed rendezvous hash says who answers; whoever does, the
 * first commit wins, and the loser sends the winner's octets.
 *
 * Here strangers are kept within bounds: how many sessions without an authenticated client the log may hold, in all and from one source; when a
 * source has to show that it is there; how much time key exchanges may take. What is counted is the agreed state, and what this gateway has
 * proposed beside, or has waiting. Whoever has to show a cookie does so before it waits: those that wait are served without being asked again.
 */

import type { Bytes } from '../../kit/bytes.ts'
import { concat, dataView, toHex, toUtf8 } from '../../kit/bytes.ts'
import { prfAlgorithm } from '../../kit/ike-crypto.ts'
import { encodeSessionContext } from '../../context/session-context-codec.ts'
import type { CookieSecret } from '../../ike/cookie.ts'
import type { Decision, Path } from '../../ike/decision.ts'
import { decideInit } from '../../ike/init.ts'
import { Incarnations } from '../../session/incarnations.ts'
import type { Result } from '../../session/results.ts'
import { isTaken } from '../../session/results.ts'
import { sourceOf } from '../../session/unauthenticated.ts'
import { ownership, sessionByRequest, sessionView } from '../../session/view.ts'
import type { Now } from '../clock.ts'
import { encodeReply } from '../reply.ts'
import { KeyExchangeBudget } from './key-exchange-budget.ts'
import type { IkeResources } from './resources.ts'
import type { SessionCache } from './session-cache.ts'
import type { IkeArrival, IkeSurroundings } from './surroundings.ts'
import { MAX_ATTEMPTS, MAX_HOPS } from './surroundings.ts'
import type { WaitingRoom } from './waiting-room.ts'

/** Of this gateway, waiting or proposed. */
const MAX_PENDING_INITS = 4096
/** A cookie is good for one to two of these. */
const COOKIE_GENERATION_MS = 60_000
/** The request is kept in the half-open session, which a command has to hold. Stock clients' have 300 to 3,000 octets. */
export const MAX_INIT_OCTETS = 16_384

interface Counts {
  readonly all: number
  readonly source: number
}

export class HalfOpenSessions {
  readonly #o: IkeSurroundings
  readonly #resources: IkeResources
  readonly #cache: SessionCache
  readonly #room: WaitingRoom
  /** What waits or is proposed, by the hash of the request, in hexadecimal. */
  readonly #pending = new Map<string, IkeArrival>()
  readonly #pendingFrom = new Map<string, number>()
  readonly #budget: KeyExchangeBudget
  #secrets: { readonly generation: number; readonly keys: readonly Bytes[]; readonly secrets: readonly CookieSecret[] } = {
    generation: -1,
    keys: [],
    secrets: [],
  }

  constructor(surroundings: IkeSurroundings, resources: IkeResources, cache: SessionCache, room: WaitingRoom) {
    this.#o = surroundings
    this.#resources = resources
    this.#cache = cache
    this.#room = room
    this.#budget = new KeyExchangeBudget(surroundings.limits.keyExchangeMs)
  }

  /** Our incarnation ended or began: what is under way is somebody else's, or asked for again. */
  clear(): void {
    this.#pending.clear()
    this.#pendingFrom.clear()
  }

  /** An IKE_SA_INIT request. */
  handle(arrival: IkeArrival, now: Now): void {
    if (arrival.datagram.length > MAX_INIT_OCTETS) return this.#drop(arrival, 'ike-init-long')
    const hash = this.#requestHash(arrival)
    const session = sessionByRequest(this.#o.state, hash)
    if (session !== null) return this.#answerKnown(session, arrival, now)
    const { incarnations, clockMs } = this.#o.state
    const able = Incarnations.able(incarnations.candidates(), [toHex(arrival.path.local.address)])
    const answerer = Incarnations.rendezvous(incarnations.steadyOf(able, clockMs), this.#steer(hash))
    if (answerer !== null && answerer.number !== this.#resources.incarnation && arrival.hops === 0) {
      return this.#o.forward(answerer.gateway, { ...arrival, hops: 1 })
    }
    if (this.#resources.incarnation === 0) return this.#drop(arrival, 'not-up')
    this.#enter(hash, arrival, now)
  }

  /** Whether there is time for one more new session's key exchange, whichever it asks for. */
  mayBegin(now: Now): boolean {
    return this.#budget.hasForAny(now.monotonicMs)
  }

  #answerKnown(session: number, arrival: IkeArrival, now: Now): void {
    const owner = ownership(this.#o.state, session)!
    if (owner.owner === this.#resources.incarnation) return this.#repeat(session, arrival, now)
    if (owner.ownerUp && arrival.hops < MAX_HOPS) this.#o.forward(owner.gateway, { ...arrival, hops: arrival.hops + 1 })
  }

  /** The stored response, as long as it is the last one: a late copy of the request must not be answered by another exchange's. */
  #sendStored(session: number, path: Path, now: Now): void {
    const view = sessionView(this.#o.state, session)
    const ike = view?.ikes[0]
    if (view?.phase === 'half-open' && ike?.expectedRequest === 1) this.#cache.sendStored(session, ike.spi, path, now)
    else this.#o.counters.add('ike-late-init', 1)
  }

  #repeat(session: number, arrival: IkeArrival, now: Now): void {
    this.#o.exchanges.count(arrival.datagram, 'in', 'repeated')
    this.#sendStored(session, arrival.path, now)
  }

  #drop({ datagram }: IkeArrival, reason: string): void {
    this.#o.counters.add(reason, 1)
    this.#o.exchanges.count(datagram, 'in', 'dropped')
  }

  #enter(hash: Bytes, arrival: IkeArrival, now: Now): void {
    const key = toHex(hash)
    if (this.#pending.has(key)) return
    const counts = this.#counts(arrival)
    const refusal = this.#refusal(counts)
    if (refusal !== null) return this.#drop(arrival, refusal)
    if (this.#isCookieRequired(counts, now) && !this.#hasCookie(arrival, now)) return
    this.#pending.set(key, arrival)
    this.#countPending(arrival, 1)
    const entered = this.#room.enter('new', key, arrival.datagram.length, now, (at) => this.#create(hash, arrival, at, 1))
    if (entered === 'waits') return
    this.#end(hash, arrival)
    this.#drop(arrival, 'half-open-limit')
  }

  /** False: it was asked for one, or is not worth that. */
  #hasCookie(arrival: IkeArrival, now: Now): boolean {
    let isWanted = false
    const decision = decideInit(this.#resources.environment(now, new Set()), arrival.datagram, arrival.path, {
      cookie: { required: true, secrets: this.#cookieSecrets(now) },
      mayExchange: () => {
        isWanted = true
        return false
      },
    })
    if (decision.type === 'answer') this.#answer(decision, arrival)
    else if (decision.type === 'drop' && !isWanted) this.#drop(arrival, decision.reason)
    return isWanted
  }

  #create(hash: Bytes, arrival: IkeArrival, now: Now, attempt: number): void {
    if (this.#pending.get(toHex(hash)) !== arrival) return
    const session = sessionByRequest(this.#o.state, hash)
    if (session !== null) {
      this.#end(hash, arrival)
      return this.#answerKnown(session, arrival, now)
    }
    const decision = decideInit(this.#resources.environment(now, new Set()), arrival.datagram, arrival.path, {
      cookie: { required: false, secrets: this.#cookieSecrets(now) },
      mayExchange: (group) => this.#budget.take(group, now.monotonicMs),
    })
    if (decision.type === 'create') return this.#propose(hash, decision, arrival, attempt, now)
    this.#end(hash, arrival)
    if (decision.type === 'answer') this.#answer(decision, arrival)
    else if (decision.type === 'drop') this.#drop(arrival, decision.reason)
  }

  #answer({ datagrams, isCookie }: Extract<Decision, { type: 'answer' }>, { datagram, path }: IkeArrival): void {
    this.#o.exchanges.count(datagram, 'in', 'answered')
    if (isCookie === true) this.#o.exchanges.cookies += 1
    this.#o.send(path.local, path.remote, datagrams)
  }

  /** Sessions without an authenticated client: of the cluster, and from where this one comes. */
  #counts({ path }: IkeArrival): Counts {
    const { unauthenticated } = this.#o.state
    const source = sourceOf(path.remote.address)
    return {
      all: unauthenticated.count + this.#pending.size,
      source: unauthenticated.from(source) + (this.#pendingFrom.get(source) ?? 0),
    }
  }

  #refusal(counts: Counts): string | null {
    const { halfOpen, halfOpenPerSource } = this.#o.limits
    if (this.#pending.size >= MAX_PENDING_INITS || counts.all >= halfOpen) return 'half-open-limit'
    return counts.source >= halfOpenPerSource ? 'half-open-source-limit' : null
  }

  #propose(hash: Bytes, decision: Extract<Decision, { type: 'create' }>, arrival: IkeArrival, attempt: number, now: Now): void {
    this.#o.proposals.propose(
      {
        type: 'create-session',
        incarnation: this.#resources.incarnation,
        requestHash: hash,
        context: encodeSessionContext(decision.context),
        reply: encodeReply(decision.reply),
        nowMs: now.wallMs,
      },
      { repeat: true, applied: (result, at) => this.#created(hash, arrival, attempt, result, at) },
    )
  }

  #created(hash: Bytes, arrival: IkeArrival, attempt: number, result: Result, now: Now): void {
    if (this.#pending.get(toHex(hash)) !== arrival) return
    if (isTaken(result) && attempt < MAX_ATTEMPTS) return this.#create(hash, arrival, now, attempt + 1)
    this.#end(hash, arrival)
    if (result.type === 'created') {
      this.#o.exchanges.count(arrival.datagram, 'in', 'committed')
      this.#sendStored(result.session, arrival.path, now)
    } else if (result.type === 'exists') this.#answerKnown(result.session, arrival, now)
    else this.#o.exchanges.count(arrival.datagram, 'in', 'refused')
  }

  #end(hash: Bytes, arrival: IkeArrival): void {
    this.#pending.delete(toHex(hash))
    this.#countPending(arrival, -1)
  }

  #countPending({ path }: IkeArrival, by: number): void {
    const source = sourceOf(path.remote.address)
    const count = (this.#pendingFrom.get(source) ?? 0) + by
    if (count === 0) this.#pendingFrom.delete(source)
    else this.#pendingFrom.set(source, count)
  }

  #isCookieRequired({ all, source }: Counts, now: Now): boolean {
    return source >= this.#o.limits.cookieFromSource || this.#isBusy(all, now)
  }

  /** The secrets are the cluster's: any gateway checks any other's cookies. */
  #cookieSecrets(now: Now): readonly CookieSecret[] {
    const generation = Math.floor(now.wallMs / COOKIE_GENERATION_MS)
    const keys = this.#o.steeringKeys()
    const isSame = this.#secrets.keys.length === keys.length && this.#secrets.keys.every((key, i) => key === keys[i])
    if (this.#secrets.generation !== generation || !isSame) {
      const secrets = keys.flatMap((key) => [generation, generation - 1].map((number) => this.#cookieSecret(key, number)))
      this.#secrets = { generation, keys, secrets }
    }
    return this.#secrets.secrets
  }

  /** Whether every client has to show by a cookie that it is where it says. */
  areCookiesRequired(now: Now): boolean {
    return this.#isBusy(this.#o.state.unauthenticated.count + this.#pending.size, now)
  }

  #isBusy(all: number, now: Now): boolean {
    return all >= this.#o.limits.cookieFrom || this.#budget.isScarce(now.monotonicMs)
  }

  #cookieSecret(key: Bytes, generation: number): CookieSecret {
    const name = toUtf8(`cookie ${generation}`)
    return { version: generation & 255, secret: this.#o.crypto.prf(prfAlgorithm.hmacSha256, key, name) }
  }

  #requestHash({ datagram, path }: IkeArrival): Bytes {
    const { address, port } = path.remote
    return this.#o.crypto.sha256(concat(address, Uint8Array.of(port >> 8, port & 255), datagram))
  }

  #steer(hash: Bytes): number {
    return dataView(this.#o.crypto.sha256(concat(this.#o.steeringKeys()[0]!, hash))).getUint32(0)
  }
}
