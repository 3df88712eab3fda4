/**
 * `npm run sim`: whole clusters, one seed a run, in as many processes as there are processors: 300 seeds from 1, or `--seed N --runs N`
 * (one run unless told; of gateways, runs in which load and failures met: seeds go on until there were so many). A failure prints the one command that replays it. `--raft`: clusters of the Raft core alone, which go much deeper in the
 * same time. `--trace`: one seed, with a line for everything that happens. `--check-determinism`: every seed twice, each time in another process
 * order. Exit: 0 clean, 1 wrong answer, 2 usage, 3 no progress, 4 crash.
 *
 * `--mutants`: wrong programs instead, each over up to N runs (600 unless told), in a table; exit 1 if one is not seen. Those of the gateway run
 * in the world of gateways (mutants.ts, text-mutants.ts), those of Raft in the raft-only world (raft/mutants.ts).
 *
 * `--exhaustive`: no seeds, but every interleaving in small scopes (exhaustive/); `--small`: those that take half a minute; `--scope NAME`: one.
 */

import { availableParallelism } from 'node:os'
import { performance } from 'node:perf_hooks'
import { parseArgs } from 'node:util'
import { runInChildren } from './children.ts'
import { runExhaustive } from './exhaustive/command.ts'
import { exitCodes } from './exit-codes.ts'
import { mutants, tryMutant } from './mutants.ts'
import { tryPatchMutant } from './mutation/run.ts'
import { raftMutants } from './raft/mutants.ts'
import type { Report, WorldName } from './report.ts'
import { Totals, reportOn } from './report.ts'
import type { Caught } from './run.ts'
import { gatewayTextMutants } from './text-mutants.ts'

/** The rarest mutant (a proposal of uncertain outcome) is seen by one seed in ninety: 600 of them miss it once in a thousand times. */
const MUTANT_RUNS = 600
/** Without a seed. */
const ALL_RUNS = 300
/** Of as many there are addresses. */
const MAX_CLIENTS = 200

interface Options {
  readonly seed: number
  readonly runs: number
  /** This seed, whether its run counts or not. */
  readonly isOne: boolean
  readonly world: WorldName
  /** Null: as the seed has it. */
  readonly clients: number | null
  readonly mutants: boolean
  readonly trace: boolean
  readonly isTwice: boolean
  /** Null: seeds. */
  readonly exhaustive: { readonly isSmall: boolean; readonly scope: string | null } | null
}

function readOptions(): Options | null {
  try {
    const { values } = parseArgs({
      options: {
        seed: { type: 'string' },
        runs: { type: 'string' },
        raft: { type: 'boolean', default: false },
        mutants: { type: 'boolean', default: false },
        clients: { type: 'string' },
        trace: { type: 'boolean', default: false },
        'check-determinism': { type: 'boolean', default: false },
        exhaustive: { type: 'boolean', default: false },
        small: { type: 'boolean', default: false },
        scope: { type: 'string' },
      },
    })
    const seed = Number(values.seed ?? 1)
    const runs = Number(values.runs ?? (values.mutants ? MUTANT_RUNS : values.seed === undefined ? ALL_RUNS : 1))
    if (!Number.isInteger(seed) || seed < 0 || seed > 0xffff_ffff) throw new Error(`--seed: expected 0 to 2^32 - 1, got ${values.seed}`)
    if (!Number.isInteger(runs) || runs < 1) throw new Error(`--runs: expected a positive integer, got ${values.runs}`)
    const { mutants: hasMutants, trace, 'check-determinism': isTwice } = values
    const exhaustive = values.exhaustive ? { isSmall: values.small, scope: values.scope ?? null } : null
    const clients = values.clients === undefined ? null : Number(values.clients)
    if (clients !== null && !(Number.isInteger(clients) && clients >= 1 && clients <= MAX_CLIENTS))
      throw new Error(`--clients: expected 1 to ${MAX_CLIENTS}, got ${values.clients}`)
    const isOne = values.seed !== undefined && values.runs === undefined
    return { seed, runs, isOne, world: values.raft ? 'raft' : 'gateways', clients, mutants: hasMutants, trace, isTwice, exhaustive }
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error))
    console.error('usage: npm run sim -- [--seed N] [--runs N] [--clients N] [--raft] [--trace] [--check-determinism] [--mutants]')
    console.error('       npm run sim -- --exhaustive [--small] [--scope NAME] [--mutants]')
    return null
  }
}

/** The first failure ends it. */
async function runAll({ seed, runs, isOne, world, clients, isTwice }: Options): Promise<number> {
  // Of the gateways' world not every run counts.
  const most = isOne ? 1 : 2 * runs + 10
  const orders = Array.from({ length: most }, (_, i) => ({ world, seed: (seed + i) % 2 ** 32, clients }))
  const totals = new Totals()
  const startedMs = performance.now()
  const fingerprints = new Map<number, string>()
  let exitCode: number = exitCodes.clean
  let events = 0
  const take = (report: Report): boolean => {
    exitCode = tell(report, { world, clients }, fingerprints.get(report.seed))
    fingerprints.set(report.seed, report.fingerprint)
    events += report.events
    if (exitCode === exitCodes.clean) totals.add(report)
    return exitCode === exitCodes.clean && (isOne || totals.runs < runs)
  }
  const again = (report: Report): boolean => {
    exitCode = tell(report, { world, clients }, fingerprints.get(report.seed))
    events += report.events
    return exitCode === exitCodes.clean
  }
  await runInChildren(orders, take)
  if (exitCode === exitCodes.clean) console.log(totals.text)
  if (exitCode === exitCodes.clean && !isOne && totals.runs < runs) {
    console.error(`only ${totals.runs} of ${totals.seeds} runs count`)
    exitCode = exitCodes.noProgress
  }
  const made = orders.filter((order) => fingerprints.has(order.seed))
  if (isTwice && exitCode === exitCodes.clean) await runInChildren(made.toReversed(), again)
  const seconds = (performance.now() - startedMs) / 1000
  console.log(`${events} events in ${seconds.toFixed(1)} s: ${Math.round(events / seconds)} a second`)
  return exitCode
}

/** `former`: the fingerprint of the seed's run before, if there was one. */
function tell(report: Report, { world, clients }: Pick<Options, 'world' | 'clients'>, former: string | undefined): number {
  const { seed, text, failure, fingerprint } = report
  console.log(`seed ${seed}: ${text}`)
  if (failure === null && (former === undefined || former === fingerprint)) return exitCodes.clean
  console.error(failure === null ? `it was ${former} before: the run is not a function of its seed` : failure.stack)
  console.error(
    `replay: npm run sim -- ${world === 'raft' ? '--raft ' : ''}${clients === null ? '' : `--clients ${clients} `}--seed ${seed}${failure === null ? ' --check-determinism' : ''}`,
  )
  return failure === null ? exitCodes.wrongAnswer : failure.exitCode
}

async function runMutants({ seed, runs }: Options): Promise<number> {
  const patchMutants = [...gatewayTextMutants, ...raftMutants]
  let exitCode: number = exitCodes.clean
  const nameWidth = Math.max(...[...mutants, ...patchMutants].map(({ name }) => name.length))
  const row = (name: string, seeds: string, by: string): void => console.log(`${name.padEnd(nameWidth)}  ${seeds.padStart(5)}  ${by}`)
  const show = (name: string, caught: Caught | null): void => {
    if (caught === null) exitCode = exitCodes.wrongAnswer
    row(name, String(caught === null ? runs : caught.seed - seed + 1), caught === null ? 'NOT SEEN' : caught.by.slice(0, 120))
  }
  row('mutant', 'seeds', 'seen by')
  for (const mutant of mutants) show(mutant.name, tryMutant(mutant, seed, runs))
  const found = inTurn(patchMutants, availableParallelism(), ({ name }) => tryPatchMutant(name, seed, runs))
  for (const [i, { name }] of patchMutants.entries()) show(name, await found[i]!)
  return exitCode
}

/** Does it for each, so many at a time; the results in the order of the items. */
function inTurn<T, R>(items: readonly T[], atATime: number, run: (item: T) => Promise<R>): Promise<R>[] {
  const lanes = Array.from({ length: atATime }, () => Promise.resolve())
  return items.map(async (item, i) => {
    const before = lanes[i % atATime]!
    const result = before.then(() => run(item))
    lanes[i % atATime] = result.then(() => undefined)
    return result
  })
}

function runTraced({ seed, world, clients }: Options): number {
  return tell(
    reportOn({ world, seed, clients }, (line) => process.stdout.write(line)),
    { world, clients },
    undefined,
  )
}

async function run(chosen: Options): Promise<number> {
  if (chosen.exhaustive !== null) return runExhaustive({ ...chosen.exhaustive, mutants: chosen.mutants })
  if (chosen.mutants) return runMutants(chosen)
  return chosen.trace ? runTraced(chosen) : runAll(chosen)
}

const options = readOptions()
process.exitCode = options === null ? exitCodes.usage : await run(options)
