/**
 * What limits cost that stay ahead of the traffic: octets and commits a second in the log of one gateway, by what its sessions do and by what
 * is written; how many packets wait for a commit, how far limits are ahead, and what a takeover at the end loses of the clients' packets. On
 * simulated time, so that the machine does not matter. A session's numbers are not dense: each third is this gateway's.
 */

import type { Bench, BenchOptions, Figure, Measurement } from './bench.ts'
import { figure, percentile } from './bench.ts'
import { TICK_MS } from '../src/context/grants.ts'
import type { LogCosts } from './grants/log-costs.ts'
import type { Spent } from './grants/world.ts'
import { GrantsWorld } from './grants/world.ts'
import type { Pattern } from './grants/traffic.ts'
import { patterns } from './grants/traffic.ts'
import { drawPlot } from './plot/plot.ts'

/** The first seconds of traffic need records until its rate is known well. */
const WARM_UP_S = 12
const MEASURED_S = 8
/** Leads are looked at once a second, this much later after a tick each time: no divisor of a tick's 25 ms. */
const SAMPLE_STEP_MS = 7
/** Below this, a second, stays the log of a gateway with 100,000 steady sessions, and of fewer in proportion; idle ones cost nothing. */
const STEADY_GOAL_OCTETS = 100_000
/** Of fewer sessions a good part are the ticks, which a gateway has whatever it carries. */
const LEAST_FOR_GOAL = 10_000
const goals: Readonly<Record<string, (sessions: number) => number | null>> = {
  steady: (sessions) => (sessions < LEAST_FOR_GOAL ? null : (STEADY_GOAL_OCTETS * sessions) / 100_000),
  idle: () => 0,
}

/** How the parts of what is written are called. */
const costNames = [
  ['ticks', 'ticks'],
  ['renewals', 'renewals'],
  ['horizons', 'records of horizons'],
  ['shrinks', 'records of shrinks'],
  ['ceilings', 'records of ceilings'],
  ['loads', 'records of load'],
] as const satisfies readonly (readonly [keyof LogCosts, string])[]

/** What was written second by second, warm-up included, by patterns, of the largest number of sessions. */
const drawn = new Map<string, readonly LogCosts[]>()
let largest = 0

export const grantsBench: Bench = {
  name: 'grants',
  isGuarded: true,
  question: 'octets and commits a second that keep the limits of a gateway’s sessions ahead of their traffic',
  parameters: (options) => ({ sessions: sizesOf(options).join(', '), simulatedSeconds: MEASURED_S, warmUpSeconds: WARM_UP_S }),
  run(options: BenchOptions, report: (row: Measurement) => void) {
    for (const sessions of sizesOf(options)) {
      largest = sessions
      for (const pattern of patterns) report(measure(sessions, pattern))
    }
    return Promise.resolve()
  },
  picture: (_rows, caption) => draw(caption),
}

function sizesOf({ isQuick, isCheck }: BenchOptions): readonly number[] {
  if (isCheck === true) return [1000]
  return isQuick ? [1000, 2000] : [1000, 10_000, 100_000]
}

function measure(sessions: number, pattern: Pattern): Measurement {
  const world = new GrantsWorld(sessions, pattern, 1)
  const seconds = new Seconds(world)
  for (let second = 0; second < WARM_UP_S; second++) seconds.pass(second)
  const before = copyOf(world.spent)
  const leads: number[] = []
  for (let second = 0; second < MEASURED_S; second++) leads.push(...seconds.pass(second))
  drawn.set(pattern.name, seconds.costs)
  return {
    parameters: { sessions, traffic: pattern.name },
    figures: {
      ...costsOf(sessions, pattern, before, world.spent),
      ...waitsOf(before, world.spent),
      ...aheadOf(leads),
      'lost by a takeover': one('packets a session', mean(world.takeOver())),
    },
  }
}

/** What a world does second by second. */
class Seconds {
  /** Of log in each, by what is in it. */
  readonly costs: LogCosts[] = []
  readonly #world: GrantsWorld

  constructor(world: GrantsWorld) {
    this.#world = world
  }

  /** Returns how far horizons are ahead at a moment of it, which has another place between two ticks in each. */
  pass(second: number): readonly number[] {
    const before = copyOf(this.#world.spent)
    const afterMs = (second * SAMPLE_STEP_MS) % TICK_MS
    this.#world.run(1000 - TICK_MS + afterMs)
    const leads = this.#world.leads()
    this.#world.run(TICK_MS - afterMs)
    this.costs.push(lessCosts(this.#world.spent.costs, before.costs))
    return leads
  }
}

function copyOf(spent: Spent): Spent {
  return { ...spent, costs: { ...spent.costs } }
}

function lessCosts(after: LogCosts, before: LogCosts): LogCosts {
  const less = (part: keyof LogCosts): number => after[part] - before[part]
  return {
    ticks: less('ticks'),
    renewals: less('renewals'),
    horizons: less('horizons'),
    shrinks: less('shrinks'),
    ceilings: less('ceilings'),
    loads: less('loads'),
  }
}

function costsOf(sessions: number, pattern: Pattern, before: Spent, after: Spent): Measurement['figures'] {
  const perSecond = (name: Exclude<keyof Spent, 'costs'>): number => (after[name] - before[name]) / MEASURED_S
  const most = goals[pattern.name]?.(sessions) ?? null
  const byRecords = one('octets/s', perSecond('octetsByRecords'))
  const hasPeer = perSecond('octetsByRecords') > 0
  const costs = lessCosts(after.costs, before.costs)
  const parts = costNames.map(([part, name]) => [`of it ${name}`, one('octets/s a session', costs[part] / MEASURED_S / sessions)] as const)
  return {
    log: {
      ...one('octets/s', perSecond('octets')),
      ...(most === null ? {} : { limit: most === 0 ? { atMost: 0 } : { below: most } }),
      ...(hasPeer ? { comparison: { peer: 'a record for each renewal', figure: byRecords, goal: null, isLessBetter: true } } : {}),
    },
    'log of a session': { ...one('octets/s', perSecond('octets') / sessions), guard: 'less' },
    ...Object.fromEntries(parts.filter(([, { median }]) => median > 0)),
    commits: { ...one('/s', perSecond('commands')), guard: 'less' },
    records: one('/s', perSecond('records')),
    renewals: one('/s', perSecond('renewals')),
    packets: one('/s', perSecond('packets')),
  }
}

function waitsOf(before: Spent, after: Spent): Measurement['figures'] {
  const packets = after.packets - before.packets
  return { 'packets that waited': one('%', packets === 0 ? 0 : (100 * (after.stalls - before.stalls)) / packets) }
}

function aheadOf(leads: readonly number[]): Measurement['figures'] {
  const sorted = leads.toSorted((a, b) => a - b)
  return {
    'ahead mean': one('numbers', mean(leads)),
    'ahead p50': one('numbers', percentile(sorted, 50)),
    'ahead p99': one('numbers', percentile(sorted, 99)),
  }
}

function mean(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length
}

function one(unit: string, value: number): Figure {
  return figure(unit, [value])
}

function draw(caption: string): string {
  const panels = [...drawn].map(([name, costs]) => ({
    title: `${name}: octets of log a second and session`,
    curves: costNames.map(([part, title]) => ({ name: title, values: costs.map((seconds) => seconds[part] / largest), isNamed: true })),
    // Its first second needs fifty times as much: that is cut off.
    ...(name === 'steady' ? { most: 4, lines: [STEADY_GOAL_OCTETS / 100_000] } : {}),
  }))
  return drawPlot({
    title: `What the grants of ${largest} sessions cost in the log, by what they do and by what is written`,
    seconds: Array.from({ length: WARM_UP_S + MEASURED_S }, (_, i) => i + 1),
    panels,
    marks: [{ second: WARM_UP_S, text: 'measured from here on' }],
    caption,
  })
}
