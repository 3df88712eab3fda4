/** What becomes of a walk, as a process tells it to the one that started it. */

import type { Order } from './order.ts'
import type { Problem } from './walk.ts'
import { Walk } from './walk.ts'

export interface WalkReport {
  readonly states: number
  readonly edges: number
  readonly depth: number
  readonly isComplete: boolean
  readonly seconds: number
  readonly cpuSeconds: number
  readonly outcomes: number
  readonly outcomesHash: number
  readonly cores: { readonly states: number; readonly executed: number; readonly repeated: number }
  readonly recovered: number
  readonly ends: number
  readonly confirmed: number
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
