/**
 * The generator: drives all sides in turn with the same packets, and tells its parent what came of it. A process of its own, in no namespace: its
 * sockets are in those of the sides. It never waits but in a loop of its own, so it has a processor for itself.
 */

import { cpuSeconds } from '../process/cpu-seconds.ts'
import type { CostedRound, Direction, FromGenerator, GeneratorSetup, SideName } from './messages.ts'
import { rush, steady } from './rounds.ts'
import type { Session } from './side.ts'
import { Side, clearPackets, packets } from './side.ts'
import type { BenchSuite } from './suites.ts'
import { suites } from './suites.ts'

type Sessions = ReadonlyMap<Side, readonly Session[]>

const directions = ['from client', 'to client'] as const
const sizes = [64, 512, 1400]
/** Of what is delayed. */
const DELAY_OCTETS = 512
const STEADY_PERIOD_US = 1000
/** One after the other, so that none goes along with another's commit. */
const FIRST_PERIOD_US = 10_000
const HEATING_TURN = 20_000
/** In the delays, a side has so many packets at a time. */
const DELAY_TURN = 500
const DELAY_WARM_UP = 250
/** No limit is ahead of a session that was silent for so long. */
const IDLE_MS = 1500

async function generate(setup: GeneratorSetup): Promise<void> {
  const sides = setup.sides.map((side) => new Side(side))
  for (const [s, suite] of suites.entries()) {
    const sessions: Sessions = new Map(sides.filter((side) => has(side, s)).map((side) => [side, side.connect(suite, setup.sessions)]))
    if (s === 0) for (const [side, own] of sessions) if (side.setup.name !== 'charon') heat(side, own, setup.heatingPackets)
    for (const direction of directions) for (const octets of sizes) tellRates(suite, direction, octets, sessions, setup)
    if (s > 0) continue
    for (const direction of directions) tellSteady(direction, sessions, setup)
    for (const direction of directions) await tellFirst(direction, sessions)
  }
}

/** Code that runs much is compiled better as it goes, which takes the first seconds of a gateway's life: they are not measured. */
function heat(side: Side, own: readonly Session[], count: number): void {
  for (const direction of directions) {
    for (let left = count; left > 0; left -= HEATING_TURN) {
      rush(packets(own, direction, DELAY_OCTETS, Math.min(left, HEATING_TURN)), 0, side.way(direction), () => undefined)
    }
  }
}

/** The plain path is there to be compared with the fast one: one suite is enough. */
function has({ setup }: Side, suiteIndex: number): boolean {
  return setup.name !== 'plain' || suiteIndex === 0
}

function tellRates({ name }: BenchSuite, direction: Direction, octets: number, sessions: Sessions, setup: GeneratorSetup): void {
  const sides = turns(sessions, setup.rounds, (side, own): CostedRound => {
    const all = packets(own, direction, octets, setup.warmUpPackets + setup.packets)
    let before = 0
    const round = rush(all, setup.warmUpPackets, side.way(direction), () => (before = cpuSeconds([side.setup.pid])))
    return { ...round, cpuSeconds: cpuSeconds([side.setup.pid]) - before }
  })
  tell({ type: 'rates', suite: name, direction, octets, sides })
}

/** One session's packets. */
function tellSteady(direction: Direction, sessions: Sessions, { delayPackets }: GeneratorSetup): void {
  const router: number[] = []
  const sides = turns(sessions, Math.max(1, Math.round(delayPackets / DELAY_TURN)), (side, own) => {
    if (router.length < delayPackets)
      router.push(...steady(clearPackets(direction, DELAY_OCTETS, DELAY_TURN), STEADY_PERIOD_US, side.way(direction)))
    // The traffic is steady when it has been so for a while.
    const all = steady(packets(own.slice(0, 1), direction, DELAY_OCTETS, DELAY_WARM_UP + DELAY_TURN), STEADY_PERIOD_US, side.way(direction))
    return all.slice(DELAY_WARM_UP)
  })
  tell({ type: 'delays', traffic: 'steady', direction, octets: DELAY_OCTETS, sides: flat(sides), router: ascending(router) })
}

/** One packet of each session, after all of them were silent. */
async function tellFirst(direction: Direction, sessions: Sessions): Promise<void> {
  await new Promise((resolve) => {
    setTimeout(resolve, IDLE_MS)
  })
  const router: number[] = []
  const sides = turns(sessions, 1, (side, own) => {
    const way = side.way(direction)
    if (router.length === 0) router.push(...steady(clearPackets(direction, DELAY_OCTETS, own.length), FIRST_PERIOD_US, way))
    return steady(packets(own, direction, DELAY_OCTETS, own.length), FIRST_PERIOD_US, way)
  })
  tell({ type: 'delays', traffic: 'first', direction, octets: DELAY_OCTETS, sides: flat(sides), router: ascending(router) })
}

/** So many rounds of every side, in turn. */
function turns<T>(sessions: Sessions, rounds: number, measure: (side: Side, own: readonly Session[]) => T): Partial<Record<SideName, T[]>> {
  const results: Partial<Record<SideName, T[]>> = {}
  for (let round = 0; round < rounds; round++) {
    for (const [side, own] of sessions) {
      side.attend()
      const list = (results[side.setup.name] ??= [])
      list.push(measure(side, own))
    }
  }
  return results
}

function flat(sides: Partial<Record<SideName, number[][]>>): Partial<Record<SideName, number[]>> {
  return Object.fromEntries(Object.entries(sides).map(([name, delays]) => [name, ascending(delays.flat())]))
}

function ascending(values: readonly number[]): number[] {
  return [...values].sort((a, b) => a - b)
}

function tell(message: FromGenerator): void {
  process.send!(message)
}

// The bench is gone: nobody is left to tell.
process.on('disconnect', () => process.exit())
await generate(JSON.parse(process.argv[2]!) as GeneratorSetup)
process.disconnect()
