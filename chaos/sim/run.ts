/** One run of a seed: what the command, the tests and the table of mutants share. */

import { SeededRandom } from '../../src/kit/random.ts'
import type { ApplyHook } from './hook.ts'
import { drawPlan } from './plan.ts'
import type { RunSummary } from './world.ts'
import { World } from './world.ts'

/** Throws `Violation` or `NoProgress`. `hasRekeys`: false leaves out the rekeyings that the seed draws. */
export function runSeed(seed: number, hook: ApplyHook | null = null, hasRekeys = true): RunSummary {
  const plan = drawPlan(seed, new SeededRandom(seed))
  return new World(hasRekeys ? plan : { ...plan, rekeys: [] }, hook).run()
}
