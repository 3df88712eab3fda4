/**
 * How soon, and with how few sessions moved, the balancer brings every gateway within ten percent of its share, and what that costs the gateway
 * that plans it: twenty gateways of different capacities, a million sessions of which a tenth have traffic (Pareto: a few have most of it), whose
 * loads change all the time; a gateway joins, one fails and comes back, one is drained and leaves, and the traffic of some rises.
 */

import { SeededRandom } from '../src/kit/random.ts'
import type { Bench, BenchOptions, Figure, Measurement } from './bench.ts'
import { figure } from './bench.ts'
import { fewestMoves } from './balance/lower-bound.ts'
import { BalanceWorld } from './balance/world.ts'
import { drawPlot } from './plot/plot.ts'

const BAND = 0.1
/** The balancer goes on to half of the band. */
const ENDS_AT = 0.05
const SEEDS = [1, 2, 3]
/** Of the active sessions, in a second. */
const CHURN = 0.005
const SECONDS = 600
const capacities = [1, 1, 2, 1, 1, 4, 2, 1, 1, 1, 2, 1, 1, 4, 1, 2, 1, 1, 1, 2]

interface Happening {
  readonly second: number
  readonly text: string
  readonly run: (world: BalanceWorld) => void
}

const story: readonly Happening[] = [
  { second: 0, text: 'start', run: () => undefined },
  { second: 90, text: 'sg20 joins', run: (world) => world.up('sg20') },
  { second: 180, text: 'sg3 fails', run: (world) => world.down('sg3') },
  { second: 240, text: 'sg3 is back', run: (world) => world.up('sg3') },
  { second: 330, text: 'sg7 drains', run: (world) => world.drain('sg7') },
  { second: 390, text: 'sg7 leaves', run: (world) => world.down('sg7') },
  { second: 480, text: 'traffic rises', run: (world) => world.shift(['sg1', 'sg2', 'sg3', 'sg4', 'sg5', 'sg6'], 0.5, 2) },
]

/** What became of one happening. Null: a gateway was not within the band until the next one. */
interface Outcome {
  readonly secondsToBand: number | null
  readonly movesToBand: number
  readonly fewest: number
  /** Until all was quiet, and the fewest to where the balancer ends. */
  readonly moves: number
  readonly fewestToEnd: number
}

interface Recorded {
  readonly outcomes: ReadonlyMap<string, Outcome>
  readonly plannerMs: readonly number[]
  readonly longestTickMs: number
  readonly secondsInBand: number
  readonly moves: readonly number[]
  /** By gateway, a value a second: its load in shares; null while it is not there. */
  readonly shares: ReadonlyMap<string, readonly (number | null)[]>
}

/** Of the first seed, for the picture. */
let drawn: Recorded | null = null

export const balanceBench: Bench = {
  name: 'balance',
  isGuarded: true,
  question: 'seconds and moves until every gateway is within 10 % of its share, and what planning costs',
  parameters: (options) => ({
    gateways: capacities.length,
    ...sizesOf(options),
    seeds: seedsOf(options).length,
    simulatedSeconds: SECONDS,
  }),
  run(options: BenchOptions, report: (row: Measurement) => void) {
    const runs = seedsOf(options).map((seed) => simulate(seed, sizesOf(options)))
    drawn = runs[0]!
    for (const { text } of story) report(outcomeRow(text, runs))
    report(costRow(runs))
    return Promise.resolve()
  },
  picture(_rows, caption) {
    return drawn === null ? '' : draw(drawn, caption)
  },
}

function seedsOf({ isQuick, isCheck }: BenchOptions): readonly number[] {
  return isQuick || isCheck === true ? SEEDS.slice(0, 1) : SEEDS
}

function sizesOf({ isCheck }: BenchOptions): { readonly sessions: number; readonly active: number } {
  if (isCheck === true) return { sessions: 50_000, active: 5_000 }
  return { sessions: 1_000_000, active: 100_000 }
}

function simulate(seed: number, sizes: { readonly sessions: number; readonly active: number }): Recorded {
  const world = new BalanceWorld({ random: new SeededRandom(seed), ...sizes, capacities })
  for (const { id } of world.gateways.slice(0, -1)) world.up(id)
  world.fill(sizes.sessions)
  const shares = new Map(world.gateways.map(({ id }): [string, (number | null)[]] => [id, []]))
  const moves: number[] = []
  const outcomes = new Map<string, Outcome>()
  let secondsInBand = 0
  let watch: Watch | null = null
  for (let second = 0; second < SECONDS; second++) {
    const happening = story.find((one) => one.second === second)
    if (happening !== undefined) {
      if (watch !== null) outcomes.set(watch.text, watch.outcome)
      happening.run(world)
      watch = new Watch(happening, world)
    }
    const before = world.moved
    world.churn(CHURN)
    world.second()
    moves.push(world.moved - before)
    const now = sharesOf(world)
    for (const [id, list] of shares) list.push(now.get(id) ?? null)
    const isInBand = [...now.values()].every((share) => Math.abs(share - 1) <= BAND)
    if (isInBand) secondsInBand += 1
    watch!.note(second, isInBand, world)
  }
  outcomes.set(watch!.text, watch!.outcome)
  const { plannerMs, longestTickMs } = world
  return { outcomes, plannerMs, longestTickMs, secondsInBand, moves, shares }
}

/** From one happening to the next. */
class Watch {
  readonly text: string
  readonly #from: number
  readonly #movedBefore: number
  readonly #fewest: number
  readonly #fewestToEnd: number
  #outcome: Pick<Outcome, 'secondsToBand' | 'movesToBand'> | null = null
  #moves = 0

  constructor({ second, text }: Happening, world: BalanceWorld) {
    this.text = text
    this.#from = second
    this.#movedBefore = world.moved
    const weights = world.weights()
    const carried = world.willing().map(({ number, capacity }) => ({ capacity, weights: weights.get(number) ?? [] }))
    this.#fewest = fewestMoves(carried, BAND)
    this.#fewestToEnd = fewestMoves(carried, ENDS_AT)
  }

  note(second: number, isInBand: boolean, world: BalanceWorld): void {
    this.#moves = world.moved - this.#movedBefore
    if (isInBand) this.#outcome ??= { secondsToBand: second + 1 - this.#from, movesToBand: this.#moves }
  }

  get outcome(): Outcome {
    const reached = this.#outcome ?? { secondsToBand: null, movesToBand: this.#moves }
    return { ...reached, fewest: this.#fewest, moves: this.#moves, fewestToEnd: this.#fewestToEnd }
  }
}

/** Of the gateways that are up and don't drain: 1 is exactly its share. */
function sharesOf(world: BalanceWorld): Map<string, number> {
  const loads = world.loads()
  const willing = world.willing()
  const total = willing.reduce((sum, { number }) => sum + (loads.get(number) ?? 0), 0)
  const capacity = willing.reduce((sum, gateway) => sum + gateway.capacity, 0)
  return new Map(willing.map((one) => [one.id, ((loads.get(one.number) ?? 0) * capacity) / (total * one.capacity)]))
}

function outcomeRow(text: string, runs: readonly Recorded[]): Measurement {
  const outcomes = runs.map((run) => run.outcomes.get(text)!)
  const of = (unit: string, value: (outcome: Outcome) => number): Figure => figure(unit, outcomes.map(value))
  // No goal: nobody need be able to do with so few, and loads go on changing while it is done.
  const comparison = { peer: 'fewest possible', figure: of('sessions', ({ fewest }) => fewest), goal: null }
  return {
    parameters: { event: text },
    figures: {
      toBand: { ...of('s', ({ secondsToBand }) => secondsToBand ?? Infinity), guard: 'less' },
      movesToBand: { ...of('sessions', ({ movesToBand }) => movesToBand), comparison, guard: 'less' },
      movesInAll: of('sessions', ({ moves }) => moves),
      fewestToHalfTheBand: of('sessions', ({ fewestToEnd }) => fewestToEnd),
    },
  }
}

function costRow(runs: readonly Recorded[]): Measurement {
  return {
    parameters: { event: 'planner' },
    figures: {
      processorTime: figure(
        'ms/s',
        runs.flatMap(({ plannerMs }) => plannerMs),
      ),
      longestTick: figure(
        'ms',
        runs.map(({ longestTickMs }) => longestTickMs),
      ),
      timeWithinBand: figure(
        '%',
        runs.map(({ secondsInBand }) => (100 * secondsInBand) / SECONDS),
      ),
    },
  }
}

function draw({ shares, moves }: Recorded, caption: string): string {
  const named = new Set(['sg20', 'sg3', 'sg7'])
  const seconds = moves.map((_, i) => i + 1)
  const curves = [...shares].map(([name, values]) => ({ name, values, isNamed: named.has(name) }))
  return drawPlot({
    title: `${capacities.length} gateways: the load of each in shares of its own, and sessions moved`,
    seconds,
    panels: [
      { title: 'load of each gateway, 1 = its share (10 % dashed); drained and gone ones end', curves, most: 2, lines: [0.9, 1.1] },
      {
        title: 'sessions moved in a second (a drain moves all of a gateway’s; cut off at 500)',
        curves: [{ name: 'moves', values: moves }],
        most: 500,
      },
    ],
    marks: story.map(({ second, text }) => ({ second, text })),
    caption,
  })
}
