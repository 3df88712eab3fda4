/** `npm run kill`: real gateways, real clients, and whatever can happen to them, several things at once, by a seed; see options.ts. However it ends, what it made is gone again. */

import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemRandom } from '../../src/crypto/random.ts'
import { abortable } from '../lab/abortable.ts'
import { carryThrough } from '../lab/carry-through.ts'
import { LabError, UnfitError } from '../lab/lab-error.ts'
import { exitCodes } from '../sim/exit-codes.ts'
import type { KillOptions } from './options.ts'
import { parseOptions, usage } from './options.ts'
import { formatPlan, planOf } from './plan.ts'
import { exitCodeOf, formatSummary, timelineOf, toJson } from './report.ts'
import { requireKill } from './requirements.ts'
import type { RunResult } from './run.ts'
import { gatewayLines, runKill } from './run.ts'
import { drawTimeline } from './timeline.ts'

async function main(args: readonly string[]): Promise<number> {
  let options: KillOptions | null
  try {
    options = parseOptions(args, () => systemRandom().uint32())
  } catch (error) {
    if (!(error instanceof LabError)) throw error
    console.error(error.message)
    return exitCodes.usage
  }
  if (options === null) {
    console.log(usage)
    return exitCodes.clean
  }
  const plan = planOf(options)
  if (options.isPlan) {
    console.log(
      `seed ${options.seed}, ${options.seconds} s, ${options.clients} stock clients; | : in which lane of outages\n${formatPlan(plan)}`,
    )
    return exitCodes.clean
  }
  try {
    await requireKill()
  } catch (error) {
    if (!(error instanceof UnfitError)) throw error
    console.error(error.message)
    return exitCodes.usage
  }
  return carryOut(options)
}

async function carryOut(options: KillOptions): Promise<number> {
  const folder = await mkdtemp(join(tmpdir(), 'evpc-kill-'))
  const again = `npm run kill -- --seed ${options.seed} --seconds ${options.seconds} --clients ${options.clients}`
  console.log(`${again}   (pid ${process.pid}, ${folder})\n${gatewayLines.trimEnd()}`)
  const ran = await abortable((signal) =>
    carryThrough(signal, (prefix, undo) => {
      return runKill({ prefix, folder, undo, signal }, options, planOf(options), (line) => console.log(line))
    }),
  )
  if (ran.type === 'broken') {
    console.error(`could not be carried through: ${ran.error}\nlogs and captures: ${folder}`)
    return exitCodes.crash
  }
  console.log(`\n${formatSummary(ran.result, options)}`)
  await writeResults(ran.result, options)
  const verdict = exitCodeOf(ran.result.journal.findings)
  if (verdict === 'clean' && !options.isKeeping) await rm(folder, { recursive: true })
  else console.log(`logs and captures: ${folder}\nagain: ${again}`)
  return exitCodes[verdict]
}

async function writeResults(result: RunResult, options: KillOptions): Promise<void> {
  const svgFile = options.svgFile ?? `kill-${options.seed}.svg`
  await writeFile(svgFile, drawTimeline(timelineOf(result, options)))
  console.log(`timeline: ${svgFile}`)
  if (options.jsonFile !== null) await writeFile(options.jsonFile, toJson(result, options))
}

process.exitCode = await main(process.argv.slice(2))
