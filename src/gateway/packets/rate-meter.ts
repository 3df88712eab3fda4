/**
 * How many packets a tick pass in one direction of an SA.
 *
 * Two means: one over about a tenth of a second that follows changes, and one over all of the steady traffic so far (at most 6.4 s) that
 * is exact enough to let a limit grow with the traffic for seconds. When they part, the traffic has changed and the long one starts anew.
 */

import { MAX_RATE, RATE_SCALE } from '../../context/grants.ts'

/** Weight of the latest tick in the short mean. */
const SHORT_WEIGHT = 1 / 4
/** The short mean is worth so many ticks of the long one. */
const SHORT_TICKS = 8
const LONG_TICKS = 256
/** Traffic that has been steady for so long (1.6 s) may go on. */
const SETTLED_TICKS = 64

export class RateMeter {
  #current = 0
  #short = 0
  #long = 0
  /** Ticks in the long mean. */
  #ticks = 0
  /** The traffic changed so lately that the short mean is still on its way: the long one goes along. */
  #changingTicks = 0
  #quietTicks = 0

  /** `rate`: what an earlier owner measured. */
  constructor(rate = 0) {
    this.#short = rate / RATE_SCALE
    this.#long = this.#short
    this.#ticks = rate > 0 ? SHORT_TICKS : 0
  }

  count(): void {
    this.#current += 1
  }

  /** A tick has passed. */
  tick(): void {
    const packets = this.#current
    this.#current = 0
    this.#quietTicks = packets === 0 ? this.#quietTicks + 1 : 0
    this.#ticks = Math.min(this.#ticks + 1, LONG_TICKS)
    this.#short += (packets - this.#short) * Math.max(SHORT_WEIGHT, 1 / this.#ticks)
    if (this.#changingTicks > 0) this.#follow()
    else this.#long += (packets - this.#long) / this.#ticks
    if (Math.abs(this.#short - this.#long) > this.#long / 2 + 1) this.#restart()
  }

  /** The traffic is over. */
  reset(): void {
    this.#current = 0
    this.#short = 0
    this.#long = 0
    this.#ticks = 0
    this.#changingTicks = 0
  }

  /** The long mean has led astray: go by the short one if that says something else, beyond what even traffic's noise explains. */
  doubt(): void {
    const noise = 2 * Math.sqrt(this.#long * SHORT_WEIGHT)
    if (Math.abs(this.#short - this.#long) > this.#long / 4 + noise) this.#restart()
  }

  /** Ticks since a packet passed, the present one left out. */
  get quietTicks(): number {
    return this.#current > 0 ? 0 : this.#quietTicks
  }

  /** Over how many ticks the rate is a mean, at least 1. */
  get measuredTicks(): number {
    return Math.max(1, this.#ticks)
  }

  /** Whether the traffic has not changed for a while. */
  get isSettled(): boolean {
    return this.#ticks >= SETTLED_TICKS
  }

  /** In the units of grants: RATE_SCALE packets a tick. What has come in this tick already shows when it is far more than usual. */
  get rate(): number {
    const rate = this.#current > 2 * this.#long + 1 ? this.#current : this.#long
    return Math.min(MAX_RATE, Math.round(rate * RATE_SCALE))
  }

  /** All that its answers depend on. */
  inspect(): readonly number[] {
    return [this.#current, this.#short, this.#long, this.#ticks, this.#changingTicks, this.#quietTicks]
  }

  #restart(): void {
    this.#long = this.#short
    this.#ticks = SHORT_TICKS
    this.#changingTicks = SHORT_TICKS
  }

  #follow(): void {
    this.#long = this.#short
    this.#ticks = SHORT_TICKS
    this.#changingTicks -= 1
  }
}
