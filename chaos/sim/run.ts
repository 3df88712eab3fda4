/** One run of a seed: what the command, the tests and the table of mutants share. */

import { SeededRandom } from '../../src/kit/random.ts'
import type { ApplyHook } from './hook.ts'
import { drawPlan, noGatewayAsks } from './plan.ts'
import type { RunSummary } from './world.ts'
import { World } from './world.ts'

export interface RunOptions {
  /** Of a mutant; default: none. */
  readonly hook?: ApplyHook | null
  /** False leaves out the rekeyings that the seed draws, and what gateways ask of clients. */
  readonly hasRekeys?: boolean
  /** So many clients, whatever the seed says; null: as it says. */
  readonly clients?: number | null
  /** Gets a line for everything that happens. */
  readonly print?: (line: string) => void
}

/** Throws `Violation` or `NoProgress`. */
export function runSeed(seed: number, { hook = null, hasRekeys = true, clients = null, print }: RunOptions = {}): RunSummary {
  const plan = drawPlan(seed, new SeededRandom(seed), clients)
  return new World(hasRekeys ? plan : { ...plan, rekeys: [], gatewayAsks: noGatewayAsks }, hook, print ?? null).run()
}

/** What a checker saw of a wrong program. */
export interface Caught {
  readonly seed: number
  /** What it said. */
  readonly by: string
}

/** Runs seeds until something is seen; null: nothing was. */
export function findProblem(firstSeed: number, runs: number, options: RunOptions = {}): Caught | null {
  for (let seed = firstSeed; seed < firstSeed + runs; seed++) {
    const by = problemOf(seed, options)
    if (by !== null) return { seed, by }
  }
  return null
}

function problemOf(seed: number, options: RunOptions): string | null {
  try {
    runSeed(seed, options)
    return null
  } catch (error) {
    if (!(error instanceof Error)) throw error
    return `${error.name}: ${error.message.split('\n')[0]}`
  }
}
