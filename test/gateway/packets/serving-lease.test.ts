import { deepEqual, equal } from 'node:assert/strict'
import { test } from 'node:test'
import { ServingLease } from '../../../src/gateway/packets/serving-lease.ts'

const STALL_MS = 300
const LEASE_MS = 2000
const HEARTBEAT_MS = 50

/** Asked every 5 ms, with a lease from every heartbeat, until `untilMs`. */
function steady(untilMs: number): ServingLease {
  const lease = new ServingLease(STALL_MS)
  for (let nowMs = 0; nowMs <= untilMs; nowMs += 5) {
    if (nowMs % HEARTBEAT_MS === 0) lease.extend(nowMs + LEASE_MS)
    lease.isValid(nowMs)
  }
  return lease
}

test('before the first lease, and after the last one is over, a gateway does not serve', () => {
  const lease = new ServingLease(STALL_MS)
  equal(lease.isValid(0), false)
  lease.extend(LEASE_MS)
  for (let nowMs = 5; nowMs <= LEASE_MS; nowMs += 5) equal(lease.isValid(nowMs), true, `${nowMs}`)
  equal(lease.isValid(LEASE_MS + 5), false)
})

test('a gateway that stood still inside its lease waits for a lease from afterwards', () => {
  for (const stoodStillMs of [301, 1000, 1900]) {
    const lease = steady(1000)
    const nowMs = 1000 + stoodStillMs
    equal(lease.isValid(nowMs), false, 'at the first question')
    equal(lease.isValid(nowMs + 5), false, 'and at the next')
    // Leases of earlier heartbeats that waited to be read.
    for (const beforeMs of [1000, 1050]) {
      lease.extend(beforeMs + LEASE_MS)
      equal(lease.isValid(nowMs + 10), false)
    }
    lease.extend(nowMs + LEASE_MS)
    equal(lease.isValid(nowMs + 40), true)
  }
})

test('an old lease that is read before the first question after the standstill counts no more than after it', () => {
  const lease = steady(1000)
  lease.extend(1050 + LEASE_MS)
  equal(lease.isValid(2000), false)
  lease.extend(2000 + LEASE_MS)
  equal(lease.isValid(2010), true)
})

test('a second standstill before the new lease makes no old one good', () => {
  const lease = steady(1000)
  deepEqual([lease.isValid(1900), lease.isValid(2205)], [false, false])
  lease.extend(1050 + LEASE_MS)
  equal(lease.isValid(2210), false)
})

test('a pause that nobody noticed changes nothing', () => {
  equal(steady(1000).isValid(1000 + STALL_MS), true)
})
