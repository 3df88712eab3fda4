import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { MAX_PAGES, SequenceHistory } from '../../src/client/sequence-history.ts'

test('a number is seen exactly when it came before, as a set would say', () => {
  const numbers = fc.array(fc.oneof(fc.nat(50), fc.integer({ min: 4090, max: 4100 }), fc.integer({ min: 0, max: 0xffffffff })), {
    maxLength: 200,
  })
  fc.assert(
    fc.property(numbers, (all) => {
      const history = new SequenceHistory()
      const set = new Set<number>()
      for (const number of all) {
        assert.equal(history.see(number), set.has(number))
        set.add(number)
      }
    }),
  )
})

test('beyond its bound the numbers of the page made first are forgotten', () => {
  const history = new SequenceHistory()
  for (let page = 0; page < MAX_PAGES; page++) history.see(page * 4096)
  assert.equal(history.see(0), true)
  history.see(MAX_PAGES * 4096)
  assert.equal(history.see(4096), true)
  assert.equal(history.see(0), false)
})
