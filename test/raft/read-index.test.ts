import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Effects, ReadOutcome } from '../../raft/effects.ts'
import type { Message } from '../../raft/message.ts'
import { append, appended, entriesOf, messagesTo, SteppedServer } from '../support/raft-server-steps.ts'

const three = ['a', 'b', 'c']
const confirmed = (id: number, index: number): ReadOutcome => ({ id, type: 'confirmed', index })
const acknowledge = (round: number, term = 1): Message => ({ type: 'heartbeatResponse', term, round, isMember: true })
const readIndex = (id: number, term = 1): Message => ({ type: 'readIndex', term, id })

/** A leader of term 1 that has committed its no-op, at index 1. */
function leaderWithCommit(voters = three): SteppedServer {
  const server = new SteppedServer('a', voters)
  const others = voters.filter((id) => id !== 'a')
  server.lead(others)
  for (const peer of others) server.receive(peer, appended(1, 1))
  assert.equal(server.raft.commitIndex, 1)
  return server
}

function roundOf(effects: Effects, to = 'b'): number | null {
  const heartbeat = messagesTo(effects.send, to).find((message) => message.type === 'heartbeat')
  return heartbeat?.round ?? null
}

function read(server: SteppedServer, id: number): Effects {
  return server.step({ type: 'read', id })
}

function propose(server: SteppedServer, id: number): Effects {
  return server.step({ type: 'propose', proposals: [{ id, kind: 'command', priority: 1, data: Uint8Array.of(1) }] })
}

test('a read puts nothing into the log: "the leader issues a new round of heartbeats and waits for a majority" (thesis §6.4)', () => {
  const leader = leaderWithCommit()
  const effects = read(leader, 7)
  assert.equal(effects.persist, null)
  assert.deepEqual(effects.reads, [])
  const round = roundOf(effects)!
  assert.deepEqual(
    effects.send.map(({ to, message }) => [to, message.type]),
    [
      ['b', 'heartbeat'],
      ['c', 'heartbeat'],
    ],
  )
  assert.deepEqual(leader.receive('c', acknowledge(round)).reads, [confirmed(7, 1)])
  assert.equal(leader.raft.log.lastIndex, 1)
})

test('who does not vote confirms no read: it may have forgotten that it elected another, whose entries the read must see', () => {
  const leader = leaderWithCommit()
  const round = roundOf(read(leader, 7))!
  assert.deepEqual(leader.receive('c', { type: 'heartbeatResponse', term: 1, round, isMember: false }).reads, [])
  assert.deepEqual(leader.receive('b', acknowledge(round)).reads, [confirmed(7, 1)])
})

test('"if the leader has not yet marked an entry from its current term committed, it waits until it has done so" (thesis §6.4)', () => {
  const leader = new SteppedServer('a', three, 1, [1, 1])
  leader.lead(['b'])
  const effects = read(leader, 7)
  assert.equal(roundOf(effects), null)
  leader.receive('b', acknowledge(99, 2))
  const committed = leader.receive('b', appended(2, 3))
  assert.equal(leader.raft.commitIndex, 3)
  const round = roundOf(committed)!
  assert.deepEqual(leader.receive('b', acknowledge(round, 2)).reads, [confirmed(7, 3)])
})

test('a leader alone confirms at once', () => {
  const server = new SteppedServer('a', ['a'])
  server.after(450)
  server.persisted()
  server.persisted()
  assert.deepEqual(read(server, 7).reads, [confirmed(7, 1)])
})

test('one round confirms all reads that wait for it; those that come meanwhile share the next', () => {
  const leader = leaderWithCommit()
  const first = roundOf(read(leader, 1))!
  assert.equal(roundOf(read(leader, 2)), null)
  assert.equal(roundOf(leader.receive('b', readIndex(3))), null)
  const effects = leader.receive('b', acknowledge(first))
  assert.deepEqual(effects.reads, [confirmed(1, 1)])
  const second = roundOf(effects)!
  assert.ok(second > first)
  const rest = leader.receive('c', acknowledge(second))
  assert.deepEqual(rest.reads, [confirmed(2, 1)])
  assert.deepEqual(rest.send, [{ to: 'b', message: { type: 'readIndexResponse', term: 1, id: 3, index: 1 } }])
})

test('the index is that of the beginning of the round: what is committed meanwhile may be read or not', () => {
  const leader = leaderWithCommit()
  const round = roundOf(read(leader, 1))!
  propose(leader, 5)
  leader.persisted()
  leader.receive('b', appended(1, 2))
  assert.equal(leader.raft.commitIndex, 2)
  assert.deepEqual(leader.receive('b', acknowledge(round)).reads, [confirmed(1, 1)])
})

test('an answer to an earlier round confirms nothing, one to a later round does: the token is the leader’s own counter', () => {
  const leader = leaderWithCommit()
  const early = roundOf(leader.after(50))!
  const round = roundOf(read(leader, 1))!
  assert.equal(round, early + 1)
  assert.deepEqual(leader.receive('b', acknowledge(early)).reads, [])
  assert.deepEqual(leader.receive('c', acknowledge(early)).reads, [])
  // Its heartbeats were lost; the next regular ones confirm it.
  const later = roundOf(leader.after(50))!
  assert.deepEqual(leader.receive('c', acknowledge(later)).reads, [confirmed(1, 1)])
})

test('a second read under the id of an earlier one is not confirmed by the answers to that (stale read of etcd-raft before 3.7)', () => {
  const leader = leaderWithCommit()
  const first = roundOf(leader.receive('b', readIndex(7)))!
  assert.equal(messagesTo(leader.receive('b', acknowledge(first)).send, 'b').length, 1)
  leader.receive('b', readIndex(7))
  assert.deepEqual(leader.receive('c', acknowledge(first)).send, [])
})

test('a deposed leader does not answer: others lead a later term, and only answers to its earlier heartbeats arrive', () => {
  const leader = leaderWithCommit()
  const before = roundOf(leader.after(50))!
  read(leader, 1)
  leader.receive('c', readIndex(2))
  for (const peer of ['b', 'c']) assert.deepEqual(leader.receive(peer, acknowledge(before)).reads, [])
  const outcomes: ReadOutcome[] = []
  const refusals: unknown[] = []
  for (let ms = 0; ms < 400; ms += 50) {
    const effects = leader.after(50)
    outcomes.push(...effects.reads)
    refusals.push(...messagesTo(effects.send, 'c').filter(({ type }) => type === 'readIndexResponse'))
  }
  assert.equal(leader.raft.phase.type, 'follower')
  assert.deepEqual(outcomes, [{ id: 1, type: 'dropped', reason: 'leaderLost' }])
  assert.deepEqual(refusals, [{ type: 'readIndexResponse', term: 1, id: 2, index: 0 }])
})

test('a leader that learns a later term drops its reads; a late acknowledgement of that round confirms nothing any more', () => {
  const leader = leaderWithCommit()
  const round = roundOf(read(leader, 1))!
  const effects = leader.receive('b', { type: 'heartbeatResponse', term: 5, round: 0, isMember: true })
  assert.deepEqual(effects.reads, [{ id: 1, type: 'dropped', reason: 'leaderLost' }])
  assert.deepEqual(leader.receive('c', acknowledge(round)).reads, [])
})

test('a follower asks the leader, and reads from the index it is told', () => {
  const follower = new SteppedServer('b', three, 1)
  follower.receive('a', append(1, 0, 0, entriesOf([1]), 1))
  assert.deepEqual(read(follower, 7).send, [{ to: 'a', message: readIndex(7) }])
  const answer: Message = { type: 'readIndexResponse', term: 1, id: 7, index: 4 }
  assert.deepEqual(follower.receive('c', answer).reads, [])
  assert.deepEqual(follower.receive('a', answer).reads, [confirmed(7, 4)])
  assert.deepEqual(follower.receive('a', answer).reads, [])
})

test('a follower asks again after an election timeout without an answer, for as long as it hears the leader', () => {
  const follower = new SteppedServer('b', three, 1)
  follower.receive('a', append(1, 0, 0, entriesOf([1]), 1))
  read(follower, 7)
  const asked: number[] = []
  for (let ms = 50; ms <= 600; ms += 50) {
    follower.now = ms
    const effects = follower.receive('a', { type: 'heartbeat', term: 1, commitIndex: 0, round: ms, roundTripMs: 0 })
    if (effects.send.some(({ message }) => message.type === 'readIndex')) asked.push(ms)
  }
  assert.deepEqual(asked, [300, 600])
})

test('a read is dropped at once where no leader is known, when the leader is lost or changes, and when it refuses', () => {
  const dropped = (reason: 'noLeader' | 'leaderLost' | 'refusedByLeader'): ReadOutcome[] => [{ id: 7, type: 'dropped', reason }]
  const follower = new SteppedServer('b', three, 1)
  assert.deepEqual(read(follower, 7).reads, dropped('noLeader'))
  const follow = (leader: string, term: number): Effects => follower.receive(leader, append(term, 0, 0, []))
  follow('a', 1)
  read(follower, 7)
  assert.deepEqual(follower.step({ type: 'peerGone', peer: 'a' }).reads, dropped('leaderLost'))
  follow('a', 1)
  read(follower, 7)
  assert.deepEqual(follow('c', 2).reads, dropped('leaderLost'))
  assert.deepEqual(follower.receive('a', { type: 'readIndexResponse', term: 1, id: 7, index: 9 }).reads, [])
  read(follower, 7)
  assert.deepEqual(follower.receive('c', { type: 'readIndexResponse', term: 2, id: 7, index: 0 }).reads, dropped('refusedByLeader'))
})

test('who does not lead the term that the question names refuses it', () => {
  const follower = new SteppedServer('b', three, 1)
  assert.deepEqual(messagesTo(follower.receive('c', readIndex(7)).send, 'c'), [{ type: 'readIndexResponse', term: 1, id: 7, index: 0 }])
  const leader = leaderWithCommit()
  assert.deepEqual(messagesTo(leader.receive('c', readIndex(7, 9)).send, 'c'), [{ type: 'readIndexResponse', term: 1, id: 7, index: 0 }])
})

test('an answer to a round that has not begun is ignored', () => {
  const leader = leaderWithCommit()
  leader.receive('b', acknowledge(99))
  assert.deepEqual(read(leader, 1).reads, [])
  assert.deepEqual(leader.after(50).reads, [])
})

test('learners acknowledge for nobody', () => {
  const leader = leaderWithCommit()
  const withLearner = Object.assign(leader.raft, { configuration: { voters: ['a', 'b', 'd'], outgoingVoters: null, learners: ['c'] } })
  assert.equal(withLearner.phase.type, 'leader')
  const round = roundOf(read(leader, 1))!
  assert.deepEqual(leader.receive('c', acknowledge(round)).reads, [])
  assert.deepEqual(leader.receive('b', acknowledge(round)).reads, [confirmed(1, 1)])
})

test('the reads that wait at a leader are bounded; those beyond are refused', () => {
  const leader = leaderWithCommit()
  read(leader, 1)
  for (let id = 1; id <= 4096; id++) assert.deepEqual(leader.receive('b', readIndex(id)).send, [])
  assert.deepEqual(leader.receive('b', readIndex(5000)).send, [
    { to: 'b', message: { type: 'readIndexResponse', term: 1, id: 5000, index: 0 } },
  ])
})
