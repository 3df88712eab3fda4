/** A small part of what `npm run fuzz` does, the same each time. */

import { test } from 'node:test'
import { targets } from './targets.ts'

const SEED = 1
const INPUTS = 14_000
const shares = targets.reduce((sum, { share }) => sum + share, 0)

for (const { name, share, run } of targets) {
  test(`fuzz, seed ${SEED}: ${name}`, (t) => {
    t.diagnostic(`${run({ inputs: Math.ceil((INPUTS * share) / shares), seed: SEED })} inputs: ${name}`)
  })
}
