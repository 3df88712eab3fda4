/** What was seen from outside, and what of it must not be. Pure. */

import { checkClientLog } from './client-log-checks.ts'
import type { FlowReport, Silence } from './flow.ts'
import type { History } from './history.ts'
import type { Journal } from './journal.ts'
import type { ClientReport } from './messages.ts'
import type { WireChecks } from './wire-checks.ts'

export interface Seen {
  /** Names of all clients, the stock ones first. */
  readonly clients: readonly string[]
  /** Outside. */
  readonly addresses: readonly string[]
  readonly reports: readonly ClientReport[]
  /** Of the stock clients. */
  readonly logs: readonly string[]
  readonly wire: WireChecks
  /** Datagrams of clients that were sent a second time, and those that gateways have dropped as repeated. */
  readonly replayed: number
  readonly refusedReplays: number
  readonly history: History
  /** Of the wall clock when the nemesis began, ms; and of the monotonic one. */
  readonly startWallMs: number
  readonly startMs: number
}

/** Of one of a client's directions. */
const DUPLICATES_SHOWN = 3

/** Writes into the journal what must not be. */
export function judge(seen: Seen, journal: Journal): void {
  const violation = (text: string, atMs: number | null = null) => journal.find('violation', atMs, text)
  for (const { timeMs, text } of seen.wire.problems) violation(text, timeMs - seen.startWallMs)
  for (const [i, report] of seen.reports.entries()) {
    const name = seen.clients[i]!
    for (const [direction, flow] of [
      ['behind the gateways', report.up],
      ['at the client', report.down],
    ] as const) {
      for (const { number, atMs } of flow.duplicates.slice(0, DUPLICATES_SHOWN))
        violation(`${name}: datagram ${number} came twice ${direction} (S2)`, atMs - seen.startMs)
    }
    for (const problem of [...report.problems, ...(report.stream?.problems ?? [])]) violation(`${name}: ${problem}`)
    if (report.stream?.echoed === 0) violation(`${name}: nothing came back on its TCP connection`)
  }
  for (const [i, log] of seen.logs.entries())
    for (const problem of checkClientLog(log).problems) violation(`${seen.clients[i]}: ${problem}`)
  for (const problem of seen.history.problems()) violation(problem)
  // A check that saw nothing has checked nothing.
  if (seen.replayed > 0 && seen.refusedReplays === 0) violation(`${seen.replayed} datagrams were repeated, and no gateway has noticed one`)
  for (const [i] of seen.clients.entries())
    if (!seen.wire.carriers.has(seen.addresses[i]!)) violation(`no ESP to ${seen.clients[i]} was captured`)
}

export interface GapFigures {
  readonly count: number
  readonly p50: number
  readonly p95: number
  readonly max: number
}

/** As long as are noted; those in which the traffic's own process stood still for half of them say nothing. */
export function silencesOf({ silences }: FlowReport, stalls: readonly Silence[]): Silence[] {
  return silences.filter((silence) => stalledMs(silence, stalls) < (silence.toMs - silence.fromMs) / 2)
}

/** The lengths of those. */
export function gapsOf(flow: FlowReport, stalls: readonly Silence[]): number[] {
  return silencesOf(flow, stalls).map(({ fromMs, toMs }) => toMs - fromMs)
}

function stalledMs({ fromMs, toMs }: Silence, stalls: readonly Silence[]): number {
  return stalls.reduce((sum, stall) => sum + Math.max(0, Math.min(toMs, stall.toMs) - Math.max(fromMs, stall.fromMs)), 0)
}

/** Zeros for none. */
export function figuresOf(gaps: readonly number[]): GapFigures {
  const sorted = gaps.toSorted((a, b) => a - b)
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0
  return { count: sorted.length, p50: at(0.5), p95: at(0.95), max: sorted.at(-1) ?? 0 }
}
