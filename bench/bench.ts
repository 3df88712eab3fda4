/** What a bench is: one question, answered with a table of figures, the peers measured in the same run beside each other. */

export interface BenchOptions {
  /** Fewer and shorter rounds: to see that it works, not to quote. */
  readonly isQuick: boolean
  /** Only what the guarded figures need, in seconds. */
  readonly isCheck?: boolean
}

/** One row: what was measured under which parameters, a median with its spread. */
export interface Measurement {
  readonly parameters: Readonly<Record<string, string | number>>
  readonly figures: Readonly<Record<string, Figure>>
}

export interface Figure {
  readonly unit: string
  readonly median: number
  /** The least and the most of the rounds; equal to the median where there is one round. */
  readonly least: number
  readonly most: number
  readonly rounds: number
  /** The same of a peer, where there is one. */
  readonly comparison?: Comparison
  /** What it is to be by itself, whatever a peer's is. */
  readonly limit?: Limit
  /**
   * It is compared with the baseline (guard/compare.ts): the median, of which less or more is better, or the ratio to the peer. Only what does
   * not depend on the machine or on what else it does.
   */
  readonly guard?: 'less' | 'more' | 'ratio'
}

export type Limit = { readonly below: number } | { readonly atMost: number } | { readonly atLeast: number }

/** The same figure of somebody else, measured in the same run by turns. */
export interface Comparison {
  readonly peer: string
  readonly figure: Figure
  readonly goal: Goal | null
  /** Of times and losses: then the ratio is the peer's to ours, so that more is better. */
  readonly isLessBetter?: boolean
}

/** What the ratio of the medians is to be. */
export type Goal = { readonly ratioAtLeast: number } | { readonly ratioAtMost: number }

export interface Bench {
  readonly name: string
  readonly question: string
  /** It has guarded figures, which it gives in seconds (`isCheck`). */
  readonly isGuarded?: boolean
  /** Says what it is run with, for the record. */
  parameters(options: BenchOptions): Readonly<Record<string, string | number>>
  /** `report` gets each row as soon as it is there. */
  run(options: BenchOptions, report: (row: Measurement) => void): Promise<void>
  /** The rows as a picture, in SVG. */
  picture(rows: readonly Measurement[], caption: string): string
}

/** Median and spread of one value a round. */
export function figure(unit: string, values: readonly number[]): Figure {
  const sorted = [...values].sort((a, b) => a - b)
  return { unit, median: percentile(sorted, 50), least: sorted[0] ?? 0, most: sorted.at(-1) ?? 0, rounds: sorted.length }
}

/** Of ascending values; the mean of the two in the middle is not taken, so that it is always one that was measured. */
export function percentile(sorted: ArrayLike<number>, percent: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor((sorted.length * percent) / 100))] ?? 0
}

/** Ours to the peer's, or the peer's to ours where less is better; null without a peer, and where there is nothing to divide by. */
export function ratioOf({ median, comparison }: Figure): number | null {
  if (comparison === undefined) return null
  const [above, below] = comparison.isLessBetter === true ? [comparison.figure.median, median] : [median, comparison.figure.median]
  return below === 0 ? null : above / below
}

/** Null where there is no goal. */
export function isMet(figure: Figure): boolean | null {
  const { limit, median } = figure
  if (limit !== undefined) return isWithin(median, limit)
  const [ratio, goal] = [ratioOf(figure), figure.comparison?.goal ?? null]
  if (ratio === null || goal === null) return null
  return 'ratioAtLeast' in goal ? ratio >= goal.ratioAtLeast : ratio <= goal.ratioAtMost
}

/** Null where there is none. */
export function goalOf({ limit, comparison, unit }: Figure): string | null {
  if (limit !== undefined) return `${limitWords(limit)} ${unit}`
  const goal = comparison?.goal ?? null
  return goal === null ? null : goalWords(goal)
}

function isWithin(value: number, limit: Limit): boolean {
  if ('below' in limit) return value < limit.below
  return 'atMost' in limit ? value <= limit.atMost : value >= limit.atLeast
}

function limitWords(limit: Limit): string {
  if ('below' in limit) return `below ${limit.below}`
  return 'atMost' in limit ? `at most ${limit.atMost}` : `at least ${limit.atLeast}`
}

function goalWords(goal: Goal): string {
  return 'ratioAtLeast' in goal ? `ratio at least ${goal.ratioAtLeast}` : `ratio at most ${goal.ratioAtMost}`
}
