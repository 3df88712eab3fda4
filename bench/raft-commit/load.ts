/** A closed loop: so many commands on their way at a time, each followed by the next. */

import { performance } from 'node:perf_hooks'
import { percentile } from '../bench.ts'

export interface LoadOptions {
  readonly inFlight: number
  readonly warmUpMs: number
  readonly measureMs: number
}

/** What one round measured. */
export interface Round {
  readonly perSecond: number
  readonly p50Ms: number
  readonly p99Ms: number
  /** Those of warming up, too. */
  readonly commits: number
}

/** And what it cost the servers, all three together: their own processor time, which a busy machine disturbs less than any rate. */
export interface CostedRound extends Round {
  readonly cpuUsPerCommit: number
}

/** Loads by `commit` until the time is over; throws what it throws. What ends within the measured time counts. */
export async function load(commit: () => Promise<unknown>, { inFlight, warmUpMs, measureMs }: LoadOptions): Promise<Round> {
  const begin = performance.now() + warmUpMs
  const end = begin + measureMs
  const latencies: number[] = []
  let commits = 0
  const one = async (): Promise<void> => {
    for (;;) {
      const sent = performance.now()
      if (sent >= end) return
      await commit()
      const done = performance.now()
      commits++
      if (done >= begin && done < end) latencies.push(done - sent)
    }
  }
  await Promise.all(Array.from({ length: inFlight }, one))
  return { ...roundOf(latencies, measureMs / 1000), commits }
}

/** `latencies` in ms, of all that was committed within `seconds`. */
export function roundOf(latencies: readonly number[], seconds: number): Round {
  const sorted = Float64Array.from(latencies).sort()
  const at = (percent: number): number => percentile(sorted, percent)
  return { perSecond: sorted.length / seconds, p50Ms: at(50), p99Ms: at(99), commits: sorted.length }
}
