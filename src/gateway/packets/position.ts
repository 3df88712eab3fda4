/**
 * Where the traffic of an SA is, without its jitter: a lead is judged by it, for a packet that comes a few ms early is no reason to write to the log.
 */

import { RATE_SCALE } from '../../context/grants.ts'
import type { RateMeter } from './rate-meter.ts'

/** Weight of the latest tick. */
const WEIGHT = 1 / 8
/** Further from where it should be than half a tick's traffic and so many numbers it is no jitter. */
const MOST_JITTER = 2

export class Position {
  /** Null while packets don't come evenly. */
  #even: number | null = null

  /** The number that would be the highest accepted, instead of this one, if packets came evenly; this one while they don't. */
  of(highest: number): number {
    return this.#even ?? highest
  }

  /** So many ticks have passed. */
  follow(highest: number, { rate, isSettled }: RateMeter, ticks: number): void {
    const perTick = rate / RATE_SCALE
    const expected = (this.#even ?? highest - perTick * ticks) + perTick * ticks
    const isJitter = isSettled && Math.abs(highest - expected) <= MOST_JITTER + perTick / 2
    this.#even = isJitter ? expected + (highest - expected) * WEIGHT : null
  }

  /** All that its answers depend on, beside what it is asked. */
  inspect(): number | null {
    return this.#even
  }
}
