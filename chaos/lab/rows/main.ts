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
import type { RowOutcome } from './report.ts'
import { formatMarkdown, formatPass, formatTable, hasPassedTwice, summary } from './report.ts'
import type { Row } from './row.ts'
import { rows, rowsNamed } from './rows.ts'
import type { PassResult } from './run-row.ts'
import { runPass } from './run-row.ts'

export interface RowsOptions {
  readonly rows: readonly Row[]
  readonly seed: number
  readonly jsonFile: string | null
  /** Where to write the table in Markdown; null: nowhere. */
  readonly markdownFile: string | null
  readonly isKeeping: boolean
}

const MAX_SEED = 2 ** 32 - 1

export const rowsUsage = `npm run lab -- rows [NAME…|all] [--draw N] [--seed N] [--json FILE] [--markdown FILE] [--keep]

Every row is run twice: undisturbed, and with the owner of the session killed at a random moment in the middle.

${rows.map(({ name, title }) => `  ${name.padEnd(20)} ${title}`).join('\n')}

  --draw N       runs N more rows, drawn by the seed from those that don't take minutes
  --seed N       draws the moments of the kills (default: another one each time, printed)
  --json FILE    writes the results
  --markdown FILE
                 writes the table of results
  --keep         keeps logs and captures of passed rows, too`

/** Null when only help was asked for. Throws a LabError that says what was expected. */
export function parseRowsOptions(args: readonly string[]): RowsOptions | null {
  const { values, positionals } = readArguments(args, {
    seed: { type: 'string' },
    draw: { type: 'string' },
    json: { type: 'string' },
    markdown: { type: 'string' },
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', short: 'h', default: false },
  })
  if (values.help) return null
  const seed = values.seed === undefined ? Date.now() % MAX_SEED : integer('--seed', values.seed, 0, MAX_SEED)
  const draw = values.draw === undefined ? 0 : integer('--draw', values.draw, 0, rows.length)
  const named = draw > 0 && positionals.length === 0 ? [] : rowsNamed(positionals)
  return {
    rows: [...named, ...drawn(named, draw, seed)],
    seed,
    jsonFile: values.json ?? null,
    markdownFile: values.markdown ?? null,
    isKeeping: values.keep,
  }
}

/** So many of the rows that are not named, or fewer where there are not so many; none that is slow. */
function drawn(named: readonly Row[], count: number, seed: number): Row[] {
  const random = new SeededRandom(seed)
  const left = rows.filter((row) => row.isSlow !== true && !named.includes(row))
  const chosen: Row[] = []
  while (chosen.length < count && left.length > 0) chosen.push(...left.splice(randomBelow(random, left.length), 1))
  return chosen
}

/** True when every pass of every row passed. */
export async function runRows({ rows, seed, jsonFile, markdownFile, isKeeping }: RowsOptions, signal: AbortSignal): Promise<boolean> {
  console.log(`seed ${seed}`)
  const random = new SeededRandom(seed)
  const root = await mkdtemp(join(tmpdir(), 'evpc-lab-rows-'))
  const outcomes: RowOutcome[] = []
  for (const row of rows) {
    const share = random.uint32() / 2 ** 32
    if (signal.aborted) break
    console.log(`\n${row.name}: ${row.title}`)
    const undisturbed = await pass(row, join(root, row.name), null, signal)
    console.log(formatPass('undisturbed', undisturbed))
    if (typeof undisturbed === 'string') {
      outcomes.push({ row: row.name, undisturbed, killed: null })
      continue
    }
    const killAfterMs = Math.round(share * undisturbed.durationMs)
    const killed = await pass(row, join(root, `${row.name}-killed`), killAfterMs, signal)
    console.log(formatPass('killed', killed))
    outcomes.push({ row: row.name, undisturbed, killed })
  }
  const isPassed = outcomes.every(hasPassedTwice) && !signal.aborted
  console.log(`\n${formatTable(outcomes)}\nseed ${seed}: ${summary(outcomes)}`)
  if (jsonFile !== null) await writeFile(jsonFile, `${JSON.stringify({ seed, outcomes }, null, 2)}\n`)
  if (markdownFile !== null) await writeFile(markdownFile, `${formatMarkdown(outcomes)}\n\n${summary(outcomes)} (seed ${seed}).\n`)
  if (isKeeping || !isPassed) console.log(`logs and captures: ${root}`)
  else await rm(root, { recursive: true })
  return isPassed
}

async function pass(row: Row, folder: string, killAfterMs: number | null, signal: AbortSignal): Promise<PassResult | string> {
  const carried = await carryThrough(signal, async (prefix, undo) => runPass(row, { prefix, folder, undo, signal, killAfterMs }))
  return carried.type === 'finished' ? carried.result : carried.error
}
