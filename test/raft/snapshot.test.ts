import assert from 'node:assert/strict'
import { test } from 'node:test'
import { membershipOf } from '../../raft/membership.ts'
import { joinLog } from '../../raft/start.ts'
import { append, appended, entriesOf, messagesTo, SteppedServer } from '../support/raft-server-steps.ts'

const three = ['a', 'b', 'c']
const ones = (count: number): number[] => Array.from({ length: count }, () => 1)

/** A leader in term 2 of a log of `count` entries and its no-op, all of it committed and applied; `c` has answered nothing. */
function leaderOf(count: number, compactionTailOctets = 0): SteppedServer {
  const leader = new SteppedServer('a', three, 1, ones(count), null, { compactionTailOctets })
  leader.lead(['b'])
  leader.receive('b', appended(2, count + 1))
  assert.equal(leader.raft.lastApplied, count + 1)
  return leader
}

function progressOf(leader: SteppedServer, peer: string) {
  assert.ok(leader.raft.phase.type === 'leader')
  return leader.raft.phase.progress.get(peer)!
}

/** `c` turns out to hold nothing. */
function falsifyAll(leader: SteppedServer): ReturnType<SteppedServer['receive']> {
  const { nextIndex } = progressOf(leader, 'c')
  return leader.receive('c', { type: 'appendEntriesResponse', term: 2, success: false, index: nextIndex - 1, hintIndex: 0, hintTerm: 0 })
}

test('what the application holds durably may be compacted, down to a tail for followers that are a little behind (§7)', () => {
  const leader = leaderOf(50)
  const { encoded } = leader.raft.log.entry(40)!
  const tail = leaderOf(50, 3 * encoded.length)
  assert.deepEqual(leader.step({ type: 'compact', index: 40 }).persist?.compactTo, { index: 40, term: 1, configuration })
  assert.equal(leader.raft.log.firstIndex, 41)
  assert.deepEqual(tail.step({ type: 'compact', index: 40 }).persist?.compactTo, { index: 37, term: 1, configuration })
  assert.equal(tail.step({ type: 'compact', index: 30 }).persist, null)
})

test('"the leader must occasionally send snapshots to followers that lag behind" (§7): whose next entry is gone gets one, and no appends', () => {
  const leader = leaderOf(50)
  leader.step({ type: 'compact', index: 40 })
  const effects = falsifyAll(leader)
  assert.deepEqual(effects.snapshotsTo, ['c'])
  assert.deepEqual(messagesTo(effects.send, 'c'), [])
  assert.equal(progressOf(leader, 'c').state, 'snapshotting')
  const beat = leader.receive('c', { type: 'heartbeatResponse', term: 2, round: 1, isMember: true })
  assert.deepEqual([beat.snapshotsTo, messagesTo(beat.send, 'c')], [[], []])
})

test('what follows a snapshot that is on its way is not compacted', () => {
  const leader = leaderOf(50)
  leader.step({ type: 'compact', index: 40 })
  falsifyAll(leader)
  assert.equal(leader.step({ type: 'compact', index: 50 }).persist, null, 'its end is not known yet')
  leader.step({ type: 'snapshotStarted', peer: 'c', index: 45 })
  assert.deepEqual(leader.step({ type: 'compact', index: 50 }).persist?.compactTo, { index: 45, term: 1, configuration })
})

test('after the snapshot the follower gets the rest of the log', () => {
  const leader = leaderOf(50)
  leader.step({ type: 'compact', index: 40 })
  falsifyAll(leader)
  leader.step({ type: 'snapshotStarted', peer: 'c', index: 45 })
  const effects = leader.receive('c', appended(2, 45))
  const [message] = messagesTo(effects.send, 'c')
  assert.ok(message?.type === 'appendEntries')
  assert.deepEqual([message.prevLogIndex, message.entries.length], [45, 6])
})

test('a snapshot that came to nothing is begun again when the follower is heard', () => {
  const leader = leaderOf(50)
  leader.step({ type: 'compact', index: 40 })
  falsifyAll(leader)
  assert.deepEqual(leader.step({ type: 'snapshotFailed', peer: 'c' }).snapshotsTo, [])
  assert.deepEqual(leader.receive('c', { type: 'heartbeatResponse', term: 2, round: 1, isMember: true }).snapshotsTo, ['c'])
})

const configuration = membershipOf({ voters: three, outgoingVoters: null, learners: [] })
const installed = { type: 'snapshotInstalled', index: 100, term: 2, configuration } as const

test('"if existing log entry has same index and term as snapshot\'s last included entry, retain log entries following it" (figure 13)', () => {
  const server = new SteppedServer('b', three, 2, [...ones(60), ...Array.from({ length: 60 }, () => 2)])
  const effects = server.step(installed)
  assert.equal(effects.persist, null)
  assert.deepEqual([server.raft.log.lastIndex, server.raft.lastApplied, server.raft.commitIndex], [120, 100, 100])
})

test('"discard the entire log" (figure 13) that contradicts the snapshot or ends before it, and go on after it', () => {
  for (const terms of [ones(20), ones(120)]) {
    const server = new SteppedServer('b', three, 2, terms)
    server.receive('a', append(2, 0, 0, []))
    const effects = server.step(installed)
    assert.deepEqual(effects.persist?.reset, { index: 100, term: 2, configuration })
    assert.deepEqual(messagesTo(effects.sendAfterPersist, 'a'), [appended(2, 100)])
    assert.deepEqual([server.raft.log.firstIndex, server.raft.log.lastIndex], [101, 100])
    assert.deepEqual(
      server.receive('a', append(2, 100, 2, entriesOf([2], 101), 101)).committed.map(({ index }) => index),
      [101],
    )
  }
})

test('a part of a snapshot goes to the application; one that brings nothing new is answered by what is committed here', () => {
  const server = new SteppedServer('b', three, 2, ones(20))
  server.receive('a', append(2, 20, 1, [], 20))
  const part = {
    type: 'installSnapshot',
    term: 2,
    lastIncludedTerm: 1,
    part: 0,
    isLast: true,
    configuration,
    data: new Uint8Array(1),
  } as const
  const news = server.receive('a', { ...part, lastIncludedIndex: 21 })
  assert.equal(news.snapshotParts.length, 1)
  const old = server.receive('a', { ...part, lastIncludedIndex: 20 })
  assert.deepEqual([old.snapshotParts, messagesTo(old.sendAfterPersist, 'a')], [[], [appended(2, 20)]])
  const stale = server.receive('c', { ...part, term: 1, lastIncludedIndex: 21 })
  assert.deepEqual(stale.snapshotParts, [])
})

const disk = {
  hardState: { currentTerm: 2, votedFor: 'b' },
  base: { index: 10, term: 1, configuration: null },
  entries: entriesOf([1, 1, 2], 11),
}

test('a start: the application goes on after what it holds', () => {
  const { log, appliedIndex, isLogReset } = joinLog(disk, { index: 12, term: 1, configuration }, configuration)
  assert.deepEqual([log.firstIndex, log.lastIndex, appliedIndex, isLogReset], [11, 13, 12, false])
})

test('a start: a log that ends before what the application holds, or contradicts it, begins anew there', () => {
  for (const applied of [
    { index: 20, term: 3, configuration },
    { index: 13, term: 3, configuration },
  ]) {
    const {
      log,
      hardState,
      isLogReset,
      configuration: inForce,
    } = joinLog(disk, applied, membershipOf({ voters: ['x'], outgoingVoters: null, learners: [] }))
    assert.deepEqual([log.base, log.lastIndex, isLogReset], [{ index: applied.index, term: applied.term }, applied.index, true])
    assert.equal(inForce, configuration)
    assert.deepEqual(hardState, { currentTerm: 3, votedFor: null })
  }
})

test('a start: an application that holds less than the log begins with is damage', () => {
  assert.throws(() => joinLog(disk, { index: 9, term: 1, configuration }, configuration), { code: 'ERR_STORAGE_DAMAGED' })
  assert.throws(() => joinLog(disk, null, configuration), { code: 'ERR_STORAGE_DAMAGED' })
})
