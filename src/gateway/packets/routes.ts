/**
 * Where packets of other gateways' sessions go, and packets that wait for that answer: what the control core told, kept until it says
 * otherwise, and bounded.
 */

import type { Bytes } from '../../kit/bytes.ts'
import { dataView, toHex } from '../../kit/bytes.ts'
import type { RouteKey } from '../packet-messages.ts'
import type { QueueBudget } from './packet-queue.ts'
import { PacketQueue } from './packet-queue.ts'
import { makeRoom } from '../../kit/make-room.ts'

export interface Route {
  readonly session: number
  readonly gateway: string
  readonly epoch: number
}

/** A key of the maps below: an SPI, or an address as a number (IPv4, beyond the SPIs) or as text. */
export type RouteName = number | string

export function nameOf(key: RouteKey): RouteName {
  return key.type === 'spi' ? key.spi : addressName(key.address)
}

export function addressName(address: Bytes): RouteName {
  return address.length === 4 ? 2 ** 32 + dataView(address).getUint32(0) : toHex(address)
}

const MAX_ROUTES = 1_048_576
const MAX_UNKNOWN = 4096
/** An SPI that nobody knows is not asked for again before this. */
const UNKNOWN_MS = 100
const MAX_PARKED_KEYS = 1024
const PARK_MS = 250
const PARK_OCTETS = 65_536

/** A route, and how often the routes to its gateway had been forgotten when it was told. */
interface KnownRoute {
  readonly route: Route
  readonly generation: number
}

/** What a takeover or a transfer makes obsolete is forgotten without looking at other routes: there may be a million. */
export class Routes {
  readonly #routes = new Map<RouteName, KnownRoute>()
  readonly #bySession = new Map<number, RouteName[]>()
  readonly #generations = new Map<string, number>()
  readonly #unknownUntil = new Map<RouteName, number>()

  get(name: RouteName): Route | undefined {
    const known = this.#routes.get(name)
    if (known === undefined) return undefined
    return known.generation === this.#generation(known.route.gateway) ? known.route : undefined
  }

  set(name: RouteName, route: Route): void {
    this.#unknownUntil.delete(name)
    this.#delete(name)
    makeRoom(this.#routes, MAX_ROUTES, (oldest) => this.#delete(oldest))
    this.#routes.set(name, { route, generation: this.#generation(route.gateway) })
    this.#bySession.set(route.session, [...(this.#bySession.get(route.session) ?? []), name])
  }

  isUnknown(name: RouteName, nowMs: number): boolean {
    const until = this.#unknownUntil.get(name)
    if (until === undefined) return false
    if (until > nowMs) return true
    this.#unknownUntil.delete(name)
    return false
  }

  setUnknown(name: RouteName, nowMs: number): void {
    makeRoom(this.#unknownUntil, MAX_UNKNOWN, (oldest) => this.#unknownUntil.delete(oldest))
    this.#unknownUntil.set(name, nowMs + UNKNOWN_MS)
  }

  /** Forgets routes to a gateway, and to sessions; whatever was unknown may be known now. */
  forget(gateway: string | null, sessions: Iterable<number>): void {
    this.#unknownUntil.clear()
    if (gateway !== null) this.#generations.set(gateway, this.#generation(gateway) + 1)
    for (const session of sessions) {
      for (const name of this.#bySession.get(session) ?? []) this.#delete(name)
    }
  }

  clear(): void {
    this.#routes.clear()
    this.#bySession.clear()
    this.#unknownUntil.clear()
  }

  /** All that its answers depend on. */
  inspect(ageOf: (atMs: number) => number): unknown {
    const known = [...this.#routes.keys()].map((name) => [name, this.get(name) ?? null])
    return [known.filter(([, route]) => route !== null), [...this.#unknownUntil].map(([name, untilMs]) => [name, ageOf(untilMs)])]
  }

  #generation(gateway: string): number {
    return this.#generations.get(gateway) ?? 0
  }

  #delete(name: RouteName): void {
    const known = this.#routes.get(name)
    if (known === undefined) return
    this.#routes.delete(name)
    const { session } = known.route
    const names = this.#bySession.get(session)!.filter((other) => other !== name)
    if (names.length > 0) this.#bySession.set(session, names)
    else this.#bySession.delete(session)
  }
}

/** A question that was not answered is asked again: what it waits for may have come about without a word. */
const ASK_AGAIN_MS = 50

interface ParkedPackets<T> {
  readonly key: RouteKey
  readonly queue: PacketQueue<T>
  askedAtMs: number
}

/** Packets that wait for a route, by what they need. */
export class Parking<T> {
  readonly #parked = new Map<RouteName, ParkedPackets<T>>()
  readonly #budget: QueueBudget

  constructor(budget: QueueBudget) {
    this.#budget = budget
  }

  has(name: RouteName): boolean {
    return this.#parked.has(name)
  }

  /** The keys to ask for now: those that were not asked for lately, or all. */
  dueKeys(nowMs: number, all: boolean): RouteKey[] {
    const keys: RouteKey[] = []
    for (const entry of this.#parked.values()) {
      if (!all && nowMs - entry.askedAtMs < ASK_AGAIN_MS) continue
      entry.askedAtMs = nowMs
      keys.push(entry.key)
    }
    return keys
  }

  /** Returns how many packets were dropped for want of room. Whoever parks the first one asks. */
  park(name: RouteName, key: RouteKey, item: T, octets: number, nowMs: number): number {
    let entry = this.#parked.get(name)
    if (entry === undefined) {
      if (this.#parked.size >= MAX_PARKED_KEYS) return 1
      entry = { key, queue: new PacketQueue<T>({ octets: PARK_OCTETS, ageMs: PARK_MS }, this.#budget), askedAtMs: nowMs }
      this.#parked.set(name, entry)
    }
    return entry.queue.push(item, octets, nowMs)
  }

  /** Offers what waits for this route, the oldest first; what is not taken goes on waiting. */
  sift(name: RouteName, isTaken: (item: T) => boolean): void {
    const entry = this.#parked.get(name)
    if (entry === undefined) return
    entry.queue.sift(isTaken)
    if (entry.queue.length === 0) this.#parked.delete(name)
  }

  take(name: RouteName): T[] {
    const entry = this.#parked.get(name)
    this.#parked.delete(name)
    return entry?.queue.takeAll() ?? []
  }

  /** Drops what waited too long; returns how many packets. */
  expire(nowMs: number): number {
    let dropped = 0
    for (const [name, { queue }] of this.#parked) {
      dropped += queue.expire(nowMs)
      if (queue.length === 0) this.#parked.delete(name)
    }
    return dropped
  }

  /** What waits for which route, and since when that was asked for. */
  inspect(ageOf: (atMs: number) => number): unknown {
    return [...this.#parked.values()].map(({ key, queue, askedAtMs }) => [key, ageOf(askedAtMs), queue.inspect(ageOf)])
  }

  /** Drops everything; returns how many packets. */
  clear(): number {
    let dropped = 0
    for (const { queue } of this.#parked.values()) dropped += queue.takeAll().length
    this.#parked.clear()
    return dropped
  }
}
