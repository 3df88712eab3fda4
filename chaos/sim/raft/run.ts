/** One run of a seed of the raft-only world: what tests and mutants share. */

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

export interface Caught {
  readonly seed: number
  /** What said so, and what it said. */
  readonly by: string
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
    if (!(error instanceof Error)) throw error
    return `${error.name}: ${error.message.split('\n')[0]}`
  }
}
