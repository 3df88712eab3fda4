/**
 * How much of the main thread's time strangers may have for key exchanges: it is the log's and the established sessions' thread, too. A core
 * reads no clock, so a key exchange costs what it was measured to take.
 */

import { keyExchangeMethod as ke } from '../../kit/ike-crypto.ts'
import { TokenBucket } from '../packets/token-bucket.ts'

/** Key pair and shared secret, in ms of processor time on a small virtual machine; what is not listed may take long. */
const costMs: ReadonlyMap<number, number> = new Map([
  [ke.ecp256, 0.2],
  [ke.x25519, 0.5],
  [ke.modp2048, 0.8],
  [ke.modp3072, 1.6],
  [ke.ecp384, 3],
  [ke.modp4096, 4],
  [ke.ecp521, 7],
])
const UNKNOWN_COST_MS = 10

export class KeyExchangeBudget {
  readonly #bucket: TokenBucket
  readonly #burstMs: number

  /** `perSecondMs` of each second; as much at once. */
  constructor(perSecondMs: number) {
    this.#burstMs = perSecondMs
    this.#bucket = new TokenBucket(perSecondMs, perSecondMs)
  }

  /** Less than half is left: somebody may be wasting it. */
  isScarce(nowMs: number): boolean {
    return !this.#bucket.has(nowMs, this.#burstMs / 2)
  }

  /** Whether there is time for one of any group. */
  hasForAny(nowMs: number): boolean {
    return this.#bucket.has(nowMs, Math.min(this.#burstMs, UNKNOWN_COST_MS))
  }

  /** False: there is no time for it just now. */
  take(group: number, nowMs: number): boolean {
    return this.#bucket.take(nowMs, costMs.get(group) ?? UNKNOWN_COST_MS)
  }
}
