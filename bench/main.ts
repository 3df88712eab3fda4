/** `npm run bench -- NAME`: runs a bench and prints machine, parameters, median and spread; see `usage`. */

import { writeFile } from 'node:fs/promises'
import { parseArgs } from 'node:util'
import type { Bench, Figure, Measurement } from './bench.ts'
import { espBench } from './esp.ts'
import { loadNow, machine } from './machine.ts'

const benches: readonly Bench[] = [espBench]

const usage = `npm run bench -- NAME… [--quick] [--json FILE]

${benches.map(({ name, question }) => `  ${name.padEnd(8)} ${question}`).join('\n')}

  --quick        fewer and shorter rounds: shows that it works, figures are not to be quoted
  --json FILE    writes machine, parameters and figures`

interface Outcome {
  readonly bench: string
  readonly parameters: Readonly<Record<string, string | number>>
  readonly loadBefore: number
  readonly loadAfter: number
  readonly rows: readonly Measurement[]
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
  const wanted = positionals.map((name) => benches.find((bench) => bench.name === name))
  if (values.help || wanted.length === 0 || wanted.includes(undefined)) {
    console.log(usage)
    return values.help ? 0 : 2
  }
  const about = machine()
  console.log(line(about))
  const outcomes: Outcome[] = []
  for (const bench of wanted) outcomes.push(await runOne(bench!, values.quick))
  if (values.json !== undefined) await writeFile(values.json, `${JSON.stringify({ machine: about, outcomes }, null, 2)}\n`)
  return 0
}

async function runOne(bench: Bench, isQuick: boolean): Promise<Outcome> {
  const options = { isQuick }
  const parameters = bench.parameters(options)
  const loadBefore = loadNow()
  console.log(`\n${bench.name}: ${bench.question}\n${line(parameters)}  load=${loadBefore}`)
  const rows: Measurement[] = []
  await bench.run(options, (row) => {
    rows.push(row)
    console.log(formatRow(row))
  })
  const loadAfter = loadNow()
  console.log(`load afterwards ${loadAfter}`)
  return { bench: bench.name, parameters, loadBefore, loadAfter, rows }
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
