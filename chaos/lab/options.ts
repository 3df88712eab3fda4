/** The lab's command line. */

import { integer, readArguments } from './arguments.ts'
import type { Scenario } from './scenario.ts'
import { scenarios, scenariosNamed } from './scenarios.ts'

export interface LabOptions {
  readonly scenarios: readonly Scenario[]
  readonly runs: number
  /** Where to write the results as JSON; null: nowhere. */
  readonly jsonFile: string | null
  /** Keeps the files of trials that passed, too. */
  readonly isKeeping: boolean
  readonly maxGapMs: number | null
}

const MAX_RUNS = 1000
const MAX_GAP_MS = 3_600_000

export const usage = `npm run lab -- [NAME…|all] [--runs N] [--json FILE] [--max-gap MS] [--keep]

A stock strongSwan client in a network namespace, gateways in others, a fault, and what the client noticed of it.
Needs root and Debian's packages (npm run lab:install). Exit codes: 0 all passed, 1 a check failed, 2 the lab can't run here, or usage.

${scenarios.map(({ name, title }) => `  ${name.padEnd(14)} ${title}`).join('\n')}

  --runs N       runs each scenario N times (default 1), each time with a network and gateways of its own
  --json FILE    writes the results
  --max-gap MS   fails a scenario whose longest gap between pings exceeds it (default: any gap that ends passes)
  --keep         keeps logs and captures of passed trials, too; those of failed ones are always kept

npm run lab -- rows --help   the matrix of clients, exchanges and kills`

/** Null when only help was asked for. Throws a LabError that says what was expected. */
export function parseOptions(args: readonly string[]): LabOptions | null {
  const { values, positionals } = readArguments(args, {
    runs: { type: 'string' },
    json: { type: 'string' },
    'max-gap': { type: 'string' },
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  })
  if (values.help) return null
  return {
    scenarios: scenariosNamed(positionals),
    runs: values.runs === undefined ? 1 : integer('--runs', values.runs, 1, MAX_RUNS),
    jsonFile: values.json ?? null,
    isKeeping: values.keep,
    maxGapMs: values['max-gap'] === undefined ? null : integer('--max-gap', values['max-gap'], 1, MAX_GAP_MS),
  }
}
