/**
 * Extended sequence numbers (RFC 4303 §2.2.1): 64 bits, of which the lower 32 are sent. The receiver infers the upper ones from the highest
 * number that it has seen; the ICV covers them, so that a wrong guess is a wrong ICV and nothing else.
 *
 * Appendix A2.2 takes everything below the window for a number of the next 2^32. Here the nearest one is taken: between 2^31 below the highest
 * number and 2^31 above it. After a takeover the highest number is the floor, which may be ahead of the client by more than a window; what the
 * client still sends below it is then recognized for what it is. The price: a receiver that missed 2^31 numbers in a row, instead of 2^32, can
 * not follow, and there is no resynchronization as in A3: the SA has to be replaced.
 */

const LOW_SPAN = 2 ** 32

/** The upper half of a number. */
export function highOf(sequence: number): number {
  return Math.floor(sequence / LOW_SPAN)
}

/** The number with the lower half `low` that is nearest to `highest`, and not negative. */
export function inferSequence(low: number, highest: number): number {
  const sequence = highOf(highest) * LOW_SPAN + low
  if (sequence + LOW_SPAN / 2 < highest) return sequence + LOW_SPAN
  return sequence - LOW_SPAN / 2 > highest && sequence >= LOW_SPAN ? sequence - LOW_SPAN : sequence
}
