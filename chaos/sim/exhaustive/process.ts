/**
 * `node process.js ORDER`: one walk, in a process of its own, for the constants that are scaled down and the text of a wrong program take effect
 * while modules are loaded. Prints a line of JSON: `WalkReport`. Imports nothing that may be patched before the hooks are in place.
 */

import { register } from 'node:module'
import type { HooksData } from '../mutation/hooks.ts'
import type { Order } from './order.ts'
import { patchesOf } from './order.ts'

const order = JSON.parse(process.argv[2]!) as Order
const patches = patchesOf(order)
const count = new Int32Array(new SharedArrayBuffer(4))
const mutant = { name: order.mutant ?? 'scaled constants', patches }
const data: HooksData = { mutant, root: new URL('../../../', import.meta.url).href, count }
register('../mutation/hooks.js', { parentURL: import.meta.url, data })
const { report } = await import('./report.ts')
const files = new Set(patches.map(({ file }) => file))
if (Atomics.load(count, 0) !== files.size) throw new Error(`${mutant.name}: the walk does not load ${[...files].join(', ')}`)
console.log(JSON.stringify(report(order)))
