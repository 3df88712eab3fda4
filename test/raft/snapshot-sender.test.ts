import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { encodeMembership, membershipOf } from '../../raft/membership.ts'
import { SnapshotSender } from '../../raft/snapshot-sender.ts'
import type { SnapshotMark, SnapshotStore } from '../../raft/snapshot-store.ts'

const nobody = { voters: [], outgoingVoters: null, learners: [] }
const mark: SnapshotMark = { index: 7, term: 2, configuration: encodeMembership(membershipOf(nobody)), position: new Uint8Array(10) }
const unlimited = Infinity

/** A snapshot of so many parts after its mark's position. */
function storeOf(partCount: number, partOctets: number): SnapshotStore {
  return {
    latest: mark,
    read: () => {
      let left = partCount
      const next = () => Promise.resolve(left-- > 0 ? new Uint8Array(partOctets) : null)
      return Promise.resolve({ mark, next, close: () => Promise.resolve() })
    },
    receive: () => Promise.reject(new Error('not asked for')),
  }
}

/** A sender whose clock the test holds, and a follower that answers when it is told to. */
class Transfer {
  readonly sent: { readonly part: number; readonly octets: number; readonly isLast: boolean }[] = []
  readonly sender: SnapshotSender
  failures = 0
  nowMs = 0

  constructor(store: SnapshotStore, octetsPerSecond: number) {
    this.sender = new SnapshotSender(
      {
        peer: 'b',
        store,
        octetsPerSecond,
        send: (_, part, { length }, isLast) => this.sent.push({ part, octets: length, isLast }),
        onStarted: () => undefined,
        onFailed: () => this.failures++,
      },
      0,
    )
  }

  get parts(): number[] {
    return this.sent.map(({ part }) => part)
  }

  get octets(): number {
    return this.sent.reduce((sum, { octets }) => sum + octets, 0)
  }

  /** Lets what was begun come to its end. */
  async settle(): Promise<void> {
    for (let i = 0; i < 10; i++) await setImmediate()
  }

  async answer(nextPart: number): Promise<void> {
    this.sender.answered({ type: 'installSnapshotResponse', term: 2, lastIncludedIndex: mark.index, nextPart }, this.nowMs)
    await this.settle()
  }

  async tick(ms: number): Promise<void> {
    this.nowMs += ms
    this.sender.tick(this.nowMs)
    await this.settle()
  }
}

test('of a snapshot no more than 64 KiB are on their way at a time: a heartbeat waits behind no more', async () => {
  const transfer = new Transfer(storeOf(10, 24 * 1024), unlimited)
  await transfer.settle()
  assert.deepEqual(transfer.parts, [0, 1, 2])
  await transfer.answer(1)
  assert.deepEqual(transfer.parts, [0, 1, 2])
  await transfer.answer(2)
  assert.deepEqual(transfer.parts, [0, 1, 2, 3])
  for (let next = 3; next <= 10; next++) await transfer.answer(next)
  assert.deepEqual(transfer.parts, [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  assert.deepEqual(
    transfer.sent.flatMap(({ part, isLast }) => (isLast ? [part] : [])),
    [10],
  )
})

test('a part that is larger than that goes alone; of small ones no more are on their way than a receiver keeps', async () => {
  const large = new Transfer(storeOf(3, 1024 * 1024), unlimited)
  await large.settle()
  assert.deepEqual(large.parts, [0])
  await large.answer(1)
  assert.deepEqual(large.parts, [0, 1])
  const small = new Transfer(storeOf(100, 10), unlimited)
  await small.settle()
  assert.deepEqual(small.parts, [0, 1, 2, 3, 4, 5, 6, 7])
})

test('a snapshot is sent at its rate, whoever answers how fast', async () => {
  const [rate, part] = [400_000, 4_000]
  const transfer = new Transfer(storeOf(10_000, part), rate)
  await transfer.settle()
  for (let tick = 1; tick <= 250; tick++) {
    while (transfer.parts.at(-1)! + 1 > 0) {
      const before = transfer.sent.length
      await transfer.answer(transfer.parts.at(-1)! + 1)
      if (transfer.sent.length === before) break
    }
    await transfer.tick(20)
    const allowed = (rate * transfer.nowMs) / 1000
    const burst = rate / 10
    assert.ok(transfer.octets <= allowed + burst + part, `${transfer.octets} octets in ${transfer.nowMs} ms`)
  }
  // It used what it may: a window at each tick would have been less.
  assert.ok(transfer.octets >= (rate * transfer.nowMs) / 1000, `${transfer.octets} octets in ${transfer.nowMs} ms`)
})

test('over a new connection what was not answered goes again at once, and nothing that was', async () => {
  const transfer = new Transfer(storeOf(20, 24 * 1024), unlimited)
  await transfer.settle()
  for (let next = 1; next <= 5; next++) await transfer.answer(next)
  const before = transfer.sent.length
  transfer.sender.reconnected(transfer.nowMs)
  await transfer.settle()
  assert.deepEqual(transfer.parts.slice(before), [5, 6])
  for (let next = 6; next <= 20; next++) await transfer.answer(next)
  assert.equal(transfer.sent.length, 21 + 2)
})

test('without an answer a window goes again after half a second, then after twice as long each time, until it is given up', async () => {
  const transfer = new Transfer(storeOf(20, 24 * 1024), unlimited)
  await transfer.settle()
  const resentAtMs: number[] = []
  for (let before = transfer.sent.length; transfer.failures === 0; before = transfer.sent.length) {
    await transfer.tick(50)
    if (transfer.sent.length > before) resentAtMs.push(transfer.nowMs)
    assert.ok(transfer.nowMs < 100_000)
  }
  assert.deepEqual(resentAtMs, [500, 1500, 3500, 7500])
  assert.equal(transfer.nowMs, 15_050)
  const [failures, sent] = [transfer.failures, transfer.sent.length]
  await transfer.tick(60_000)
  assert.deepEqual([transfer.failures, transfer.sent.length], [failures, sent])
})

test('a follower that has parts of an earlier sending of the same snapshot gets the rest', async () => {
  const transfer = new Transfer(storeOf(100, 10), unlimited)
  await transfer.settle()
  assert.deepEqual(transfer.parts, [0, 1, 2, 3, 4, 5, 6, 7])
  // To each of them: it is further than that.
  for (let i = 0; i < 8; i++) await transfer.answer(95)
  assert.deepEqual(transfer.sent.slice(8), [
    ...[95, 96, 97, 98, 99].map((part) => ({ part, octets: 10, isLast: false })),
    { part: 100, octets: 10, isLast: true },
  ])
  assert.equal(transfer.failures, 0)
  const short = new Transfer(storeOf(20, 10), unlimited)
  await short.settle()
  await short.answer(22)
  assert.deepEqual([short.parts.length, short.failures], [8, 1], 'it can have no more than there is')
})
