/**
 * `npm run lab -- rows`: the matrix of clients, exchanges and kills. Every row is run undisturbed, which tells how long it takes, and once
 * more with the owner killed at a moment drawn from that; `--seed` draws the same shares again.
 */

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { SeededRandom, randomBelow } from '../../../src/kit/random.ts'
import { integer, readArguments } from '../arguments.ts'
import { carryThrough } from '../carry-through.ts'
import type { Row } from './row.ts'
import { rows, rowsNamed } from './rows.ts'
import type { PassResult } from './run-row.ts'
import { runPass } from './run-row.ts'

export interface RowsOptions {
  readonly rows: readonly Row[]
  readonly seed: number
  readonly jsonFile: string | null
  readonly isKeeping: boolean
}

const MAX_SEED = 2 ** 32 - 1

export const rowsUsage = `npm run lab -- rows [NAME…|all] [--draw N] [--seed N] [--json FILE] [--keep]

Every row is run twice: undisturbed, and with the owner of the session killed at a random moment in the middle.

${rows.map(({ name, title }) => `  ${name.padEnd(20)} ${title}`).join('\n')}

  --draw N       runs N more rows, drawn by the seed
  --seed N       draws the moments of the kills (default: another one each time, printed)
  --json FILE    writes the results
  --keep         keeps logs and captures of passed rows, too`

/** Null when only help was asked for. Throws a LabError that says what was expected. */
export function parseRowsOptions(args: readonly string[]): RowsOptions | null {
  const { values, positionals } = readArguments(args, {
    seed: { type: 'string' },
    draw: { type: 'string' },
    json: { type: 'string' },
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  })
  if (values.help) return null
  const seed = values.seed === undefined ? Date.now() % MAX_SEED : integer('--seed', values.seed, 0, MAX_SEED)
  const draw = values.draw === undefined ? 0 : integer('--draw', values.draw, 0, rows.length)
  const named = draw > 0 && positionals.length === 0 ? [] : rowsNamed(positionals)
  return { rows: [...named, ...drawn(named, draw, seed)], seed, jsonFile: values.json ?? null, isKeeping: values.keep }
}

/** So many of the rows that are not named. */
function drawn(named: readonly Row[], count: number, seed: number): Row[] {
  const random = new SeededRandom(seed)
  const left = rows.filter((row) => !named.includes(row))
  const chosen: Row[] = []
  while (chosen.length < count && left.length > 0) chosen.push(...left.splice(randomBelow(random, left.length), 1))
  return chosen
}

interface RowOutcome {
  readonly row: string
  /** A text: why the pass could not be carried through. */
  readonly undisturbed: PassResult | string
  /** Null: it was not tried, for the undisturbed pass could not be carried through. */
  readonly killed: PassResult | string | null
}

/** True when every pass of every row passed. */
export async function runRows({ rows, seed, jsonFile, isKeeping }: RowsOptions, signal: AbortSignal): Promise<boolean> {
  console.log(`seed ${seed}`)
  const random = new SeededRandom(seed)
  const root = await mkdtemp(join(tmpdir(), 'evpc-lab-rows-'))
  const outcomes: RowOutcome[] = []
  for (const row of rows) {
    const share = random.uint32() / 2 ** 32
    if (signal.aborted) break
    console.log(`\n${row.name}: ${row.title}`)
    const undisturbed = report('undisturbed', await pass(row, join(root, row.name), null, signal))
    if (typeof undisturbed === 'string') {
      outcomes.push({ row: row.name, undisturbed, killed: null })
      continue
    }
    const killAfterMs = Math.round(share * undisturbed.durationMs)
    const killed = report('killed', await pass(row, join(root, `${row.name}-killed`), killAfterMs, signal))
    outcomes.push({ row: row.name, undisturbed, killed })
  }
  const isPassed = outcomes.every((one) => hasPassed(one.undisturbed) && hasPassed(one.killed)) && !signal.aborted
  console.log(`\n${formatTable(outcomes)}\nseed ${seed}: ${outcomes.filter(hasBoth).length} of ${outcomes.length} rows passed twice`)
  if (jsonFile !== null) await writeFile(jsonFile, `${JSON.stringify({ seed, outcomes }, null, 2)}\n`)
  if (isKeeping || !isPassed) console.log(`logs and captures: ${root}`)
  else await rm(root, { recursive: true })
  return isPassed
}

async function pass(row: Row, folder: string, killAfterMs: number | null, signal: AbortSignal): Promise<PassResult | string> {
  const carried = await carryThrough(signal, async (prefix, undo) => runPass(row, { prefix, folder, undo, signal, killAfterMs }))
  return carried.type === 'finished' ? carried.result : carried.error
}

function report(name: string, result: PassResult | string): PassResult | string {
  if (typeof result === 'string') {
    console.log(`  ${name}: FAILED, could not be carried through: ${result}`)
    return result
  }
  const failed = result.checks.filter(({ isOk }) => !isOk)
  const kill = result.killed === null ? '' : `SIGKILL ${result.killed.gateway} after ${result.killed.afterMs} ms; `
  console.log(
    `  ${name}: ${result.isPassed ? 'passed' : 'FAILED'}, ${kill}${result.checks.length - failed.length} of ${result.checks.length} checks ok`,
  )
  for (const { name: what, detail } of failed) console.log(`    FAIL ${what}: ${detail}`)
  return result
}

function hasPassed(result: PassResult | string | null): boolean {
  return result !== null && typeof result !== 'string' && result.isPassed
}

function hasBoth(one: RowOutcome): boolean {
  return hasPassed(one.undisturbed) && hasPassed(one.killed)
}

/** A line for each row: both passes with their longest gaps, and when the kill came. */
function formatTable(outcomes: readonly RowOutcome[]): string {
  const cell = (result: PassResult | string | null): string => {
    if (result === null) return 'not run'
    if (typeof result === 'string') return 'broken'
    const gap = result.gap === null ? '     –' : `${(result.gap.lengthMs / 1000).toFixed(2)} s`
    const kill =
      result.killed === null
        ? ''
        : ` (${result.killed.gateway} at ${(result.killed.afterMs / 1000).toFixed(2)} of ${(result.durationMs / 1000).toFixed(2)} s)`
    return `${result.isPassed ? 'passed' : 'FAILED'} ${gap}${kill}`
  }
  const lines = outcomes.map((one) => `${one.row.padEnd(20)} ${cell(one.undisturbed).padEnd(18)} ${cell(one.killed)}`)
  return [`${'row'.padEnd(20)} ${'undisturbed, gap'.padEnd(18)} killed, longest gap`, ...lines].join('\n')
}
