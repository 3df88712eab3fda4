import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { FleetPacket } from '../../../bench/fleet/readiness.ts'
import { readinessOf } from '../../../bench/fleet/readiness.ts'

const FAULT_MS = 5_000
const TAKEOVER_MS = 5_050

/** One a ms from a second before the fault to five after it, 1 ms on its way; `fate` has other times of arrival. */
function packets(fate: (sentMs: number) => number | null): FleetPacket[] {
  return Array.from({ length: 6_000 }, (_, i) => ({ sentMs: 4_000 + i, arrivedMs: fate(4_000 + i) }))
}

test('when what was sent to the dead is lost, and all else arrives, all are ready at the takeover', () => {
  const seen = readinessOf(
    packets((sentMs) => (sentMs >= FAULT_MS && sentMs < TAKEOVER_MS ? null : sentMs + 1)),
    FAULT_MS,
    TAKEOVER_MS,
  )
  assert.deepEqual(seen, { allReadyMs: 1, lostBefore: 50, lostAfter: 0, usualDelayMs: 1 })
})

test('a packet that waited for the takeover says how long after it its session was ready', () => {
  const seen = readinessOf(
    packets((sentMs) => (sentMs >= FAULT_MS && sentMs < TAKEOVER_MS ? TAKEOVER_MS + 30 : sentMs + 1)),
    FAULT_MS,
    TAKEOVER_MS,
  )
  assert.equal(seen.allReadyMs, 30)
  assert.equal(seen.lostBefore, 0)
})

test('a packet that was sent after the takeover waits from then on', () => {
  assert.equal(
    readinessOf(
      packets((sentMs) => sentMs + (sentMs === 5_300 ? 70 : 1)),
      FAULT_MS,
      TAKEOVER_MS,
    ).allReadyMs,
    70,
  )
})

test('a packet that is lost after the takeover shows a session that is not ready, however late', () => {
  const seen = readinessOf(
    packets((sentMs) => (sentMs === 8_050 ? null : sentMs + 1)),
    FAULT_MS,
    TAKEOVER_MS,
  )
  assert.equal(seen.allReadyMs, 3_000)
  assert.equal(seen.lostAfter, 1)
})

test('a packet that is late long after the takeover is not its doing', () => {
  assert.equal(
    readinessOf(
      packets((sentMs) => sentMs + (sentMs === 7_000 ? 500 : 1)),
      FAULT_MS,
      TAKEOVER_MS,
    ).allReadyMs,
    1,
  )
})

test('how late packets are before the fault is told', () => {
  assert.equal(
    readinessOf(
      packets((sentMs) => sentMs + (sentMs === 4_500 ? 40 : 1)),
      FAULT_MS,
      TAKEOVER_MS,
    ).usualDelayMs,
    40,
  )
})
