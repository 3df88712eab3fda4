/**
 * How long a server may be silent before it counts as gone: the election timeout, or several round trips where the network, or the other end's disk,
 * is slower than the timeout was made for. A leader measures the way to each follower and back by its heartbeats, and tells the follower. Only how
 * soon somebody is missed depends on it.
 */

/** An answer that takes so much longer than others is missed, not late. */
const roundTrips = 4
/** And no more than so many election timeouts. */
const mostTimeouts = 4
/** Weight of a new sample: 1/8, as of TCP's smoothed round trip (RFC 6298). */
const smoothing = 8

/** `roundTripMs`: 0 where none was measured. */
export function patienceMs(electionTimeoutMs: number, roundTripMs: number): number {
  return Math.min(Math.max(electionTimeoutMs, roundTrips * roundTripMs), mostTimeouts * electionTimeoutMs)
}

export function smoothedMs(roundTripMs: number, sampleMs: number): number {
  return roundTripMs === 0 ? sampleMs : roundTripMs + (sampleMs - roundTripMs) / smoothing
}
