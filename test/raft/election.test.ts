import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Message } from '../../raft/message.ts'
import { knownLeader } from '../../raft/state.ts'
import { append, entryOf, messagesTo, SteppedServer } from '../support/raft-server-steps.ts'

const three = ['a', 'b', 'c']
const requestVote = (term: number, lastLogIndex: number, lastLogTerm: number): Message => ({
  type: 'requestVote',
  term,
  lastLogIndex,
  lastLogTerm,
  leadershipTransfer: false,
})
const preVote = (term: number, lastLogIndex = 0, lastLogTerm = 0): Message => ({
  type: 'preVote',
  term,
  nextTerm: term + 1,
  lastLogIndex,
  lastLogTerm,
})

function voteOf(server: SteppedServer, from: string, message: Message): boolean | null {
  const effects = server.receive(from, message)
  const [answer] = messagesTo([...effects.send, ...effects.sendAfterPersist], from)
  return answer !== undefined && 'voteGranted' in answer ? answer.voteGranted : null
}

test('"when servers start up, they begin as followers" (§5.2), and wait for an election timeout from [T, 1.5 T)', () => {
  const server = new SteppedServer('a', three)
  assert.equal(server.raft.phase.type, 'follower')
  assert.deepEqual(server.after(299).send, [])
  assert.equal(server.raft.phase.type, 'follower')
  server.after(151)
  assert.equal(server.raft.phase.type, 'preCandidate')
})

test('a pre-vote changes neither term nor vote (thesis §9.6)', () => {
  const server = new SteppedServer('a', three, 4)
  const effects = server.after(450)
  assert.equal(effects.persist, null)
  assert.deepEqual(
    effects.send.map(({ to, message }) => [to, message.type, message.term]),
    [
      ['b', 'preVote', 4],
      ['c', 'preVote', 4],
    ],
  )
  const voter = new SteppedServer('b', three, 4)
  assert.equal(voteOf(voter, 'a', preVote(4)), true)
  assert.equal(voteOf(voter, 'c', preVote(4)), true)
  assert.equal(voter.raft.votedFor, null)
})

test('a server that is cut off keeps its term, however long it lasts', () => {
  const server = new SteppedServer('a', three, 4)
  for (let i = 0; i < 50; i++) server.after(450)
  assert.equal(server.raft.currentTerm, 4)
  assert.equal(server.raft.phase.type, 'preCandidate')
})

test('a pre-vote is refused while a leader is heard, and granted when it has been silent for T', () => {
  const server = new SteppedServer('a', three, 4)
  server.receive('b', append(4, 0, 0, []))
  assert.equal(voteOf(server, 'c', preVote(4)), false)
  server.now = 299
  assert.equal(voteOf(server, 'c', preVote(9)), false)
  server.now = 300
  assert.equal(voteOf(server, 'c', preVote(4)), true)
})

test('a server whose disk hangs grants no pre-vote, for its vote would not come; it does again when the disk is back', () => {
  const server = new SteppedServer('a', three, 1, [1])
  server.receive('b', append(1, 1, 1, [entryOf(2, 1)]))
  server.after(400)
  assert.equal(voteOf(server, 'c', preVote(1, 2, 1)), false)
  server.persisted()
  assert.equal(voteOf(server, 'c', preVote(1, 2, 1)), true)
})

test('a refused pre-vote teaches the candidate a higher term', () => {
  const behind = new SteppedServer('a', three, 3)
  behind.after(450)
  const effects = behind.receive('b', { type: 'preVoteResponse', term: 7, nextTerm: 4, voteGranted: false })
  assert.equal(behind.raft.currentTerm, 7)
  assert.equal(behind.raft.phase.type, 'follower')
  assert.deepEqual(effects.persist?.hardState, { currentTerm: 7, votedFor: null })
})

test('a vote is persisted before it is asked for, and the candidate counts its own only once it is durable (§5.2, thesis §3.8)', () => {
  const server = new SteppedServer('a', three)
  server.after(450)
  const effects = server.receive('b', { type: 'preVoteResponse', term: 0, nextTerm: 1, voteGranted: true })
  assert.deepEqual(effects.persist?.hardState, { currentTerm: 1, votedFor: 'a' })
  assert.deepEqual(effects.send, [])
  assert.deepEqual(
    effects.sendAfterPersist.map(({ to, message }) => [to, message.type]),
    [
      ['b', 'requestVote'],
      ['c', 'requestVote'],
    ],
  )
  server.receive('b', { type: 'requestVoteResponse', term: 1, voteGranted: true })
  assert.equal(server.raft.phase.type, 'candidate')
  server.persisted()
  assert.equal(server.raft.phase.type, 'leader')
})

test('a server alone campaigns at once, leads only once its vote, and commits only once its entry, is durable', () => {
  const server = new SteppedServer('a', ['a'])
  server.after(0)
  assert.equal(server.raft.phase.type, 'candidate')
  assert.equal(server.persisted().persist?.entries.length, 1)
  assert.equal(server.raft.phase.type, 'leader')
  assert.equal(server.raft.commitIndex, 0)
  assert.equal(server.persisted().committed.length, 1)
})

test('"each server will vote for at most one candidate in a given term, on a first-come-first-served basis" (§5.2)', () => {
  const server = new SteppedServer('a', three, 1)
  assert.equal(voteOf(server, 'b', requestVote(2, 0, 0)), true)
  assert.equal(voteOf(server, 'c', requestVote(2, 0, 0)), false)
  assert.equal(voteOf(server, 'b', requestVote(2, 0, 0)), true)
  assert.equal(server.raft.votedFor, 'b')
})

test('a vote is kept when the leader of its term is heard: the term is the same', () => {
  const server = new SteppedServer('a', three, 2, [], 'b')
  server.receive('b', append(2, 0, 0, []))
  server.now = 400
  assert.equal(voteOf(server, 'c', requestVote(2, 5, 2)), false)
  assert.equal(server.raft.votedFor, 'b')
})

test('a vote is refused to a log that is not "at least as up-to-date" (§5.4.1)', () => {
  const cases: [lastLogIndex: number, lastLogTerm: number, granted: boolean][] = [
    [3, 3, true],
    [4, 3, true],
    [1, 4, true],
    [2, 3, false],
    [9, 2, false],
  ]
  for (const [lastLogIndex, lastLogTerm, granted] of cases) {
    const voter = new SteppedServer('a', three, 3, [1, 3, 3])
    assert.equal(voteOf(voter, 'b', requestVote(5, lastLogIndex, lastLogTerm)), granted, `index ${lastLogIndex}, term ${lastLogTerm}`)
    const preVoter = new SteppedServer('a', three, 3, [1, 3, 3])
    assert.equal(voteOf(preVoter, 'b', preVote(5, lastLogIndex, lastLogTerm)), granted)
  }
})

test('"if a server receives a RequestVote within the minimum election timeout of hearing from a leader, it does not update its term" (§6)', () => {
  const server = new SteppedServer('a', three, 4)
  server.receive('b', append(4, 0, 0, []))
  assert.equal(voteOf(server, 'c', requestVote(9, 0, 0)), null)
  assert.equal(server.raft.currentTerm, 4)
  const leader = new SteppedServer('a', three)
  leader.lead(['b'])
  assert.equal(voteOf(leader, 'c', requestVote(9, 0, 0)), null)
  assert.equal(leader.raft.phase.type, 'leader')
})

test('a leader that hears no quorum for T steps down in the same term (check-quorum, §6.2 of the thesis)', () => {
  const server = new SteppedServer('a', three)
  server.lead(['b'])
  for (let i = 0; i < 5; i++) {
    server.after(59)
    assert.equal(server.raft.phase.type, 'leader')
  }
  server.after(6)
  assert.equal(server.raft.phase.type, 'follower')
  assert.equal(server.raft.currentTerm, 1)
})

test('a leader that is answered only by servers that do not vote steps down: it could commit nothing, and they refuse their votes to who could', () => {
  const server = new SteppedServer('a', three)
  server.lead(['b'])
  for (let i = 0; i < 7; i++) {
    server.after(50)
    server.receive('b', { type: 'heartbeatResponse', term: 1, round: i, isMember: false })
  }
  assert.equal(server.raft.phase.type, 'follower')
})

test('a leader whose disk hangs for T steps down though everyone answers, and does not campaign before the disk is back', () => {
  const server = new SteppedServer('a', three)
  server.lead(['b'])
  server.step({ type: 'propose', proposals: [{ id: 1, kind: 'command', priority: 1, data: Uint8Array.of(1) }] })
  for (let i = 0; i < 7; i++) {
    server.after(50)
    for (const peer of ['b', 'c']) server.receive(peer, { type: 'heartbeatResponse', term: 1, round: i, isMember: true })
  }
  assert.equal(server.raft.phase.type, 'follower')
  server.after(500)
  assert.equal(server.raft.phase.type, 'follower')
  server.persisted()
  server.after(500)
  assert.equal(server.raft.phase.type, 'preCandidate')
})

test('a server that is told that the leader is gone asks for pre-votes within 20 ms, and those that hear the leader refuse', () => {
  const server = new SteppedServer('a', three, 4)
  server.receive('b', append(4, 0, 0, []))
  server.step({ type: 'peerGone', peer: 'c' })
  assert.equal(knownLeader(server.raft), 'b')
  server.step({ type: 'peerGone', peer: 'b' })
  const effects = server.after(20)
  assert.equal(server.raft.phase.type, 'preCandidate')
  assert.equal(effects.persist, null)
  server.receive('c', { type: 'preVoteResponse', term: 4, nextTerm: 5, voteGranted: false })
  server.receive('b', append(4, 0, 0, []))
  assert.equal(knownLeader(server.raft), 'b')
  assert.equal(server.raft.currentTerm, 4)
})

test('"if the leader\'s term is at least as large as the candidate\'s current term, the candidate returns to follower state" (§5.2)', () => {
  const server = new SteppedServer('a', three)
  server.after(450)
  server.receive('b', { type: 'preVoteResponse', term: 0, nextTerm: 1, voteGranted: true })
  assert.equal(server.raft.phase.type, 'candidate')
  server.receive('c', append(1, 0, 0, []))
  assert.deepEqual(server.raft.phase, { type: 'follower', leader: 'c', lastHeard: 450 })
  assert.equal(server.raft.votedFor, 'a')
})

test('a leader of an old term learns the new one and steps down (§5.1)', () => {
  const follower = new SteppedServer('b', three, 5)
  const [answer] = messagesTo(follower.receive('a', append(1, 0, 0, [])).sendAfterPersist, 'a')
  const leader = new SteppedServer('a', three)
  leader.lead(['c'])
  leader.receive('b', answer!)
  assert.equal(leader.raft.phase.type, 'follower')
  assert.equal(leader.raft.currentTerm, 5)
})

test('"if election timeout elapses without receiving AppendEntries RPC from current leader or granting vote to candidate" (figure 2): a later term alone is no reason to wait', () => {
  const follower = new SteppedServer('b', ['a', 'b', 'c'], 1, [1, 1])
  const deadline = follower.raft.electionDeadline
  follower.now = deadline - 10
  const worse = { type: 'requestVote', term: 2, lastLogIndex: 1, lastLogTerm: 1, leadershipTransfer: false } as const
  follower.receive('c', worse)
  assert.deepEqual([follower.raft.currentTerm, follower.raft.votedFor, follower.raft.electionDeadline], [2, null, deadline])
  follower.receive('c', { ...worse, term: 3, lastLogIndex: 2 })
  assert.equal(follower.raft.votedFor, 'c')
  assert.ok(follower.raft.electionDeadline > deadline)
})
