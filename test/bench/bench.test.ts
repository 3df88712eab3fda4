import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Figure } from '../../bench/bench.ts'
import { goalOf, isMet, ratioOf } from '../../bench/bench.ts'

const ours: Figure = { unit: 'ms', median: 50, least: 40, most: 90, rounds: 9 }
const peer: Figure = { ...ours, median: 100 }

test('the ratio is ours to the peer’s; where less is better, the peer’s to ours', () => {
  assert.equal(ratioOf(ours), null)
  assert.equal(ratioOf({ ...ours, comparison: { peer: 'etcd', figure: peer, goal: null } }), 0.5)
  assert.equal(ratioOf({ ...ours, comparison: { peer: 'etcd', figure: peer, goal: null, isLessBetter: true } }), 2)
})

test('there is no ratio to nothing', () => {
  const nothing = { ...ours, median: 0 }
  assert.equal(ratioOf({ ...ours, comparison: { peer: 'etcd', figure: nothing, goal: null } }), null)
  assert.equal(ratioOf({ ...nothing, comparison: { peer: 'etcd', figure: peer, goal: null, isLessBetter: true } }), null)
})

test('a goal is of the figure itself, or of the ratio, or there is none', () => {
  assert.deepEqual([isMet(ours), goalOf(ours)], [null, null])
  const below = (limit: number): Figure => ({ ...ours, limit: { below: limit } })
  assert.deepEqual([isMet(below(50)), isMet(below(51)), goalOf(below(51))], [false, true, 'below 51 ms'])
  const atMost = (limit: number): Figure => ({ ...ours, limit: { atMost: limit } })
  assert.deepEqual([isMet(atMost(49)), isMet(atMost(50)), goalOf(atMost(50))], [false, true, 'at most 50 ms'])
  const atLeast = (limit: number): Figure => ({ ...ours, limit: { atLeast: limit } })
  assert.deepEqual([isMet(atLeast(51)), isMet(atLeast(50)), goalOf(atLeast(50))], [false, true, 'at least 50 ms'])
  const ratio = (least: number): Figure => ({ ...ours, comparison: { peer: 'etcd', figure: peer, goal: { ratioAtLeast: least } } })
  assert.deepEqual([isMet(ratio(0.6)), isMet(ratio(0.5)), goalOf(ratio(0.5))], [false, true, 'ratio at least 0.5'])
})
