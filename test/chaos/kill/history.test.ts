import assert from 'node:assert/strict'
import test from 'node:test'
import { History } from '../../../chaos/kill/history.ts'

function owners(...told: readonly (readonly [call: number, end: number, epoch: number, owner: string])[]): string[] {
  const history = new History([])
  for (const [call, end, epoch, owner] of told)
    history.ownerTold({ client: 'reader', call }, end, { type: 'read', session: '1' }, { epoch, owner })
  return history.problems()
}

test('an owner with a lower epoch is told by nobody who was asked after a higher one was known', () => {
  assert.deepEqual(owners([0, 1, 4, 'sg1'], [2, 3, 5, 'sg2'], [4, 5, 5, 'sg2']), [])
  assert.match(owners([0, 1, 5, 'sg2'], [2, 3, 4, 'sg1'])[0] ?? '', /session 1: notLinearizable/)
})

test('who is asked at the same time may be told either', () => {
  assert.deepEqual(owners([0, 10, 5, 'sg2'], [1, 9, 4, 'sg1']), [])
})

test('an epoch has one owner', () => {
  assert.match(owners([0, 1, 4, 'sg1'], [0, 1, 4, 'sg2'])[0] ?? '', /notLinearizable/)
})

test('a transfer is answered with the gateway that it was to', () => {
  const history = new History([])
  history.ownerTold({ client: 'operator', call: 0 }, 1, { type: 'transfer', session: '1', to: 'sg3' }, { epoch: 2, owner: 'sg1' })
  assert.match(history.problems()[0] ?? '', /transfer of 1 to sg3 was answered with owner sg1/)
})

test('what an operator was told of a member is what everybody sees from then on', () => {
  const history = new History(['sg1'])
  const call = (at: number) => ({ client: `${at}`, call: at })
  history.memberRead(call(0), 1, 'sg1', 'voter')
  history.memberRead(call(0), 1, 'sg6', 'none')
  history.memberWritten(call(2), Infinity, 'sg6', 'learner')
  history.memberRead(call(3), 4, 'sg6', 'none')
  history.memberRead(call(5), 6, 'sg6', 'learner')
  history.memberWritten(call(7), 8, 'sg6', 'voter')
  assert.deepEqual(history.problems(), [])
  history.memberWritten(call(9), 10, 'sg1', 'none')
  history.memberRead(call(11), 12, 'sg1', 'voter')
  assert.match(history.problems()[0] ?? '', /sg1: notLinearizable/)
})
