/**
 * `node process.js NAME SEED RUNS`: the mutant's simulation with it, over seeds until a checker sees it. Prints a line of JSON: `Caught`
 * or null. Imports nothing that may be patched before the hooks are in place.
 */

import { register } from 'node:module'
import { gatewayTextMutants } from '../text-mutants.ts'
import { raftMutants } from '../raft/mutants.ts'
import type { HooksData } from './hooks.ts'

const [name, firstSeed, runs] = process.argv.slice(2)
const mutant = [...gatewayTextMutants, ...raftMutants].find((other) => other.name === name)
if (mutant === undefined) throw new Error(`no mutant "${name}"`)
const count = new Int32Array(new SharedArrayBuffer(4))
const data: HooksData = { mutant, root: new URL('../../../', import.meta.url).href, count }
register('./hooks.js', { parentURL: import.meta.url, data })
const { findProblem } = gatewayTextMutants.includes(mutant) ? await import('../run.ts') : await import('../raft/run.ts')
const files = new Set(mutant.patches.map(({ file }) => file))
if (Atomics.load(count, 0) !== files.size) throw new Error(`mutant "${name}": the simulation does not load ${[...files].join(', ')}`)
console.log(JSON.stringify(findProblem(Number(firstSeed), Number(runs))))
