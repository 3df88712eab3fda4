/** What a session counts when load is balanced: its packets a second, both ways, and a little besides, so that idle ones are shared out, too. */

/** Of a session without traffic, in packets a second: ten thousand idle ones weigh as much as a single line's worth of traffic. */
export const IDLE_WEIGHT = 1
const MAX_WEIGHT = 0xffff_ffff

/** An integer from 1 to 2^32 − 1. */
export function weightOf(packetsPerSecond: number): number {
  return Math.min(MAX_WEIGHT, packetsPerSecond + IDLE_WEIGHT)
}

/** Weights of one class differ by an eighth at the most; below 16 each has its own. */
export const WEIGHT_CLASSES = 256

/** Rises with the weight: the place of its highest bit, and the three bits after that. */
export function classOf(weight: number): number {
  const exponent = 31 - Math.clz32(weight)
  const next = exponent >= 3 ? weight >>> (exponent - 3) : weight << (3 - exponent)
  return 8 * exponent + (next & 7)
}
