import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { membershipOf } from '../../raft/membership.ts'
import type { InstallSnapshot } from '../../raft/message.ts'
import { SnapshotReceiver } from '../../raft/snapshot-receiver.ts'
import type { SnapshotMark, SnapshotStore } from '../../raft/snapshot-store.ts'

const part = (number: number, isLast: boolean): InstallSnapshot => ({
  type: 'installSnapshot',
  term: 3,
  lastIncludedIndex: 40,
  lastIncludedTerm: 2,
  part: number,
  isLast,
  configuration: number === 0 ? membershipOf({ voters: ['leader', 'us'], outgoingVoters: null, learners: [] }) : null,
  data: Uint8Array.of(number),
})

/** A store whose snapshots are durable when `finish` is called. */
function slowStore(): { readonly store: SnapshotStore; readonly finish: () => void } {
  let finish = (): void => assert.fail('nothing is being finished')
  const writer = {
    write: () => Promise.resolve(),
    finish: () => new Promise<void>((resolve) => (finish = resolve)),
    abort: () => Promise.resolve(),
  }
  const store = { latest: null, read: () => assert.fail('nothing is sent'), receive: () => Promise.resolve(writer) }
  return { store, finish: () => finish() }
}

test('parts that are sent again while a snapshot is being taken over do not take it over once more', async () => {
  const { store, finish } = slowStore()
  let commitIndex = 10
  let begunAnew = (): void => undefined
  const installed: SnapshotMark[] = []
  const answers: number[] = []
  const receiver = new SnapshotReceiver({
    store,
    now: () => 70,
    isWanted: (index) => index > commitIndex,
    answer: (_to, _index, nextPart) => answers.push(nextPart),
    onInstalled: (mark) => {
      installed.push(mark)
      commitIndex = mark.index
      return new Promise((resolve) => (begunAnew = resolve))
    },
    onFailed: (error) => assert.fail(String(error)),
  })
  for (let copy = 0; copy < 2; copy++) {
    receiver.receive('leader', part(0, false))
    receiver.receive('leader', part(1, true))
  }
  await setImmediate()
  assert.equal(receiver.storingSince, 70, 'the disk is at it')
  assert.equal(receiver.isTakingOver, true, 'what follows the snapshot is needed')
  finish()
  await setImmediate()
  assert.equal(receiver.storingSince, null)
  assert.deepEqual(
    installed.map(({ index }) => index),
    [40],
  )
  assert.equal(receiver.isTakingOver, true)
  begunAnew()
  await setImmediate()
  assert.equal(receiver.isTakingOver, false)
  assert.equal(installed.length, 1)
  assert.deepEqual(answers, [1], 'the log answers the last part, and the copies with it')
})
