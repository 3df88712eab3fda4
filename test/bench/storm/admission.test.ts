import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Attempt } from '../../../bench/storm/admission.ts'
import { admissionOf, countsOver, disturbanceOf } from '../../../bench/storm/admission.ts'

const up = (upMs: number, retransmissions = 0): Attempt => ({ begunMs: 1000, upMs, retransmissions, problem: null })

test('who is up, who gave up and who waits are told apart, and times run from the beginning', () => {
  const gaveUp: Attempt = { begunMs: 1000, upMs: null, retransmissions: 5, problem: 'the gateway does not answer' }
  const waits: Attempt = { begunMs: 1000, upMs: null, retransmissions: 2, problem: null }
  const found = admissionOf([up(1500), up(4000, 1), gaveUp, waits], 1000)
  assert.deepEqual([found.up, found.gaveUp, found.waiting], [2, 1, 1])
  assert.deepEqual([found.allMs, found.connectMs], [3000, [500, 3000]])
  assert.deepEqual([found.retransmissions, found.mostRetransmissions], [8, 5])
})

test('the rate is that of the middle nine tenths: stragglers at the end do not count', () => {
  const attempts = Array.from({ length: 100 }, (_, i) => up(1000 + 10 * i))
  const steady = admissionOf(attempts, 1000).perSecond
  assert.equal(steady, 100)
  assert.equal(admissionOf([...attempts.slice(0, 99), up(60_000)], 1000).perSecond, steady)
})

test('who never came up has no rate', () => {
  assert.deepEqual(admissionOf([], 0), {
    up: 0,
    gaveUp: 0,
    waiting: 0,
    allMs: 0,
    perSecond: 0,
    connectMs: [],
    retransmissions: 0,
    mostRetransmissions: 0,
  })
})

test('of packets those count that were sent in the span, and the sender’s own silence is told', () => {
  const packets = [
    { sentMs: 90, arrivedMs: 500 },
    { sentMs: 100, arrivedMs: 103 },
    { sentMs: 110, arrivedMs: null },
    { sentMs: 150, arrivedMs: 160 },
    { sentMs: 200, arrivedMs: 900 },
  ]
  const found = disturbanceOf(packets, 100, 200)
  assert.deepEqual(found, { packets: 3, lost: 1, p50: 10, p99: 10, most: 10, senderMs: 40 })
})

test('moments are counted in spans, and those outside in none', () => {
  assert.deepEqual(countsOver([99, 100, 149, 150, 399, 400], 100, 400, 100), [3, 0, 1])
})
