/** One run of a seed of the raft-only world: what tests and mutants share. */

import { RaftAssertionError } from '../../../raft/assert.ts'
import { Violation } from '../checkers/violation.ts'
import type { Caught } from '../run.ts'
import { NoProgress } from '../no-progress.ts'
import { RaftWorld } from './world.ts'

/** With one entry a message, and messages out of order, a log of fifty entries takes a slow disk some six seconds. */
const progressMs = 10_000

/** Faults, healing, progress; then what the clients were told is judged. Throws `Violation`, `NoProgress`, or what the core's assertions throw. */
export function runRaftSeed(seed: number, print: ((line: string) => void) | null = null): RaftWorld {
  const world = new RaftWorld(seed, print)
  world.runWithFaults(3_000)
  if (seed % 2 === 0) world.runUntilMajorityProgress(progressMs)
  else world.runUntilProgress(progressMs)
  world.checkHistory()
  return world
}

/** Runs seeds until something is seen; null: nothing was. */
export function findProblem(firstSeed: number, runs: number): Caught | null {
  for (let seed = firstSeed; seed < firstSeed + runs; seed++) {
    const by = problemOf(seed)
    if (by !== null) return { seed, by }
  }
  return null
}

function problemOf(seed: number): string | null {
  try {
    runRaftSeed(seed)
    return null
  } catch (error) {
    // Anything else says that the program does not run, which is no finding.
    const isFinding = error instanceof Violation || error instanceof NoProgress || error instanceof RaftAssertionError
    if (!isFinding) throw error
    return `${error.name}: ${error.message.split('\n')[0]}`
  }
}
