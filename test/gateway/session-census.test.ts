import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SessionCensus } from '../../src/gateway/session-census.ts'
import { SeededRandom } from '../../src/kit/random.ts'
import { apply } from '../../src/session/apply.ts'
import { createState } from '../../src/session/state.ts'
import { countSessions } from '../support/count-sessions.ts'
import { bringUp, createCommand, establish } from '../support/contexts.ts'

/** More rows than one slice. */
const SESSIONS = 3000

test('the passes of the census find what a look at every session finds, before and after a takeover', () => {
  const state = createState()
  const random = new SeededRandom(1)
  const [a, b] = bringUp(state, 'sg1', 'sg2') as [number, number]
  for (let i = 1; i <= SESSIONS; i++) {
    const owner = random.uint32() % 2 === 0 ? a : b
    if (i % 3 > 0) establish(state, owner, BigInt(i), 0x1000 + i, Uint8Array.of(10, 77, i >> 8, i & 255))
    else assert.equal(apply(state, createCommand(owner, BigInt(i))).type, 'created')
  }
  const census = new SessionCensus(state)
  let nowMs = 0
  const pass = (incarnation: number): Readonly<Record<string, number>> => {
    for (let i = 0; i < 100; i++) census.tick(incarnation, (nowMs += 10))
    return census.counts
  }
  const expected = (incarnation: number): unknown => {
    const { established = 0, all = 0 } = countSessions(state).get(incarnation) ?? {}
    return { 'half-open': all - established, established, tombstone: 0 }
  }
  assert.deepEqual(pass(a), expected(a))
  assert.ok(census.counts.established > 0)
  apply(state, { type: 'gateway-down', incarnation: b })
  assert.deepEqual(pass(a), expected(a))
  assert.equal(census.counts.established + census.counts['half-open'], SESSIONS)
  assert.deepEqual(pass(0), { 'half-open': 0, established: 0, tombstone: 0 })
})
