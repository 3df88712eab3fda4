/** What the demo says at its end: the object that `--json` prints, the lines for people, and whether all went well. Pure. */

import type { Effect } from './measuring.ts'

export interface DemoEvent extends Effect {
  readonly type: 'kill' | 'restart' | 'drain' | 'transfer'
  readonly gateway: string
  /** Those of the gateway when it happened. */
  readonly sessionsBefore: number
  readonly sessionsMoved: number
}

export interface DemoReport {
  readonly gateways: number
  readonly sessions: number
  readonly seconds: number
  readonly events: readonly DemoEvent[]
  readonly packets: {
    readonly sent: number
    readonly received: number
    readonly duplicated: number
    readonly up: { readonly sent: number; readonly received: number }
    readonly down: { readonly sent: number; readonly received: number }
  }
  readonly reAuthentications: number
  readonly sequenceNumbersReused: number
}

/** What is wrong, in sentences; empty: nothing. `silent`: the sessions, from 0, that received nothing lately. */
export function problemsOf(report: DemoReport, silent: readonly string[]): string[] {
  const { reAuthentications, sequenceNumbersReused, packets } = report
  const zeros: readonly (readonly [string, number])[] = [
    ['re-authentications', reAuthentications],
    ['sequence numbers reused', sequenceNumbersReused],
    ['inner packets received twice', packets.duplicated],
  ]
  return [
    ...(silent.length === 0 ? [] : [`no traffic any more: ${silent.join(', ')}`]),
    ...zeros.filter(([, value]) => value !== 0).map(([name, value]) => `${name}: ${value}, expected 0`),
  ]
}

/** As the first run of INTERFACE shows it. `note`: what kind of event it was, in a word or two. */
export function eventLine(event: DemoEvent, note: string): string {
  const { type, gateway, sessionsMoved, interruptionMs, packetsLost } = event
  const head = `${type.toUpperCase()} ${gateway}${note === '' ? '' : ` (${note})`}: ${sessionsMoved} ${sessionsMoved === 1 ? 'session' : 'sessions'} moved`
  if (sessionsMoved === 0) return head
  const { p50, p95, max } = interruptionMs
  return `${head} · quiet p50 ${p50} p95 ${p95} max ${max} ms · lost p50 ${packetsLost.p50} max ${packetsLost.max} packets`
}

export function zerosLine({
  reAuthentications,
  sequenceNumbersReused,
}: Pick<DemoReport, 'reAuthentications' | 'sequenceNumbersReused'>): string {
  return `     re-authentications ${reAuthentications} · sequence numbers reused ${sequenceNumbersReused}`
}

export const comparisonLine =
  '     for comparison, without shared contexts: 167 s (strongSwan 5.9.8 client, DPD 2 s, measured apart; see the README)'
