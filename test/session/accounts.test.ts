import assert from 'node:assert/strict'
import { test } from 'node:test'
import { noTraffic } from '../../src/context/traffic.ts'
import { trafficOf } from '../../src/session/accounts.ts'
import { apply } from '../../src/session/apply.ts'
import { createState } from '../../src/session/state.ts'
import { ownership, sessionView } from '../../src/session/view.ts'
import { bringUp, establish, wallMs } from '../support/contexts.ts'

const some = { packetsIn: 3, packetsOut: 1, octetsIn: 300, octetsOut: 100 }

test('what a session carried is added up through takeovers, whoever tells it, and when; an end forgets it', () => {
  const state = createState()
  apply(state, { type: 'set-cluster-version', version: 2 })
  const [a, b] = bringUp(state, 'sg1', 'sg2') as [number, number]
  const session = establish(state, a, 1n, 0x1001, Uint8Array.of(10, 77, 0, 1))
  assert.deepEqual(trafficOf(state, session), noTraffic)
  apply(state, { type: 'account', sessions: [{ session, ...some }] })
  apply(state, { type: 'gateway-down', incarnation: a })
  assert.equal(ownership(state, session)!.owner, b)
  assert.deepEqual(trafficOf(state, session), some)
  // The former owner had said so before it ended; the log brings it now.
  const result = apply(state, {
    type: 'account',
    sessions: [
      { session, ...some },
      { session: 99, ...some },
    ],
  })
  assert.deepEqual(result, { type: 'batch', taken: [session], refused: [] })
  assert.deepEqual(trafficOf(state, session), { packetsIn: 6, packetsOut: 2, octetsIn: 600, octetsOut: 200 })
  assert.equal(sessionView(state, session)!.beganAt, wallMs)
  const { epoch, version } = ownership(state, session)!
  apply(state, { type: 'end-session', incarnation: b, session, epoch, version, nowMs: wallMs })
  const next = establish(state, b, 2n, 0x1002, Uint8Array.of(10, 77, 0, 2))
  assert.deepEqual(trafficOf(state, next), noTraffic, 'though it may have the same row')
})

test('no sum goes beyond what is exact', () => {
  const state = createState()
  apply(state, { type: 'set-cluster-version', version: 2 })
  const [a] = bringUp(state, 'sg1') as [number]
  const session = establish(state, a, 1n, 0x1001, Uint8Array.of(10, 77, 0, 1))
  const much = { ...some, octetsIn: Number.MAX_SAFE_INTEGER }
  for (let i = 0; i < 2; i++) apply(state, { type: 'account', sessions: [{ session, ...much }] })
  assert.equal(trafficOf(state, session).octetsIn, Number.MAX_SAFE_INTEGER)
})

test('a cluster with a gateway of an older build accounts for nothing, and its records have nothing of it', () => {
  const state = createState()
  const [a] = bringUp(state, 'sg1') as [number]
  const session = establish(state, a, 1n, 0x1001, Uint8Array.of(10, 77, 0, 1))
  assert.deepEqual(apply(state, { type: 'account', sessions: [{ session, ...some }] }), { type: 'refused', reason: 'cluster-version' })
  assert.deepEqual([trafficOf(state, session), sessionView(state, session)!.beganAt], [noTraffic, 0])
})
