/** The table exchange × moment × outcome, as text. */

import type { Outcome } from './run.ts'
import type { FaultKind, Point } from './stage.ts'
import { faultKinds } from './stage.ts'

export interface Entry {
  readonly scenario: string
  readonly point: Point
  readonly kind: FaultKind
  /** Null: something did not hold. */
  readonly outcome: Outcome | null
}

const letters: Readonly<Record<Outcome, string>> = { anew: 'a', stored: 's', answered: '.' }
export const legend = [
  `in each cell, of an owner that ${faultKinds.join(', ')}: a another gateway did the exchange anew, s another gateway repeated the stored answer, . the answer`,
  'was out already or nothing was unanswered, ~ one or the other (the moment comes several times), ! something did not hold,',
  '  not tried: the ways of ending take turns where exchanges cross',
] as const

export function table(entries: readonly Entry[]): string[] {
  const moments = [...new Set(entries.map(({ point }) => point.moment))]
  const rows = new Map<string, Entry[]>()
  for (const entry of entries) rows.set(rowOf(entry), [...(rows.get(rowOf(entry)) ?? []), entry])
  const width = Math.max(...[...rows.keys()].map((row) => row.length))
  const lines = [...rows].map(([row, of]) =>
    line(row.padEnd(width), moments, (moment) => cell(of.filter(({ point }) => point.moment === moment))),
  )
  return [line(' '.repeat(width), moments, (moment) => moment), ...lines]
}

function rowOf({ scenario, point }: Entry): string {
  return `${scenario}: ${point.exchange}`
}

function line(head: string, moments: readonly string[], text: (moment: string) => string): string {
  return `${head}  ${moments.map((moment) => text(moment).padEnd(Math.max(moment.length, faultKinds.length))).join(' ')}`.trimEnd()
}

function cell(entries: readonly Entry[]): string {
  return entries.length === 0 ? '' : faultKinds.map((kind) => letter(entries.filter((entry) => entry.kind === kind))).join('')
}

function letter(entries: readonly Entry[]): string {
  const outcomes = new Set(entries.map(({ outcome }) => outcome))
  const [only] = outcomes
  if (outcomes.has(null)) return '!'
  if (only === undefined || only === null) return ' '
  return outcomes.size === 1 ? letters[only] : '~'
}
