/** The lab's results, for people and for programs. */

import { cpus, totalmem } from 'node:os'
import type { Scenario } from './scenario.ts'
import type { TrialResult } from './trial.ts'
import { formatGap, formatLost } from './trial.ts'

/** A trial that could not be carried through has an error instead of a result. */
export type TrialOutcome =
  | { readonly type: 'finished'; readonly result: TrialResult }
  | { readonly type: 'broken'; readonly scenario: string; readonly error: string }

export function isPassed(outcome: TrialOutcome): boolean {
  return outcome.type === 'finished' && outcome.result.isPassed
}

/** A few lines for one trial, the last one its summary. */
export function formatOutcome(outcome: TrialOutcome, { name, mustFail }: Scenario): string {
  if (outcome.type === 'broken') return `  FAIL  ${outcome.error}\n${name}: FAILED, could not be carried through`
  const { setting, fault, gap, lost, carriers, checks, isPassed } = outcome.result
  const lines = [
    `  ${setting}; ${fault}`,
    `  ${formatGap(gap)}; ${formatLost(lost)}; ESP came from ${carriers.before.join(', ') || 'nobody'}, then ${carriers.after.join(', ') || 'nobody'}`,
    ...checks.map(({ name, isOk, detail }) => `  ${verdict(isOk, name, mustFail)} ${name}: ${detail}`),
  ]
  const failed = checks.filter(({ isOk }) => !isOk).length
  return `${lines.join('\n')}\n${name}: ${isPassed ? 'passed' : 'FAILED'}, ${checks.length - failed} of ${checks.length} checks ok, ${formatGap(gap)}`
}

/** In a control a check that fails has seen what was done. */
function verdict(isOk: boolean, name: string, mustFail: readonly string[]): string {
  if (mustFail.includes(name)) return isOk ? 'FAIL (must see it)' : 'seen'
  if (isOk) return 'ok  '
  return mustFail.length > 0 ? 'seen' : 'FAIL'
}

/** One line for each scenario: how many trials passed, and the median and the range of their longest gaps. */
export function formatSummary(outcomes: readonly TrialOutcome[]): string {
  const names = [...new Set(outcomes.map(scenarioOf))]
  return names
    .map((name) =>
      summaryOf(
        name,
        outcomes.filter((outcome) => scenarioOf(outcome) === name),
      ),
    )
    .join('\n')
}

function summaryOf(name: string, outcomes: readonly TrialOutcome[]): string {
  const gaps = outcomes.flatMap((outcome) => (outcome.type === 'finished' ? [outcome.result.gap.lengthMs] : [])).sort((a, b) => a - b)
  const seconds = (ms: number | undefined) => (ms === undefined ? '–' : (ms / 1000).toFixed(3))
  const spread = `longest gap: median ${seconds(medianOf(gaps))} s, ${seconds(gaps[0])} to ${seconds(gaps.at(-1))} s`
  return `${name.padEnd(14)} ${outcomes.filter(isPassed).length} of ${outcomes.length} passed   ${spread}`
}

/** Undefined for no values; the upper of the two middle ones for an even number. */
function medianOf(sorted: readonly number[]): number | undefined {
  return sorted[Math.floor(sorted.length / 2)]
}

function scenarioOf(outcome: TrialOutcome): string {
  return outcome.type === 'finished' ? outcome.result.scenario : outcome.scenario
}

export function toJson(outcomes: readonly TrialOutcome[]): string {
  const machine = `${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, ${Math.round(totalmem() / 2 ** 30)} GiB`
  const trials = outcomes.map((outcome) => (outcome.type === 'finished' ? outcome.result : { ...outcome, isPassed: false }))
  return `${JSON.stringify({ machine, node: process.version, passed: outcomes.every(isPassed), trials }, null, 2)}\n`
}
