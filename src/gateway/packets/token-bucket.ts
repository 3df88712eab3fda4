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

  /** Takes one, or so many; false: there are not enough. */
  take(nowMs: number, tokens = 1): boolean {
    if (!this.has(nowMs, tokens)) return false
    this.#tokens -= tokens
    return true
  }

  has(nowMs: number, tokens = 1): boolean {
    const earned = (nowMs - this.#atMs) * this.#perMs
    this.#tokens = Math.min(this.#burst, this.#tokens + Math.max(0, earned))
    this.#atMs = nowMs
    return this.#tokens >= tokens
  }
}
