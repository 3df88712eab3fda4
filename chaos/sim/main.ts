/**
 * `npm run sim -- --seed N --runs N`: whole clusters in one process, one seed a run, printed first; a failure prints the one command that
 * replays it. Exit: 0 clean, 1 wrong answer, 2 usage, 3 no progress, 4 crash.
 *
 * `--mutants`: wrong programs instead, each over up to N runs (300 unless told); exit 1 if one is not seen.
 */

import { parseArgs } from 'node:util'
import { Violation } from './checkers/violation.ts'
import { mutants, tryMutant } from './mutants.ts'
import { NoProgress } from './no-progress.ts'
import { runSeed } from './run.ts'

const exitCodes = { clean: 0, wrongAnswer: 1, usage: 2, noProgress: 3, crash: 4 } as const

/** The rarest mutant (H5) is seen by one seed in forty: 300 of them miss it once in a thousand times. */
const MUTANT_RUNS = 300

interface Options {
  readonly seed: number
  readonly runs: number
  readonly mutants: boolean
}

function readOptions(): Options | null {
  try {
    const { values } = parseArgs({
      options: { seed: { type: 'string', default: '1' }, runs: { type: 'string' }, mutants: { type: 'boolean', default: false } },
    })
    const seed = Number(values.seed)
    const runs = Number(values.runs ?? (values.mutants ? MUTANT_RUNS : 1))
    if (!Number.isInteger(seed) || seed < 0 || seed > 0xffff_ffff) throw new Error(`--seed: expected 0 to 2^32 - 1, got ${values.seed}`)
    if (!Number.isInteger(runs) || runs < 1) throw new Error(`--runs: expected a positive integer, got ${values.runs}`)
    return { seed, runs, mutants: values.mutants }
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error))
    console.error('usage: npm run sim -- [--seed N] [--runs N] [--mutants]')
    return null
  }
}

function runAll({ seed, runs }: Options): number {
  for (let i = 0; i < runs; i++) {
    const present = (seed + i) % 2 ** 32
    process.stdout.write(`seed ${present}: `)
    try {
      const s = runSeed(present)
      console.log(
        `${s.simulatedMs} ms simulated, ${s.crashes} crashes, ${s.faults} faults, ${s.commands} commands, ${s.exchanges} IKE messages, ${s.rekeyed} rekeyed, ` +
          `${s.espSent} ESP packets sent, ${s.accepted} accepted, fingerprint ${s.fingerprint}`,
      )
    } catch (error) {
      console.log('FAILED')
      console.error(error instanceof Error ? error.stack : error)
      console.error(`replay: npm run sim -- --seed ${present}`)
      if (error instanceof Violation) return exitCodes.wrongAnswer
      return error instanceof NoProgress ? exitCodes.noProgress : exitCodes.crash
    }
  }
  return exitCodes.clean
}

function runMutants({ seed, runs }: Options): number {
  let exitCode: number = exitCodes.clean
  for (const mutant of mutants) {
    const caught = tryMutant(mutant, seed, runs)
    if (caught === null) exitCode = exitCodes.wrongAnswer
    console.log(`${mutant.name}: ${caught === null ? `NOT SEEN in ${runs} runs` : `seed ${caught.seed}, ${caught.by}`}`)
  }
  return exitCode
}

function run(chosen: Options): number {
  return chosen.mutants ? runMutants(chosen) : runAll(chosen)
}

const options = readOptions()
process.exitCode = options === null ? exitCodes.usage : run(options)
