/** The summary of a run, for people and as JSON. Pure. */

import type { Finding } from './journal.ts'
import type { Silence } from './flow.ts'
import { figuresOf, gapsOf, silencesOf } from './judge.ts'
import type { ClientReport } from './messages.ts'
import type { KillOptions } from './options.ts'
import { machines, overlapping } from './plan.ts'
import type { RunResult } from './run.ts'
import type { Timeline } from './timeline.ts'

const FINDINGS_SHOWN = 20
/** Of the datagrams, in peace. */
const TOO_BUSY = 0.02

export function formatSummary(result: RunResult, { seed, seconds }: KillOptions): string {
  const { journal, wire, outcomes, asked } = result
  const lines = [
    `seed ${seed}, ${seconds} s: ${journal.done.length} deeds, ${overlapping(spansOf(result))} of them while another was in force; ${(result.lengthMs / 1000).toFixed(0)} s in all`,
    `  ${countsOf(result)}`,
    `  commands and reads: ${[...outcomes].map(([what, { ok, refused, unknown }]) => `${what} ${ok}/${refused}/${unknown}`).join(', ')} (ok/refused/unknown)`,
    `  history: ${asked.owners} observations of owners, ${asked.members} of members`,
    `  wire: ${wire.esp} ESP packets to clients in ${wire.flows} SAs, ${wire.ike} IKE messages, ${wire.repeated} of them sent again; ${wire.overtaken} packets overtaken by a successor's, by ${wire.latestMs.toFixed(0)} ms at most; ${formatLost(result.uncaptured)}`,
    `  stock clients: ${result.retransmissions} requests sent again, ${result.rekeyings} rekeyings; ${result.replayed} datagrams of clients were sent to all gateways a second time, ${result.refusedReplays} are known to have been dropped as repeated`,
    `  ${formatCalm(result)}`,
    `  ${formatStalls(result)}`,
    '',
    ...clientLines(result),
    '',
    ...findingLines(journal.findings),
  ]
  return lines.join('\n')
}

export function exitCodeOf(findings: readonly Finding[]): 'clean' | 'wrongAnswer' | 'noProgress' {
  if (findings.some(({ kind }) => kind === 'violation')) return 'wrongAnswer'
  return findings.length > 0 ? 'noProgress' : 'clean'
}

export function toJson(result: RunResult, options: KillOptions): string {
  const { journal, clients, reports, calm: _calm, stalls, outcomes, ...rest } = result
  const document = {
    options,
    result: exitCodeOf(journal.findings),
    findings: journal.findings,
    deeds: journal.done,
    clients: clients.map((name, i) => ({
      name,
      ...reports[i],
      gaps: { up: figuresOf(gapsOf(reports[i]!.up, stalls)), down: figuresOf(gapsOf(reports[i]!.down, stalls)) },
    })),
    outcomes: Object.fromEntries(outcomes),
    stalls,
    ...rest,
  }
  return `${JSON.stringify(document, null, 1)}\n`
}

export function timelineOf(result: RunResult, { seed, seconds, clients: stock, builtIn }: KillOptions): Timeline {
  const { journal, clients, reports, carriers, stalls, lengthMs, startMs } = result
  const shifted = (silences: readonly Silence[]) => silences.map(({ fromMs, toMs }) => ({ fromMs: fromMs - startMs, toMs: toMs - startMs }))
  const { findings } = journal
  return {
    title: `npm run kill -- --seed ${seed} --seconds ${seconds}`,
    subtitle: `${stock} stock clients and ${builtIn} built-in ones; ${journal.done.length} deeds, numbered as they were printed; ${findings.length === 0 ? 'no violation' : `${findings.length} findings`}`,
    machines,
    done: journal.done,
    findings,
    clients: clients.map((name, i) => ({
      name,
      carriers: carriers[i]!,
      down: shifted(silencesOf(reports[i]!.down, stalls)),
      up: shifted(silencesOf(reports[i]!.up, stalls)),
    })),
    fromMs: -result.warmUpMs,
    toMs: lengthMs,
  }
}

function spansOf({ journal, lengthMs }: RunResult): { readonly fromMs: number; readonly toMs: number }[] {
  return journal.done.map(({ fromMs, toMs, backMs }) => ({ fromMs, toMs: backMs ?? toMs ?? lengthMs }))
}

function countsOf({ journal }: RunResult): string {
  const counts = new Map<string, number>()
  for (const { planned } of journal.done) {
    const name = planned.deed.type === 'cut' ? `cut ${planned.deed.cut}` : planned.deed.type
    counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  return [...counts]
    .toSorted(([a], [b]) => a.localeCompare(b))
    .map(([name, count]) => `${name} ${count}`)
    .join(', ')
}

function formatLost(uncaptured: number): string {
  if (Number.isNaN(uncaptured)) return 'the capture did not say whether it is whole'
  return uncaptured === 0 ? 'the capture is whole' : `the capture lacks ${uncaptured} packets`
}

/** Where nothing is done to anybody and much is lost all the same, the machine is too busy to say anything of gaps. */
function formatCalm({ calm, warmUpMs }: RunResult): string {
  const flows = calm.flatMap(({ up, down }) => [up, down])
  const sent = flows.reduce((sum, flow) => sum + flow.sent, 0)
  const lost = flows.reduce((sum, flow) => sum + flow.sent - flow.received, 0)
  const longest = Math.max(0, ...flows.flatMap(({ silences }) => silences.map(({ fromMs, toMs }) => toMs - fromMs)))
  const busy = lost > sent * TOO_BUSY ? ': THE MACHINE IS TOO BUSY, gaps and losses are its own' : ''
  return `in the ${warmUpMs / 1000} s before: ${lost} of ${sent} datagrams lost, longest silence ${longest.toFixed(0)} ms${busy}`
}

function formatStalls({ stalls }: RunResult): string {
  const longest = Math.max(0, ...stalls.map(({ fromMs, toMs }) => toMs - fromMs))
  return stalls.length === 0
    ? "the traffic's own process was never late"
    : `the traffic's own process stood still ${stalls.length} times, at most ${longest.toFixed(0)} ms: such silences are not counted`
}

function clientLines({ clients, reports, stalls }: RunResult): string[] {
  const header = `  ${'client'.padEnd(10)}  gaps of 150 ms and more: count, p50, p95, max (to the client; from it)          lost to it; from it     TCP`
  const all = (direction: 'up' | 'down') => reports.flatMap((report) => gapsOf(report[direction], stalls))
  const lost = (direction: 'up' | 'down') => reports.reduce((sum, report) => sum + lostOf(report, direction), 0)
  const sent = (direction: 'up' | 'down') => reports.reduce((sum, report) => sum + report[direction].sent, 0)
  const line = (name: string, down: number[], up: number[], lost: string, stream: string) =>
    `  ${name.padEnd(10)}  ${formatGaps(down)};  ${formatGaps(up)}   ${lost.padEnd(22)}  ${stream}`
  return [
    header,
    ...reports.map((report, i) =>
      line(
        clients[i]!,
        gapsOf(report.down, stalls),
        gapsOf(report.up, stalls),
        `${lostOf(report, 'down')}/${report.down.sent}; ${lostOf(report, 'up')}/${report.up.sent}`,
        report.stream === null ? '–' : `${report.stream.echoed} echoed`,
      ),
    ),
    line('all', all('down'), all('up'), `${lost('down')}/${sent('down')}; ${lost('up')}/${sent('up')}`, ''),
  ]
}

function lostOf(report: ClientReport, direction: 'up' | 'down'): number {
  return report[direction].sent - report[direction].received
}

function formatGaps(gaps: readonly number[]): string {
  const { count, p50, p95, max } = figuresOf(gaps)
  const seconds = (ms: number) => (ms / 1000).toFixed(2).padStart(6)
  return `${String(count).padStart(4)} ${seconds(p50)} ${seconds(p95)} ${seconds(max)} s`
}

function findingLines(findings: readonly Finding[]): string[] {
  if (findings.length === 0) return ['no violation']
  const more = findings.length - FINDINGS_SHOWN
  return [
    ...findings
      .slice(0, FINDINGS_SHOWN)
      .map(({ kind, atMs, text }) => `${kind.toUpperCase()}${atMs === null ? '' : ` at ${(atMs / 1000).toFixed(3)} s`}: ${text}`),
    ...(more > 0 ? [`and ${more} more`] : []),
  ]
}
