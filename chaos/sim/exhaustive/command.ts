/**
 * `npm run sim -- --exhaustive`: all scopes (scopes.ts), or with `--small` those that take half a minute, or `--scope NAME`. One line each; then what
 * commands, refusals and messages were met. With `--mutants` wrong programs instead: which scope sees each. Exit codes as the simulator's.
 */

import { exitCodes } from '../exit-codes.ts'
import { walkAll } from './children.ts'
import { Coverage } from './coverage.ts'
import { known } from './known.ts'
import type { ExhaustiveMutant } from './mutants.ts'
import { exhaustiveMutants } from './mutants.ts'
import type { Order } from './order.ts'
import type { WalkReport } from './report.ts'
import type { Scope } from './scope.ts'
import { comparedScopes, largeScopes, smallScopes } from './scopes.ts'

export interface ExhaustiveOptions {
  readonly isSmall: boolean
  /** Null: all. */
  readonly scope: string | null
  readonly mutants: boolean
}

/** States of a walk at most, and seconds: none of the scopes comes near. */
const LIMIT = 10_000_000
const SECONDS = 900

export async function runExhaustive({ isSmall, scope, mutants }: ExhaustiveOptions): Promise<number> {
  const all = [...smallScopes, ...(isSmall ? [] : largeScopes), ...(isSmall ? [] : comparedScopes.flat())]
  const chosen = scope === null ? all : all.filter(({ name }) => name === scope)
  if (chosen.length === 0) {
    console.error(`--scope: expected one of ${all.map(({ name }) => name).join(', ')}; got ${scope}`)
    return exitCodes.usage
  }
  return mutants ? runMutants(scope) : runScopes(chosen)
}

async function runScopes(scopes: readonly Scope[]): Promise<number> {
  const coverage = new Coverage()
  const reports = new Map<string, WalkReport>()
  let exitCode: number = exitCodes.clean
  row('scope', ['states', 'edges', 'depth', 'outcomes', 'ends', 'continued', 'again', 's', 'cpu s', 'edges/cpu s'], '')
  await walkAll(scopes.map(orderOf), ({ scope: { name } }, report) => {
    reports.set(name, report)
    coverage.add(report.coverage)
    tell(name, report)
    exitCode ||= exitCodeOf(report)
  })
  for (const [first, second] of comparedScopes) {
    const [one, other] = [reports.get(first.name), reports.get(second.name)]
    if (one === undefined || other === undefined) continue
    const isSame = one.outcomesHash === other.outcomesHash
    console.log(`${first.name} and ${second.name}: the outside may see ${isSame ? 'the same' : 'something else'}`)
    if (!isSame) exitCode ||= exitCodes.wrongAnswer
  }
  tellCoverage(coverage)
  return exitCode
}

function orderOf(scope: Scope): Order {
  return { scope, mutant: null, limit: LIMIT, seconds: SECONDS }
}

function tell(name: string, report: WalkReport): void {
  const { states, edges, depth, outcomes, ends, recovered, confirmed, seconds, cpuSeconds, isComplete, problem } = report
  const numbers = [
    states,
    edges,
    depth,
    outcomes,
    ends,
    recovered,
    confirmed,
    seconds.toFixed(1),
    cpuSeconds.toFixed(1),
    Math.round(edges / cpuSeconds),
  ]
  row(name, numbers, problem === null ? (isComplete ? 'complete' : 'CUT OFF') : `FAILED: ${problem.text.split('\n')[0]}`)
  if (problem === null) return
  for (const [i, step] of problem.trace.entries()) console.error(`  ${String(i + 1).padStart(2)}  ${step}`)
  console.error(problem.text)
  if (!problem.isConfirmed) console.error('live cores do something else on this way: the walk itself is wrong')
  console.error(`replay: npm run sim -- --exhaustive --scope ${name}`)
}

function row(name: string, numbers: readonly (string | number)[], text: string): void {
  console.log(`${name.padEnd(20)}${numbers.map((number) => String(number).padStart(10)).join(' ')}  ${text}`)
}

/** What was cut off has proved nothing. */
function exitCodeOf({ problem, isComplete }: WalkReport): number {
  if (problem === null) return isComplete ? exitCodes.clean : exitCodes.noProgress
  if (!problem.isConfirmed) return exitCodes.crash
  if (problem.name === 'Violation') return exitCodes.wrongAnswer
  return problem.name === 'NoProgress' ? exitCodes.noProgress : exitCodes.crash
}

function tellCoverage({ counts }: Coverage): void {
  console.log('\nmet, how often (commands and what became of them) and in how many kinds (messages between the cores of a gateway):')
  for (const [name, count] of [...counts].sort(([a], [b]) => (a < b ? -1 : 1))) console.log(`${String(count).padStart(10)}  ${name}`)
  console.log(`never met: ${known.filter((name) => !counts.has(name)).join(', ')}`)
}

// ---- wrong programs

async function runMutants(only: string | null): Promise<number> {
  const tried = exhaustiveMutants.filter(({ scopes }) => only === null || scopes.some(({ name }) => name === only))
  const orders = tried.flatMap(({ name, scopes }) => scopes.map((scope): Order => ({ ...orderOf(scope), mutant: name })))
  const seen = new Map<string, number>()
  const width = Math.max(...tried.map(({ name }) => name.length))
  console.log(`${'mutant'.padEnd(width)}  ${'scope'.padEnd(16)}${'states'.padStart(9)}${'steps'.padStart(7)}  seen by`)
  await walkAll(orders, ({ mutant, scope }, { states, problem, isComplete }) => {
    const by = problem === null ? (isComplete ? 'nothing' : 'nothing, cut off') : problem.text.split('\n')[0]!.slice(0, 110)
    const steps = problem === null ? '' : String(problem.trace.length)
    console.log(`${mutant!.padEnd(width)}  ${scope.name.padEnd(16)}${String(states).padStart(9)}${steps.padStart(7)}  ${by}`)
    if (problem !== null) seen.set(mutant!, (seen.get(mutant!) ?? 0) + 1)
  })
  return tellMissed(tried, seen)
}

function tellMissed(tried: readonly ExhaustiveMutant[], seen: ReadonlyMap<string, number>): number {
  const missed = tried.filter(({ name, isHarmless }) => !seen.has(name) && !isHarmless)
  const harmless = tried.filter(({ isHarmless }) => isHarmless)
  console.log(`seen: ${seen.size} of ${tried.length - harmless.length}`)
  for (const { name } of missed) console.log(`NOT SEEN: ${name}`)
  return missed.length === 0 ? exitCodes.clean : exitCodes.wrongAnswer
}
