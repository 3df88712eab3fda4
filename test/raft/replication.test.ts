import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AppendEntries, Message } from '../../raft/message.ts'
import { append, appended, entriesOf, messagesTo, SteppedServer } from '../support/raft-server-steps.ts'

const three = ['a', 'b', 'c']

function terms(server: SteppedServer): (number | null)[] {
  return Array.from({ length: server.raft.log.lastIndex }, (_, i) => server.raft.log.term(i + 1))
}

function appendsTo(messages: readonly Message[]): AppendEntries[] {
  return messages.filter((message) => message.type === 'appendEntries')
}

function propose(server: SteppedServer, count: number, octets = 1): ReturnType<SteppedServer['step']> {
  const proposals = Array.from({ length: count }, (_, i) => ({
    id: i + 1,
    kind: 'command' as const,
    priority: 1 as const,
    data: new Uint8Array(octets),
  }))
  return server.step({ type: 'propose', proposals })
}

test('a leader appends a no-op at the start of its term (§8) and sends it while it writes (thesis §10.2.1)', () => {
  const server = new SteppedServer('a', three)
  server.after(450)
  server.receive('b', { type: 'preVoteResponse', term: 0, nextTerm: 1, voteGranted: true })
  server.receive('b', { type: 'requestVoteResponse', term: 1, voteGranted: true })
  const effects = server.persisted()
  assert.deepEqual(
    effects.persist?.entries.map(({ index, term, kind }) => [index, term, kind]),
    [[1, 1, 'noop']],
  )
  assert.deepEqual(appendsTo(messagesTo(effects.send, 'b'))[0]?.entries, effects.persist?.entries)
  assert.deepEqual(effects.sendAfterPersist, [])
})

test('the leader counts itself only when its write is durable, and commits when a majority has stored the entry (§5.3)', () => {
  const server = new SteppedServer('a', ['a', 'b', 'c', 'd', 'e'])
  server.lead(['b', 'c'])
  propose(server, 1)
  server.receive('b', appended(1, 2))
  server.receive('c', appended(1, 1))
  assert.equal(server.raft.commitIndex, 1)
  server.receive('d', appended(1, 2))
  assert.equal(server.raft.commitIndex, 1)
  const effects = server.persisted()
  assert.equal(server.raft.commitIndex, 2)
  assert.deepEqual(
    effects.committed.map(({ index }) => index),
    [2],
  )
})

test('what a majority has stored is delivered, though our own disk may be slow; it is acknowledged and compacted only once it is there', () => {
  const leader = new SteppedServer('a', three)
  leader.lead(['b'])
  propose(leader, 1)
  leader.receive('b', appended(1, 2))
  const effects = leader.receive('c', appended(1, 2))
  assert.deepEqual(
    effects.committed.map(({ index }) => index),
    [2],
  )
  const follower = new SteppedServer('b', three, 1)
  const received = follower.receive('a', append(1, 0, 0, entriesOf([1, 1]), 2))
  assert.deepEqual(
    received.committed.map(({ index }) => index),
    [1, 2],
  )
  assert.deepEqual(messagesTo(received.send, 'a'), [])
  assert.equal(follower.step({ type: 'compact', index: 2 }).persist, null)
})

test('a commit is announced at once, to each server as far as its log is known to match', () => {
  const server = new SteppedServer('a', three)
  server.lead(['b'])
  propose(server, 1)
  server.persisted()
  const effects = server.receive('b', appended(1, 2))
  assert.deepEqual(messagesTo(effects.send, 'b'), [{ type: 'commit', term: 1, commitIndex: 2 }])
  assert.deepEqual(messagesTo(effects.send, 'c'), [])
  const late = messagesTo(server.receive('c', appended(1, 1)).send, 'c')
  assert.deepEqual(
    appendsTo(late).map(({ leaderCommit, entries }) => [leaderCommit, entries.length]),
    [[2, 1]],
    'the append carries it',
  )
  assert.equal(late.length, 1)
})

test('"only log entries from the leader\'s current term are committed by counting replicas" (§5.4.2, figure 8)', () => {
  const server = new SteppedServer('a', ['a', 'b', 'c', 'd', 'e'], 3, [1, 2])
  server.lead(['b', 'c'])
  assert.equal(server.raft.currentTerm, 4)
  server.receive('b', appended(4, 2))
  server.receive('c', appended(4, 2))
  assert.equal(server.raft.commitIndex, 0)
  server.receive('b', appended(4, 3))
  server.receive('c', appended(4, 3))
  assert.equal(server.raft.commitIndex, 3)
})

test('an append is refused "if log doesn\'t contain an entry at prevLogIndex whose term matches prevLogTerm" (figure 2)', () => {
  const server = new SteppedServer('a', three, 3, [1, 1, 2])
  for (const [index, term] of [
    [3, 3],
    [4, 3],
    [2, 2],
  ] as const) {
    const [answer] = messagesTo(server.receive('b', append(3, index, term, [])).sendAfterPersist, 'b')
    assert.equal(answer?.type === 'appendEntriesResponse' && answer.success, false)
  }
  assert.deepEqual(terms(server), [1, 1, 2])
})

test('an append is acknowledged only after it is durable (thesis §3.8)', () => {
  const server = new SteppedServer('a', three, 1)
  const effects = server.receive('b', append(1, 0, 0, entriesOf([1, 1])))
  assert.equal(effects.persist?.entries.length, 2)
  assert.deepEqual(effects.send, [])
  assert.deepEqual(effects.sendAfterPersist, [{ to: 'b', message: appended(1, 2) }])
})

test('"if an existing entry conflicts with a new one, delete the existing entry and all that follow it" (figure 2)', () => {
  const server = new SteppedServer('a', three, 3, [1, 1, 2, 2, 2])
  const effects = server.receive('b', append(3, 2, 1, entriesOf([3], 3)))
  assert.deepEqual(terms(server), [1, 1, 3])
  assert.deepEqual(
    effects.persist?.entries.map(({ index }) => index),
    [3],
  )
})

test('a late copy of an old append deletes nothing', () => {
  const server = new SteppedServer('a', three, 1)
  server.receive('b', append(1, 0, 0, entriesOf([1, 1, 1, 1, 1])))
  const effects = server.receive('b', append(1, 0, 0, entriesOf([1, 1, 1])))
  assert.equal(server.raft.log.lastIndex, 5)
  assert.equal(effects.persist, null)
})

test('"set commitIndex = min(leaderCommit, index of last new entry)" (figure 2): what follows may be of another leader', () => {
  const server = new SteppedServer('a', three, 3, [1, 1, 2, 2])
  server.receive('b', append(3, 1, 1, entriesOf([1], 2), 4))
  assert.equal(server.raft.commitIndex, 2)
  server.receive('b', append(3, 2, 1, [], 4))
  assert.equal(server.raft.commitIndex, 2)
})

test('a completed write says nothing of an entry that replaced the written one meanwhile', () => {
  const server = new SteppedServer('a', three, 1)
  const first = server.receive('b', append(1, 0, 0, entriesOf([1, 1])))
  const second = server.receive('c', append(2, 1, 1, entriesOf([2], 2)))
  const third = server.receive('b', append(3, 1, 1, entriesOf([2], 2)))
  assert.equal(third.persist?.entries.length ?? 0, 0)
  server.persisted(first.persist!.sequence)
  assert.equal(server.raft.durableIndex, 1)
  server.persisted(second.persist!.sequence)
  assert.equal(server.raft.durableIndex, 2)
})

test('a refusal leads to the place where the logs meet in a step for each term, not for each entry (§5.3)', () => {
  const leader = new SteppedServer('a', three, 6, [1, 1, 1, 4, 4, 5, 5, 6, 6, 6])
  const follower = new SteppedServer('b', three, 4, [1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3])
  leader.after(450)
  leader.receive('c', { type: 'preVoteResponse', term: 6, nextTerm: 7, voteGranted: true })
  leader.receive('c', { type: 'requestVoteResponse', term: 7, voteGranted: true })
  let messages = appendsTo(messagesTo(leader.persisted().send, 'b'))
  let rounds = 0
  while (follower.raft.log.lastIndex !== 11 || follower.raft.log.lastTerm !== 7) {
    assert.ok(++rounds <= 3, `${rounds} rounds`)
    const answers = messages.flatMap((message) => messagesTo(follower.receive('a', message).sendAfterPersist, 'a'))
    messages = answers.flatMap((answer) => appendsTo(messagesTo(leader.receive('b', answer).send, 'b')))
  }
  assert.deepEqual(terms(follower), terms(leader))
})

test('refusals and acknowledgements that come late, twice or from another term move nothing back', () => {
  const server = new SteppedServer('a', three)
  server.lead(['b'])
  propose(server, 3)
  server.receive('b', appended(1, 4))
  const progress = server.raft.phase.type === 'leader' ? server.raft.phase.progress.get('b')! : assert.fail()
  const refusal = (term: number, index: number): Message => ({
    type: 'appendEntriesResponse',
    term,
    success: false,
    index,
    hintIndex: 0,
    hintTerm: 0,
  })
  for (const message of [appended(1, 2), appended(1, 4), refusal(1, 3), refusal(1, 4), refusal(0, 9), appended(0, 9)])
    server.receive('b', message)
  assert.deepEqual([progress.matchIndex, progress.nextIndex, progress.state], [4, 5, 'replicating'])
  server.receive('b', appended(1, 99))
  assert.equal(progress.matchIndex, 4)
})

test('the window of a follower is bounded in messages and in octets, and opens as it acknowledges', () => {
  const server = new SteppedServer('a', three, 0, [], null, { maxInflightMessages: 3, maxInflightOctets: 450, maxAppendOctets: 120 })
  server.lead(['b'])
  server.receive('b', appended(1, 1))
  const first = appendsTo(messagesTo(propose(server, 10, 100).send, 'b'))
  assert.deepEqual(
    first.map(({ entries }) => entries[0]?.index),
    [2, 3, 4],
  )
  const next = appendsTo(messagesTo(server.receive('b', appended(1, 3)).send, 'b'))
  assert.deepEqual(
    next.map(({ entries }) => entries[0]?.index),
    [5, 6],
  )
  const tight = new SteppedServer('a', three, 0, [], null, { maxInflightMessages: 100, maxInflightOctets: 250, maxAppendOctets: 120 })
  tight.lead(['b'])
  tight.receive('b', appended(1, 1))
  assert.equal(appendsTo(messagesTo(propose(tight, 10, 100).send, 'b')).length, 3)
})

test('after lost appends a heartbeat answer finds the gap, and it is filled', () => {
  const server = new SteppedServer('a', three)
  server.lead(['b'])
  server.receive('b', appended(1, 1))
  propose(server, 2)
  const probe = appendsTo(messagesTo(server.receive('b', { type: 'heartbeatResponse', term: 1, round: 1, isMember: true }).send, 'b'))
  assert.deepEqual(
    probe.map(({ prevLogIndex, entries }) => [prevLogIndex, entries.length]),
    [[3, 0]],
  )
  const follower = new SteppedServer('b', three, 1, [1])
  const [refusal] = messagesTo(follower.receive('a', probe[0]!).sendAfterPersist, 'a')
  const again = appendsTo(messagesTo(server.receive('b', refusal!).send, 'b'))
  assert.deepEqual(
    again.map(({ entries }) => entries.map(({ index }) => index)),
    [[2, 3]],
  )
})

test('a leader drops proposals while too many octets are uncommitted, and takes them again afterwards', () => {
  const server = new SteppedServer('a', three, 0, [], null, { maxUncommittedOctets: 300 })
  server.lead(['b'])
  server.receive('b', appended(1, 1))
  const types = (effects: ReturnType<typeof propose>): string[] => effects.outcomes.map(({ type }) => type)
  assert.deepEqual(types(propose(server, 3, 100)), ['appended', 'appended', 'dropped'])
  server.persisted()
  server.receive('b', appended(1, 3))
  assert.deepEqual(types(propose(server, 1, 1000)), ['appended'])
})
