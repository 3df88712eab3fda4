/**
 * Sentences of the Raft paper (extended version) and of Ongaro's dissertation that no other test is named after: figure 2 and §5 in their order. Where we
 * do otherwise than the sentence says, the test says how.
 */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Effects } from '../../raft/effects.ts'
import type { Message } from '../../raft/message.ts'
import { knownLeader } from '../../raft/state.ts'
import { append, appended, entriesOf, messagesTo, SteppedServer } from '../support/raft-server-steps.ts'

const three = ['a', 'b', 'c']
const five = ['a', 'b', 'c', 'd', 'e']

const requestVote = { type: 'requestVote', term: 2, lastLogIndex: 9, lastLogTerm: 1, leadershipTransfer: false } as const
const heartbeat = { type: 'heartbeat', term: 1, commitIndex: 0, round: 1, roundTripMs: 0 } as const

function sent(effects: Effects, to: string): Message[] {
  return messagesTo([...effects.send, ...effects.sendAfterPersist], to)
}

/** A candidate of term 2 among three, whose vote for itself is on disk. */
function candidate(): SteppedServer {
  const server = new SteppedServer('a', three, 1, [1])
  server.after(450)
  server.receive('b', { type: 'preVoteResponse', term: 1, nextTerm: 2, voteGranted: true })
  server.persisted()
  assert.equal(server.raft.phase.type, 'candidate')
  return server
}

function leader(voters = three, logTerms: readonly number[] = [1]): SteppedServer {
  const server = new SteppedServer('a', voters, 1, logTerms)
  server.lead(voters.slice(1, (voters.length + 1) / 2))
  assert.equal(server.raft.phase.type, 'leader')
  return server
}

test('"if a server receives a request with a stale term number, it rejects the request" (§5.1), and tells its own', () => {
  const server = new SteppedServer('a', three, 5, [1, 2])
  const stale: Message[] = [append(4, 2, 2, entriesOf([4], 3)), { ...heartbeat, term: 4 }, { ...requestVote, term: 4, lastLogTerm: 4 }]
  for (const message of stale) {
    const [answer] = sent(server.receive('b', message), 'b')
    assert.equal(answer?.term, 5)
    assert.ok(answer.type === 'requestVoteResponse' ? !answer.voteGranted : answer.type === 'appendEntriesResponse' && !answer.success)
  }
  assert.equal(server.raft.log.lastIndex, 2)
  assert.equal(knownLeader(server.raft), null)
})

const later: Message[] = [
  append(7, 1, 1, []),
  { ...heartbeat, term: 7 },
  { type: 'commit', term: 7, commitIndex: 0 },
  { ...requestVote, term: 7 },
  { type: 'requestVoteResponse', term: 7, voteGranted: false },
  { type: 'preVoteResponse', term: 7, nextTerm: 3, voteGranted: false },
  { type: 'appendEntriesResponse', term: 7, success: false, index: 0, hintIndex: 0, hintTerm: 0 },
  { type: 'heartbeatResponse', term: 7, round: 1, isMember: true },
]
for (const message of later) {
  test(`"if RPC request or response contains term T > currentTerm: set currentTerm = T, convert to follower" (figure 2): ${message.type}`, () => {
    const server = candidate()
    const effects = server.receive('b', message)
    assert.equal(server.raft.phase.type, 'follower')
    assert.equal(effects.persist?.hardState?.currentTerm, 7)
  })
}

test('a pre-vote carries no term for those that hear it: the candidate is not in it yet (thesis §9.6)', () => {
  const server = candidate()
  server.receive('b', { type: 'preVote', term: 7, nextTerm: 8, lastLogIndex: 9, lastLogTerm: 7 })
  assert.equal(server.raft.currentTerm, 2)
})

test('"if votedFor is null or candidateId […] grant vote" (figure 2): the same candidate is granted it again, and nothing is written', () => {
  const server = new SteppedServer('a', three, 1, [1])
  const first = server.receive('b', requestVote)
  const again = server.receive('b', requestVote)
  for (const effects of [first, again]) assert.deepEqual(sent(effects, 'b'), [{ type: 'requestVoteResponse', term: 2, voteGranted: true }])
  assert.equal(again.persist, null)
})

test('"if election timeout elapses without receiving AppendEntries RPC from current leader or granting vote" (figure 2): both begin it anew', () => {
  for (const message of [requestVote, { ...heartbeat, term: 2 }] as const) {
    const server = new SteppedServer('a', three, 1, [1])
    server.after(250)
    server.receive('b', message)
    server.persisted()
    server.after(290)
    assert.equal(server.raft.phase.type, 'follower', message.type)
    server.after(160)
    assert.equal(server.raft.phase.type, 'preCandidate', message.type)
  }
})

test('"on conversion to candidate: increment currentTerm, vote for self, reset election timer, send RequestVote RPCs to all other servers" (figure 2)', () => {
  const server = new SteppedServer('a', five, 3, [1, 3])
  server.after(450)
  server.receive('b', { type: 'preVoteResponse', term: 3, nextTerm: 4, voteGranted: true })
  const before = server.raft.electionDeadline
  server.now += 50
  const effects = server.receive('c', { type: 'preVoteResponse', term: 3, nextTerm: 4, voteGranted: true })
  assert.deepEqual(effects.persist?.hardState, { currentTerm: 4, votedFor: 'a' })
  assert.ok(server.raft.electionDeadline >= server.now + 300 && server.raft.electionDeadline !== before)
  for (const peer of five.slice(1)) {
    const request = { type: 'requestVote', term: 4, lastLogIndex: 2, lastLogTerm: 3, leadershipTransfer: false }
    assert.deepEqual(messagesTo(effects.sendAfterPersist, peer), [request])
  }
})

test('"if votes received from majority of servers: become leader" (figure 2): not from fewer, and a repeated vote is one', () => {
  const server = new SteppedServer('a', five, 1, [1])
  server.after(450)
  for (const peer of ['b', 'c']) server.receive(peer, { type: 'preVoteResponse', term: 1, nextTerm: 2, voteGranted: true })
  server.persisted()
  const vote = { type: 'requestVoteResponse', term: 2, voteGranted: true } as const
  server.receive('b', vote)
  server.receive('b', vote)
  server.receive('c', { ...vote, voteGranted: false })
  assert.equal(server.raft.phase.type, 'candidate')
  server.receive('d', vote)
  assert.equal(server.raft.phase.type, 'leader')
})

test('"each candidate […] waits for that timeout to elapse before starting the next election" (§5.2), and asks for pre-votes first (thesis §9.6)', () => {
  const server = candidate()
  server.after(299)
  assert.equal(server.raft.phase.type, 'candidate')
  server.after(151)
  assert.equal(server.raft.phase.type, 'preCandidate')
  assert.equal(server.raft.currentTerm, 2)
})

test('"if the term in the RPC is smaller than the candidate’s current term, then the candidate rejects the RPC and continues in candidate state" (§5.2)', () => {
  const server = candidate()
  const [answer] = sent(server.receive('c', append(1, 1, 1, [])), 'c')
  assert.ok(answer?.type === 'appendEntriesResponse' && !answer.success && answer.term === 2)
  assert.equal(server.raft.phase.type, 'candidate')
})

test('"upon election: send initial […] AppendEntries RPCs to each server; repeat during idle periods to prevent election timeouts" (figure 2)', () => {
  const server = new SteppedServer('a', three, 1, [1])
  server.after(450)
  server.receive('b', { type: 'preVoteResponse', term: 1, nextTerm: 2, voteGranted: true })
  server.persisted()
  const elected = server.receive('b', { type: 'requestVoteResponse', term: 2, voteGranted: true })
  for (const peer of ['b', 'c'])
    assert.deepEqual(
      sent(elected, peer).map(({ type }) => type),
      ['appendEntries'],
    )
  server.persisted()
  server.after(0)
  for (let i = 0; i < 3; i++) {
    const idle = server.after(50)
    for (const peer of ['b', 'c'])
      assert.deepEqual(
        sent(idle, peer).map(({ type }) => type),
        ['heartbeat'],
      )
    server.receive('b', { type: 'heartbeatResponse', term: 2, round: 1, isMember: true })
  }
})

test('"nextIndex […] initialized to leader last log index + 1", "matchIndex […] initialized to 0" (figure 2)', () => {
  const server = leader(three, [1, 1, 1])
  assert.ok(server.raft.phase.type === 'leader')
  for (const { nextIndex, matchIndex } of server.raft.phase.progress.values()) assert.deepEqual([nextIndex, matchIndex], [4, 0])
})

test('"a leader never overwrites or deletes entries in its log" (§5.3): it takes no append, not even of its own term', () => {
  const server = leader()
  server.receive('b', append(2, 0, 0, entriesOf([2])))
  assert.equal(server.raft.phase.type, 'leader')
  assert.equal(server.raft.log.term(1), 1)
  assert.equal(server.raft.drops.get('second leader of a term'), 1)
})

test('"the leader retries AppendEntries RPCs indefinitely […] until all followers eventually store all log entries" (§5.3), after it has answered', () => {
  const server = leader()
  server.receive('b', appended(2, 2))
  server.receive('c', { type: 'heartbeatResponse', term: 2, round: 1, isMember: true })
  for (let i = 0; i < 20; i++) {
    server.after(50)
    server.receive('b', { type: 'heartbeatResponse', term: 2, round: 1, isMember: true })
    const retried = sent(server.receive('c', { type: 'heartbeatResponse', term: 2, round: 1, isMember: true }), 'c')
    assert.deepEqual(
      retried.map(({ type }) => type),
      ['appendEntries'],
    )
  }
})

test('committing an entry "also commits all preceding entries in the leader’s log, including entries created by previous leaders" (§5.3)', () => {
  const server = leader(three, [1, 1])
  const effects = server.receive('b', appended(2, 3))
  assert.deepEqual(
    effects.committed.map(({ index, term }) => [index, term]),
    [
      [1, 1],
      [2, 1],
      [3, 2],
    ],
  )
})

test('"once a follower learns that a log entry is committed, it applies the entry to its local state machine (in log order)" (§5.3), once', () => {
  const server = new SteppedServer('a', three, 1)
  server.receive('b', append(1, 0, 0, entriesOf([1, 1, 1]), 0))
  const learnt = [
    server.receive('b', { ...heartbeat, commitIndex: 2 }),
    server.receive('b', { ...heartbeat, commitIndex: 1 }),
    server.receive('b', { type: 'commit', term: 1, commitIndex: 3 }),
    server.receive('b', { type: 'commit', term: 1, commitIndex: 3 }),
  ]
  assert.deepEqual(
    learnt.map(({ committed }) => committed.map(({ index }) => index)),
    [[1, 2], [], [3], []],
  )
})

test('"append any new entries not already in the log" (figure 2): those that are there are not written again', () => {
  const server = new SteppedServer('a', three, 1, [1, 1])
  const effects = server.receive('b', append(1, 0, 0, entriesOf([1, 1, 1])))
  assert.deepEqual(
    effects.persist?.entries.map(({ index }) => index),
    [3],
  )
})

test('"Raft RPCs are idempotent" (§5.5): an append that comes again is acknowledged again, and changes nothing', () => {
  const server = new SteppedServer('a', three, 1, [1])
  const message = append(1, 1, 1, entriesOf([1, 1], 2), 1)
  const first = server.receive('b', message)
  server.persisted()
  const again = server.receive('b', message)
  assert.deepEqual(sent(again, 'b'), sent(first, 'b'))
  assert.equal(again.persist, null)
  assert.deepEqual(again.committed, [])
})

test('"a candidate only increments its term if it first learns from a majority of the cluster that they would be willing" (thesis §9.6)', () => {
  const server = new SteppedServer('a', five, 1, [1])
  server.after(450)
  const answer = (voteGranted: boolean): Message => ({ type: 'preVoteResponse', term: 1, nextTerm: 2, voteGranted })
  server.receive('b', answer(true))
  server.receive('c', answer(false))
  server.receive('d', answer(false))
  server.receive('e', answer(false))
  assert.equal(server.raft.currentTerm, 1)
  assert.equal(server.raft.votedFor, null)
  const late = server.receive('c', answer(true))
  assert.equal(late.persist?.hardState?.currentTerm, 2, 'who thought again counts')
})

test('a server that starts knows of no commitment but what its application holds: commitIndex is "volatile state" (figure 2)', () => {
  const server = new SteppedServer('a', three, 3, [1, 2, 3])
  assert.deepEqual([server.raft.commitIndex, server.raft.lastApplied], [0, 0])
  assert.equal(server.raft.durableIndex, 3)
})
