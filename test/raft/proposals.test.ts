import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Message } from '../../raft/message.ts'
import { ProposalTracker } from '../../raft/proposal-tracker.ts'
import { append, messagesTo, SteppedServer } from '../support/raft-server-steps.ts'

const three = ['a', 'b', 'c']
const data = Uint8Array.of(1)
const forward = (term: number, id: number): Message => ({ type: 'forward', term, id, kind: 'command', priority: 1, data })

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

test('a forwarded proposal of another term is refused; of a term before this process started it is not answered', () => {
  const server = new SteppedServer('a', three, 3)
  server.lead(['b'])
  server.receive('b', append(7, 0, 0, []))
  assert.deepEqual(messagesTo(server.receive('c', forward(4, 5)).send, 'c'), [{ type: 'forwardResponse', term: 4, id: 5, index: 0 }])
  assert.deepEqual(server.receive('c', forward(3, 6)).send, [])
})

test('a proposal is committed when the entry at its place has its term, and lost when a later term is committed there or before', async () => {
  const tracker = new ProposalTracker()
  const nothing = (): null => null
  const [committed, replaced, beyond] = [1, 2, 3].map((id) => tracker.add(id, 100))
  tracker.outcome({ id: 1, type: 'appended', index: 10, term: 2 }, nothing)
  tracker.outcome({ id: 2, type: 'appended', index: 11, term: 2 }, nothing)
  tracker.outcome({ id: 3, type: 'appended', index: 50, term: 2 }, nothing)
  tracker.delivered(10, 2)
  assert.deepEqual(await committed, { index: 10, term: 2 })
  const lost = Promise.all([replaced, beyond].map((promise) => assert.rejects(promise!, { code: 'ERR_PROPOSAL_DROPPED' })))
  tracker.delivered(11, 3)
  await lost
  assert.equal(tracker.count, 0)
})

test('an answer that comes after its entry was delivered is judged by the log', async () => {
  const tracker = new ProposalTracker()
  const [first, second] = [tracker.add(1, 100), tracker.add(2, 100)]
  tracker.outcome({ id: 1, type: 'appended', index: 4, term: 2 }, () => 2)
  assert.deepEqual(await first, { index: 4, term: 2 })
  const lost = assert.rejects(second, { code: 'ERR_PROPOSAL_DROPPED' })
  tracker.outcome({ id: 2, type: 'appended', index: 4, term: 1 }, () => 2)
  await lost
})

test('when the leader is lost, the outcome of what it was sent is unknown; what it placed still waits, until its time is over', async () => {
  const tracker = new ProposalTracker()
  const [sent, placed] = [tracker.add(1, 100), tracker.add(2, 100)]
  tracker.outcome({ id: 1, type: 'forwarded' }, () => null)
  tracker.outcome({ id: 2, type: 'appended', index: 4, term: 1 }, () => null)
  const unknown = assert.rejects(sent, { code: 'ERR_OUTCOME_UNKNOWN' })
  tracker.leaderChanged()
  await unknown
  tracker.expire(99)
  assert.equal(tracker.count, 1)
  const expired = assert.rejects(placed, { code: 'ERR_OUTCOME_UNKNOWN' })
  tracker.expire(100)
  await expired
})
