/** `npm run bench -- NAME`: runs a bench and prints machine, parameters, median and spread; see `usage`. */

import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Bench, BenchOptions, Figure, Measurement } from './bench.ts'
import { goalOf, isMet, ratioOf } from './bench.ts'
import { balanceBench } from './balance.ts'
import { dashboardBench } from './dashboard.ts'
import { exchangeBench } from './exchange.ts'
import { espBench } from './esp.ts'
import { grantsBench } from './grants.ts'
import { checkBenches } from './guard/check.ts'
import { heartbeatsBench } from './heartbeats.ts'
import { interruptionBench } from './interruption.ts'
import { loadNow, machine } from './machine.ts'
import { memoryBench } from './memory.ts'
import { raftCommitBench } from './raft-commit.ts'
import { restartBench } from './restart.ts'
import { scaleBench } from './scale.ts'
import { snapshotLinkBench } from './snapshot-link.ts'
import { stormBench } from './storm.ts'
import { takeoverBench } from './takeover.ts'

const benches: readonly Bench[] = [
  balanceBench,
  dashboardBench,
  espBench,
  exchangeBench,
  grantsBench,
  heartbeatsBench,
  interruptionBench,
  memoryBench,
  raftCommitBench,
  restartBench,
  scaleBench,
  snapshotLinkBench,
  stormBench,
  takeoverBench,
]

const EXIT_FAILED = 1

const usage = `npm run bench -- NAME [--quick] [--json FILE] [--plot FILE] [--out FOLDER]
npm run bench -- [NAME] --quick --check [--update]

${benches.map(({ name, question }) => `  ${name.padEnd(14)} ${question}`).join('\n')}

  --quick        fewer and shorter rounds: shows that it works, figures are not to be quoted
  --json FILE    writes machine, parameters and figures
  --plot FILE    writes the picture, as SVG
  --out FOLDER   writes them to NAME.json there, and the picture to NAME.svg
  --check        compares guarded figures (octets, counts and ratios, no times) with bench/baseline.json; fails when one is more than 30 % worse
  --update       with --check: writes them there`

/** One figure in the file: its name says what was measured under which parameters. */
interface FileRow {
  readonly name: string
  readonly value: number
  readonly unit: string
  readonly least: number
  readonly most: number
  /** How many values there were. */
  readonly rounds: number
  /** The median of a peer; null where there is none. */
  readonly peer: { readonly name: string; readonly value: number } | null
  /** Of the two. */
  readonly ratio: number | null
  /** Of the value itself, or of the ratio. */
  readonly goal: string | null
  readonly met: boolean | null
}

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      plot: { type: 'string' },
      out: { type: 'string' },
      check: { type: 'boolean', default: false },
      update: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  const bench = benches.find(({ name }) => name === positionals[0])
  if (values.check && !values.help) return check(positionals, values)
  if (values.help || bench === undefined || positionals.length > 1) {
    console.log(usage)
    return values.help ? 0 : 2
  }
  const about = machine()
  console.log(line(about))
  const { rows, isWhole } = await runOne(bench, { isQuick: values.quick })
  const parameters = bench.parameters({ isQuick: values.quick })
  const file = { bench: bench.name, machine: line(about), node: process.version, parameters, rows: rows.flatMap(fileRows) }
  if (values.json !== undefined) await writeJson(values.json, file)
  const picture = bench.picture(rows, `${line(about)}  ${line(parameters)}`)
  if (values.plot !== undefined) await writeFile(values.plot, picture)
  const status = isWhole ? 0 : EXIT_FAILED
  if (values.out === undefined) return status
  await mkdir(values.out, { recursive: true })
  await writeJson(join(values.out, `${bench.name}.json`), file)
  await writeFile(join(values.out, `${bench.name}.svg`), picture)
  return status
}

/** All guarded benches, or the one that is named. */
async function check(names: readonly string[], { quick, update }: { readonly quick: boolean; readonly update: boolean }): Promise<number> {
  const chosen = benches.filter(({ name, isGuarded }) => isGuarded === true && (names.length === 0 || names.includes(name)))
  if (!quick || chosen.length < Math.max(1, names.length)) {
    console.error(quick ? `no guarded figures: ${names.join(', ')}` : '--check is there with --quick only')
    return 2
  }
  if (update && names.length > 0) {
    console.error('--update renews all figures at once: name no bench')
    return 2
  }
  console.log(line(machine()))
  return checkBenches(chosen, {
    isUpdate: update,
    run: async (bench) => {
      const { rows, isWhole } = await runOne(bench, { isQuick: true, isCheck: true })
      return isWhole ? rows : null
    },
  })
}

async function writeJson(path: string, content: object): Promise<void> {
  await writeFile(path, `${JSON.stringify(content, null, 2)}\n`)
}

/** What was measured before it broke off, if it did, is not lost. */
async function runOne(bench: Bench, options: BenchOptions): Promise<{ readonly rows: readonly Measurement[]; readonly isWhole: boolean }> {
  console.log(`\n${bench.name}: ${bench.question}\n${line(bench.parameters(options))}  load=${loadNow()}`)
  const rows: Measurement[] = []
  let isWhole = true
  try {
    await bench.run(options, (row) => {
      rows.push(row)
      console.log(formatRow(row))
    })
  } catch (error) {
    console.error(error)
    isWhole = false
  }
  console.log(`load afterwards ${loadNow()}`)
  return { rows, isWhole }
}

function fileRows({ parameters, figures }: Measurement): FileRow[] {
  const what = Object.values(parameters).join(' ')
  return Object.entries(figures).map(([name, figure]) => {
    const { unit, median, least, most, rounds, comparison } = figure
    const peer = comparison === undefined ? null : { name: comparison.peer, value: comparison.figure.median }
    return {
      name: `${what}: ${name}`,
      value: median,
      unit,
      least,
      most,
      rounds,
      peer,
      ratio: ratioOf(figure),
      goal: goalOf(figure),
      met: isMet(figure),
    }
  })
}

function formatRow({ parameters, figures }: Measurement): string {
  const what = Object.values(parameters).map((value) => String(value).padEnd(typeof value === 'number' ? 4 : 8))
  return `  ${what.join(' ')} ${Object.entries(figures).map(formatFigure).join('  ')}`
}

function formatFigure([name, figure]: [string, Figure]): string {
  return `${name} ${formatSpread(figure)}${formatPeer(figure)}${formatGoal(figure)}`
}

/** A single value has no spread. */
function formatSpread({ unit, median, least, most, rounds }: Figure): string {
  return `${short(median)} ${unit}${rounds > 1 ? ` [${short(least)}–${short(most)}]` : ''}`
}

function formatPeer(figure: Figure): string {
  const { comparison } = figure
  const ratio = ratioOf(figure)
  if (comparison === undefined) return ''
  return ` (${comparison.peer} ${formatSpread(comparison.figure)}${ratio === null ? '' : `, ratio ${short(ratio)}`})`
}

function formatGoal(figure: Figure): string {
  const goal = goalOf(figure)
  const met = isMet(figure)
  return goal === null || met === null ? '' : ` (goal ${goal}: ${met ? 'met' : 'NOT MET'})`
}

function short(value: number): string {
  return value >= 100 ? value.toFixed(0) : value.toPrecision(3)
}

function line(values: object): string {
  return Object.entries(values)
    .map(([key, value]) => `${key}=${String(value)}`)
    .join('  ')
}

process.exitCode = await main(process.argv.slice(2))
