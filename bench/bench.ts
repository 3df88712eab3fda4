/** What a bench is: one question, answered with a table of figures, the peers measured in the same run beside each other. */

export interface BenchOptions {
  /** Fewer and shorter rounds: to see that it works, not to quote. */
  readonly isQuick: boolean
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
}

/** The same figure of somebody else, measured in the same run by turns. */
export interface Comparison {
  readonly peer: string
  readonly figure: Figure
  readonly goal: Goal | null
}

/** What the ratio of the medians, ours to the peer's, is to be. */
export type Goal = { readonly ratioAtLeast: number } | { readonly ratioAtMost: number }

export interface Bench {
  readonly name: string
  readonly question: string
  /** Says what it is run with, for the record. */
  parameters(options: BenchOptions): Readonly<Record<string, string | number>>
  /** `report` gets each row as soon as it is there. */
  run(options: BenchOptions, report: (row: Measurement) => void): Promise<void>
  /** The rows as a picture, in SVG. */
  picture?(rows: readonly Measurement[], caption: string): string
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

export function ratioOf({ median, comparison }: Figure): number | null {
  return comparison === undefined || comparison.figure.median === 0 ? null : median / comparison.figure.median
}

/** Null where there is no goal. */
export function isMet(figure: Figure): boolean | null {
  const [ratio, goal] = [ratioOf(figure), figure.comparison?.goal ?? null]
  if (ratio === null || goal === null) return null
  return 'ratioAtLeast' in goal ? ratio >= goal.ratioAtLeast : ratio <= goal.ratioAtMost
}

export function goalWords(goal: Goal): string {
  return 'ratioAtLeast' in goal ? `ratio at least ${goal.ratioAtLeast}` : `ratio at most ${goal.ratioAtMost}`
}
