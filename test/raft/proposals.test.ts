import assert from 'node:assert/strict'
import { test } from 'node:test'
import { RaftError } from '../../raft/errors.ts'
import type { Forward } from '../../raft/message.ts'
import { ProposalTracker } from '../../raft/proposal-tracker.ts'
import { newId } from '../../raft/proposals.ts'
import { append, appended, messagesTo, SteppedServer } from '../support/raft-server-steps.ts'

const three = ['a', 'b', 'c']
const data = Uint8Array.of(1)
const forward = (term: number, id: number): Forward => ({ type: 'forward', term, id, kind: 'command', priority: 1, data })

test('a follower sends proposals on to the leader it knows, and drops them while it knows none', () => {
  const server = new SteppedServer('a', three, 2)
  const dropped = server.step({ type: 'propose', proposals: [{ id: 1, kind: 'command', priority: 1, data }] })
  assert.deepEqual(dropped.outcomes, [{ id: 1, type: 'dropped', reason: 'noLeader' }])
  server.receive('b', append(2, 0, 0, []))
  const forwarded = server.step({ type: 'propose', proposals: [{ id: 2, kind: 'command', priority: 1, data }] })
  assert.deepEqual(forwarded.send, [{ to: 'b', message: forward(2, 2) }])
  assert.deepEqual(forwarded.outcomes, [{ id: 2, type: 'forwarded' }])
})

test('the leader of that term appends a forwarded proposal once, however often it comes', () => {
  const leader = new SteppedServer('a', three)
  leader.lead(['b'])
  assert.deepEqual(messagesTo(leader.receive('b', forward(1, 5)).send, 'b')[0], { type: 'forwardResponse', term: 1, id: 5, index: 2 })
  assert.deepEqual(leader.receive('b', forward(1, 5)).send, [])
  assert.equal(leader.raft.log.lastIndex, 2)
})

test('a life whose disk forgot all earlier ones, and that counts from the beginning, is heard; late copies of the earlier one are not', () => {
  const leader = new SteppedServer('a', three)
  leader.lead(['b'])
  const [before, after] = [11, 12].map((nonce) => (count: number) => newId({ bootCounter: 1, nonce }, count))
  leader.receive('b', forward(1, before!(90)))
  leader.receive('b', forward(1, after!(1)))
  assert.equal(leader.raft.log.lastIndex, 3)
  leader.receive('b', forward(1, before!(90)))
  leader.receive('b', forward(1, after!(1)))
  assert.equal(leader.raft.log.lastIndex, 3)
})

test('a forwarded proposal of another term is refused; of a term before this process started it is not answered', () => {
  const server = new SteppedServer('a', three, 3)
  server.lead(['b'])
  server.receive('b', append(7, 0, 0, []))
  assert.deepEqual(messagesTo(server.receive('c', forward(4, 5)).send, 'c'), [{ type: 'forwardResponse', term: 4, id: 5, index: 0 }])
  assert.deepEqual(server.receive('c', forward(3, 6)).send, [])
})

test('forwarded proposals that came together go on in one append, in their order, and each is answered', () => {
  const leader = new SteppedServer('a', three)
  leader.lead(['b'])
  for (const peer of ['b', 'c']) leader.receive(peer, appended(1, 1))
  const came = [
    ['b', 5],
    ['c', 5],
    ['b', 6],
    ['b', 5],
  ] as const
  const effects = leader.step({ type: 'forwards', forwards: came.map(([from, id]) => ({ from, message: forward(1, id) })) })
  const answers = (to: string) => messagesTo(effects.send, to).flatMap((message) => (message.type === 'forwardResponse' ? [message] : []))
  assert.deepEqual(
    answers('b').map(({ id, index }) => [id, index]),
    [
      [5, 2],
      [6, 4],
    ],
  )
  assert.deepEqual(
    answers('c').map(({ id, index }) => [id, index]),
    [[5, 3]],
  )
  for (const to of ['b', 'c']) {
    const appends = messagesTo(effects.send, to).flatMap((message) => (message.type === 'appendEntries' ? [message] : []))
    assert.deepEqual(
      appends.map(({ entries }) => entries.map(({ index }) => index)),
      [[2, 3, 4]],
    )
  }
})

test('a server that was removed takes no forwarded proposals', () => {
  const server = new SteppedServer('a', three)
  server.raft.isRemoved = true
  const { send } = server.step({ type: 'forwards', forwards: [{ from: 'b', message: forward(1, 5) }] })
  assert.deepEqual([send, server.raft.drops.get('message to a former member')], [[], 1])
})

/** A tracker with proposals that wait until 100, and what became of each: its place, or an error's code. */
function tracking(...ids: number[]): { readonly tracker: ProposalTracker; readonly outcomes: Map<number, unknown> } {
  const tracker = new ProposalTracker()
  const outcomes = new Map<number, unknown>()
  for (const id of ids) tracker.add(id, 100, (outcome) => outcomes.set(id, outcome instanceof RaftError ? outcome.code : outcome))
  return { tracker, outcomes }
}

test('a proposal is committed when the entry at its place has its term, and lost when a later term is committed there or before', () => {
  const { tracker, outcomes } = tracking(1, 2, 3)
  const nothing = (): null => null
  tracker.outcome({ id: 1, type: 'appended', index: 10, term: 2 }, nothing)
  tracker.outcome({ id: 2, type: 'appended', index: 11, term: 2 }, nothing)
  tracker.outcome({ id: 3, type: 'appended', index: 50, term: 2 }, nothing)
  tracker.delivered(10, 2)
  assert.deepEqual([...outcomes], [[1, { index: 10, term: 2 }]])
  tracker.delivered(11, 3)
  assert.equal(outcomes.get(2), 'ERR_PROPOSAL_DROPPED')
  assert.equal(outcomes.get(3), 'ERR_PROPOSAL_DROPPED')
  assert.equal(tracker.count, 0)
})

test('an answer that comes after its entry was delivered is judged by the log', () => {
  const { tracker, outcomes } = tracking(1, 2)
  tracker.outcome({ id: 1, type: 'appended', index: 4, term: 2 }, () => 2)
  assert.deepEqual(outcomes.get(1), { index: 4, term: 2 })
  tracker.outcome({ id: 2, type: 'appended', index: 4, term: 1 }, () => 2)
  assert.equal(outcomes.get(2), 'ERR_PROPOSAL_DROPPED')
})

test('of an answer that comes after its entry was delivered and compacted nobody knows; a later term does not make it lost', () => {
  const { tracker, outcomes } = tracking(1, 2)
  tracker.delivered(4, 2)
  tracker.outcome({ id: 1, type: 'appended', index: 4, term: 2 }, () => null)
  tracker.passedOver({ index: 9, term: 2 })
  tracker.outcome({ id: 2, type: 'appended', index: 8, term: 2 }, () => null)
  tracker.delivered(10, 3)
  assert.deepEqual([...outcomes.values()], ['ERR_OUTCOME_UNKNOWN', 'ERR_OUTCOME_UNKNOWN'])
})

test('when the leader is lost, the outcome of what it was sent is unknown; what it placed still waits, until its time is over', () => {
  const { tracker, outcomes } = tracking(1, 2)
  tracker.outcome({ id: 1, type: 'forwarded' }, () => null)
  tracker.outcome({ id: 2, type: 'appended', index: 4, term: 1 }, () => null)
  tracker.leaderChanged()
  tracker.expire(99)
  assert.deepEqual([...outcomes], [[1, 'ERR_OUTCOME_UNKNOWN']])
  assert.equal(tracker.count, 1)
  tracker.expire(100)
  assert.equal(outcomes.get(2), 'ERR_OUTCOME_UNKNOWN')
})
