import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Effects } from '../../raft/effects.ts'
import { bestSuccessor } from '../../raft/leadership-transfer.ts'
import type { Message } from '../../raft/message.ts'
import { append, appended, messagesTo, SteppedServer } from '../support/raft-server-steps.ts'

const three = ['a', 'b', 'c']
const timeoutNow = (term: number): Message => ({ type: 'timeoutNow', term })
const heartbeatResponse = (term = 1): Message => ({ type: 'heartbeatResponse', term, round: 0, isMember: true })
const requestVote = (term: number, lastLogIndex: number, lastLogTerm: number, leadershipTransfer = true): Message => ({
  type: 'requestVote',
  term,
  lastLogIndex,
  lastLogTerm,
  leadershipTransfer,
})

/** A leader of term 1 whose no-op, at index 1, everyone has. */
function leaderOf(voters = three): SteppedServer {
  const server = new SteppedServer('a', voters)
  const others = voters.filter((id) => id !== 'a')
  server.lead(others)
  for (const peer of others) server.receive(peer, appended(1, 1))
  return server
}

function transfer(server: SteppedServer, to: string, id = 9): Effects {
  return server.step({ type: 'transferLeadership', id, to })
}

function propose(server: SteppedServer, id: number): Effects {
  return server.step({ type: 'propose', proposals: [{ id, kind: 'command', priority: 0, data: Uint8Array.of(1) }] })
}

function timeoutNowTo(effects: Effects, to: string): Message[] {
  return messagesTo(effects.send, to).filter(({ type }) => type === 'timeoutNow')
}

test('a target that has the whole log is told to campaign at once', () => {
  const leader = leaderOf()
  assert.deepEqual(transfer(leader, 'b').send, [{ to: 'b', message: timeoutNow(1) }])
})

test('"the prior leader fully updates the target server’s log to match its own log" before TimeoutNow (thesis §3.10)', () => {
  const leader = leaderOf()
  propose(leader, 1)
  leader.persisted()
  leader.receive('c', appended(1, 2))
  assert.equal(leader.raft.commitIndex, 2)
  assert.deepEqual(timeoutNowTo(transfer(leader, 'b'), 'b'), [])
  assert.deepEqual(timeoutNowTo(leader.receive('c', heartbeatResponse()), 'b'), [])
  assert.deepEqual(timeoutNowTo(leader.receive('b', appended(1, 2)), 'b'), [timeoutNow(1)])
})

test('"the prior leader stops accepting new client requests" (thesis §3.10): local and forwarded proposals are dropped, and stay dropped', () => {
  const leader = leaderOf()
  transfer(leader, 'b')
  assert.deepEqual(propose(leader, 1).outcomes, [{ id: 1, type: 'dropped', reason: 'leadershipTransfer' }])
  const forward: Message = { type: 'forward', term: 1, id: 5, kind: 'command', priority: 0, data: Uint8Array.of(1) }
  assert.deepEqual(messagesTo(leader.receive('c', forward).send, 'c'), [{ type: 'forwardResponse', term: 1, id: 5, index: 0 }])
  leader.after(300)
  // Copies of what was said to be dropped are not appended later.
  leader.receive('c', forward)
  assert.equal(leader.raft.log.lastIndex, 1)
})

test('the target campaigns without pre-vote, and its RequestVote says that the leader wants it; it is persisted before it leaves', () => {
  const target = new SteppedServer('b', three, 1)
  target.receive('a', append(1, 0, 0, []))
  const effects = target.receive('a', timeoutNow(1))
  assert.equal(target.raft.phase.type, 'candidate')
  assert.deepEqual(effects.persist?.hardState, { currentTerm: 2, votedFor: 'b' })
  assert.deepEqual(effects.send, [])
  assert.deepEqual(messagesTo(effects.sendAfterPersist, 'a'), [requestVote(2, 0, 0)])
  assert.deepEqual(messagesTo(effects.sendAfterPersist, 'c'), [requestVote(2, 0, 0)])
})

test('servers that hear the leader, and the leader itself, vote for a candidate that the leader wants; the log must still be up to date', () => {
  const follower = new SteppedServer('c', three, 1)
  follower.receive('a', append(1, 0, 0, []))
  assert.deepEqual(follower.receive('b', requestVote(2, 0, 0, false)).sendAfterPersist, [])
  assert.equal(follower.raft.currentTerm, 1)
  const vote: Message = { type: 'requestVoteResponse', term: 2, voteGranted: true }
  assert.deepEqual(messagesTo(follower.receive('b', requestVote(2, 0, 0)).sendAfterPersist, 'b'), [vote])
  const leader = leaderOf()
  assert.deepEqual(messagesTo(leader.receive('b', requestVote(2, 1, 1)).sendAfterPersist, 'b'), [vote])
  assert.equal(leader.raft.phase.type, 'follower')
  const behind = leaderOf()
  assert.deepEqual(messagesTo(behind.receive('b', requestVote(2, 0, 0)).sendAfterPersist, 'b'), [{ ...vote, voteGranted: false }])
})

test('"if leadership transfer does not complete after about an election timeout, the prior leader aborts the transfer" (thesis §3.10)', () => {
  const leader = leaderOf()
  transfer(leader, 'b')
  leader.now = 450 + 299
  for (const peer of ['b', 'c']) assert.deepEqual(leader.receive(peer, heartbeatResponse()).transfers, [])
  assert.equal(propose(leader, 1).outcomes[0]!.type, 'dropped')
  assert.deepEqual(leader.after(1).transfers, [{ id: 9, result: 'unanswered' }])
  assert.equal(propose(leader, 2).outcomes[0]!.type, 'appended')
})

test('a target that does not catch up in time is reported as not up: it certainly does not lead', () => {
  const leader = leaderOf()
  propose(leader, 1)
  transfer(leader, 'b')
  leader.now = 450 + 200
  leader.receive('c', heartbeatResponse())
  leader.now += 100
  assert.deepEqual(leader.receive('c', heartbeatResponse()).transfers, [{ id: 9, result: 'targetNotUp' }])
})

test('TimeoutNow is repeated while the target still answers as a follower', () => {
  const leader = leaderOf()
  transfer(leader, 'b')
  assert.deepEqual(timeoutNowTo(leader.receive('b', heartbeatResponse()), 'b'), [timeoutNow(1)])
  assert.deepEqual(timeoutNowTo(leader.receive('c', heartbeatResponse()), 'c'), [])
})

test('a target that is unknown, does not vote, or has been silent for an election timeout is refused at once', () => {
  const leader = leaderOf()
  const refused = [{ id: 9, result: 'targetNotUp' as const }]
  assert.deepEqual(transfer(leader, 'nobody').transfers, refused)
  leader.now = 450 + 250
  leader.receive('c', heartbeatResponse())
  leader.now = 450 + 300
  leader.receive('c', heartbeatResponse())
  assert.deepEqual(transfer(leader, 'b').transfers, refused)
  const withLearner = leaderOf()
  Object.assign(withLearner.raft, { configuration: { voters: ['a', 'b'], outgoingVoters: null, learners: ['c'] } })
  assert.deepEqual(transfer(withLearner, 'c').transfers, refused)
})

test('a transfer to another target is refused while one is under way; one to the same target joins it', () => {
  const leader = leaderOf()
  transfer(leader, 'b', 1)
  assert.deepEqual(transfer(leader, 'c', 2).transfers, [{ id: 2, result: 'conflict' }])
  assert.deepEqual(transfer(leader, 'b', 3).transfers, [])
  leader.now += 300
  assert.deepEqual(leader.receive('c', heartbeatResponse()).transfers, [
    { id: 1, result: 'unanswered' },
    { id: 3, result: 'unanswered' },
  ])
})

test('a follower passes the request on to the leader, whose answer comes back; without a leader it fails at once', () => {
  const follower = new SteppedServer('c', three, 1)
  assert.deepEqual(transfer(follower, 'b').transfers, [{ id: 9, result: 'noLeader' }])
  follower.receive('a', append(1, 0, 0, []))
  const [request] = messagesTo(transfer(follower, 'nobody').send, 'a')
  assert.deepEqual(request, { type: 'transferLeadership', term: 1, id: 9, to: 'nobody' })
  const leader = leaderOf()
  const [answer] = messagesTo(leader.receive('c', request).send, 'c')
  assert.deepEqual(follower.receive('a', answer!).transfers, [{ id: 9, result: 'targetNotUp' }])
  const elsewhere = new SteppedServer('b', three, 1)
  assert.deepEqual(messagesTo(elsewhere.receive('c', request).send, 'c'), [
    { type: 'transferLeadershipResponse', term: 1, id: 9, result: 'noLeader' },
  ])
})

test('TimeoutNow of another term, at a learner, or while the disk hangs, is ignored', () => {
  const follower = new SteppedServer('b', three, 2)
  follower.receive('a', append(2, 0, 0, []))
  follower.receive('a', timeoutNow(1))
  follower.receive('a', timeoutNow(3))
  assert.equal(follower.raft.phase.type, 'follower')
  const hung = new SteppedServer('b', three, 1)
  hung.receive('a', append(2, 0, 0, []))
  hung.now = 301
  hung.receive('a', timeoutNow(2))
  assert.equal(hung.raft.phase.type, 'follower')
  const learner = new SteppedServer('d', three, 2)
  learner.receive('a', append(2, 0, 0, []))
  learner.receive('a', timeoutNow(2))
  assert.equal(learner.raft.phase.type, 'follower')
})

test('the best successor is the voter with most of the log among those that answer', () => {
  const leader = leaderOf(['a', 'b', 'c', 'd'])
  propose(leader, 1)
  leader.now += 250
  for (const peer of ['c', 'd']) leader.receive(peer, appended(1, 2))
  assert.equal(bestSuccessor(leader.raft), 'c')
  leader.now += 300
  leader.receive('d', heartbeatResponse())
  assert.equal(bestSuccessor(leader.raft), 'd')
  assert.equal(bestSuccessor(new SteppedServer('a', three).raft), null)
})
