/** Randomness is passed in, so that a seed replays a whole cluster. */

export interface RandomSource {
  /** An integer from 0 to 2^32 − 1. */
  uint32(): number
}

/** An integer from 0 to `bound` − 1. The slight bias does not matter where it is used: timers. */
export function randomBelow(random: RandomSource, bound: number): number {
  return Math.floor((random.uint32() / 2 ** 32) * bound)
}
