import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { RowIndex } from '../../src/kit/row-index.ts'

test('an index finds what a Map finds, through any order of additions and removals, also when hashes collide', () => {
  const steps = fc.array(fc.record({ add: fc.boolean(), key: fc.nat(60) }), { maxLength: 400 })
  fc.assert(
    fc.property(steps, fc.constantFrom(1, 3, 64, 4096), (actions, spread) => {
      const keys: number[] = []
      const hash = (key: number): number => (Math.imul(key, 0x9e3779b1) >>> 0) % spread
      const index = new RowIndex((row) => hash(keys[row]!))
      const twin = new Map<number, number>()
      for (const { add, key } of actions) {
        const row = twin.get(key)
        if (add && row === undefined) {
          keys.push(key)
          twin.set(key, keys.length - 1)
          index.add(keys.length - 1)
        } else if (!add && row !== undefined) {
          index.remove(row)
          twin.delete(key)
        }
        for (let k = 0; k <= 60; k++)
          assert.equal(
            index.find(hash(k), (r) => keys[r] === k),
            twin.get(k) ?? -1,
          )
      }
      assert.equal(index.count, twin.size)
    }),
    { numRuns: 40 },
  )
})
