import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { configurationAt } from '../../raft/configurations.ts'
import { makeEntry } from '../../raft/entry.ts'
import type { Membership, MembershipChange } from '../../raft/membership.ts'
import { changedMembership, completedMembership, encodeMembership, maxMembers, membershipOf } from '../../raft/membership.ts'
import { hasQuorum, members } from '../../raft/quorum.ts'
import { statusOf } from '../../raft/status.ts'
import { append, appended, messagesTo, SteppedServer } from '../support/raft-server-steps.ts'

const three = ['a', 'b', 'c']
const heardAll = { isHeard: () => true, isCaughtUp: () => true }

function membership(voters: readonly string[], learners: readonly string[] = []): Membership {
  return membershipOf({ voters, outgoingVoters: null, learners })
}

function changed(present: Membership, ...changes: MembershipChange[]): Membership {
  const next = changedMembership(present, changes, heardAll)
  assert.ok(typeof next !== 'string', JSON.stringify(next))
  return next
}

/** A leader of term 1 that has committed its no-op at index 1, and whose followers answer. */
function leaderOf(voters: readonly string[]): SteppedServer {
  const leader = new SteppedServer('a', voters)
  const others = voters.filter((id) => id !== 'a')
  leader.lead(others)
  for (const other of others) leader.receive(other, appended(1, 1))
  assert.equal(leader.raft.commitIndex, 1)
  return leader
}

let requests = 0

function change(server: SteppedServer, ...changes: MembershipChange[]) {
  const effects = server.step({ type: 'changeMembership', id: ++requests, changes })
  server.persisted()
  return effects
}

const remove = (server: string): MembershipChange => ({ type: 'remove', server })

test('"it is not possible for the cluster to make unilateral decisions" (§6): quorums before, during and after a change have a server in common', () => {
  const ids = ['a', 'b', 'c', 'd', 'e', 'f']
  const sets = fc.subarray(ids, { minLength: 1 })
  fc.assert(
    fc.property(sets, sets, sets, sets, (before, after, one, other) => {
      const present = membership(
        before,
        ids.filter((id) => !before.includes(id)),
      )
      const steps: MembershipChange[] = [
        ...after.filter((server) => !before.includes(server)).map((server) => ({ type: 'promote', server }) as const),
        ...before.filter((server) => !after.includes(server)).map(remove),
      ]
      if (steps.length === 0) return
      const joint = changed(present, ...steps)
      const done = completedMembership(joint)
      assert.deepEqual(done.voters.toSorted(), after.toSorted())
      for (const [first, second] of [
        [present, joint],
        [joint, done],
      ] as const) {
        const meet = one.some((id) => other.includes(id))
        const both = hasQuorum(first, (id) => one.includes(id)) && hasQuorum(second, (id) => other.includes(id))
        assert.ok(!both || meet, `${one.join()} and ${other.join()}`)
      }
    }),
    { numRuns: 3000 },
  )
})

test('a voter that is removed is a former member only when the change is complete; a learner at once', () => {
  const present = { ...membership(three, ['d']), addresses: new Map([...three, 'd'].map((id) => [id, `${id}:1`])) }
  const joint = changed(present, remove('c'))
  assert.deepEqual(joint.outgoingVoters, three)
  assert.deepEqual([joint.removed, [...joint.addresses.keys()]], [[], ['a', 'b', 'c', 'd']])
  const done = completedMembership(joint)
  assert.deepEqual([done.outgoingVoters, done.removed, [...done.addresses.keys()]], [null, ['c'], ['a', 'b', 'd']])
  const without = changed(done, remove('d'))
  assert.deepEqual([without.outgoingVoters, without.removed, without.learners], [null, ['c', 'd'], []])
})

test('where a member is dialled changes with one entry', () => {
  const moved = changed({ ...membership(three), addresses: new Map([['b', 'b:1']]) }, { type: 'move', server: 'b', address: 'elsewhere:2' })
  assert.deepEqual([moved.outgoingVoters, moved.addresses.get('b')], [null, 'elsewhere:2'])
  assert.equal(changedMembership(membership(three), [{ type: 'move', server: 'x', address: 'x:1' }], heardAll), 'unknownServer')
})

test('"an id is never used again": neither a member nor a former one can be added', () => {
  const present = { ...membership(three), removed: ['d'] }
  for (const server of ['a', 'd'])
    assert.equal(changedMembership(present, [{ type: 'add', server, address: 'x:1' }], heardAll), 'idUsed', server)
})

test('several changes are one: a voter is replaced, and no configuration in between is in force', () => {
  const joint = changed(membership(three, ['d']), remove('c'), { type: 'promote', server: 'd' })
  assert.deepEqual([joint.voters, joint.outgoingVoters, joint.learners], [['a', 'b', 'd'], three, []])
})

test('the last voter cannot be removed, nor so many that fewer than a majority of those that stay are heard', () => {
  assert.equal(changedMembership(membership(['a']), [remove('a')], heardAll), 'wouldLoseQuorum')
  const view = { isHeard: (id: string) => id === 'a', isCaughtUp: () => true }
  assert.equal(changedMembership(membership(three), [remove('b')], view), 'wouldLoseQuorum')
  assert.ok(typeof changedMembership(membership(three), [remove('b'), remove('c')], view) !== 'string')
})

test('there is a bound to the members', () => {
  const full = membership(Array.from({ length: maxMembers }, (_, i) => `s${i}`))
  assert.equal(changedMembership(full, [{ type: 'add', server: 'x', address: 'x:1' }], heardAll), 'full')
})

test('when fewer are needed for a commit than before, what waits is committed at once (etcd-raft 2902537)', () => {
  const leader = leaderOf(three)
  change(leader, remove('b'), remove('c'))
  const proposals = [{ id: 1, kind: 'command', priority: 1, data: Uint8Array.of(7) }] as const
  leader.step({ type: 'propose', proposals })
  leader.persisted()
  assert.equal(leader.raft.commitIndex, 1)
  const effects = leader.receive('b', appended(1, 2))
  // The second entry asks for the leader alone, also for the command before it, which nobody else has.
  assert.deepEqual(
    [...effects.committed, ...leader.persisted().committed].map(({ index, kind }) => `${index} ${kind}`),
    ['2 configuration', '3 command', '4 configuration'],
  )
})

test('a former member is told so, and its term and its votes move nobody (thesis §4.2.3)', () => {
  const leader = leaderOf(three)
  change(leader, remove('c'))
  leader.receive('b', appended(1, 2))
  leader.persisted()
  const done = leader.receive('b', appended(1, 3))
  assert.deepEqual(messagesTo(done.send, 'c'), [{ type: 'removed', term: 1, index: 3 }])
  for (const message of [
    { type: 'requestVote', term: 9, lastLogIndex: 99, lastLogTerm: 8, leadershipTransfer: true },
    { type: 'preVote', term: 9, nextTerm: 10, lastLogIndex: 99, lastLogTerm: 8 },
    { type: 'heartbeat', term: 9, commitIndex: 0, round: 1, roundTripMs: 0 },
    append(9, 3, 1, []),
  ] as const) {
    const effects = leader.receive('c', message)
    assert.deepEqual(messagesTo(effects.send, 'c'), [{ type: 'removed', term: 1, index: 3 }], message.type)
    assert.deepEqual([effects.sendAfterPersist, leader.raft.currentTerm, leader.raft.phase.type], [[], 1, 'leader'])
  }
  assert.equal(leader.raft.drops.get('message of a former member'), 4)
})

test('a server that was removed campaigns no more, leads no more, and answers nobody', () => {
  const server = leaderOf(three)
  assert.equal(server.receive('b', { type: 'removed', term: 1, index: 9 }).statusChanged, true)
  assert.deepEqual([server.raft.isRemoved, server.raft.phase.type], [true, 'follower'])
  for (let i = 0; i < 5; i++) assert.deepEqual(server.after(1000).send, [])
  const asked = server.receive('b', { type: 'preVote', term: 1, nextTerm: 2, lastLogIndex: 9, lastLogTerm: 1 })
  assert.deepEqual([asked.send, asked.sendAfterPersist], [[], []])
})

test('"removed" of an earlier configuration than the one that is committed here says nothing', () => {
  const leader = leaderOf(three)
  change(leader, { type: 'add', server: 'd', address: 'd:1' })
  leader.receive('b', appended(1, 2))
  leader.receive('c', { type: 'removed', term: 1, index: 2 })
  assert.equal(leader.raft.isRemoved, false)
})

test('a configuration is restored from a snapshot taken in the middle of a change, and again at the next start', () => {
  const joint = changed(membership(three, ['d']), { type: 'promote', server: 'd' })
  const server = new SteppedServer('d', [])
  server.receive('a', append(2, 0, 0, []))
  const effects = server.step({ type: 'snapshotInstalled', index: 100, term: 2, configuration: joint })
  assert.deepEqual(effects.persist?.reset, { index: 100, term: 2, configuration: joint })
  assert.deepEqual(server.raft.configuration, joint)
  const done = makeEntry(101, 2, 'configuration', encodeMembership(completedMembership(joint)))
  server.receive('a', append(2, 100, 2, [done]))
  assert.deepEqual(server.raft.configuration, completedMembership(joint))
  server.receive('b', append(3, 100, 2, [makeEntry(101, 3, 'noop', new Uint8Array(0))]))
  assert.deepEqual(server.raft.configuration, joint)
})

test('compaction keeps the configuration that is in force where the log begins', () => {
  const leader = leaderOf(['a'])
  change(leader, { type: 'add', server: 'd', address: 'd:1' })
  change(leader, { type: 'add', server: 'e', address: 'e:1' })
  Object.assign(leader.raft.options, { compactionTailOctets: 0 })
  assert.deepEqual(configurationAt(leader.raft, 1).learners, [])
  assert.deepEqual(configurationAt(leader.raft, 2).learners, ['d'])
  const { persist } = leader.step({ type: 'compact', index: 2 })
  assert.deepEqual(persist?.compactTo?.configuration?.learners, ['d'])
  assert.deepEqual(leader.raft.configuration.learners, ['d', 'e'])
  assert.deepEqual(configurationAt(leader.raft, 2).learners, ['d'])
})

test('a learner counts as caught up when it answers, remembers what it acknowledged, and lacks no more than one append', () => {
  const leader = leaderOf(three)
  change(leader, { type: 'add', server: 'd', address: 'd:1' })
  leader.receive('b', appended(1, 2))
  const ask = (): string => {
    const [outcome] = change(leader, { type: 'promote', server: 'd' }).changes
    return outcome!.type === 'refused' ? outcome!.reason : outcome!.type
  }
  assert.equal(ask(), 'notCaughtUp')
  leader.receive('d', appended(1, 2))
  assert.equal(ask(), 'notCaughtUp', 'it never confirmed that it is a member')
  leader.after(50)
  leader.receive('d', { type: 'heartbeatResponse', term: 1, round: 1, isMember: true })
  Object.assign(leader.raft.options, { maxAppendOctets: 50 })
  const data = new Uint8Array(60)
  leader.step({ type: 'propose', proposals: [{ id: 1, kind: 'command', priority: 1, data }] })
  leader.persisted()
  assert.equal(ask(), 'notCaughtUp', 'an entry that is larger than an append is missing')
  leader.receive('d', appended(1, 3))
  assert.equal(ask(), 'appended')
})

test('leadership is not handed to a server that the change under way removes (etcd 8b0d0e9)', () => {
  const leader = leaderOf(three)
  change(leader, remove('c'))
  const { transfers } = leader.step({ type: 'transferLeadership', id: 8, to: 'c' })
  assert.deepEqual(transfers, [{ id: 8, result: 'targetNotUp' }])
  assert.deepEqual(members(leader.raft.configuration), three)
})

test('no change begins while leadership is handed over', () => {
  const leader = leaderOf(three)
  leader.step({ type: 'transferLeadership', id: 8, to: 'b' })
  assert.deepEqual(
    change(leader, remove('c')).changes.map((outcome) => outcome.type === 'refused' && outcome.reason),
    ['conflict'],
  )
})

test('a server that nobody knows says nothing while a leader is heard, and may be of a later configuration when none is', () => {
  const follower = new SteppedServer('b', three, 1, [1])
  follower.receive('a', { type: 'heartbeat', term: 1, commitIndex: 0, round: 1, roundTripMs: 0 })
  const vote = { type: 'requestVote', term: 9, lastLogIndex: 99, lastLogTerm: 8, leadershipTransfer: false } as const
  follower.receive('x', vote)
  follower.receive('x', append(9, 0, 0, []))
  assert.deepEqual([follower.raft.currentTerm, follower.raft.drops.get('message of a stranger')], [1, 2])
  follower.now += 1000
  follower.receive('x', append(9, 0, 0, []))
  assert.equal(follower.raft.currentTerm, 9)
})

test('a read is confirmed by those who are members when it is confirmed, not by those who were when it began (cockroach 77ae04b)', () => {
  const leader = leaderOf(['a', 'b', 'c', 'd', 'e'])
  leader.step({ type: 'read', id: 5 })
  const { round } = leader.raft.phase as { readonly round: number }
  change(leader, remove('d'), remove('e'))
  for (const peer of ['b', 'c']) leader.receive(peer, appended(1, 2))
  leader.persisted()
  for (const peer of ['b', 'c']) leader.receive(peer, appended(1, 3))
  assert.deepEqual(leader.raft.configuration.voters, three)
  const answer = { type: 'heartbeatResponse', term: 1, round, isMember: true } as const
  for (const peer of ['d', 'e']) assert.deepEqual(leader.receive(peer, answer).reads, [], peer)
  assert.deepEqual(leader.receive('b', answer).reads, [{ id: 5, type: 'confirmed', index: 1 }])
})

test('"agreement requires separate majorities from both the old and new configurations" (§6)', () => {
  const leader = leaderOf(['a', 'b', 'c', 'd', 'e'])
  change(leader, remove('d'), remove('e'))
  leader.receive('b', appended(1, 2))
  assert.equal(leader.raft.commitIndex, 1, 'two of the old five')
  leader.receive('d', appended(1, 2))
  assert.equal(leader.raft.commitIndex, 2, 'three of the old five, and two of the new three')
})

test('"a server that is not part of its own latest configuration should still start new elections" (thesis §4.2.2), also when it does not know what is committed', () => {
  const server = new SteppedServer('d', ['a'], 1)
  const joint = { ...membership(['e'], ['a', 'd']), outgoingVoters: ['d', 'e'] }
  const configurations = [membership(['d', 'e'], ['a']), joint, membership(['e'], ['a', 'd'])]
  const entries = configurations.map((each, i) => makeEntry(i + 1, 1, 'configuration', encodeMembership(each)))
  server.receive('e', append(1, 0, 0, entries))
  server.persisted()
  assert.deepEqual([server.raft.configuration.voters, server.raft.commitIndex], [['e'], 0])
  server.after(1000)
  assert.equal(server.raft.phase.type, 'preCandidate')
})

test('a status tells of which sets of voters a majority is needed, and since when', () => {
  const leader = leaderOf(three)
  const told = (): unknown => {
    const { voterSets, configurationIndex } = statusOf(leader.raft)
    return [voterSets, configurationIndex]
  }
  assert.deepEqual(told(), [[three], 0])
  change(leader, remove('c'))
  assert.deepEqual(told(), [[['a', 'b'], three], 2])
  leader.receive('b', appended(1, 2))
  assert.deepEqual(told(), [[['a', 'b']], 3])
})
