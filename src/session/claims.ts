/**
 * What sessions share and must not share: virtual addresses that rest after use, and SPIs, which come from ranges leased to incarnations.
 */

import type { Bytes } from '../kit/bytes.ts'
import { toHex } from '../kit/bytes.ts'

/**
 * A freed address rests this long by the log's clock before another session may take it: a gateway that lost its majority forwards for
 * the old holder until its serving lease ends (2 s by default), so this much more.
 */
export const ADDRESS_REST_MS = 30_000

/** When an address's rest ends, and who held it (`holderKey`); empty: nobody who is known. */
export interface Rest {
  readonly untilMs: number
  readonly holder: string
}

/** Freed virtual addresses and when their rest ends. */
export class RestingAddresses {
  /** By address in hexadecimal, in order of the ends. */
  readonly #rests = new Map<string, Rest>()

  rest(address: Bytes, nowMs: number, holder: string | null): void {
    const key = toHex(address)
    this.#rests.delete(key)
    this.#rests.set(key, { untilMs: nowMs + ADDRESS_REST_MS, holder: holder ?? '' })
  }

  /** Whether it rests for `holder`: whoever held it last may have it back at once, for what is still forwarded to it was meant for him. */
  isResting(address: Bytes, nowMs: number, holder: string | null): boolean {
    const rest = this.#rests.get(toHex(address))
    if (rest === undefined || rest.untilMs <= nowMs) return false
    return holder === null || rest.holder !== holder
  }

  /** Forgets what has rested. */
  expire(nowMs: number): void {
    for (const [key, { untilMs }] of this.#rests) {
      if (untilMs > nowMs) return
      this.#rests.delete(key)
    }
  }

  /** In order of the ends. */
  entries(): IterableIterator<[string, Rest]> {
    return this.#rests.entries()
  }

  /** Fills an empty table with what `entries` gave. */
  restore(entries: Iterable<readonly [string, Rest]>): void {
    for (const [key, rest] of entries) this.#rests.set(key, rest)
  }
}

/** A restored address waits so long, by the log's clock, for whoever had it. */
export const RESERVED_MS = 86_400_000
/** So many are kept at a time; of a backup with more, the rest is found by the holders' usual places alone. */
export const MAX_RESERVED = 262_144

/**
 * Addresses that are kept for those who had them when a backup was made. Only a preference: a pool that has nothing else gives them away.
 */
export class ReservedAddresses {
  /** By address in hexadecimal, in order of the ends. */
  readonly #reserved = new Map<string, Rest>()
  readonly #byHolder = new Map<string, string[]>()

  reserve(address: Bytes, nowMs: number, holder: string): void {
    const key = toHex(address)
    this.drop(address)
    if (this.#reserved.size < MAX_RESERVED) this.#add(key, { untilMs: nowMs + RESERVED_MS, holder })
  }

  /** Whether it is kept for somebody else than `holder`. */
  isKeptFrom(address: Bytes, holder: string | null): boolean {
    const reserved = this.#reserved.get(toHex(address))
    return reserved !== undefined && reserved.holder !== holder
  }

  /** In hexadecimal. */
  of(holder: string): readonly string[] {
    return this.#byHolder.get(holder) ?? []
  }

  /** It was taken. */
  drop(address: Bytes): void {
    this.#drop(toHex(address))
  }

  /** Forgets those whose time is over. */
  expire(nowMs: number): void {
    for (const [key, { untilMs }] of this.#reserved) {
      if (untilMs > nowMs) return
      this.#drop(key)
    }
  }

  get size(): number {
    return this.#reserved.size
  }

  /** In order of the ends. */
  entries(): IterableIterator<[string, Rest]> {
    return this.#reserved.entries()
  }

  /** Fills an empty table with what `entries` gave. */
  restore(entries: Iterable<readonly [string, Rest]>): void {
    for (const [key, reserved] of entries) this.#add(key, reserved)
  }

  #add(key: string, reserved: Rest): void {
    this.#reserved.set(key, reserved)
    this.#byHolder.set(reserved.holder, [...this.of(reserved.holder), key])
  }

  #drop(key: string): void {
    const reserved = this.#reserved.get(key)
    if (reserved === undefined) return
    this.#reserved.delete(key)
    const left = this.of(reserved.holder).filter((other) => other !== key)
    if (left.length > 0) this.#byHolder.set(reserved.holder, left)
    else this.#byHolder.delete(reserved.holder)
  }
}

/** An SPI's upper 16 bits name its range; 0 is left out, for SPIs below 256 are reserved (RFC 4303 §2.1). */
export const SPI_RANGE_SIZE = 65_536
const RANGES = 65_536

/**
 * Ranges of inbound SPIs. Each is leased to one incarnation at a time, which hands its numbers out once, in order; the next lease takes the
 * next range in turn that no one holds and in which no SA lives, so a freed SPI rests for all of a round.
 */
export class SpiRanges {
  readonly #live = new Uint32Array(RANGES)
  readonly #holder = new Map<number, number>()
  #last = 0

  /** The first SPI of a fresh range, or null when every range is in use. */
  lease(incarnation: number, isUp: (incarnation: number) => boolean): number | null {
    for (let step = 1; step < RANGES; step++) {
      const range = 1 + ((this.#last - 1 + step + (RANGES - 1)) % (RANGES - 1))
      const holder = this.#holder.get(range)
      if (this.#live[range] !== 0) continue
      if (holder !== undefined && isUp(holder)) continue
      this.#holder.set(range, incarnation)
      this.#last = range
      return range * SPI_RANGE_SIZE
    }
    return null
  }

  /** Whether the SPI is of a range that this incarnation holds. */
  isLeasedTo(spi: number, incarnation: number): boolean {
    return this.#holder.get(spi >>> 16) === incarnation
  }

  /** The range that was leased last; 0: none. */
  get last(): number {
    return this.#last
  }

  /** Ranges and the incarnations that hold them. */
  holders(): IterableIterator<[number, number]> {
    return this.#holder.entries()
  }

  /** Fills an empty table; what lives in the ranges is told by `taken`. */
  restore(last: number, holders: Iterable<readonly [number, number]>): void {
    this.#last = last
    for (const [range, incarnation] of holders) this.#holder.set(range, incarnation)
  }

  taken(spi: number): void {
    this.#live[spi >>> 16]! += 1
  }

  freed(spi: number): void {
    this.#live[spi >>> 16]! -= 1
  }
}
