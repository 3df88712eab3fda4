/** What commands print: results on standard output, as tables for people or JSON for programs; everything else on standard error. */

import Table from 'cli-table3'

export type OutputFormat = 'table' | 'json'

export type Colour = 'bold' | 'quiet' | 'good' | 'warn' | 'bad'

/** A value; with a colour where the output has any. */
export type Cell = string | number | boolean | null | { readonly text: string; readonly colour: Colour }

/** Of the terminal; null: there is none, and whatever reads the output has all the room that it wants. */
export interface Look {
  readonly columns: number | null
  readonly colours: boolean
}

/** One line of a result. */
export function report(line: string): void {
  process.stdout.write(`${line}\n`)
}

/** One line for the person in front, not part of the result. */
export function complain(line: string): void {
  process.stderr.write(`${line}\n`)
}

/** `1 session remains`, `2 sessions remain`. */
export function sessionsRemain(count: number): string {
  return count === 1 ? '1 session remains' : `${count} sessions remain`
}

export function printJson(value: unknown): void {
  report(JSON.stringify(value, null, 2))
}

/** Columns under their heads. Cells are made safe for a terminal: what they hold may come from a peer. */
export function printTable(head: readonly string[], rows: readonly (readonly Cell[])[]): void {
  report(formatTable(head, rows, lookOf(process.stdout)))
}

/** Names and values, one pair a line. */
export function printPairs(pairs: readonly (readonly [string, Cell])[]): void {
  const width = Math.max(...pairs.map(([name]) => name.length))
  const { colours } = lookOf(process.stdout)
  for (const [name, value] of pairs) report(`${name.padEnd(width)}  ${shown(value, colours)}`)
}

/** Colours only where somebody sees them, and wants them (no-color.org). */
export function lookOf(stream: { readonly isTTY?: boolean; readonly columns?: number }): Look {
  const isTerminal = stream.isTTY === true
  const isWanted = (process.env['NO_COLOR'] ?? '') === '' && process.env['TERM'] !== 'dumb'
  // A terminal that does not know says 0.
  return { columns: isTerminal ? stream.columns || 80 : null, colours: isTerminal && isWanted }
}

/** Where the table is wider than the terminal, the widest columns are cut, and end in an ellipsis. */
export function formatTable(head: readonly string[], rows: readonly (readonly Cell[])[], { columns, colours }: Look): string {
  const natural = head.map((name, i) => Math.max(name.length, ...rows.map((row) => lengthOf(row[i]!))))
  const widths = columns === null ? natural : fitted(natural, columns - BETWEEN * (head.length - 1))
  const isCut = widths.some((width, i) => width < natural[i]!)
  const heads = head.map((name) => paint(name, 'bold', colours))
  const sizes = isCut ? { colWidths: widths } : {}
  const table = new Table({
    head: heads,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
    chars: plainBorders,
    ...sizes,
  })
  for (const row of rows) table.push(row.map((cell) => shown(cell, colours)))
  return table.toString().replaceAll(/ +$/gm, '')
}

const BETWEEN = 2
/** Narrower, a column says nothing. */
const MIN_WIDTH = 6

/** The widths, the widest made narrower until they are `room` together, or none can be. */
export function fitted(widths: readonly number[], room: number): number[] {
  const narrowed = [...widths]
  let excess = narrowed.reduce((sum, width) => sum + width, 0) - room
  for (; excess > 0; excess--) {
    const widest = narrowed.indexOf(Math.max(...narrowed))
    if (narrowed[widest]! <= MIN_WIDTH) break
    narrowed[widest]! -= 1
  }
  return narrowed
}

function lengthOf(cell: Cell): number {
  return Array.from(shown(cell, false)).length
}

function shown(cell: Cell, colours: boolean): string {
  if (cell === null) return '-'
  const [text, colour] = typeof cell === 'object' ? [cell.text, cell.colour] : [String(cell), null]
  const safe = safeText(text)
  return colour === null ? safe : paint(safe, colour, colours)
}

/** Nothing in it that a terminal would obey. */
export function safeText(text: string): string {
  return text.replace(/[\p{Cc}\u2028\u2029]/gu, '\ufffd')
}

const codes: Readonly<Record<Colour, number>> = { bold: 1, quiet: 2, good: 32, warn: 33, bad: 31 }

export function paint(text: string, colour: Colour, colours: boolean): string {
  return colours ? `\u001b[${codes[colour]}m${text}\u001b[0m` : text
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
