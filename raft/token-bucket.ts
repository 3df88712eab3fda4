/**
 * So much a second, on the average: what is not used is saved up to a bound. Time comes from outside. What is taken may be more than what is
 * there; then nothing may be taken until the debt is paid off.
 */
export class TokenBucket {
  readonly #perSecond: number
  readonly #most: number
  #saved: number
  #nowMs: number

  /** It begins full. `perSecond` and `most` may be infinite. */
  constructor(perSecond: number, most: number, nowMs: number) {
    this.#perSecond = perSecond
    this.#most = most
    this.#saved = most
    this.#nowMs = nowMs
  }

  hasAny(nowMs: number): boolean {
    if (nowMs > this.#nowMs) {
      this.#saved = Math.min(this.#most, this.#saved + (this.#perSecond * (nowMs - this.#nowMs)) / 1000)
      this.#nowMs = nowMs
    }
    return this.#saved > 0
  }

  take(count: number): void {
    this.#saved -= count
  }
}
