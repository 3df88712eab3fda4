import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Message } from '../../raft/message.ts'
import { patienceMs } from '../../raft/patience.ts'
import { messagesTo, SteppedServer } from '../support/raft-server-steps.ts'

const three = ['a', 'b', 'c']
const heartbeat = (round: number, roundTripMs: number): Message => ({ type: 'heartbeat', term: 1, commitIndex: 0, round, roundTripMs })
const answer = (round: number): Message => ({ type: 'heartbeatResponse', term: 1, round, isMember: true })

test('silence is allowed for the election timeout, or for four round trips where those are longer, and never for more than four timeouts', () => {
  assert.deepEqual(
    [0, 1, 75, 76, 250, 300, 5000].map((roundTripMs) => patienceMs(300, roundTripMs)),
    [300, 300, 300, 304, 1000, 1200, 1200],
  )
})

test('a follower that is told of long round trips waits as long before it campaigns, and refuses votes meanwhile', () => {
  for (const [roundTripMs, patience] of [
    [10, 300],
    [200, 800],
  ] as const) {
    const follower = new SteppedServer('b', three, 1)
    follower.receive('a', heartbeat(1, roundTripMs))
    follower.receive('a', heartbeat(2, roundTripMs))
    follower.after(patience - 1)
    assert.equal(follower.raft.phase.type, 'follower', `${roundTripMs}`)
    const vote = { type: 'preVote', term: 1, nextTerm: 2, lastLogIndex: 9, lastLogTerm: 1 } as const
    const refused = follower.receive('c', vote)
    assert.deepEqual(
      messagesTo([...refused.send, ...refused.sendAfterPersist], 'c').map((message) => 'voteGranted' in message && message.voteGranted),
      [false],
    )
    follower.after(patience / 2 + 2)
    assert.equal(follower.raft.phase.type, 'preCandidate', `${roundTripMs}`)
  }
})

test('a leader measures each round by its first answer, tells the follower, and waits for it as long', () => {
  const leader = new SteppedServer('a', three)
  leader.lead(['b', 'c'])
  const { progress } = leader.raft.phase as { progress: ReadonlyMap<string, { roundTripMs: number }> } & typeof leader.raft.phase
  for (let round = 1; round <= 40; round++) {
    leader.after(50)
    const sent = (leader.raft.phase as { round: number }).round
    leader.now += 150
    for (const peer of ['b', 'c']) leader.receive(peer, answer(sent))
    leader.receive('b', answer(sent))
  }
  assert.equal(progress.get('b')!.roundTripMs, 150)
  const [told] = messagesTo(leader.after(50).send, 'b')
  assert.ok(told?.type === 'heartbeat' && told.roundTripMs === 150)
  leader.after(500)
  assert.equal(leader.raft.phase.type, 'leader', '550 ms of silence, of 600')
  leader.after(60)
  assert.equal(leader.raft.phase.type, 'follower')
})
