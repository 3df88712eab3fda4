/** Lets so many things pass a second, and a few more at once. */

export class TokenBucket {
  readonly #perMs: number
  readonly #burst: number
  #tokens: number
  #atMs = -Infinity

  constructor(perSecond: number, burst: number) {
    this.#perMs = perSecond / 1000
    this.#burst = burst
    this.#tokens = burst
  }

  /** Takes one; false: there is none. */
  take(nowMs: number): boolean {
    const earned = (nowMs - this.#atMs) * this.#perMs
    this.#tokens = Math.min(this.#burst, this.#tokens + Math.max(0, earned))
    this.#atMs = nowMs
    if (this.#tokens < 1) return false
    this.#tokens -= 1
    return true
  }
}
