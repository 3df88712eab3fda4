/** `npm run bench -- --quick --check`: the guarded figures of the benches that have some, against bench/baseline.json. */

import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Bench, Measurement } from '../bench.ts'
import type { Baseline } from './compare.ts'
import { ALLOWED_FALL, compare, guardedOf, isFailure, lineOf } from './compare.ts'

/** In the source tree, wherever the build lies: that one is committed. */
const file = fileURLToPath(new URL('../../../bench/baseline.json', import.meta.url))

export interface CheckOptions {
  /** Writes what was measured as the new baseline, in place of comparing. */
  readonly isUpdate: boolean
  /** Runs one bench; null: it broke off. */
  readonly run: (bench: Bench) => Promise<readonly Measurement[] | null>
}

/** The exit status: 1 when a figure fell, is missing or unknown, or a bench broke off. */
export async function checkBenches(benches: readonly Bench[], { isUpdate, run }: CheckOptions): Promise<number> {
  const measured: Record<string, Baseline[string]> = {}
  let isWhole = true
  for (const bench of benches) {
    const rows = await run(bench)
    if (rows === null) isWhole = false
    else Object.assign(measured, guardedOf(bench.name, rows))
  }
  if (!isWhole) return 1
  const unsound = Object.entries(measured).filter(([, { value }]) => !Number.isFinite(value))
  if (isUpdate && unsound.length > 0) {
    console.error(`no baseline: ${unsound.map(([name, { value }]) => `${name} is ${value}`).join(', ')}`)
    return 1
  }
  if (isUpdate) {
    await writeFile(file, `${JSON.stringify(measured, null, 2)}\n`)
    console.log(`\n${Object.keys(measured).length} figures written to ${file}`)
    return 0
  }
  const of = new Set(benches.map(({ name }) => name))
  const whole = JSON.parse(await readFile(file, 'utf8')) as Baseline
  // Of benches that were not run nothing is missed.
  const baseline = Object.fromEntries(Object.entries(whole).filter(([name]) => of.has(name.split(':')[0]!)))
  const lines = compare(baseline, measured)
  const failures = lines.filter(isFailure)
  console.log(`\n${lines.map(lineOf).join('\n')}`)
  const allowed = `${100 * ALLOWED_FALL} %`
  if (failures.length === 0) console.log(`${lines.length} guarded figures, none worse than the baseline by more than ${allowed}`)
  else
    console.error(
      `\n${failures.length} of ${lines.length} guarded figures (more than ${allowed} worse, missing, or not in the baseline):\n${failures.map(lineOf).join('\n')}\nIf it is meant to be so: npm run bench -- --quick --check --update`,
    )
  return failures.length === 0 ? 0 : 1
}
