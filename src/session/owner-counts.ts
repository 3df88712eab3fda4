/**
 * How many established sessions each incarnation owns, and the packets a second that their records say: kept as sessions come, go and pass on, so that
 * looking costs the same for ten and for a million.
 *
 * A takeover writes nothing to any session (incarnations.ts), and so nothing here: what is kept is by the owner that is *stored* and by bucket, and a
 * look goes from the buckets of those that have ended to their successors. It follows from the sessions' rows and is in no checkpoint.
 */

import { BUCKETS, bucketOf } from './incarnations.ts'
import type { Incarnations } from './incarnations.ts'

export interface OwnerCount {
  readonly established: number
  readonly packetsPerSecond: number
}

class Stored {
  established = 0
  packetsPerSecond = 0
  readonly byBucket = new Uint32Array(BUCKETS)
  readonly ratesByBucket = new Float64Array(BUCKETS)
}

export class OwnerCounts {
  readonly #stored = new Map<number, Stored>()
  /** All zeros: of an owner whose last session went. While a session is restored it is nobody's for a moment, a million times. */
  #spare: Stored | null = null

  /** A session is established, or passes to this owner; `by` −1: it was, or did. `rate`: its packets a second. */
  add(owner: number, session: number, rate: number, by: 1 | -1): void {
    const bucket = bucketOf(session)
    const stored = this.#of(owner)
    stored.established += by
    stored.packetsPerSecond += by * rate
    stored.byBucket[bucket]! += by
    stored.ratesByBucket[bucket]! += by * rate
    if (stored.established > 0) return
    this.#stored.delete(owner)
    this.#spare = stored
  }

  /** Of an established session. */
  addRate(owner: number, session: number, rate: number): void {
    const stored = this.#of(owner)
    stored.packetsPerSecond += rate
    stored.ratesByBucket[bucketOf(session)]! += rate
  }

  /** By the incarnation that owns them now; those without sessions are left out. What an ended one left to nobody is its own. */
  byOwner(incarnations: Incarnations): Map<number, OwnerCount> {
    const counts = new Map<number, { established: number; packetsPerSecond: number }>()
    const add = (owner: number, established: number, packetsPerSecond: number): void => {
      const count = counts.get(owner) ?? { established: 0, packetsPerSecond: 0 }
      counts.set(owner, count)
      count.established += established
      count.packetsPerSecond += packetsPerSecond
    }
    for (const [number, { established, packetsPerSecond, byBucket, ratesByBucket }] of this.#stored) {
      if (incarnations.isUp(number)) {
        add(number, established, packetsPerSecond)
        continue
      }
      for (let bucket = 0; bucket < BUCKETS; bucket++)
        if (byBucket[bucket]! > 0) add(incarnations.ownerOf(number, bucket), byBucket[bucket]!, ratesByBucket[bucket]!)
    }
    return counts
  }

  #of(owner: number): Stored {
    const known = this.#stored.get(owner)
    if (known !== undefined) return known
    const stored = this.#spare ?? new Stored()
    this.#spare = null
    this.#stored.set(owner, stored)
    return stored
  }
}
