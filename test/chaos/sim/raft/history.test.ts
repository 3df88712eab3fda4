import assert from 'node:assert/strict'
import { test } from 'node:test'
import { History } from '../../../../chaos/sim/raft/history.ts'
import { decodeRegisterCommand, encodeRegisterCommand, Registers } from '../../../../chaos/sim/raft/registers.ts'

const write = (value: number) => ({ type: 'write', key: 'x', value }) as const
const read = { type: 'read', key: 'x' } as const

test('a command that was acknowledged is in the log, and none is there twice', () => {
  const history = new History()
  history.called('a/1', write(1))
  history.check([])
  history.returned('a/1', 1)
  history.check(['a/1'])
  assert.throws(() => history.check([]), /durability: command a\/1 was acknowledged, and is not committed/)
  assert.throws(() => history.check(['a/1', 'b/1', 'a/1']), /once: command a\/1 is committed twice/)
})

test('what was never answered may have happened or not, and what failed has not', () => {
  const history = new History()
  history.called('a/1', write(1))
  history.called('a/2', write(2))
  history.failed('a/2')
  history.called('b/1', read)
  history.returned('b/1', 0)
  history.called('b/2', read)
  history.returned('b/2', 1)
  history.check(['a/1'])
  history.called('b/3', read)
  history.returned('b/3', 2)
  assert.throws(() => history.check(['a/1']), /linearizability: x: notLinearizable/)
})

test('an answer is given once', () => {
  const history = new History()
  history.called('a/1', write(1))
  history.returned('a/1', 1)
  assert.throws(() => history.returned('a/1', 1), /a\/1 returns, and is not under way/)
})

test('commands and registers are the same after they were encoded', () => {
  const compareAndSet = { type: 'compareAndSet', key: 'y', expected: 3, value: 4 } as const
  for (const command of [
    { name: 'a/7', input: write(5) },
    { name: 'b/8', input: compareAndSet },
  ]) {
    assert.deepEqual(decodeRegisterCommand(encodeRegisterCommand(command)), command)
  }
  const registers = new Registers(new Uint8Array(0))
  registers.apply(write(3))
  assert.equal(new Registers(registers.encode()).value('x'), 3)
})
