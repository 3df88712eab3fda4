import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Arrivals } from '../../../bench/interruption/arrivals.ts'
import { burstRatio, longestGap, missingRuns } from '../../../bench/interruption/arrivals.ts'

/** Frames that were sent each 20 ms from 0 on and took 5 ms. */
function arrivalsOf(numbers: readonly number[], lateMs: (number: number) => number = () => 0): Arrivals {
  const sentMs = numbers.map((number) => 20 * number)
  return { numbers, sentMs, arrivedMs: numbers.map((number, i) => sentMs[i]! + 5 + lateMs(number)) }
}

test('the longest gap begins with the last arrival before the event', () => {
  assert.equal(longestGap([0, 20, 40, 190, 210, 230], 50, 240), 150)
})

test('a gap that had ended before the event does not count', () => {
  assert.equal(longestGap([0, 500, 520, 540, 560], 530, 570), 20)
})

test('a series that does not come back is silent to the end', () => {
  assert.equal(longestGap([0, 20, 40], 50, 6040), 6000)
  assert.equal(longestGap([], 100, 6100), 6000)
})

test('what arrives after the end does not count', () => {
  assert.equal(longestGap([0, 20, 40, 60, 900], 30, 70), 20)
})

test('frames that did not arrive are counted by the runs in which they are missing', () => {
  const sent = { first: 10, count: 10 }
  assert.deepEqual(missingRuns(sent, arrivalsOf([10, 11, 12, 13, 14, 15, 16, 17, 18, 19])), [])
  assert.deepEqual(missingRuns(sent, arrivalsOf([11, 12, 15, 16, 17])), [1, 2, 2])
  assert.deepEqual(missingRuns(sent, arrivalsOf([])), [10])
})

test('neither a frame that overtook another nor one that came twice is missing, and one that was not sent in the window does not count', () => {
  assert.deepEqual(missingRuns({ first: 1, count: 3 }, arrivalsOf([0, 2, 1, 1, 3, 4])), [])
})

test('a frame that is too late is missing only for who does not wait so long', () => {
  const late = arrivalsOf([0, 1, 2, 3], (number) => (number === 2 ? 100 : 0))
  assert.deepEqual(missingRuns({ first: 0, count: 4 }, late), [])
  assert.deepEqual(missingRuns({ first: 0, count: 4 }, late, 65), [1])
  assert.deepEqual(missingRuns({ first: 0, count: 4 }, late, 105), [])
})

test('the burst ratio is the mean run by that of independent losses (G.107 §7.5)', () => {
  assert.equal(burstRatio([], 400), 1)
  assert.equal(burstRatio([8], 400), 8 * (1 - 8 / 400))
  assert.equal(burstRatio([3, 5], 400), 4 * (1 - 8 / 400))
  assert.equal(burstRatio([1], 400), 1)
  assert.equal(burstRatio([400], 400), 1)
})
