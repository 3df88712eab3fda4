/** Random octets of the operating system, behind the kit's interface. */

import { randomBytes } from 'node:crypto'
import type { Bytes } from '../kit/bytes.ts'
import type { Random } from '../kit/random.ts'

/** Draws a page at a time: a call into OpenSSL for every four octets would cost more than they do. */
export function systemRandom(): Random {
  let pool = randomBytes(0)
  let used = 0
  const take = (length: number): Bytes => {
    if (length > 1024) return new Uint8Array(randomBytes(length))
    if (used + length > pool.length) {
      pool = randomBytes(4096)
      used = 0
    }
    const octets = Uint8Array.prototype.slice.call(pool, used, used + length)
    pool.fill(0, used, used + length)
    used += length
    return octets
  }
  return {
    bytes: take,
    uint32: () => new DataView(take(4).buffer).getUint32(0),
  }
}
