/** What commands print: results on standard output, as tables for people or JSON for programs; everything else on standard error. */

import Table from 'cli-table3'

export type OutputFormat = 'table' | 'json'

/** One line of a result. */
export function report(line: string): void {
  process.stdout.write(`${line}\n`)
}

/** One line for the person in front, not part of the result. */
export function complain(line: string): void {
  process.stderr.write(`${line}\n`)
}

export function printJson(value: unknown): void {
  report(JSON.stringify(value, null, 2))
}

/** Columns under their heads. Cells are made safe for a terminal: what they hold may come from a peer. */
export function printTable(head: readonly string[], rows: readonly (readonly (string | number | null)[])[]): void {
  const table = new Table({ head: [...head], style: { head: [], border: [] }, chars: plainBorders })
  for (const row of rows) table.push(row.map(cell))
  report(table.toString())
}

/** Names and values, one pair a line. */
export function printPairs(pairs: readonly (readonly [string, string | number | boolean | null])[]): void {
  const width = Math.max(...pairs.map(([name]) => name.length))
  for (const [name, value] of pairs) report(`${name.padEnd(width)}  ${cell(value)}`)
}

function cell(value: string | number | boolean | null): string {
  if (value === null) return '-'
  return String(value).replace(/[\p{Cc}\u2028\u2029]/gu, '\ufffd')
}

const plainBorders = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
}
