/** `npm run bench -- NAME`: runs a bench and prints machine, parameters, median and spread; see `usage`. */

import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import type { Bench, Figure, Measurement } from './bench.ts'
import { espBench } from './esp.ts'
import { loadNow, machine } from './machine.ts'
import { memoryBench } from './memory.ts'

const benches: readonly Bench[] = [espBench, memoryBench]

const usage = `npm run bench -- NAME [--quick] [--json FILE]

${benches.map(({ name, question }) => `  ${name.padEnd(8)} ${question}`).join('\n')}

  --quick        fewer and shorter rounds: shows that it works, figures are not to be quoted
  --json FILE    writes machine, parameters and figures`

/** One figure in the file: its name says what was measured under which parameters. */
interface FileRow {
  readonly name: string
  readonly value: number
  readonly unit: string
  readonly least: number
  readonly most: number
}

async function main(args: readonly string[]): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      quick: { type: 'boolean', default: false },
      json: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  const bench = benches.find(({ name }) => name === positionals[0])
  if (values.help || bench === undefined || positionals.length > 1) {
    console.log(usage)
    return values.help ? 0 : 2
  }
  const about = machine()
  console.log(line(about))
  const rows = await runOne(bench, values.quick)
  const file = { bench: bench.name, machine: line(about), node: process.version, rows: rows.flatMap(fileRows) }
  if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify(file, null, 2)}\n`)
  return 0
}

async function runOne(bench: Bench, isQuick: boolean): Promise<readonly Measurement[]> {
  const options = { isQuick }
  console.log(`\n${bench.name}: ${bench.question}\n${line(bench.parameters(options))}  load=${loadNow()}`)
  const rows: Measurement[] = []
  await bench.run(options, (row) => {
    rows.push(row)
    console.log(formatRow(row))
  })
  console.log(`load afterwards ${loadNow()}`)
  return rows
}

function fileRows({ parameters, figures }: Measurement): FileRow[] {
  const what = Object.values(parameters).join(' ')
  return Object.entries(figures).map(([name, { unit, median, least, most }]) => ({
    name: `${what}: ${name}`,
    value: median,
    unit,
    least,
    most,
  }))
}

function formatRow({ parameters, figures }: Measurement): string {
  const what = Object.values(parameters).map((value) => String(value).padEnd(typeof value === 'number' ? 4 : 8))
  return `  ${what.join(' ')} ${Object.entries(figures).map(formatFigure).join('  ')}`
}

function formatFigure([name, { unit, median, least, most }]: [string, Figure]): string {
  return `${name} ${short(median)} ${unit} [${short(least)}–${short(most)}]`
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
