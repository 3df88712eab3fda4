import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ControlMessage } from '../../src/gateway/control-message.ts'
import { Counters } from '../../src/gateway/counters.ts'
import { StateAgreement } from '../../src/gateway/state-agreement.ts'
import { HASHED_COMMANDS } from '../../src/session/history.ts'
import type { State } from '../../src/session/state.ts'
import { createState } from '../../src/session/state.ts'
import { ControlCluster } from '../support/control-cluster.ts'

const k = HASHED_COMMANDS

function agreement(...others: string[]) {
  const state: State = createState()
  const sent: { gateway: string; message: ControlMessage }[] = []
  const diverged: number[] = []
  const counters = new Counters()
  const compared = new StateAgreement({
    gateways: () => ['sg1', ...others],
    self: 'sg1',
    state,
    counters,
    send: (gateway, message) => sent.push({ gateway, message }),
    diverged: (applied) => diverged.push(applied),
  })
  const reach = (applied: number, hash: number): void => {
    state.applied = applied
    state.hashes.set(applied, hash)
    compared.tick(applied)
  }
  return { compared, sent, diverged, counters, reach }
}

test('every gateway tells the others its hash after every so many commands, and again, since a message may be lost', () => {
  const { compared, sent, reach } = agreement('sg2', 'sg3')
  reach(k, 7)
  assert.deepEqual(
    sent,
    ['sg2', 'sg3'].map((gateway) => ({ gateway, message: { type: 'state-hash', applied: k, hash: 7 } })),
  )
  compared.tick(k + 500)
  assert.equal(sent.length, 2)
  compared.tick(k + 1000)
  assert.equal(sent.length, 4)
})

test('whom two of three contradict must stop, whether they were ahead or behind', () => {
  for (const isAhead of [true, false]) {
    const { compared, diverged, reach } = agreement('sg2', 'sg3')
    if (isAhead) reach(k, 7)
    compared.heard('sg2', k, 8)
    compared.heard('sg3', k, 8)
    if (!isAhead) reach(k, 7)
    assert.ok(diverged.includes(k))
  }
})

test('one contradiction, or two that contradict one another too, say only that somebody is wrong', () => {
  const { compared, diverged, counters, reach } = agreement('sg2', 'sg3')
  reach(k, 7)
  compared.heard('sg2', k, 8)
  compared.heard('sg3', k, 9)
  assert.deepEqual(diverged, [])
  assert.ok(counters.get('state-hash-differs') > 0)
})

test('hashes of other places, and of strangers, contradict nothing', () => {
  const { compared, diverged, reach } = agreement('sg2', 'sg3')
  reach(k, 7)
  for (const gateway of ['sg2', 'sg3']) compared.heard(gateway, 2 * k, 8)
  for (const gateway of ['sg8', 'sg9']) compared.heard(gateway, k, 8)
  compared.heard('sg2', k, 7)
  assert.deepEqual(diverged, [])
})

test('a gateway whose state was changed behind the log finds out from the others', () => {
  const all = new ControlCluster('sg1', 'sg2', 'sg3')
  all.lead('sg1')
  const wrong = all.get('sg2')
  wrong.state.nextSession += 1
  wrong.state.historyHash += 1
  for (let i = 0; i < k; i++) all.inject({ type: 'set-draining', gateway: 'sg9', draining: false })
  all.applyAll()
  all.pass(100)
  assert.ok(all.member('sg2').diverged.length > 0)
  for (const id of ['sg1', 'sg3']) assert.deepEqual(all.member(id).diverged, [])
})

test('with a snapshot in the place of its state a gateway forgets what it knew and proposed, and comes up anew', () => {
  const all = new ControlCluster('sg1', 'sg2', 'sg3')
  all.lead('sg1')
  const laggard = all.get('sg3')
  const { incarnation } = laggard
  let isAnswered = false
  laggard.request({ type: 'set-draining', gateway: 'sg1', draining: true }, () => (isAnswered = true))
  all.appended = []
  Object.assign(laggard.state, createState(), { incarnations: all.state('sg1').incarnations, applied: 9 })
  all.member('sg3').take('incarnation')
  laggard.restored(9)
  laggard.start(all.now)
  assert.deepEqual(
    all
      .member('sg3')
      .take('incarnation')
      .map((message) => message.incarnation),
    [0],
  )
  assert.equal(laggard.incarnation, 0)
  assert.deepEqual(
    all.waiting('gateway-up').map(({ gateway }) => gateway),
    ['sg3'],
  )
  all.pass(1000)
  assert.equal(all.waiting('set-draining').length, 0, 'what was proposed before is not proposed again')
  assert.deepEqual([isAnswered, incarnation > 0], [false, true])
})
