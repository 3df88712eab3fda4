/**
 * `npm run fuzz`: very many inputs for every parser and codec, and for everything behind them that a peer reaches.
 *
 *   npm run fuzz                          a million inputs
 *   npm run fuzz -- --inputs 10000        so many
 *   npm run fuzz -- --target NAME --seed S --path P    one failure again, as it was printed
 */

import { parseArgs } from 'node:util'
import { targets } from './targets.ts'

const { values } = parseArgs({
  options: {
    inputs: { type: 'string', default: '1000000' },
    seed: { type: 'string', default: String(Date.now() % 2 ** 31) },
    target: { type: 'string' },
    path: { type: 'string' },
  },
})

const seed = Number(values.seed)
const chosen = targets.filter(({ name }) => values.target === undefined || name === values.target)
if (chosen.length === 0) {
  console.error(`no target is called ${values.target}; there are: ${targets.map(({ name }) => name).join(', ')}`)
  process.exit(2)
}
const shares = chosen.reduce((sum, { share }) => sum + share, 0)
console.log(`seed ${seed}, ${values.inputs} inputs`)
let all = 0
const startMs = performance.now()
for (const { name, share, run } of chosen) {
  const inputs = Math.ceil((Number(values.inputs) * share) / shares)
  const targetMs = performance.now()
  try {
    const done = run({ inputs, seed, ...(values.path === undefined ? {} : { path: values.path }) })
    all += done
    const perSecond = Math.round((1000 * done) / (performance.now() - targetMs))
    console.log(`${name.padEnd(40)} ${String(done).padStart(8)} inputs ${String(perSecond).padStart(7)}/s`)
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 1
  }
}
const seconds = (performance.now() - startMs) / 1000
console.log(
  `${all} inputs in ${seconds.toFixed(0)} s, ${Math.round(all / seconds)}/s; heap ${Math.round(process.memoryUsage().heapUsed / 2 ** 20)} MiB`,
)
