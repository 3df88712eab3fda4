/**
 * `npm run lab`: real gateways, a real client and real faults on one machine, in network namespaces; see options.ts for what it takes.
 * However it ends, what it made is gone again, but for the files of trials that failed.
 */

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { abortable } from './abortable.ts'
import { carryThrough } from './carry-through.ts'
import { LabError, UnfitError } from './lab-error.ts'
import type { LabOptions } from './options.ts'
import { parseOptions, usage } from './options.ts'
import type { TrialOutcome } from './report.ts'
import { formatOutcome, formatSummary, isPassed, toJson } from './report.ts'
import { requireLab } from './requirements.ts'
import { parseRowsOptions, rowsUsage, runRows } from './rows/main.ts'
import type { Scenario } from './scenario.ts'
import { runTrial } from './trial.ts'

const EXIT_FAILED = 1
const EXIT_UNFIT = 2

/** The matrix has options of its own. */
const ROWS = 'rows'

async function main(args: readonly string[]): Promise<number> {
  const isRows = args[0] === ROWS
  const options = isRows ? null : optionsOf(() => parseOptions(args), usage)
  const rowsOptions = isRows ? optionsOf(() => parseRowsOptions(args.slice(1)), rowsUsage) : null
  if (typeof options === 'number') return options
  if (typeof rowsOptions === 'number') return rowsOptions
  try {
    await requireLab()
  } catch (error) {
    if (!(error instanceof UnfitError)) throw error
    console.error(error.message)
    return EXIT_UNFIT
  }
  return abortable(async (signal) => {
    if (rowsOptions !== null) return (await runRows(rowsOptions, signal)) ? 0 : EXIT_FAILED
    return options === null ? 0 : runAll(options, signal)
  })
}

/** The options, or the exit code when there is nothing to run. */
function optionsOf<T>(parse: () => T | null, usage: string): T | number {
  try {
    const options = parse()
    if (options !== null) return options
    console.log(usage)
    return 0
  } catch (error) {
    if (!(error instanceof LabError)) throw error
    console.error(error.message)
    return EXIT_UNFIT
  }
}

async function runAll(options: LabOptions, signal: AbortSignal): Promise<number> {
  const root = await mkdtemp(join(tmpdir(), 'evpc-lab-'))
  const outcomes: TrialOutcome[] = []
  for (const scenario of options.scenarios) {
    for (let run = 1; run <= options.runs && !signal.aborted; run++) {
      outcomes.push(await runAndReport(scenario, options, join(root, `${scenario.name}-${run}`), signal))
    }
  }
  console.log(`\n${formatSummary(outcomes)}`)
  if (options.jsonFile !== null) await writeFile(options.jsonFile, toJson(outcomes))
  if (options.isKeeping || !outcomes.every(isPassed)) console.log(`logs and captures: ${root}`)
  else await rm(root, { recursive: true })
  return outcomes.every(isPassed) && !signal.aborted ? 0 : EXIT_FAILED
}

async function runAndReport(scenario: Scenario, options: LabOptions, folder: string, signal: AbortSignal): Promise<TrialOutcome> {
  console.log(`\n${scenario.name}: ${scenario.title}`)
  const outcome = await runOne(scenario, options, folder, signal)
  console.log(formatOutcome(outcome, scenario))
  if (isPassed(outcome) && !options.isKeeping) await rm(folder, { recursive: true })
  return outcome
}

async function runOne(scenario: Scenario, { maxGapMs }: LabOptions, folder: string, signal: AbortSignal): Promise<TrialOutcome> {
  const outcome = await carryThrough(signal, async (prefix, undo) => runTrial(scenario, { prefix, folder, undo, signal, maxGapMs }))
  return outcome.type === 'finished' ? outcome : { ...outcome, scenario: scenario.name }
}

process.exitCode = await main(process.argv.slice(2))
