import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Effects, Lives } from '../../raft/effects.ts'
import { membershipOf } from '../../raft/membership.ts'
import type { Message, ServerId } from '../../raft/message.ts'
import { knownLeader } from '../../raft/state.ts'
import { append, appended, entriesOf, messagesTo, SteppedServer } from '../support/raft-server-steps.ts'

const three = ['a', 'b', 'c']
const five = ['a', 'b', 'c', 'd', 'e']

/** The third start of a server, with number 33; it remembers numbers 11 and 22 of the ones before. */
function started(voters = three, isRejoining = false, logTerms: readonly number[] = [1, 1], term = 1): SteppedServer {
  const lives: Lives & { nonce: number } = { bootCounter: 3, nonces: [11, 22], isRejoining, caughtUpIn: 0, peers: new Map(), nonce: 33 }
  return new SteppedServer('a', voters, term, logTerms, null, {}, lives)
}

const first = membershipOf({ voters: three, outgoingVoters: null, learners: [] })
const recallOf = (nonce: number, bootCounter: number, isRejoining = false, nonces: readonly number[] = [nonce]): Message => {
  return { type: 'recall', term: 1, bootCounter, nonce, nonces, isRejoining }
}
const nothingSeen = { seenTerm: 0, seenIndex: 0 }
const knows = (nonce: number, knownBootCounter: number, knownNonce: number, term = 1, seen = nothingSeen): Message => {
  return { type: 'recallResponse', term, nonce, knownBootCounter, knownNonce, ...seen, configurationIndex: 0, configuration: first }
}
const requestVote = { type: 'requestVote', term: 9, lastLogIndex: 99, lastLogTerm: 8, leadershipTransfer: false } as const
const preVote = { type: 'preVote', term: 9, nextTerm: 10, lastLogIndex: 99, lastLogTerm: 8 } as const

function votes(server: SteppedServer, from: ServerId, message: Message): boolean {
  const effects = server.receive(from, message)
  const [answer] = messagesTo([...effects.send, ...effects.sendAfterPersist], from)
  assert.ok(answer !== undefined && 'voteGranted' in answer)
  return answer.voteGranted
}

function sent(effects: Effects, to: ServerId, type: Message['type']): Message[] {
  return messagesTo([...effects.send, ...effects.sendAfterPersist], to).filter((message) => message.type === type)
}

test('a server that starts asks all others, after its own life is on disk, and neither votes nor campaigns before a majority has answered', () => {
  const server = started()
  const effects = server.after(450)
  assert.deepEqual(effects.persist?.lives?.nonces, [11, 22, 33])
  assert.deepEqual(messagesTo(effects.send, 'b'), [])
  assert.deepEqual(messagesTo(effects.sendAfterPersist, 'b'), [recallOf(33, 3, false, [11, 22, 33])])
  assert.equal(server.raft.phase.type, 'follower')
  assert.equal(votes(server, 'b', preVote), false)
  assert.equal(votes(server, 'b', requestVote), false)
  server.receive('b', knows(33, 2, 22))
  assert.equal(server.raft.standing.type, 'member')
  assert.equal(votes(server, 'b', { ...requestVote, term: 10 }), true)
})

test('a majority is one of the latest configuration that anybody tells of: our own may have been left behind', () => {
  const server = new SteppedServer(
    'a',
    three,
    1,
    [1],
    null,
    {},
    { bootCounter: 3, nonces: [11, 22], isRejoining: false, caughtUpIn: 0, peers: new Map(), nonce: 33 },
  )
  const later = membershipOf({ voters: ['a', 'd', 'e', 'f', 'g'], outgoingVoters: null, learners: [], addresses: new Map([['f', 'f:1']]) })
  server.receive('b', { ...knows(33, 2, 22), configurationIndex: 9, configuration: later } as Message)
  assert.equal(server.raft.standing.type, 'unconfirmed')
  const asked = server.after(50).sendAfterPersist.map(({ to }) => to)
  assert.deepEqual(asked.toSorted(), ['b', 'c', 'd', 'e', 'f', 'g'])
  server.receive('d', { ...knows(33, 2, 22), configurationIndex: 9, configuration: later } as Message)
  assert.equal(server.raft.standing.type, 'unconfirmed')
  server.receive('c', knows(33, 2, 22))
  assert.equal(server.raft.standing.type, 'unconfirmed')
  server.receive('f', knows(33, 2, 22))
  assert.equal(server.raft.standing.type, 'member')
})

test('a configuration that its teller has lost since is asked for no longer: it was never committed', () => {
  const server = started()
  const later = membershipOf({ voters: ['a', 'd', 'e', 'f', 'g'], outgoingVoters: null, learners: [] })
  server.receive('b', { ...knows(33, 2, 22), configurationIndex: 9, configuration: later } as Message)
  assert.equal(server.raft.standing.type, 'unconfirmed')
  assert.equal(sent(server.after(50), 'b', 'recall').length, 1)
  server.receive('b', knows(33, 3, 33))
  assert.equal(server.raft.standing.type, 'member')
})

test('in a group of five, one other is not enough', () => {
  const server = started(five)
  server.receive('b', knows(33, 2, 22))
  assert.equal(server.raft.standing.type, 'unconfirmed')
  server.receive('c', knows(33, 0, 0))
  assert.equal(server.raft.standing.type, 'member')
})

test('a server alone is a member at once', () => {
  assert.equal(started(['a']).raft.standing.type, 'member')
})

const forgotten: [string, Message][] = [
  ['a later life (an older copy of the folder was put back)', knows(33, 7, 77)],
  ['a life of the same count with another number (the copy was started meanwhile)', knows(33, 3, 44)],
  ['any life at all, of a server that remembers none (the folder was wiped)', knows(33, 1, 5)],
]
for (const [title, answer] of forgotten) {
  test(`who is told of ${title} has forgotten something, and rejoins under a life of its own`, () => {
    const server = started()
    const effects = server.receive('b', answer)
    assert.equal(server.raft.standing.type, 'rejoining')
    assert.equal(effects.persist?.lives?.isRejoining, true)
    assert.ok(effects.persist.lives.bootCounter > 3)
    const [recall] = sent(effects, 'c', 'recall')
    assert.ok(recall?.type === 'recall' && recall.isRejoining && recall.nonce === server.raft.lives.own.nonce && recall.nonce !== 33)
    assert.equal(votes(server, 'b', requestVote), false)
  })
}

const further: [string, { seenTerm: number; seenIndex: number }, boolean][] = [
  ['of a later term', { seenTerm: 2, seenIndex: 0 }, true],
  ['of more entries in its term', { seenTerm: 1, seenIndex: 3 }, true],
  ['of no more than it holds', { seenTerm: 1, seenIndex: 2 }, false],
]
for (const [title, seen, isForgotten] of further) {
  test(`a server that starts and is told ${title} ${isForgotten ? 'has lost something within its last life' : 'lost nothing'}`, () => {
    const server = started()
    server.receive('b', knows(33, 2, 22, 2, seen))
    assert.equal(server.raft.standing.type, isForgotten ? 'rejoining' : 'member')
  })
}

test('what a server acknowledged, and in which term, is told when it starts again', () => {
  const leader = new SteppedServer('a', three, 1, [1, 1])
  leader.lead(['b'])
  leader.receive('b', { type: 'appendEntriesResponse', term: 2, success: true, index: 3, hintIndex: 0, hintTerm: 0 })
  leader.receive('b', { type: 'appendEntriesResponse', term: 2, success: true, index: 2, hintIndex: 0, hintTerm: 0 })
  assert.deepEqual(messagesTo(leader.receive('b', recallOf(50, 5)).sendAfterPersist, 'b'), [
    knows(50, 0, 0, 2, { seenTerm: 2, seenIndex: 3 }),
  ])
})

test('a member whose leader counts on entries that it does not hold has lost them', () => {
  const server = new SteppedServer('a', three, 1, [1, 1])
  server.receive('b', { type: 'heartbeat', term: 1, commitIndex: 3, round: 1, roundTripMs: 0 })
  assert.equal(server.raft.standing.type, 'rejoining')
  assert.equal(server.raft.commitIndex, 0)
})

test('a member that learns late of a life that it forgot stops voting, and leading', () => {
  const server = started()
  server.receive('b', knows(33, 2, 22))
  server.persisted()
  server.lead(['b'])
  assert.equal(server.raft.phase.type, 'leader')
  server.receive('c', knows(33, 9, 99))
  assert.equal(server.raft.standing.type, 'rejoining')
  assert.notEqual(server.raft.phase.type, 'leader')
})

test('an answer to an earlier life says nothing', () => {
  const server = started()
  server.receive('b', knows(22, 9, 99))
  assert.equal(server.raft.standing.type, 'unconfirmed')
})

test('a life is noted on disk before it is answered, with what was known before, and an older one never replaces it', () => {
  const server = new SteppedServer('a', three, 1, [1])
  const effects = server.receive('b', recallOf(50, 5))
  assert.deepEqual(effects.persist?.lives?.peers, new Map([['b', { bootCounter: 5, nonce: 50 }]]))
  assert.deepEqual(messagesTo(effects.send, 'b'), [])
  assert.deepEqual(messagesTo(effects.sendAfterPersist, 'b'), [knows(50, 0, 0)])
  const late = server.receive('b', recallOf(40, 4))
  assert.equal(late.persist, null)
  assert.deepEqual(messagesTo(late.sendAfterPersist, 'b'), [knows(40, 5, 50)])
})

test('a life is not forgotten for one that does not remember it: the answer that tells of it may be lost', () => {
  const server = new SteppedServer('a', three, 1, [1])
  server.receive('b', recallOf(50, 5))
  const answers = (message: Message): Message[] => messagesTo(server.receive('b', message).sendAfterPersist, 'b')
  assert.deepEqual(answers(recallOf(60, 6, false, [60])), [knows(60, 5, 50)])
  assert.deepEqual(answers(recallOf(60, 6, false, [60])), [knows(60, 5, 50)], 'asked again')
  assert.deepEqual(answers(recallOf(70, 7, false, [60, 70])), [knows(70, 5, 50)], 'after one more start')
  assert.deepEqual(answers(recallOf(80, 8, true, [60, 70, 50, 80])), [knows(80, 5, 50)], 'told of it at last')
  assert.deepEqual(answers(recallOf(80, 8, true, [60, 70, 50, 80])), [knows(80, 8, 80)])
})

test('who rejoins and is told of one more life that it has forgotten asks again: only then its own is noted', () => {
  const server = started(five, true, [], 1)
  server.receive('b', knows(33, 2, 99))
  assert.equal(server.raft.standing.answered.has('b'), false)
  assert.deepEqual(sent(server.after(60), 'b', 'recall'), [recallOf(33, 3, true, [11, 22, 33, 99])])
  server.receive('b', knows(33, 2, 99))
  assert.equal(server.raft.standing.answered.has('b'), true)
})

/** A leader of five whose log ends at index 3, and which `e` has acknowledged up to there. */
function leaderOfFive(): SteppedServer {
  const leader = new SteppedServer('a', five, 1, [1, 1])
  leader.lead(['b', 'c'])
  leader.receive('e', { type: 'appendEntriesResponse', term: 2, success: true, index: 3, hintIndex: 0, hintTerm: 0 })
  return leader
}

function confirmed(leader: SteppedServer, from: ServerId, isMember = true): Message[] {
  const round = leader.raft.phase.type === 'leader' ? leader.raft.phase.round : 0
  return sent(leader.receive(from, { type: 'heartbeatResponse', term: 2, round, isMember }), 'e', 'rejoinTarget')
}

test('a leader forgets what a server that rejoins had acknowledged', () => {
  const leader = leaderOfFive()
  leader.receive('e', recallOf(1, 2, true))
  assert.equal(leader.raft.phase.type === 'leader' && leader.raft.phase.progress.get('e')?.matchIndex, 0)
})

test('a late acknowledgement of a former life does not keep a server that rejoins from getting the entries', () => {
  const leader = leaderOfFive()
  leader.receive('e', recallOf(1, 2, true))
  leader.receive('e', { type: 'appendEntriesResponse', term: 2, success: true, index: 3, hintIndex: 0, hintTerm: 0 })
  const refusal: Message = { type: 'appendEntriesResponse', term: 2, success: false, index: 3, hintIndex: 0, hintTerm: 0 }
  const [append] = sent(leader.receive('e', refusal), 'e', 'appendEntries')
  assert.ok(append?.type === 'appendEntries')
  assert.deepEqual([append.prevLogIndex, append.entries.length], [0, 3])
})

test('the target is told once a majority without the server that rejoins, and without others that do, has confirmed the leader since', () => {
  const leader = leaderOfFive()
  confirmed(leader, 'b')
  confirmed(leader, 'c')
  leader.receive('e', recallOf(1, 2, true))
  assert.deepEqual(confirmed(leader, 'b'), [], 'of a round before it asked')
  leader.after(60)
  assert.deepEqual(confirmed(leader, 'b'), [])
  assert.deepEqual(confirmed(leader, 'e', false), [])
  assert.deepEqual(confirmed(leader, 'd', false), [])
  assert.deepEqual(confirmed(leader, 'c'), [{ type: 'rejoinTarget', term: 2, nonce: 1, index: 3, entryTerm: 2 }])
})

/** A server of three that rejoins, follows `b` in term 2, and holds two entries. */
function rejoining(): SteppedServer {
  const server = started(three, true, [], 1)
  server.receive('b', append(2, 0, 0, entriesOf([1, 2])))
  assert.equal(knownLeader(server.raft), 'b')
  return server
}

const target = { type: 'rejoinTarget', term: 2, nonce: 33, index: 2, entryTerm: 2 } as const

test('a server is a member again when its disk holds the target and all others have told their terms', () => {
  const server = rejoining()
  server.receive('b', knows(33, 0, 0, 2))
  server.receive('c', knows(33, 0, 0, 2))
  server.receive('b', target)
  assert.equal(server.raft.standing.type, 'rejoining', 'the entries are not on disk yet')
  const effects = server.persisted()
  assert.equal(server.raft.standing.type, 'member')
  assert.equal(effects.persist?.lives?.isRejoining, false)
})

test('a life before the one in which it caught up is no news to a member: somebody whose own disk went back may name it at any time', () => {
  const server = rejoining()
  server.persisted()
  for (const peer of ['b', 'c']) server.receive(peer, knows(33, 0, 0, 2))
  assert.equal(server.receive('b', target).persist?.lives?.caughtUpIn, 3)
  server.persisted()
  server.receive('c', knows(33, 2, 99, 2))
  assert.equal(server.raft.standing.type, 'member')
  assert.deepEqual(server.raft.lives.nonces, [11, 22, 33, 99], 'it is remembered: only then is the present life noted')
  server.receive('c', knows(33, 3, 98, 2))
  assert.equal(server.raft.standing.type, 'rejoining', 'of the same count')
})

test('who does not vote says how far its log has come, and acknowledges that when it is a member', () => {
  const server = started()
  const sentTo = (effects: Effects): Message[] => messagesTo(effects.sendAfterPersist, 'b').filter(({ type }) => type !== 'recall')
  assert.deepEqual(sentTo(server.receive('b', append(1, 2, 1, entriesOf([1], 3)))), [{ type: 'entriesHeld', term: 1, index: 3 }])
  server.receive('b', knows(33, 2, 22))
  assert.equal(server.raft.standing.type, 'member')
  assert.deepEqual(sentTo(server.receive('b', append(1, 3, 1, []))), [appended(1, 3)])
})

test('a leader sends on to who does not vote, and commits nothing by it; it asks again when that is a member', () => {
  const leader = new SteppedServer('a', three, 1, [1, 1])
  leader.lead(['b'])
  leader.receive('b', { type: 'entriesHeld', term: 2, index: 3 })
  assert.equal(leader.raft.commitIndex, 0)
  const proposed = leader.step({ type: 'propose', proposals: [{ id: 1, kind: 'command', priority: 1, data: new Uint8Array(1) }] })
  const [next] = messagesTo(proposed.send, 'b')
  assert.ok(next?.type === 'appendEntries' && next.prevLogIndex === 3)
  leader.persisted()
  leader.receive('b', { type: 'entriesHeld', term: 2, index: 4 })
  assert.equal(leader.raft.commitIndex, 0)
  const answer = (isMember: boolean): Message[] => {
    const round = leader.raft.phase.type === 'leader' ? leader.raft.phase.round : 0
    return sent(leader.receive('b', { type: 'heartbeatResponse', term: 2, round, isMember }), 'b', 'appendEntries')
  }
  assert.deepEqual(answer(false), [])
  assert.deepEqual(answer(true), [append(2, 4, 2, [])])
  leader.receive('b', appended(2, 4))
  assert.equal(leader.raft.commitIndex, 4)
})

test('a log that is as long as the target, and another leader’s, has not caught up', () => {
  const server = started(three, true, [], 1)
  server.receive('c', append(1, 0, 0, entriesOf([1, 1])))
  server.persisted()
  for (const peer of ['b', 'c']) server.receive(peer, knows(33, 0, 0, 2))
  server.receive('b', { type: 'heartbeat', term: 2, commitIndex: 0, round: 1, roundTripMs: 0 })
  server.receive('b', target)
  assert.equal(server.raft.standing.type, 'rejoining')
  server.receive('b', append(2, 1, 1, entriesOf([2], 2)))
  assert.equal(server.raft.standing.type, 'rejoining', 'the entry is not on disk yet')
  server.persisted()
  assert.equal(server.raft.standing.type, 'member')
})

test('the first target of a term stays, however far the leader goes on: whoever lags a little need not run after it', () => {
  const server = rejoining()
  for (const peer of ['b', 'c']) server.receive(peer, knows(33, 0, 0, 2))
  server.receive('b', target)
  server.receive('b', { ...target, index: 9 })
  server.persisted()
  assert.equal(server.raft.standing.type, 'member')
})

test('who may have forgotten that it led refuses no forwarded proposal: it may have appended an earlier copy', () => {
  const server = rejoining()
  const forward = (term: number, id: number): Message => {
    return { type: 'forward', term, id, kind: 'command', priority: 1, data: new Uint8Array(1) }
  }
  const answers = (message: Message): Message[] => sent(server.receive('c', message), 'c', 'forwardResponse')
  assert.deepEqual(answers(forward(2, 1)), [])
  server.persisted()
  for (const peer of ['b', 'c']) server.receive(peer, knows(33, 0, 0, 2))
  server.receive('b', target)
  assert.equal(server.raft.standing.type, 'member')
  assert.deepEqual(answers(forward(2, 2)), [])
  server.receive('b', { type: 'heartbeat', term: 3, commitIndex: 0, round: 1, roundTripMs: 0 })
  assert.deepEqual(answers(forward(3, 3)), [{ type: 'forwardResponse', term: 3, id: 3, index: 0 }])
})

test('it waits for the term of every other server: whoever it voted for must be among them', () => {
  const server = rejoining()
  server.persisted()
  server.receive('b', knows(33, 0, 0, 2))
  server.receive('b', target)
  assert.equal(server.raft.standing.type, 'rejoining')
  server.receive('c', knows(33, 0, 0, 2))
  assert.equal(server.raft.standing.type, 'member')
})

test('it does not vote in the term in which it became a member again, in which it may have voted before', () => {
  const server = rejoining()
  server.persisted()
  for (const peer of ['b', 'c']) server.receive(peer, knows(33, 0, 0, 2))
  const effects = server.receive('b', target)
  assert.deepEqual(effects.persist?.hardState, { currentTerm: 2, votedFor: 'a' })
  server.after(450)
  assert.equal(votes(server, 'c', { ...requestVote, term: 2, lastLogTerm: 2 }), false)
})

test('a target of an earlier term counts no longer: the leader is asked again', () => {
  const server = rejoining()
  for (const peer of ['b', 'c']) server.receive(peer, knows(33, 0, 0, 2))
  server.receive('b', target)
  server.receive('c', append(3, 0, 0, entriesOf([1])))
  server.persisted()
  assert.equal(server.raft.standing.type, 'rejoining')
  assert.deepEqual(sent(server.after(60), 'c', 'recall'), [{ ...recallOf(33, 3, true, [11, 22, 33]), term: 3 }])
})

test('whoever is told that more is committed than it holds believes it only as a member', () => {
  const server = started(three, true, [], 1)
  server.receive('b', { type: 'heartbeat', term: 2, commitIndex: 40, round: 1, roundTripMs: 0 })
  assert.equal(server.raft.commitIndex, 0)
})
