/** What came of rows: a few lines a pass while they run, and a table in the end. */

import type { PassResult } from './run-row.ts'

export interface RowOutcome {
  readonly row: string
  /** A text: why the pass could not be carried through. */
  readonly undisturbed: PassResult | string
  /** Null: it was not tried, for the undisturbed pass could not be carried through. */
  readonly killed: PassResult | string | null
}

export function hasPassedTwice({ undisturbed, killed }: RowOutcome): boolean {
  return hasPassed(undisturbed) && hasPassed(killed)
}

function hasPassed(result: PassResult | string | null): boolean {
  return result !== null && typeof result !== 'string' && result.isPassed
}

/** What the pass was, and every check that failed. */
export function formatPass(name: string, result: PassResult | string): string {
  if (typeof result === 'string') return `  ${name}: FAILED, could not be carried through: ${result}`
  const { checks, killed, isPassed } = result
  const failed = checks.filter(({ isOk }) => !isOk)
  const kill = killed === null ? '' : `SIGKILL ${killed.gateway} after ${killed.afterMs} ms; `
  return [
    `  ${name}: ${isPassed ? 'passed' : 'FAILED'}, ${kill}${checks.length - failed.length} of ${checks.length} checks ok`,
    ...failed.map((one) => `    FAIL ${one.name}: ${one.detail}`),
  ].join('\n')
}

/** A line a row: whether each pass passed, its longest gap between answers to pings, and when the kill came. */
export function formatTable(outcomes: readonly RowOutcome[]): string {
  const lines = [titles, ...outcomes.map(cellsOf)]
  const widths = titles.map((_, i) => Math.max(...lines.map((cells) => cells[i]?.length ?? 0)))
  return lines
    .map((cells) =>
      cells
        .map((cell, i) => cell.padEnd(widths[i] ?? 0))
        .join('  ')
        .trimEnd(),
    )
    .join('\n')
}

/** The same table in Markdown. */
export function formatMarkdown(outcomes: readonly RowOutcome[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [line(titles), line(titles.map(() => '---')), ...outcomes.map((one) => line(cellsOf(one)))].join('\n')
}

export function summary(outcomes: readonly RowOutcome[]): string {
  return `${outcomes.filter(hasPassedTwice).length} of ${outcomes.length} rows passed twice`
}

const titles: readonly string[] = ['row', 'undisturbed', 'longest gap', 'owner killed', 'longest gap', 'when']

function cellsOf({ row, undisturbed, killed }: RowOutcome): string[] {
  return [row, verdictOf(undisturbed), gapOf(undisturbed), verdictOf(killed), gapOf(killed), momentOf(killed)]
}

function verdictOf(result: PassResult | string | null): string {
  if (result === null) return 'not run'
  if (typeof result === 'string') return 'broken'
  return result.isPassed ? 'passed' : 'FAILED'
}

/** None where no traffic was to flow. */
function gapOf(result: PassResult | string | null): string {
  if (result === null || typeof result === 'string' || result.gap === null) return '–'
  return `${seconds(result.gap.lengthMs)} s`
}

function momentOf(result: PassResult | string | null): string {
  if (result === null || typeof result === 'string' || result.killed === null) return '–'
  return `${result.killed.gateway} at ${seconds(result.killed.afterMs)} of ${seconds(result.durationMs)} s`
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(2)
}
