/** How wrong passwords slow down the next attempts, and whom they don't. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FailedLogins } from '../../src/gateway/ike/failed-logins.ts'
import { SeededRandom, randomBelow } from '../../src/kit/random.ts'

const here = Uint8Array.of(192, 0, 2, 1)
const there = Uint8Array.of(192, 0, 2, 2)

function fail(logins: FailedLogins, count: number, nowMs: number, user = 'alice', source = here): void {
  for (let i = 0; i < count; i++) logins.failed(user, source, nowMs)
}

test('three failures of a user from one source cost nothing, each further one doubles the wait, up to twelve seconds', () => {
  const logins = new FailedLogins()
  const waits: number[] = []
  for (let i = 0; i < 9; i++) {
    logins.failed('alice', here, 0)
    waits.push(logins.waitMs('alice', here, 0))
  }
  assert.deepEqual(waits, [0, 0, 0, 1000, 2000, 4000, 8000, 12_000, 12_000])
  assert.equal(logins.waitMs('alice', here, 11_000), 1000)
  assert.equal(logins.waitMs('alice', here, 12_000), 0)
})

test('a user has more patience to lose over all sources, and a source over all users', () => {
  const user = new FailedLogins()
  for (let i = 0; i < 10; i++) user.failed('alice', Uint8Array.of(10, 0, 0, i), 0)
  assert.equal(user.waitMs('alice', there, 0), 0)
  user.failed('alice', here, 0)
  assert.deepEqual([user.waitMs('alice', there, 0), user.waitMs('bob', there, 0)], [500, 0])

  const source = new FailedLogins()
  for (let i = 0; i < 40; i++) source.failed(`user${i}`, here, 0)
  assert.equal(source.waitMs('bob', here, 0), 0)
  source.failed('eve', here, 0)
  assert.deepEqual([source.waitMs('bob', here, 0), source.waitMs('bob', there, 0)], [250, 0])
  fail(source, 100, 0, 'eve')
  assert.equal(source.waitMs('bob', here, 0), 2000, 'behind a carrier’s NAT nobody waits longer for others')
})

test('the addresses of one IPv6 network are one source', () => {
  const logins = new FailedLogins()
  const host = (last: number): Uint8Array => Uint8Array.from({ length: 16 }, (_, i) => (i === 15 ? last : i))
  for (let i = 0; i < 4; i++) logins.failed('alice', host(i), 0)
  assert.equal(logins.waitMs('alice', host(99), 0), 1000)
})

test('who has logged in from a source waits for nobody else’s failures, until he fails there', () => {
  const logins = new FailedLogins()
  fail(logins, 5, 0)
  logins.succeeded('alice', here)
  assert.equal(logins.waitMs('alice', here, 0), 0)
  fail(logins, 100, 0, 'eve')
  fail(logins, 100, 0, 'alice', there)
  assert.equal(logins.waitMs('alice', here, 0), 0)
  logins.failed('alice', here, 0)
  assert.equal(logins.waitMs('alice', here, 0), 6000)
})

test('failures are forgotten one by one', () => {
  const logins = new FailedLogins()
  fail(logins, 5, 0)
  // Two minutes forget two of five.
  fail(logins, 1, 120_000)
  assert.equal(logins.waitMs('alice', here, 120_000), 1000)
  fail(logins, 1, 3_600_000)
  assert.equal(logins.waitMs('alice', here, 3_600_000), 0)
})

test('the tables are bounded: a million names cost no more than the last few thousand', () => {
  const logins = new FailedLogins()
  const random = new SeededRandom(4)
  fail(logins, 4, 0)
  for (let i = 0; i < 20_000; i++) logins.failed(`user${i}`, Uint8Array.of(10, i >> 16, (i >> 8) & 255, randomBelow(random, 256)), 0)
  for (let i = 0; i < 20_000; i++) logins.succeeded(`user${i}`, here)
  assert.equal(logins.waitMs('alice', here, 0), 0, 'the oldest was forgotten')
})
