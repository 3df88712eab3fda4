/**
 * Bugs of other implementations that no other test is named after, each with its source. Those of reads, transfers, disks and memberships are beside
 * the code that they are about.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { makeEntry } from '../../raft/entry.ts'
import { RaftLog } from '../../raft/log.ts'
import type { Entry } from '../../raft/entry.ts'
import { append, appended, entriesOf, messagesTo, SteppedServer } from '../support/raft-server-steps.ts'

const three = ['a', 'b', 'c']

test('an entry is durable before its term is (openraft, io_ordering.md): term and entries are one batch', () => {
  const server = new SteppedServer('a', three, 1, [1])
  const { persist } = server.receive('b', append(4, 1, 1, entriesOf([3, 4], 2)))
  assert.deepEqual(persist?.hardState, { currentTerm: 4, votedFor: null })
  assert.deepEqual(
    persist.entries.map(({ term }) => term),
    [3, 4],
  )
})

test('the term of a compacted entry is read as 0, and equals that of a missing one (etcd-raft 76f1249, d0fb0cd)', () => {
  const log = new RaftLog(entriesOf([1, 1, 2, 2]))
  log.compactTo(3)
  assert.deepEqual(
    [0, 2, 3, 4, 5].map((index) => log.term(index)),
    [null, null, 2, 2, null],
  )
})

test('a probe before the place where the follower’s log begins is taken, for all of that is committed (etcd-raft 76f1249)', () => {
  const server = new SteppedServer('a', three, 1, [1, 1, 1], null, { compactionTailOctets: 0 })
  server.receive('b', { type: 'heartbeat', term: 1, commitIndex: 3, round: 1, roundTripMs: 0 })
  server.step({ type: 'compact', index: 3 })
  assert.equal(server.raft.log.firstIndex, 4)
  const effects = server.receive('b', append(1, 1, 1, entriesOf([1, 1, 1], 2), 3))
  const [answer] = messagesTo(effects.sendAfterPersist, 'b')
  assert.deepEqual(answer, appended(1, 4))
  assert.deepEqual(
    effects.persist?.entries.map(({ index }) => index),
    [4],
  )
})

test('a snapshot that contradicts what is committed is taken over (openraft #1892): it brings nothing, and is answered by what is committed', () => {
  const server = new SteppedServer('a', three, 2, [1, 1, 2])
  server.receive('b', { type: 'heartbeat', term: 2, commitIndex: 3, round: 1, roundTripMs: 0 })
  const snapshot = { type: 'installSnapshot', term: 2, lastIncludedIndex: 3, lastIncludedTerm: 1, part: 0, isLast: true } as const
  const effects = server.receive('b', { ...snapshot, configuration: server.raft.configuration, data: new Uint8Array(0) })
  assert.deepEqual(effects.snapshotParts, [])
  assert.deepEqual(messagesTo(effects.sendAfterPersist, 'b'), [appended(2, 3)])
  assert.equal(server.raft.log.term(3), 2)
})

test('entries are applied beside a snapshot that includes them (etcd-raft 8349efa, openraft eed681d5): delivery goes on after it', () => {
  const server = new SteppedServer('a', three, 1, [1, 1, 1, 1])
  const { configuration } = server.raft
  const before = server.receive('b', { type: 'heartbeat', term: 1, commitIndex: 1, round: 1, roundTripMs: 0 })
  const during = server.step({ type: 'snapshotInstalled', index: 3, term: 1, configuration })
  const after = server.receive('b', { type: 'heartbeat', term: 1, commitIndex: 4, round: 2, roundTripMs: 0 })
  assert.deepEqual(
    [before, during, after].map(({ committed }) => committed.map(({ index }) => index)),
    [[1], [], [4]],
  )
})

test('a candidate of a higher term is stuck, for the others hear a leader and refuse it (etcd-raft 7b8cdf3): the leader learns its term', () => {
  const stuck = new SteppedServer('c', three, 9, [1])
  const effects = stuck.receive('a', { type: 'heartbeat', term: 2, commitIndex: 0, round: 1, roundTripMs: 0 })
  const [answer] = messagesTo(effects.sendAfterPersist, 'a')
  const leader = new SteppedServer('a', three, 1, [1])
  leader.lead(['b'])
  leader.receive('c', answer!)
  assert.deepEqual([leader.raft.phase.type, leader.raft.currentTerm], ['follower', 9])
})

test('completions of writes are told out of order (etcd-raft ee0757a): one says that all before it are done, and an earlier one after it nothing', () => {
  const server = new SteppedServer('a', three, 1)
  const first = server.receive('b', append(1, 0, 0, entriesOf([1]))).persist!.sequence
  const second = server.receive('b', append(1, 1, 1, entriesOf([1], 2))).persist!.sequence
  server.persisted(second)
  assert.equal(server.raft.durableIndex, 2)
  server.persisted(first)
  assert.equal(server.raft.durableIndex, 2)
})

test('the account of what is in flight leaks (etcd-raft 8ecce32): it is empty after a window was lost, and all of it is there again', () => {
  const server = new SteppedServer('a', three, 1, [1], null, { maxInflightMessages: 2 })
  server.lead(['b'])
  server.receive('c', appended(2, 2))
  const propose = (id: number): void => {
    server.step({ type: 'propose', proposals: [{ id, kind: 'command', priority: 1, data: new Uint8Array(9) }] })
  }
  for (let round = 0; round < 5; round++) {
    for (let i = 0; i < 4; i++) propose(10 * round + i)
    server.step({ type: 'peerConnected', peer: 'c' })
    const { lastIndex } = server.raft.log
    for (let i = 0; i < 6; i++) server.receive('c', appended(2, Math.min(lastIndex, server.raft.log.lastIndex)))
    assert.ok(server.raft.phase.type === 'leader')
    const progress = server.raft.phase.progress.get('c')!
    assert.equal(progress.matchIndex, lastIndex)
    assert.ok(progress.hasRoom(2, Infinity))
  }
})

// The twin of the log: a plain array of entries, of which the first ones are gone.

const operations = fc.array(
  fc.oneof(
    fc.record({ type: fc.constant('append' as const), octets: fc.nat(30) }),
    fc.record({ type: fc.constant('truncate' as const), at: fc.nat(100) }),
    fc.record({ type: fc.constant('compact' as const), at: fc.nat(100) }),
    fc.record({ type: fc.constant('reset' as const), at: fc.nat(100) }),
  ),
  { maxLength: 60 },
)

test('the account of the log’s octets leaks (etcd-raft a370b6f, cockroach #31618): a slow twin adds them up', () => {
  fc.assert(
    fc.property(operations, (drawn) => {
      const log = new RaftLog([])
      let [base, entries]: [number, Entry[]] = [0, []]
      for (const operation of drawn) {
        const last = base + entries.length
        const at = 'at' in operation ? operation.at : 0
        if (operation.type === 'append') {
          const entry = makeEntry(last + 1, 1, 'command', new Uint8Array(operation.octets))
          log.append(entry)
          entries = [...entries, entry]
        } else if (operation.type === 'reset') {
          log.reset({ index: at, term: 1 })
          ;[base, entries] = [at, []]
        } else if (entries.length > 0) {
          const index = base + 1 + (at % entries.length)
          if (operation.type === 'truncate') log.truncateFrom(index)
          else log.compactTo(index)
          entries = entries.filter((entry) => (operation.type === 'truncate' ? entry.index < index : entry.index > index))
          base = operation.type === 'compact' ? index : base
        }
        for (const [from, to] of [
          [base + 1, base + entries.length],
          [base + 2, base + entries.length - 1],
        ] as const) {
          const sum = entries
            .filter(({ index }) => index >= from && index <= to)
            .reduce((octets, entry) => octets + entry.encoded.length, 0)
          assert.equal(log.octetsBetween(from, to), sum)
        }
      }
    }),
  )
})
