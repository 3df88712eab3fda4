import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { patchedText } from '../../../chaos/sim/mutation/patch.ts'
import { tryPatchMutant } from '../../../chaos/sim/mutation/run.ts'
import { mutants } from '../../../chaos/sim/mutants.ts'
import { raftMutants } from '../../../chaos/sim/raft/mutants.ts'
import { gatewayTextMutants } from '../../../chaos/sim/text-mutants.ts'

// This file runs from dist/test/chaos/sim.
const built = new URL('../../../', import.meta.url)

test('what every mutant of Raft replaces stands in its compiled module exactly once', () => {
  assert.ok(raftMutants.length >= 40)
  for (const mutant of [...gatewayTextMutants, ...raftMutants]) {
    for (const file of new Set(mutant.patches.map((patch) => patch.file))) {
      const text = readFileSync(new URL(file, built), 'utf8')
      assert.notEqual(patchedText(mutant, file, text), text, mutant.name)
    }
  }
})

test('no two mutants have the same name', () => {
  const names = [...mutants, ...gatewayTextMutants, ...raftMutants].map(({ name }) => name)
  assert.equal(new Set(names).size, names.length)
})

test('a mutant whose text is gone, or stands twice, is an error that names it', () => {
  const mutant = { name: 'half the truth', patches: [{ file: 'a.js', find: 'x', replace: 'y' }] }
  assert.equal(patchedText(mutant, 'a.js', 'axb'), 'ayb')
  assert.equal(patchedText(mutant, 'b.js', 'xx'), 'xx', 'another module')
  assert.throws(() => patchedText(mutant, 'a.js', 'ab'), /mutant "half the truth": expected this once in a\.js, found it 0 times: x/)
  assert.throws(() => patchedText(mutant, 'a.js', 'xx'), /found it 2 times/)
})

test('a mutant is loaded in place of the program, and is seen', async () => {
  const caught = await tryPatchMutant('a server votes twice in a term', 1, 20)
  assert.ok(caught !== null)
  assert.match(caught.by, /^Violation: /)
})
