/**
 * What the demo's figures mean. Pure; INTERFACE "First run" words it so:
 *
 * - interruption of a moved session: the longest gap between consecutive packets received from 1 s before to 5 s after the event, less the
 *   nominal 20 ms, the worse direction;
 * - lost: packets that the sources sent in that time and nobody received.
 *
 * Times are monotonic ms, the same clock in all of the demo's processes.
 */

export const NOMINAL_MS = 20
export const BEFORE_MS = 1000
export const AFTER_MS = 5000

/** One direction of one session around an event. */
export interface FlowWindow {
  /** The counters that the source sent in the window: `count` from `first` on. */
  readonly sent: { readonly first: number; readonly count: number }
  /** What was received from the window's start until it was asked for: same length, in order of arrival. */
  readonly arrivals: { readonly times: readonly number[]; readonly counters: readonly number[] }
}

/** Both directions of one session. */
export interface SessionWindow {
  readonly up: FlowWindow
  readonly down: FlowWindow
}

export interface Percentiles {
  readonly p50: number
  readonly p95: number
  readonly max: number
}

export interface Effect {
  readonly interruptionMs: Percentiles
  readonly packetsLost: { readonly p50: number; readonly max: number; readonly total: number }
}

/** What an event did to the sessions that it moved. */
export function effectOf(sessions: readonly SessionWindow[], fromMs: number, toMs: number): Effect {
  const interruptions = sessions.map(({ up, down }) => Math.max(interruptionMs(up, fromMs, toMs), interruptionMs(down, fromMs, toMs)))
  const losses = sessions.map(({ up, down }) => lostPackets(up) + lostPackets(down))
  const { p50, p95, max } = percentiles(interruptions)
  const lost = percentiles(losses)
  return {
    interruptionMs: { p50: tenths(p50), p95: tenths(p95), max: tenths(max) },
    packetsLost: { p50: lost.p50, max: lost.max, total: losses.reduce((sum, one) => sum + one, 0) },
  }
}

/**
 * The longest silence of a direction in the window, less the nominal gap. A flow that never comes back is silent to the window's end: it
 * must not look better than one that does.
 */
export function interruptionMs({ arrivals }: FlowWindow, fromMs: number, toMs: number): number {
  let longest = 0
  let last = fromMs
  for (const time of [...arrivals.times.filter((one) => one >= fromMs && one <= toMs), toMs]) {
    longest = Math.max(longest, time - last)
    last = time
  }
  return Math.max(0, longest - NOMINAL_MS)
}

/** Packets sent in the window that did not arrive, also not late. */
export function lostPackets({ sent, arrivals }: FlowWindow): number {
  const end = sent.first + sent.count
  const received = new Set(arrivals.counters.filter((counter) => counter >= sent.first && counter < end))
  return sent.count - received.size
}

/** Nearest rank: p50 and p95 are values that occurred. All zero of nothing. */
export function percentiles(values: readonly number[]): Percentiles {
  const sorted = [...values].sort((a, b) => a - b)
  const rank = (percent: number): number => sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? 0
  return { p50: rank(50), p95: rank(95), max: rank(100) }
}

function tenths(value: number): number {
  return Math.round(value * 10) / 10
}
