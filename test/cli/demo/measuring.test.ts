import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { FlowWindow } from '../../../src/cli/demo/measuring.ts'
import { effectOf, interruptionMs, lostPackets, percentiles } from '../../../src/cli/demo/measuring.ts'

/** Counters from 0, sent and received each 20 ms from `fromMs` to `toMs`, but for those that `lost` names. */
function flow(fromMs: number, toMs: number, lost: (counter: number) => boolean = () => false): FlowWindow {
  const all = Array.from({ length: Math.floor((toMs - fromMs) / 20) + 1 }, (_, counter) => counter)
  const counters = all.filter((counter) => !lost(counter))
  return { sent: { first: 0, count: all.length }, arrivals: { counters, times: counters.map((counter) => fromMs + 20 * counter) } }
}

test('a flow without a gap was not interrupted', () => {
  assert.equal(interruptionMs(flow(0, 6000), 0, 6000), 0)
})

test('the interruption is the longest gap between consecutive packets less the nominal 20 ms', () => {
  const twoGaps = flow(0, 6000, (counter) => (counter > 50 && counter < 60) || (counter > 100 && counter < 105))
  assert.equal(interruptionMs(twoGaps, 0, 6000), 9 * 20)
})

test("a flow that does not come back is interrupted to the window's end", () => {
  assert.equal(interruptionMs(flow(0, 1000), 0, 6000), 5000 - 20)
  assert.equal(interruptionMs({ sent: { first: 0, count: 300 }, arrivals: { times: [], counters: [] } }, 0, 6000), 6000 - 20)
})

test('what arrives outside the window does not count', () => {
  const late = flow(0, 9000, (counter) => counter > 310 && counter < 400)
  assert.equal(interruptionMs(late, 0, 6000), 0)
})

test('a packet is lost that was sent in the window and never arrived', () => {
  assert.equal(lostPackets(flow(0, 6000)), 0)
  assert.equal(lostPackets(flow(0, 6000, (counter) => counter >= 50 && counter < 57)), 7)
})

test('neither a late packet nor one that came twice is lost, and one that was sent before the window is not counted', () => {
  const arrivals = { times: [1, 2, 3, 4, 9000], counters: [9, 11, 11, 10, 12] }
  assert.equal(lostPackets({ sent: { first: 10, count: 4 }, arrivals }), 1)
})

test('percentiles are values that occurred, by nearest rank', () => {
  assert.deepEqual(percentiles([]), { p50: 0, p95: 0, max: 0 })
  assert.deepEqual(percentiles([7]), { p50: 7, p95: 7, max: 7 })
  assert.deepEqual(percentiles([3, 1, 2, 4]), { p50: 2, p95: 4, max: 4 })
  assert.deepEqual(percentiles(Array.from({ length: 100 }, (_, i) => 100 - i)), { p50: 50, p95: 95, max: 100 })
})

test('half of the values are at most p50, and 95 in 100 at most p95', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 1 }), (values) => {
      const { p50, p95, max } = percentiles(values)
      const atMost = (limit: number): number => values.filter((value) => value <= limit).length / values.length
      const below = (limit: number): number => values.filter((value) => value < limit).length / values.length
      assert.ok(atMost(p50) >= 0.5 && below(p50) < 0.5)
      assert.ok(atMost(p95) >= 0.95 && below(p95) < 0.95)
      assert.equal(max, Math.max(...values))
    }),
  )
})

test("an event's figures take the worse direction for the interruption and both for the loss", () => {
  const whole = flow(0, 6000)
  const short = flow(0, 6000, (counter) => counter > 50 && counter < 53)
  const long = flow(0, 6000, (counter) => counter > 50 && counter < 61)
  const sessions = [
    { up: whole, down: whole },
    { up: short, down: long },
    { up: whole, down: short },
  ]
  assert.deepEqual(effectOf(sessions, 0, 6000), {
    interruptionMs: { p50: 40, p95: 200, max: 200 },
    packetsLost: { p50: 2, max: 12, total: 14 },
  })
  assert.deepEqual(effectOf([], 0, 6000), { interruptionMs: { p50: 0, p95: 0, max: 0 }, packetsLost: { p50: 0, max: 0, total: 0 } })
})
