/** What becomes of a walk, as a process tells it to the one that started it. */

import type { Order } from './order.ts'
import type { Problem, WalkResult } from './walk.ts'
import { Walk } from './walk.ts'

/** Of what the walk gives, what is no plain value is told as one. */
export interface WalkReport extends Omit<WalkResult, 'coverage' | 'problem'> {
  readonly coverage: readonly (readonly [string, number])[]
  readonly problem: {
    readonly name: string
    readonly text: string
    readonly trace: readonly string[]
    readonly isConfirmed: boolean
  } | null
}

export function report({ scope, limit, seconds }: Order): WalkReport {
  const { coverage, problem, ...rest } = new Walk({ scope, limit, seconds }).run()
  return {
    ...rest,
    coverage: [...coverage.counts],
    problem: problem === null ? null : describe(problem),
  }
}

function describe({ error, trace, isConfirmed }: Problem): WalkReport['problem'] {
  return { name: error.name, text: error.stack ?? error.message, trace, isConfirmed }
}
