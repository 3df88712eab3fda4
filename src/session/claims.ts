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

/** Freed virtual addresses and when their rest ends. */
export class RestingAddresses {
  /** Address in hexadecimal → end of its rest, in order of the ends. */
  readonly #until = new Map<string, number>()

  rest(address: Bytes, nowMs: number): void {
    const key = toHex(address)
    this.#until.delete(key)
    this.#until.set(key, nowMs + ADDRESS_REST_MS)
  }

  isResting(address: Bytes, nowMs: number): boolean {
    const until = this.#until.get(toHex(address))
    return until !== undefined && until > nowMs
  }

  /** Forgets what has rested. */
  expire(nowMs: number): void {
    for (const [key, until] of this.#until) {
      if (until > nowMs) return
      this.#until.delete(key)
    }
  }

  /** In order of the ends. */
  entries(): IterableIterator<[string, number]> {
    return this.#until.entries()
  }

  /** Fills an empty table with what `entries` gave. */
  restore(entries: Iterable<readonly [string, number]>): void {
    for (const [key, until] of entries) this.#until.set(key, until)
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
