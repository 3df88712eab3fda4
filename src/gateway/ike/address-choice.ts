/** Finding a free virtual address in a pool: at random, so that gateways that choose at the same time seldom choose the same. */

import type { Bytes } from '../../kit/bytes.ts'
import type { Random } from '../../kit/random.ts'
import { hashText, mixInto } from '../../kit/hash.ts'
import { randomBelow } from '../../kit/random.ts'
import type { AddressRange } from '../../context/address.ts'
import { rangeContains } from '../../context/address.ts'

/** Addresses tried at random, then in a row, in each range: a bound on what one request costs. */
const PROBES = 64
const SCAN = 4096
/** Tried for a holder who is known: in a pool that is three quarters full, all but one in ten find their usual place among these. */
const USUAL_PROBES = 8
/** A range's size is counted up to here: random numbers have 32 bits. */
const MAX_RANGE_SIZE = 2 ** 32

export interface AddressWish {
  /** The address that the client asks for; null: any. */
  readonly wanted: Bytes | null
  /** Whom it is for (context/holder.ts); null: nobody who is known. */
  readonly holder: string | null
  /** Addresses that were his before a restore. */
  readonly reserved: readonly Bytes[]
  readonly isFree: (address: Bytes) => boolean
  /** Whether one that is free is better left to somebody else. */
  readonly isKept: (address: Bytes) => boolean
  readonly random: Random
}

/**
 * `wanted` if it is in the ranges and free; else, for a holder who is known, the first free one in an order that is always the same for him,
 * so that he gets his address again without anyone remembering it; else some free address. Before all that comes what is kept for him since a restore, and
 * what is kept for others comes last. Null when none was found.
 */
export function chooseAddress(ranges: readonly AddressRange[], wish: AddressWish): Bytes | null {
  const { isFree, isKept, reserved } = wish
  const mine = reserved.find((address) => ranges.some((range) => rangeContains(range, address)) && isFree(address))
  if (mine !== undefined) return mine
  let isAnyKept = false
  const isLeft = (address: Bytes): boolean => {
    if (!isFree(address)) return false
    if (!isKept(address)) return true
    isAnyKept = true
    return false
  }
  // A full pool is not gone through twice for nothing.
  return choose(ranges, { ...wish, isFree: isLeft }) ?? (isAnyKept ? choose(ranges, wish) : null)
}

function choose(ranges: readonly AddressRange[], { wanted, holder, isFree, random }: AddressWish): Bytes | null {
  if (wanted !== null && ranges.some((range) => rangeContains(range, wanted)) && isFree(wanted)) return wanted
  const usual = holder === null ? null : usualAddress(ranges, holder, isFree)
  if (usual !== null) return usual
  for (const range of ranges) {
    const address = chooseFrom(range, isFree, random)
    if (address !== null) return address
  }
  return null
}

/** The order goes by the holder alone, through all ranges as if they were one. */
function usualAddress(ranges: readonly AddressRange[], holder: string, isFree: (address: Bytes) => boolean): Bytes | null {
  const sizes = ranges.map(rangeSize)
  const total = sizes.reduce((sum, size) => sum + size, 0)
  const hash = hashText(holder)
  for (let probe = 0; probe < USUAL_PROBES; probe++) {
    let place = Math.floor((mixInto(hash, probe) / 2 ** 32) * total)
    const at = sizes.findIndex((size) => {
      if (place < size) return true
      place -= size
      return false
    })
    const address = addToAddress(ranges[at]!.start, place)
    if (isFree(address)) return address
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
