/**
 * Guarded figures beside those of a baseline: which of them fell by more than is allowed. Pure.
 *
 * Guarded is what does not depend on how busy a machine is or how fast: octets and counts of simulated runs, and ratios to a peer that was
 * measured in the same run.
 */

import type { Figure, Measurement } from '../bench.ts'
import { ratioOf } from '../bench.ts'

/** What is better. */
export type Better = 'less' | 'more'

export interface Guarded {
  readonly value: number
  /** `ratio` where it is one to a peer. */
  readonly unit: string
  readonly better: Better
}

/** By name: the bench, what was measured, the figure. */
export type Baseline = Readonly<Record<string, Guarded>>

export type Verdict =
  | 'held'
  /** By more than is allowed in the good direction: the baseline could be renewed. */
  | 'rose'
  | 'fell'
  /** The baseline has it, and it was not measured. */
  | 'missing'
  /** Measured, and the baseline does not have it. */
  | 'unknown'

export interface Line {
  readonly name: string
  readonly verdict: Verdict
  /** Null: there is none. */
  readonly was: Guarded | null
  readonly is: Guarded | null
}

/** A figure may get worse by so much of what it was. */
export const ALLOWED_FALL = 0.3

/** The guarded figures of a bench's rows. */
export function guardedOf(bench: string, rows: readonly Measurement[]): Baseline {
  const named = rows.flatMap(({ parameters, figures }) =>
    Object.entries(figures).flatMap(([name, figure]) => {
      const guarded = guardedFigure(figure)
      return guarded === null ? [] : [[`${bench}: ${Object.values(parameters).join(' ')}: ${name}`, guarded] as const]
    }),
  )
  return Object.fromEntries(named)
}

/** A ratio is better when it is more (`ratioOf`). */
function guardedFigure(figure: Figure): Guarded | null {
  const { guard, median, unit } = figure
  if (guard === undefined) return null
  if (guard !== 'ratio') return { value: median, unit, better: guard }
  return { value: ratioOf(figure) ?? 0, unit: 'ratio', better: 'more' }
}

export function compare(baseline: Baseline, measured: Baseline): readonly Line[] {
  const names = [...new Set([...Object.keys(baseline), ...Object.keys(measured)])]
  return names.map((name) => {
    const [was, is] = [baseline[name] ?? null, measured[name] ?? null]
    return { name, was, is, verdict: verdictOf(was, is) }
  })
}

function verdictOf(was: Guarded | null, is: Guarded | null): Verdict {
  if (was === null) return 'unknown'
  if (is === null) return 'missing'
  const change = worseBy(was, is)
  if (change > ALLOWED_FALL) return 'fell'
  return change < -ALLOWED_FALL ? 'rose' : 'held'
}

/** By how much of what it was it is worse; below 0: better. What was nothing may not become something. What is no number is worst. */
export function worseBy(was: Guarded, is: Guarded): number {
  const by = was.better === 'less' ? is.value - was.value : was.value - is.value
  if (Number.isNaN(by)) return Infinity
  return by === 0 ? 0 : by / Math.abs(was.value)
}

export function isFailure({ verdict }: Line): boolean {
  return verdict === 'fell' || verdict === 'missing' || verdict === 'unknown'
}

/** One figure, as it is printed. */
export function lineOf({ name, verdict, was, is }: Line): string {
  const told = (guarded: Guarded | null): string => (guarded === null ? '–' : Number(guarded.value.toPrecision(4)).toString())
  const change = was === null || is === null ? '' : ` (${percent(worseBy(was, is))})`
  const word = { held: 'ok      ', rose: 'better  ', fell: 'WORSE   ', missing: 'MISSING ', unknown: 'UNKNOWN ' }[verdict]
  return `${word} ${name}: ${told(is)} ${(is ?? was)!.unit}, baseline ${told(was)}${change}`
}

function percent(worse: number): string {
  if (worse === 0) return 'the same'
  const amount = `${Math.abs(100 * worse).toFixed(1)} %`
  return worse > 0 ? `${amount} worse` : `${amount} better`
}
