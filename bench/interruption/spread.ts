/** How values are spread. By nearest rank, so that each figure but the mean is a value that occurred. */

export interface Spread {
  readonly count: number
  readonly least: number
  readonly p25: number
  readonly p50: number
  readonly p75: number
  readonly p95: number
  readonly most: number
  readonly mean: number
}

/** All zero of nothing. */
export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b)
  const rank = (percent: number): number => sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] ?? 0
  const mean = sorted.length === 0 ? 0 : sorted.reduce((total, value) => total + value, 0) / sorted.length
  return {
    count: sorted.length,
    least: rank(0),
    p25: rank(25),
    p50: rank(50),
    p75: rank(75),
    p95: rank(95),
    most: rank(100),
    mean,
  }
}
