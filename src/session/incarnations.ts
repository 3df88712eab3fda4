/**
 * Incarnations: the lives of gateways as the log knows them, and who succeeds whom (protocol.md §1, rules 2–4; DESIGN.md "Takeover").
 *
 * A takeover writes nothing to any session. It stores, for the incarnation that ended, its frozen tick and for each of 4,096 buckets the
 * successor, once and for ever. Who owns a session now is derived from that when somebody looks.
 */

import { assert } from '../kit/assert.ts'
import { hashText, mix32, mixInto } from '../kit/hash.ts'
import { backoffMs, noteFall } from './falls.ts'

export const BUCKETS = 4096
/** A gateway's earlier boot nonces are remembered so far back. */
const REMEMBERED_NONCES = 16
/** The first 32 bits of IKE initialization vectors: no further GatewayUp is taken once they are used up. */
const MAX_INCARNATION = 0xffff_ffff

export interface Incarnation {
  readonly number: number
  readonly gateway: string
  readonly nonce: bigint
  readonly capacity: number
  /** Addresses that its process can hold, as hexadecimal octets. */
  readonly addresses: readonly string[]
  tick: number
  up: boolean
  /** When ended: bucket → successor's number, or 0 while there is none. */
  successors: Uint32Array | null
  /** When ended: each successor's tick at that entry. */
  readonly successorTicks: Map<number, number>
  /** When ended: the background fold has passed every session once it reaches this pass. */
  foldedAtPass: number
  /** Wall-clock ms, as their commands say; 0: it said nothing, or an older build may be among the gateways. */
  upAtMs: number
  endedAtMs: number
}

export interface GatewayRecord {
  readonly id: string
  /** Among all gateways that there ever were, in the order in which they first came up. */
  readonly place: number
  /** Number of its last incarnation. */
  incarnation: number
  draining: boolean
  readonly nonces: bigint[]
  /** When its lives ended lately though nobody wanted it, by the log's clock, oldest first. */
  falls: readonly number[]
  /** By the log's clock; until then others are preferred to it. 0: it may be given sessions at any time. */
  steadyAtMs: number
}

function newRecord(id: string, place: number): GatewayRecord {
  return { id, place, incarnation: 0, draining: false, nonces: [], falls: [], steadyAtMs: 0 }
}

/** The bucket of a session. */
export function bucketOf(session: number): number {
  return mix32(mixInto(session >>> 0, Math.floor(session / 2 ** 32))) % BUCKETS
}

export class Incarnations {
  readonly #all = new Map<number, Incarnation>()
  readonly #gateways = new Map<string, GatewayRecord>()
  #last = 0
  #ended = 0

  get(number: number): Incarnation | undefined {
    return this.#all.get(number)
  }

  isUp(number: number): boolean {
    return this.#all.get(number)?.up === true
  }

  gateway(id: string): GatewayRecord | undefined {
    return this.#gateways.get(id)
  }

  gateways(): IterableIterator<GatewayRecord> {
    return this.#gateways.values()
  }

  /** The place of a gateway among all that there ever were, which it keeps. */
  placeOf(gateway: string): number {
    return this.#gateways.get(gateway)!.place
  }

  /** The gateway at a place. */
  gatewayAt(place: number): string {
    const id = [...this.#gateways.keys()][place]
    assert(id !== undefined, `a gateway has place ${place}`)
    return id
  }

  get gatewayCount(): number {
    return this.#gateways.size
  }

  /** The gateway's incarnation if it is up. */
  current(gateway: string): Incarnation | undefined {
    const record = this.#gateways.get(gateway)
    const incarnation = record && this.#all.get(record.incarnation)
    return incarnation?.up ? incarnation : undefined
  }

  /** Incarnations that are up, in the order of their numbers. */
  up(): Incarnation[] {
    return [...this.#all.values()].filter((incarnation) => incarnation.up)
  }

  /** All that are kept, in the order of their numbers. */
  all(): IterableIterator<Incarnation> {
    return this.#all.values()
  }

  /** The number of the last one, kept or not. */
  get last(): number {
    return this.#last
  }

  /** Who owns now what this incarnation owned of a bucket: one that is up, or one that ended and has no successor there. */
  ownerOf(number: number, bucket: number): number {
    for (;;) {
      const successor = this.#all.get(number)?.successors?.[bucket] ?? 0
      if (successor === 0) return number
      number = successor
    }
  }

  /** Fills an empty table with what a checkpoint holds, in the order of `all` and `gateways`. */
  restore(last: number, incarnations: readonly Incarnation[], gateways: readonly GatewayRecord[]): void {
    this.#last = last
    for (const incarnation of incarnations) this.#all.set(incarnation.number, incarnation)
    for (const gateway of gateways) this.#gateways.set(gateway.id, gateway)
    this.#ended = incarnations.filter(({ up }) => !up).length
  }

  /** How many ended incarnations are still kept for sessions that name them. */
  get endedCount(): number {
    return this.#ended
  }

  /**
   * A process comes up (rule 2). Null when its nonce is known or the numbers are used up: nothing changes. Otherwise the new incarnation
   * and the number of the one that it ended (0: none was up); the new one is a candidate for what that one leaves. `clockMs`: the log's clock;
   * null: the command says no time, and nothing is noted of falls.
   */
  rise(
    gateway: string,
    nonce: bigint,
    capacity: number,
    addresses: readonly string[],
    pass: number,
    clockMs: number | null,
  ): { risen: Incarnation; ended: number } | null {
    const record = this.#gateways.get(gateway) ?? newRecord(gateway, this.#gateways.size)
    if (record.nonces.includes(nonce)) return null
    if (this.#last >= MAX_INCARNATION) return null
    const number = ++this.#last
    const risen: Incarnation = {
      number,
      gateway,
      nonce,
      capacity,
      addresses,
      tick: 0,
      up: true,
      successors: null,
      successorTicks: new Map(),
      foldedAtPass: 0,
      upAtMs: 0,
      endedAtMs: 0,
    }
    const former = record.incarnation
    this.#gateways.set(gateway, record)
    const ended = this.isUp(former) ? former : 0
    if (ended !== 0) this.noteFall(ended, clockMs)
    record.incarnation = number
    record.draining = false
    if (clockMs !== null) record.steadyAtMs = clockMs + backoffMs(record.falls, clockMs)
    record.nonces.push(nonce)
    if (record.nonces.length > REMEMBERED_NONCES) record.nonces.shift()
    this.#all.set(number, risen)
    if (ended !== 0) this.end(ended, pass, clockMs)
    this.#adoptOrphans(risen, pass)
    return { risen, ended }
  }

  /** An incarnation ends (rule 3). False when it is not up: the first GatewayDown stands. */
  end(number: number, foldedAtPass: number, clockMs: number | null): boolean {
    const incarnation = this.#all.get(number)
    if (!incarnation?.up) return false
    incarnation.up = false
    incarnation.foldedAtPass = foldedAtPass
    incarnation.successors = this.#chooseSuccessors(incarnation.addresses, clockMs)
    for (const successor of incarnation.successors) {
      if (successor !== 0) incarnation.successorTicks.set(successor, this.#all.get(successor)!.tick)
    }
    this.#ended += 1
    return true
  }

  /** An incarnation ends. Whoever drained was to. */
  noteFall(number: number, clockMs: number | null): void {
    const record = this.#gateways.get(this.#all.get(number)!.gateway)!
    if (clockMs !== null && !record.draining) record.falls = noteFall(record.falls, clockMs)
  }

  /** Forgets ended incarnations that no session can name any more: the fold has passed and no bucket waits for a successor. */
  forget(pass: number): void {
    if (this.#ended === 0) return
    for (const incarnation of this.#all.values()) {
      if (incarnation.up || incarnation.foldedAtPass > pass) continue
      if (incarnation.successors!.includes(0)) continue
      this.#all.delete(incarnation.number)
      this.#ended -= 1
    }
  }

  /** Those of `candidates` that can hold one of these addresses (hexadecimal octets), or, when none can, all. */
  static able(candidates: readonly Incarnation[], addresses: readonly string[]): readonly Incarnation[] {
    const able = candidates.filter((candidate) => addresses.some((address) => candidate.addresses.includes(address)))
    return able.length > 0 ? able : candidates
  }

  /** The best of `candidates` for a key by weighted rendezvous hashing: each counts as many times as its capacity. Null: there is none. */
  static rendezvous(candidates: readonly Incarnation[], key: number): Incarnation | null {
    let best: Incarnation | null = null
    let bestScore = -1
    for (const candidate of candidates) {
      const seed = mixInto(hashText(candidate.gateway), key)
      for (let share = 0; share < candidate.capacity; share++) {
        const score = mixInto(seed, share)
        if (score > bestScore) {
          best = candidate
          bestScore = score
        }
      }
    }
    return best
  }

  /** Who may be given sessions: those that are up and not draining, or, when all drain, those that are up. */
  candidates(): Incarnation[] {
    const up = this.up()
    const willing = up.filter((incarnation) => !this.#gateways.get(incarnation.gateway)!.draining)
    return willing.length > 0 ? willing : up
  }

  /** Those of `candidates` that have not come and gone lately, or, when all have, all. `clockMs`: the log's clock; null: all. */
  steadyOf(candidates: readonly Incarnation[], clockMs: number | null): readonly Incarnation[] {
    if (clockMs === null) return candidates
    const steady = candidates.filter(({ gateway }) => this.#gateways.get(gateway)!.steadyAtMs <= clockMs)
    return steady.length > 0 ? steady : candidates
  }

  /** Of the same site, if any is left there: a client of another one's would go on through two gateways, and have to be led there. */
  #chooseSuccessors(addresses: readonly string[], clockMs: number | null): Uint32Array {
    const candidates = this.steadyOf(Incarnations.able(this.candidates(), addresses), clockMs)
    const successors = new Uint32Array(BUCKETS)
    for (let bucket = 0; bucket < BUCKETS; bucket++) {
      successors[bucket] = Incarnations.rendezvous(candidates, bucket)?.number ?? 0
    }
    return successors
  }

  /**
   * Buckets that had no successor go to whoever comes up first (rule 2). What was folded while they waited names the ended incarnation
   * still, so the fold has to go round once more before that one may be forgotten.
   */
  #adoptOrphans(risen: Incarnation, foldedAtPass: number): void {
    for (const incarnation of this.#all.values()) {
      const { successors } = incarnation
      if (successors === null) continue
      if (!successors.includes(0)) continue
      for (let bucket = 0; bucket < BUCKETS; bucket++) if (successors[bucket] === 0) successors[bucket] = risen.number
      assert(risen.tick === 0, `a new incarnation's tick is 0, got ${risen.tick}`)
      incarnation.successorTicks.set(risen.number, 0)
      incarnation.foldedAtPass = foldedAtPass
    }
  }
}
