/** When sessions send and are sent to, in whole ms of simulated time. */

import type { SeededRandom } from '../../src/kit/random.ts'
import { randomBelow } from '../../src/kit/random.ts'

/** What a session's user does. */
export interface Pattern {
  readonly name: string
  readonly about: string
  /** What happens next after `nowMs`, and when; null: nothing ever. */
  next(source: Source, nowMs: number, random: SeededRandom): Event | null
}

/** A session's own; patterns keep what they are in the middle of. */
export interface Source {
  readonly index: number
  /** Of a burst. */
  left: number
  /** Steady traffic keeps to its own beat. */
  dueMs: number
}

export interface Event {
  readonly atMs: number
  readonly up: boolean
  readonly down: boolean
}

const CALL_PERIOD_MS = 20
/** No two clocks are the same: so many of them are told apart, within half a percent of what they should be. */
const CLOCKS = 41
const CLOCK_ERROR = 1 / 200
const CALL_JITTER_MS = 8
const PAGE_PAUSE_MS = 4000
const PAGE_LEAST = 20
const PAGE_MOST = 2000
const PAGE_SHAPE = 1.5
const SPARSE_PERIOD_MS = 20_000

export const patterns: readonly Pattern[] = [
  {
    name: 'steady',
    about: '50 packets a second each way by clocks that differ by half a percent, 8 ms of jitter either way',
    next(source, nowMs, random) {
      source.dueMs = (source.dueMs === 0 ? nowMs + randomBelow(random, CALL_PERIOD_MS) : source.dueMs) + callPeriodMs(source)
      const jitterMs = randomBelow(random, 2 * CALL_JITTER_MS + 1) - CALL_JITTER_MS
      return { atMs: Math.max(nowMs + 1, Math.round(source.dueMs) + jitterMs), up: true, down: true }
    },
  },
  {
    name: 'bursty',
    about: 'pages: 20 to 2,000 packets (Pareto) at 1,000 a second, half as many back, then a pause of 4 s on average',
    next(source, nowMs, random) {
      if (source.left > 0) {
        source.left -= 1
        return { atMs: nowMs + 1, up: source.left % 2 === 0, down: true }
      }
      source.left = Math.min(PAGE_MOST, Math.round(PAGE_LEAST / (1 - random.fraction()) ** (1 / PAGE_SHAPE)))
      return { atMs: nowMs + 1 + Math.round(-Math.log(1 - random.fraction()) * PAGE_PAUSE_MS), up: true, down: true }
    },
  },
  {
    name: 'sparse',
    about: 'a packet each way every 20 s: what keeps a phone reachable',
    next(source, nowMs, random) {
      const waitMs = source.dueMs === 0 ? randomBelow(random, SPARSE_PERIOD_MS) : SPARSE_PERIOD_MS
      source.dueMs = nowMs + waitMs
      return { atMs: nowMs + 1 + waitMs, up: true, down: true }
    },
  },
  { name: 'idle', about: 'nothing', next: () => null },
]

function callPeriodMs({ index }: Source): number {
  return CALL_PERIOD_MS * (1 + CLOCK_ERROR * ((2 * (index % CLOCKS)) / (CLOCKS - 1) - 1))
}

/** What is due at each ms, as far ahead as anything may lie. */
export class Calendar {
  readonly #slots = new Map<number, { readonly source: Source; readonly event: Event }[]>()

  add(source: Source, event: Event): void {
    const slot = this.#slots.get(event.atMs)
    if (slot === undefined) this.#slots.set(event.atMs, [{ source, event }])
    else slot.push({ source, event })
  }

  take(atMs: number): readonly { readonly source: Source; readonly event: Event }[] {
    const slot = this.#slots.get(atMs)
    this.#slots.delete(atMs)
    return slot ?? []
  }
}
