/** Messages of Raft with arbitrary contents. */

import fc from 'fast-check'
import type { Entry } from '../../raft/entry.ts'
import { makeEntry } from '../../raft/entry.ts'
import type { Membership, MembershipChange } from '../../raft/membership.ts'
import { membershipRefusals } from '../../raft/membership.ts'
import type { Message } from '../../raft/message.ts'
import { proposalPriorities } from '../../raft/priority.ts'
import { octets, record } from './target.ts'

const integer = fc.maxSafeNat()
const u32 = fc.nat(0xffff_ffff)
const id = fc.string({ maxLength: 8 })
const ids = fc.array(id, { maxLength: 3 })
const is = <T extends string>(type: T): fc.Arbitrary<T> => fc.constant(type)

export const membership: fc.Arbitrary<Membership> = record({
  voters: ids,
  outgoingVoters: fc.option(ids),
  learners: ids,
  addresses: fc.array(fc.tuple(id, fc.string({ maxLength: 20 })), { maxLength: 3 }).map((list) => new Map(list)),
  removed: ids,
})

const change: fc.Arbitrary<MembershipChange> = fc.oneof(
  record({ type: fc.constantFrom('add' as const, 'move' as const), server: id, address: fc.string({ maxLength: 20 }) }),
  record({ type: fc.constantFrom('promote' as const, 'remove' as const), server: id }),
)

export const entry: fc.Arbitrary<Entry> = fc
  .tuple(
    fc.integer({ min: 1, max: 2 ** 40 }),
    fc.integer({ min: 1, max: 2 ** 40 }),
    fc.constantFrom('noop' as const, 'command' as const),
    octets(0, 60),
  )
  .map(([index, term, kind, data]) => makeEntry(index, term, kind, data))

/** Entries follow one another, in terms that never go back and that their leader has reached. */
const append: fc.Arbitrary<Message> = fc
  .tuple(fc.nat(2 ** 40), fc.nat(2 ** 20), integer, fc.array(fc.tuple(fc.nat(2), octets(0, 30)), { maxLength: 4 }))
  .map(([prevLogIndex, prevLogTerm, leaderCommit, list]) => {
    let term = Math.max(1, prevLogTerm)
    const entries = list.map(([step, data], i) => makeEntry(prevLogIndex + 1 + i, (term += step), 'command', data))
    return { type: 'appendEntries', term, prevLogIndex, prevLogTerm, leaderCommit, entries }
  })

/** What it replaces was committed in a term that its leader has reached. */
const installSnapshot: fc.Arbitrary<Message> = fc
  .tuple(
    fc.integer({ min: 1, max: 2 ** 40 }),
    fc.integer({ min: 1, max: 2 ** 20 }),
    fc.nat(9),
    fc.nat(2 ** 30),
    fc.boolean(),
    octets(0, 60),
  )
  .map(([lastIncludedIndex, lastIncludedTerm, later, part, isLast, data]) => {
    const term = lastIncludedTerm + later
    return { type: 'installSnapshot', term, lastIncludedIndex, lastIncludedTerm, part: part + 1, isLast, configuration: null, data }
  })

export const message: fc.Arbitrary<Message> = fc.oneof(
  append,
  record({ type: is('preVote'), term: integer, nextTerm: integer, lastLogIndex: integer, lastLogTerm: integer }),
  record({ type: is('preVoteResponse'), term: integer, nextTerm: integer, voteGranted: fc.boolean() }),
  record({ type: is('requestVote'), term: integer, lastLogIndex: integer, lastLogTerm: integer, leadershipTransfer: fc.boolean() }),
  record({ type: is('requestVoteResponse'), term: integer, voteGranted: fc.boolean() }),
  record({
    type: is('appendEntriesResponse'),
    term: integer,
    success: fc.boolean(),
    index: integer,
    hintIndex: integer,
    hintTerm: integer,
  }),
  record({ type: is('heartbeat'), term: integer, commitIndex: integer, round: integer, roundTripMs: integer }),
  record({ type: is('heartbeatResponse'), term: integer, round: integer, isMember: fc.boolean() }),
  record({ type: is('commit'), term: integer, commitIndex: integer }),
  record({
    type: is('forward'),
    term: integer,
    id: integer,
    kind: fc.constantFrom('noop' as const, 'command' as const),
    priority: fc.constantFrom(...proposalPriorities),
    data: octets(0, 60),
  }),
  record({ type: is('forwardResponse'), term: integer, id: integer, index: integer }),
  installSnapshot,
  record({ type: is('installSnapshotResponse'), term: integer, lastIncludedIndex: integer, nextPart: integer }),
  record({
    type: is('recall'),
    term: integer,
    bootCounter: integer,
    nonce: u32,
    nonces: fc.array(u32, { maxLength: 5 }),
    isRejoining: fc.boolean(),
  }),
  record({
    type: is('recallResponse'),
    term: integer,
    nonce: u32,
    knownBootCounter: integer,
    knownNonce: u32,
    seenTerm: integer,
    seenIndex: integer,
    configurationIndex: integer,
    configuration: membership,
  }),
  record({ type: is('rejoinTarget'), term: integer, nonce: u32, index: integer, entryTerm: integer }),
  record({ type: is('entriesHeld'), term: integer, index: integer }),
  record({ type: is('readIndex'), term: integer, id: integer }),
  record({ type: is('readIndexResponse'), term: integer, id: integer, index: integer }),
  record({ type: is('transferLeadership'), term: integer, id: integer, to: id }),
  record({
    type: is('transferLeadershipResponse'),
    term: integer,
    id: integer,
    result: fc.constantFrom('noLeader' as const, 'targetNotUp' as const, 'conflict' as const, 'unanswered' as const),
  }),
  record({ type: is('timeoutNow'), term: integer }),
  record({ type: is('changeMembership'), term: integer, id: integer, changes: fc.array(change, { maxLength: 3 }) }),
  record({
    type: is('changeMembershipResponse'),
    term: integer,
    id: integer,
    result: fc.constantFrom('accepted' as const, ...membershipRefusals),
    index: integer,
  }),
  record({ type: is('removed'), term: integer, index: integer }),
)
