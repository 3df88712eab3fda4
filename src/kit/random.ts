/**
 * Randomness is passed in: processes get node:crypto's (src/crypto), the simulator and the tests a generator from a seed.
 */

import type { Bytes } from './bytes.ts'

export interface Random {
  /** `length` fresh octets. */
  bytes(length: number): Bytes
  /** An integer from 0 to 2^32 − 1. */
  uint32(): number
}

/** An integer from 0 to `bound` − 1, without modulo bias. `bound` is at most 2^32. */
export function randomBelow(random: Random, bound: number): number {
  if (!Number.isInteger(bound) || bound < 1 || bound > 2 ** 32) throw new RangeError(`randomBelow: expected 1 to 2^32, got ${bound}`)
  const limit = 2 ** 32 - (2 ** 32 % bound)
  for (;;) {
    const value = random.uint32()
    if (value < limit) return value % bound
  }
}

/** xoshiro128** seeded by splitmix32: good statistics, no secrecy. The same seed gives the same stream everywhere. */
export class SeededRandom implements Random {
  #a: number
  #b: number
  #c: number
  #d: number

  constructor(seed: number) {
    let state = seed >>> 0
    const next = (): number => {
      state = (state + 0x9e3779b9) >>> 0
      let z = state
      z = Math.imul(z ^ (z >>> 16), 0x85ebca6b)
      z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35)
      return (z ^ (z >>> 16)) >>> 0
    }
    this.#a = next()
    this.#b = next()
    this.#c = next()
    this.#d = next()
  }

  uint32(): number {
    const rotate = (x: number, k: number): number => (x << k) | (x >>> (32 - k))
    const result = Math.imul(rotate(Math.imul(this.#b, 5), 7), 9) >>> 0
    const t = this.#b << 9
    this.#c ^= this.#a
    this.#d ^= this.#b
    this.#b ^= this.#c
    this.#a ^= this.#d
    this.#c ^= t
    this.#d = rotate(this.#d, 11)
    return result
  }

  bytes(length: number): Bytes {
    const bytes = new Uint8Array(length)
    for (let i = 0; i < length; i += 4) {
      const word = this.uint32()
      for (let j = i; j < Math.min(i + 4, length); j++) bytes[j] = (word >>> (8 * (j - i))) & 0xff
    }
    return bytes
  }

  /** A number from 0 (included) to 1 (excluded) with 32 bits. */
  fraction(): number {
    return this.uint32() / 2 ** 32
  }

  /** An independent stream for a part of the simulation. */
  fork(): SeededRandom {
    return new SeededRandom(this.uint32())
  }
}
