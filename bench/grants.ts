/**
 * What limits cost that stay ahead of the traffic: octets and commits a second in the log of one gateway, by what its sessions do; how many
 * packets wait for a commit, and how far limits are ahead, which is what a takeover burns. On simulated time, so that the machine does not matter.
 */

import type { Bench, BenchOptions, Figure, Measurement } from './bench.ts'
import { figure, percentile } from './bench.ts'
import type { Spent } from './grants/world.ts'
import { GrantsWorld } from './grants/world.ts'
import type { Pattern } from './grants/traffic.ts'
import { patterns } from './grants/traffic.ts'
import { drawPlot } from './plot/plot.ts'

const WARM_UP_S = 4
const MEASURED_S = 8
/** Of log, a second, of a gateway with 100,000 steady sessions; idle ones cost nothing. */
const STEADY_GOAL_OCTETS = 100_000
const goals: Readonly<Record<string, (sessions: number) => number | null>> = {
  steady: (sessions) => (STEADY_GOAL_OCTETS * sessions) / 100_000,
  idle: () => 0,
}

/** Octets of log, second by second, warm-up included, of the largest number of sessions. */
const drawn = new Map<string, readonly number[]>()

export const grantsBench: Bench = {
  name: 'grants',
  isGuarded: true,
  question: 'octets and commits a second that keep the limits of a gateway’s sessions ahead of their traffic',
  parameters: (options) => ({ sessions: sizesOf(options).join(', '), simulatedSeconds: MEASURED_S }),
  run(options: BenchOptions, report: (row: Measurement) => void) {
    for (const sessions of sizesOf(options)) for (const pattern of patterns) report(measure(sessions, pattern))
    return Promise.resolve()
  },
  picture: (_rows, caption) => draw(caption),
}

function sizesOf({ isQuick, isCheck }: BenchOptions): readonly number[] {
  if (isCheck === true) return [1000]
  return isQuick ? [1000, 10_000] : [1000, 10_000, 100_000]
}

function measure(sessions: number, pattern: Pattern): Measurement {
  const world = new GrantsWorld(sessions, pattern, 1)
  const octets: number[] = []
  let before: Spent = { ...world.spent }
  for (let second = 0; second < WARM_UP_S + MEASURED_S; second++) {
    if (second === WARM_UP_S) before = { ...world.spent }
    const { octets: soFar } = world.spent
    world.run(1000)
    octets.push(world.spent.octets - soFar)
  }
  drawn.set(pattern.name, octets)
  const spent = (name: keyof Spent): number => world.spent[name] - before[name]
  const perSecond = (name: keyof Spent): number => spent(name) / MEASURED_S
  const leads = world.leads().toSorted((a, b) => a - b)
  const most = goals[pattern.name]?.(sessions) ?? null
  const cost = one('octets/s', perSecond('octets'))
  const byRecords = one('octets/s', perSecond('octetsByRecords'))
  const hasPeer = perSecond('octetsByRecords') > 0
  return {
    parameters: { sessions, traffic: pattern.name },
    figures: {
      log: {
        ...cost,
        ...(most === null ? {} : { limit: { atMost: most } }),
        ...(hasPeer ? { comparison: { peer: 'a record for each renewal', figure: byRecords, goal: null, isLessBetter: true } } : {}),
      },
      'log of a session': { ...one('octets/s', perSecond('octets') / sessions), guard: 'less' },
      commits: { ...one('/s', perSecond('commands')), guard: 'less' },
      records: one('/s', perSecond('records')),
      renewals: one('/s', perSecond('renewals')),
      packets: one('/s', perSecond('packets')),
      'packets that waited': one('%', spent('packets') === 0 ? 0 : (100 * spent('stalls')) / spent('packets')),
      'ahead p50': one('numbers', percentile(leads, 50)),
      'ahead p99': one('numbers', percentile(leads, 99)),
    },
  }
}

function one(unit: string, value: number): Figure {
  return figure(unit, [value])
}

function draw(caption: string): string {
  const curves = [...drawn].map(([name, octets]) => ({ name, values: octets.map((value) => value / 1000), isNamed: true }))
  return drawPlot({
    title: 'What grants cost: kB of log a second, by what the sessions of a gateway do',
    seconds: Array.from({ length: WARM_UP_S + MEASURED_S }, (_, i) => i + 1),
    panels: [{ title: 'kB/s', curves }],
    marks: [{ second: WARM_UP_S, text: 'measured from here on' }],
    caption,
  })
}
