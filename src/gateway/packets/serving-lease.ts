/**
 * Whether a gateway may serve: the lease that its control core has from a majority of voters (DESIGN.md "Serving lease"), and no
 * standstill since it was given. A gateway that was stopped for longer than others wait for it may have been declared down while its lease
 * runs on. It could do no harm to S1–S5; but what waited in its sockets would reach clients after newer numbers, and its claims of the
 * cluster address would draw them away from the new holder. So it waits for a lease from after the standstill: one round trip.
 */

export class ServingLease {
  readonly #stallMs: number
  #untilMs = -Infinity
  /** A lease that ends before this was given before the last standstill. */
  #leastUntilMs = -Infinity
  /** Null: not asked yet. */
  #seenMs: number | null = null

  /** `stallMs`: for how long others wait for a silent gateway. */
  constructor(stallMs: number) {
    this.#stallMs = stallMs
  }

  extend(untilMs: number): void {
    this.#untilMs = untilMs
  }

  /** To be asked with every input, and every few ms: what lies between two questions is what the process stood still. */
  isValid(nowMs: number): boolean {
    const stoodStillMs = this.#seenMs === null ? 0 : nowMs - this.#seenMs
    if (stoodStillMs > this.#stallMs && Number.isFinite(this.#untilMs)) this.#distrust(stoodStillMs)
    this.#seenMs = nowMs
    return nowMs <= this.#untilMs && this.#untilMs >= this.#leastUntilMs
  }

  /**
   * A lease ends a fixed time after the heartbeat that it comes from, so one from afterwards ends later than the last by the whole
   * standstill. One from before may wait to be read, and end later by a heartbeat or two: half the standstill is more.
   */
  #distrust(stoodStillMs: number): void {
    this.#leastUntilMs = Math.max(this.#leastUntilMs, this.#untilMs + stoodStillMs / 2)
  }
}
