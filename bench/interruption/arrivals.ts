/** What a series of arrivals says: how long it was interrupted, and what of it is missing. Pure; all times are ms of one monotonic clock. */

/** The frames that a source sent in a window: `count` from number `first` on. */
export interface Sent {
  readonly first: number
  readonly count: number
}

/** What arrived, in order of arrival; all of one length. */
export interface Arrivals {
  readonly numbers: readonly number[]
  readonly sentMs: readonly number[]
  readonly arrivedMs: readonly number[]
}

/**
 * The longest silence that had not ended by `fromMs` and began before `toMs`: it begins with the last arrival before `fromMs`. A series that never comes
 * back is silent until `toMs`: it must not look better than one that does. `times`: ascending.
 */
export function longestGap(times: readonly number[], fromMs: number, toMs: number): number {
  let last = times.findLast((time) => time <= fromMs) ?? fromMs
  let longest = 0
  for (const time of [...times.filter((one) => one > fromMs && one < toMs), toMs]) {
    longest = Math.max(longest, time - last)
    last = time
  }
  return longest
}

/** The lengths of the runs of frames that did not arrive, or arrived later than `latestMs` after they were sent. */
export function missingRuns({ first, count }: Sent, { numbers, sentMs, arrivedMs }: Arrivals, latestMs = Infinity): number[] {
  const inTime = new Set(numbers.filter((_, i) => arrivedMs[i]! - sentMs[i]! <= latestMs))
  const runs: number[] = []
  let run = 0
  for (let number = first; number < first + count; number++) {
    if (!inTime.has(number)) run += 1
    else if (run > 0) {
      runs.push(run)
      run = 0
    }
  }
  return run > 0 ? [...runs, run] : runs
}

/**
 * BurstR of G.107 §7.5: the mean length of the runs that are missing of `count` frames, by what it would be were as many frames missing, each
 * by itself, which is 1 ÷ (1 − loss). At least 1: the model knows no loss that is more even than that.
 */
export function burstRatio(runs: readonly number[], count: number): number {
  const missing = sum(runs)
  if (missing === 0 || missing >= count) return 1
  return Math.max(1, (missing / runs.length) * (1 - missing / count))
}

export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0)
}
