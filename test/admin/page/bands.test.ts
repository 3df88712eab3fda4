/** The geometry of the dashboard's charts. */

import assert from 'node:assert/strict'
import { test } from 'node:test'

interface Sample {
  readonly timeMs: number
  readonly sessions: Readonly<Record<string, number>>
  readonly rates: Readonly<Record<string, number>> | null
}
interface Point {
  readonly timeMs: number
  readonly low: number
  readonly high: number
}
type Scale = (value: number) => number
interface Bands {
  linear(domain: readonly number[], range: readonly number[]): Scale
  logarithmic(domain: readonly number[], range: readonly number[]): Scale
  ticksTo(highest: number, many: number): number[]
  runsIn(samples: readonly Sample[], fromMs: number, gapMs: number): Sample[][]
  stack(run: readonly Sample[], ids: readonly string[]): { id: string; points: Point[] }[]
  bandPath(points: readonly Point[], x: Scale, y: Scale): string
  linePath(values: readonly (number | null)[], width: number, height: number): string
  timeTicks(fromMs: number, toMs: number, many: number): number[]
}
const bands = (await import(new URL('../../../src/admin/page/bands.js', import.meta.url).href)) as Bands

const sample = (timeMs: number, sg1: number, sg2: number): Sample => ({ timeMs, sessions: { sg1, sg2 }, rates: {} })
const same: Scale = (value) => value

test('bands stand on one another, and the last one ends at the sum', () => {
  const stacked = bands.stack([sample(0, 3, 4), sample(1, 0, 7)], ['sg1', 'sg2', 'sg3'])
  assert.deepEqual(
    stacked.map(({ id, points }) => [id, ...points.map(({ low, high }) => [low, high])]),
    [
      ['sg1', [0, 3], [0, 0]],
      ['sg2', [3, 7], [0, 7]],
      ['sg3', [7, 7], [7, 7]],
    ],
  )
})

test('a band is outlined there along its upper edge and back along its lower one; one without height is not drawn', () => {
  const points = [
    { timeMs: 0, low: 1, high: 3 },
    { timeMs: 2, low: 1, high: 5 },
  ]
  assert.equal(bands.bandPath(points, same, same), 'M0,3L2,5L2,1L0,1Z')
  assert.equal(
    bands.bandPath(
      points.map(({ timeMs, low }) => ({ timeMs, low, high: low })),
      same,
      same,
    ),
    '',
  )
})

for (const [highest, many, ticks] of [
  [0, 4, [0, 1]],
  [3, 4, [0, 1, 2, 3]],
  [30, 4, [0, 10, 20, 30]],
  [31, 4, [0, 10, 20, 30, 40]],
  [100_000, 4, [0, 50_000, 100_000]],
] as const) {
  test(`an axis to ${highest} has whole round steps: ${ticks.join(' ')}`, () => assert.deepEqual(bands.ticksTo(highest, many), ticks))
}

test('where nobody looked for long there is a gap; what was counted back from the events has none', () => {
  const samples = [sample(0, 1, 1), sample(1000, 1, 1), sample(9000, 1, 1), { ...sample(20_000, 1, 1), rates: null }, sample(40_000, 1, 1)]
  assert.deepEqual(
    bands.runsIn(samples, 0, 5000).map((run) => run.map(({ timeMs }) => timeMs)),
    [
      [0, 1000],
      [9000, 20_000, 40_000],
    ],
  )
})

test('a window begins with the last sample before it, so that its edge is drawn', () => {
  const samples = [0, 1000, 2000, 3000].map((timeMs) => sample(timeMs, 1, 1))
  assert.deepEqual(
    bands.runsIn(samples, 1500, 5000).map((run) => run.map(({ timeMs }) => timeMs)),
    [[1000, 2000, 3000]],
  )
})

test('a line breaks where a value is not known', () => {
  assert.equal(bands.linePath([1, null, 1, 0], 30, 11), 'M0,1M20,1L30,10')
})

test('scales map the ends of their domain to the ends of their range; the logarithmic one keeps within', () => {
  const x = bands.linear([10, 20], [100, 0])
  assert.deepEqual([x(10), x(15), x(20), bands.linear([5, 5], [1, 2])(5)], [100, 50, 0, 1])
  const y = bands.logarithmic([1, 1000], [0, 3])
  assert.deepEqual([y(0), y(1), Math.round(y(10)), Math.round(y(5000))], [0, 0, 1, 3])
})

test('times are marked at round distances from now, no more than there is room for', () => {
  assert.deepEqual(bands.timeTicks(0, 60_000, 6), [50_000, 40_000, 30_000, 20_000, 10_000])
  for (const many of [2, 4, 8]) assert.ok(bands.timeTicks(0, 900_000, many).length <= many)
})
