import assert from 'node:assert/strict'
import { test } from 'node:test'
import { spreadOf } from '../../../bench/interruption/spread.ts'

test('quartiles are values that occurred, by nearest rank', () => {
  const { mean, ...rest } = spreadOf([9, 1, 7, 3, 5, 8, 2, 6, 4, 10])
  assert.deepEqual(rest, { count: 10, least: 1, p25: 3, p50: 5, p75: 8, p95: 10, most: 10 })
  assert.equal(mean, 5.5)
})

test('p95 leaves out one in twenty, not more', () => {
  assert.equal(spreadOf(Array.from({ length: 100 }, (_, i) => 100 - i)).p95, 95)
})

test('of one value all is that value, and of none all is 0', () => {
  assert.deepEqual(spreadOf([7]), { count: 1, least: 7, p25: 7, p50: 7, p75: 7, p95: 7, most: 7, mean: 7 })
  assert.deepEqual(spreadOf([]), { count: 0, least: 0, p25: 0, p50: 0, p75: 0, p95: 0, most: 0, mean: 0 })
})
