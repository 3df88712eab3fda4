/** The account that the balancer and drains go by, against a count of everything at once; and who is left alone for how long. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LoadAccount } from '../../../src/gateway/balance/load-account.ts'
import { MovedLately } from '../../../src/gateway/balance/moved-lately.ts'
import { Steadiness } from '../../../src/gateway/balance/steadiness.ts'
import { IDLE_WEIGHT } from '../../../src/gateway/balance/weights.ts'
import { SeededRandom } from '../../../src/kit/random.ts'
import { apply } from '../../../src/session/apply.ts'
import type { State } from '../../../src/session/state.ts'
import { createState } from '../../../src/session/state.ts'
import { countSessions } from '../../support/count-sessions.ts'

const everybody = { destination: (_session: number, owner: number) => owner, mayMove: () => true }

/** Rows as an exchange would make them, without the exchange. */
function stateOf(sessions: number): State {
  const state = createState()
  const random = new SeededRandom(3)
  for (const [i, gateway] of ['sg1', 'sg2', 'sg3'].entries())
    apply(state, { type: 'gateway-up', gateway, nonce: BigInt(i), capacity: 1, addresses: [] })
  for (let id = 1; id <= sessions; id++) {
    const row = state.sessions.add(id, new Uint8Array(0))
    state.sessions.setPhase(row, id % 7 === 0 ? 'tombstone' : 'established')
    state.sessions.owner[row] = 1 + (id % 3)
    state.sessions.packetsPerSecond[row] = id % 2 === 0 ? 0 : random.uint32() % 500
  }
  return state
}

function loads(account: LoadAccount): unknown {
  return [...account.owners].map(([number, { sessions, load }]) => [number, sessions, load] as const).sort(([a], [b]) => a - b)
}

/** What a look at every session at once gives. */
function twin(state: State): unknown {
  const counts = [...countSessions(state)].map(([number, { established, packetsPerSecond }]) => {
    return [number, established, packetsPerSecond + IDLE_WEIGHT * established] as const
  })
  return counts.sort(([a], [b]) => a - b)
}

function pass(account: LoadAccount, fromMs: number): number {
  let nowMs = fromMs
  for (let i = 0; i < 1000; i++, nowMs += 10) if (account.tick(nowMs, everybody)) return nowMs
  throw new Error('the pass does not end')
}

test('a pass gives what a look at every session at once gives, in slices', () => {
  const state = stateOf(10_000)
  const account = new LoadAccount(state, 1000)
  assert.equal(pass(account, 0), 40, 'five slices')
  assert.deepEqual(loads(account), twin(state))
  for (const { counts, load, loads: byClass, sessions } of account.owners.values()) {
    assert.equal(
      counts.reduce((sum, count) => sum + count, 0),
      sessions,
    )
    assert.equal(
      byClass.reduce((sum, one) => sum + one, 0),
      load,
    )
  }
})

test('between passes nothing is looked at, and the next begins a second after the last one began', () => {
  const state = stateOf(100)
  const account = new LoadAccount(state, 1000)
  pass(account, 0)
  const before = loads(account)
  state.sessions.packetsPerSecond.fill(900)
  for (let nowMs = 10; nowMs < 1000; nowMs += 10) assert.equal(account.tick(nowMs, everybody), false)
  assert.deepEqual(loads(account), before)
  assert.equal(account.tick(1000, everybody), true)
  assert.deepEqual(loads(account), twin(state))
})

test('a takeover shows in the next pass', () => {
  const state = stateOf(5000)
  const account = new LoadAccount(state, 1000)
  pass(account, 0)
  apply(state, { type: 'gateway-down', incarnation: 2 })
  pass(account, 1000)
  assert.deepEqual(loads(account), twin(state))
  assert.equal(account.loadOf(2), 0)
})

test('what is on its way counts where it goes, whether the pass has come by it or not', () => {
  const state = stateOf(10_000)
  const account = new LoadAccount(state, 1000)
  pass(account, 0)
  account.tick(1000, everybody)
  // One that the running pass has seen, and one that is yet to come; both change hands before it does.
  for (const session of [3, 9000]) {
    account.moved(session, 1 + (session % 3), 2)
    const row = state.sessions.find(session)
    state.sessions.owner[row] = 2
    assert.equal(account.loadOf(2), twinLoad(state, 2), `session ${session}`)
  }
  pass(account, 1010)
  assert.deepEqual(loads(account), twin(state))
})

function twinLoad(state: State, incarnation: number): number {
  const { established, packetsPerSecond } = countSessions(state).get(incarnation)!
  return packetsPerSecond + IDLE_WEIGHT * established
}

test('sessions that may not be moved count, but not among those that could be', () => {
  const state = stateOf(1000)
  const account = new LoadAccount(state, 1000)
  const guide = {
    destination: (session: number, owner: number) => (session === 1 ? 3 : owner),
    mayMove: (session: number) => session % 2 === 0,
  }
  account.tick(0, guide)
  const movable = [...account.owners.values()].reduce((sum, { counts }) => sum + counts.reduce((all, count) => all + count, 0), 0)
  assert.equal(movable, [...Array(1000).keys()].filter((i) => (i + 1) % 7 !== 0 && (i + 1) % 2 === 0).length)
  assert.equal(account.owners.get(3)!.sessions, countSessions(state).get(3)!.established + 1)
})

test('after each change nothing is moved for the hold-off', () => {
  const steadiness = new Steadiness({ holdOffMs: 10_000, flapWindowMs: 600_000 })
  assert.ok(steadiness.isSteady(0))
  steadiness.changed('sg1', 5000)
  assert.ok(!steadiness.isSteady(14_999))
  assert.ok(steadiness.isSteady(15_000))
  steadiness.risen('sg1', 20_000)
  assert.ok(!steadiness.isSteady(29_999))
  assert.ok(!steadiness.isTrusted('sg1', 29_999))
  assert.ok(steadiness.isTrusted('sg1', 30_000))
  assert.ok(steadiness.isTrusted('sg2', 20_000))
})

test('who rises again and again is left alone twice as long each time, at most for the window, and holds up nobody else', () => {
  const steadiness = new Steadiness({ holdOffMs: 10_000, flapWindowMs: 600_000 })
  const waits = [10, 10, 20, 40, 80, 160, 320]
  waits.forEach((seconds, i) => {
    const nowMs = 1_000_000 + i * 10
    steadiness.risen('sg1', nowMs)
    assert.ok(!steadiness.isTrusted('sg1', nowMs + seconds * 1000 - 1), `${i}`)
    assert.ok(steadiness.isTrusted('sg1', nowMs + seconds * 1000), `${i}`)
  })
  for (let i = 0; i < 30; i++) steadiness.risen('sg1', 1_100_000 + i)
  assert.ok(steadiness.isSteady(1_100_100), 'the others go on')
  assert.ok(!steadiness.isTrusted('sg1', 1_500_000))
  assert.ok(steadiness.isTrusted('sg1', 1_700_100))
  steadiness.risen('sg1', 2_000_000)
  assert.ok(steadiness.isTrusted('sg1', 2_010_000), 'it is forgiven')
})

test('who moved lately is remembered for its time, and of very many the latest', () => {
  const lately = new MovedLately(1000)
  lately.add(1, 0)
  lately.add(2, 500)
  lately.tick(999)
  assert.deepEqual([lately.has(1), lately.has(2)], [true, true])
  lately.tick(1000)
  assert.deepEqual([lately.has(1), lately.has(2)], [false, true])
  for (let session = 10; session < 100_000; session++) lately.add(session, 1000)
  const remembered = Array.from({ length: 100_000 }, (_, session) => session).filter((session) => lately.has(session))
  assert.ok(remembered.length <= 65_536 && remembered.length >= (15 / 16) * 65_536, `${remembered.length} are remembered`)
  assert.equal(remembered[0], 100_000 - remembered.length)
})
