import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { patchedText } from '../../../../chaos/sim/mutation/patch.ts'
import { canonical, Interner, Lists } from '../../../../chaos/sim/exhaustive/canonical.ts'
import type { Instance } from '../../../../chaos/sim/exhaustive/machine.ts'
import { Machine } from '../../../../chaos/sim/exhaustive/machine.ts'
import { exhaustiveMutants } from '../../../../chaos/sim/exhaustive/mutants.ts'
import { lazyConstants, scaledConstants } from '../../../../chaos/sim/exhaustive/scaled.ts'
import { comparedScopes, largeScopes, smallScopes } from '../../../../chaos/sim/exhaustive/scopes.ts'
import { RowStore } from '../../../../chaos/sim/exhaustive/store.ts'
import { textMutants } from '../../../../chaos/sim/exhaustive/text-mutants.ts'

// This file runs from dist/test/chaos/sim/exhaustive.
const built = new URL('../../../../', import.meta.url)

test('what a wrong program, or a scaled constant, replaces stands in its compiled module exactly once', () => {
  assert.ok(textMutants.length >= 25)
  for (const mutant of [
    ...textMutants,
    { name: 'scaled constants', patches: scaledConstants },
    { name: 'lazy constants', patches: lazyConstants },
  ]) {
    for (const file of new Set(mutant.patches.map((patch) => patch.file))) {
      const text = readFileSync(new URL(file, built), 'utf8')
      assert.notEqual(patchedText(mutant, file, text), text, mutant.name)
    }
  }
})

test('every wrong program has a scope that is to see it, and every name is of one', () => {
  assert.deepEqual(exhaustiveMutants.map(({ name }) => name).sort(), textMutants.map(({ name }) => name).sort())
  for (const { name, scopes } of exhaustiveMutants) assert.ok(scopes.length > 0, name)
})

test('no two scopes have the same name', () => {
  const names = [...smallScopes, ...largeScopes, ...comparedScopes.flat()].map(({ name }) => name)
  assert.equal(new Set(names).size, names.length)
})

test('equal values have equal texts, and others have others', () => {
  const values = [null, undefined, 0, -1, Infinity, 1n, '1', '', [], [[]], {}, Uint8Array.of(1), [1], { a: 1 }, { a: '1' }]
  assert.equal(new Set(values.map(canonical)).size, values.length)
  assert.equal(canonical({ a: [1n, Uint8Array.of(10)] }), canonical({ a: [1n, Uint8Array.of(10)] }))
})

test('a value is found by its number, and has one number', () => {
  const interner = new Interner<{ a: number }>()
  assert.equal(interner.id({ a: 1 }), 0)
  assert.equal(interner.id({ a: 2 }), 1)
  assert.equal(interner.id({ a: 1 }), 0)
  assert.deepEqual(interner.get(1), { a: 2 })
  const lists = new Lists()
  assert.equal(lists.idOfBag([3, 1, 2]), lists.id([1, 2, 3]))
  assert.equal(lists.id([]), 0)
})

test('a store gives back the rows that it numbered, in the order in which they came', () => {
  for (const width of [2, 3, 7, 16]) {
    const store = new RowStore(width)
    const rows = Array.from({ length: 3000 }, (_, i) => Array.from({ length: width }, (_, at) => (i * (at + 1)) % 97))
    const texts = [...new Set(rows.map((row) => row.join()))]
    for (const row of rows) assert.equal(store.id(row), texts.indexOf(row.join()))
    assert.equal(store.size, texts.length)
    const row: number[] = []
    for (const [id, text] of texts.entries()) {
      store.read(id, row)
      assert.equal(row.join(), text)
    }
  }
})

/** Counts up to `limit` and throws beyond it; says only what it counted modulo 3. */
class Counter implements Instance<number, number> {
  static made = 0
  #count = 0
  readonly #limit: number

  constructor(limit: number) {
    Counter.made += 1
    this.#limit = limit
  }

  react(by: number): readonly number[] {
    this.#count += by
    if (this.#count > this.#limit) throw new RangeError('too far')
    return [this.#count % 3]
  }

  fingerprint(): string {
    return String(this.#count % 3)
  }

  summary(): number {
    return this.#count
  }
}

test('what an automaton does in a state with an input is carried out once', () => {
  const machine = new Machine(
    () => new Counter(100),
    (input) => input,
  )
  const first = machine.first(0)
  const one = machine.step(first, 1)
  const two = machine.step(one.next, 1)
  assert.deepEqual(two.effects, [2])
  assert.equal(machine.step(two.next, 1).next, first, 'it tells the same of itself')
  assert.equal(machine.size, 3)
  const { executed } = machine
  assert.equal(machine.step(first, 1), one)
  assert.equal(machine.executed, executed)
  assert.equal(machine.step(first, 2).next, two.next, 'a state is entered again by doing again what led to it')
})

test('what an instance throws is what the step comes to, each time', () => {
  const machine = new Machine(
    () => new Counter(1),
    (input) => input,
  )
  const first = machine.first(0)
  for (let i = 0; i < 2; i++) assert.match(machine.step(first, 2).error?.message ?? '', /too far/)
})
