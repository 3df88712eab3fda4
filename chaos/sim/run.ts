/** One run of a seed: what the command, the tests and the table of mutants share. */

import { SeededRandom } from '../../src/kit/random.ts'
import type { ApplyHook } from './hook.ts'
import { drawPlan } from './plan.ts'
import type { RunSummary } from './world.ts'
import { World } from './world.ts'

export interface RunOptions {
  /** Of a mutant; default: none. */
  readonly hook?: ApplyHook | null
  /** False leaves out the rekeyings that the seed draws. */
  readonly hasRekeys?: boolean
  /** Gets a line for everything that happens. */
  readonly print?: (line: string) => void
}

/** Throws `Violation` or `NoProgress`. */
export function runSeed(seed: number, { hook = null, hasRekeys = true, print }: RunOptions = {}): RunSummary {
  const plan = drawPlan(seed, new SeededRandom(seed))
  return new World(hasRekeys ? plan : { ...plan, rekeys: [] }, hook, print ?? null).run()
}
