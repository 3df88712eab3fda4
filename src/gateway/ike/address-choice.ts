/** Finding a free virtual address in a pool: at random, so that gateways that choose at the same time seldom choose the same. */

import type { Bytes } from '../../kit/bytes.ts'
import type { Random } from '../../kit/random.ts'
import { randomBelow } from '../../kit/random.ts'
import type { AddressRange } from '../../context/address.ts'
import { rangeContains } from '../../context/address.ts'

/** Addresses tried at random, then in a row, in each range: a bound on what one request costs. */
const PROBES = 64
const SCAN = 4096
/** A range's size is counted up to here: random numbers have 32 bits. */
const MAX_RANGE_SIZE = 2 ** 32

/** `wanted` if it is in the ranges and free, else some free address; null when none was found. */
export function chooseAddress(
  ranges: readonly AddressRange[],
  wanted: Bytes | null,
  isFree: (address: Bytes) => boolean,
  random: Random,
): Bytes | null {
  if (wanted !== null && ranges.some((range) => rangeContains(range, wanted)) && isFree(wanted)) return wanted
  for (const range of ranges) {
    const address = chooseFrom(range, isFree, random)
    if (address !== null) return address
  }
  return null
}

function chooseFrom(range: AddressRange, isFree: (address: Bytes) => boolean, random: Random): Bytes | null {
  const size = rangeSize(range)
  for (let probe = 0; probe < PROBES; probe++) {
    const address = addToAddress(range.start, randomBelow(random, size))
    if (isFree(address)) return address
  }
  const first = randomBelow(random, size)
  for (let step = 0; step < Math.min(size, SCAN); step++) {
    const address = addToAddress(range.start, (first + step) % size)
    if (isFree(address)) return address
  }
  return null
}

/** How many addresses a range has, at most 2^32. */
export function rangeSize({ start, end }: AddressRange): number {
  let size = 0
  for (let i = 0; i < start.length; i++) {
    size = size * 256 + (end[i]! - start[i]!)
    if (size >= MAX_RANGE_SIZE) return MAX_RANGE_SIZE
  }
  return size + 1
}

/** The address so many after this one; past the last one it goes on at the first. */
export function addToAddress(address: Bytes, offset: number): Bytes {
  const sum = address.slice()
  let carry = offset
  for (let i = sum.length - 1; i >= 0 && carry > 0; i--) {
    carry += sum[i]!
    sum[i] = carry % 256
    carry = Math.floor(carry / 256)
  }
  return sum
}
