/**
 * Changes of the configuration, as far as the leader makes them (membership.ts has the rules of what follows from what): one at a time, the
 * second entry of a joint change by whoever leads when the first is committed, and the end of servers that are no longer members.
 */

import { committedConfiguration } from './configurations.ts'
import { hearsLeader } from './election.ts'
import { makeEntry } from './entry.ts'
import { beginTransfer, bestSuccessor } from './leadership-transfer.ts'
import type { Membership, MembershipChange, MembershipRefusal } from './membership.ts'
import { changedMembership, completedMembership, encodeMembership, isMember } from './membership.ts'
import type { ChangeMembership, ChangeMembershipResponse, Message, Removed, ServerId } from './message.ts'
import { Progress } from './progress.ts'
import { isVoter, members } from './quorum.ts'
import { advanceCommitIndex, replicate } from './replication.ts'
import type { Leader, Raft } from './state.ts'
import { appendToLog, becomeFollower, countDrop, isHeard, knownLeader, send } from './state.ts'

/** Who asked for a change last, and what came of it: a copy of the request gets the same answer. */
export interface LastChange {
  readonly from: ServerId
  readonly id: number
  readonly outcome: number | MembershipRefusal
}

/** A change asked for at this server, whether it leads or not. `id` rises from request to request, over restarts too. */
export function changeMembership(raft: Raft, id: number, changes: readonly MembershipChange[]): void {
  const leader = knownLeader(raft)
  if (raft.phase.type === 'leader') tell(raft, raft.id, id, changeOnce(raft, raft.phase, raft.id, id, changes))
  else if (leader === null) tell(raft, raft.id, id, 'noLeader')
  else send(raft, leader, { type: 'changeMembership', term: raft.currentTerm, id, changes })
}

export function receiveChangeMembership(raft: Raft, from: ServerId, { term, id, changes }: ChangeMembership): void {
  if (raft.phase.type === 'leader' && term === raft.currentTerm) tell(raft, from, id, changeOnce(raft, raft.phase, from, id, changes))
  else tell(raft, from, id, 'noLeader')
}

export function receiveChangeMembershipResponse(raft: Raft, { term, id, result, index }: ChangeMembershipResponse): void {
  raft.outbox.changes.push(result === 'accepted' ? { id, type: 'appended', index, term } : { id, type: 'refused', reason: result })
}

function tell(raft: Raft, from: ServerId, id: number, outcome: number | MembershipRefusal): void {
  const term = raft.currentTerm
  const [result, index] = typeof outcome === 'number' ? (['accepted', outcome] as const) : ([outcome, 0] as const)
  const answer = { type: 'changeMembershipResponse', term, id, result, index } as const
  if (from === raft.id) receiveChangeMembershipResponse(raft, answer)
  else send(raft, from, answer)
}

function changeOnce(
  raft: Raft,
  leader: Leader,
  from: ServerId,
  id: number,
  changes: readonly MembershipChange[],
): number | MembershipRefusal {
  const { lastChange } = leader
  if (lastChange?.from === from && lastChange.id === id) return lastChange.outcome
  const outcome = beginChange(raft, leader, changes)
  leader.lastChange = { from, id, outcome }
  return outcome
}

/** The index of the entry, or why there is none. */
function beginChange(raft: Raft, leader: Leader, changes: readonly MembershipChange[]): number | MembershipRefusal {
  // Not before something of this term is committed: an earlier leader's change may be in nobody's view yet, and two single changes that
  // don't know of one another have disjoint majorities (thesis §4.1 and its erratum).
  const isSettled = raft.log.term(raft.commitIndex) === raft.currentTerm && raft.configurations.at(-1)!.index <= raft.commitIndex
  if (!isSettled || leader.transfer !== null) return 'conflict'
  const next = changedMembership(raft.configuration, changes, {
    isHeard: (id) => id === raft.id || answers(raft, leader, id),
    isCaughtUp: (id) => isCaughtUp(raft, leader, id),
  })
  return typeof next === 'string' ? next : appendMembership(raft, leader, next)
}

function answers(raft: Raft, leader: Leader, id: ServerId): boolean {
  const progress = leader.progress.get(id)
  // Whoever rejoins does not vote: a majority of such voters could elect nobody.
  return progress !== undefined && progress.rejoining === null && isHeard(raft, progress)
}

/** One append brings it to the end of the log, and it has forgotten nothing: a voter that lags would hold up every commit (thesis §4.2.1). */
function isCaughtUp(raft: Raft, leader: Leader, id: ServerId): boolean {
  const progress = leader.progress.get(id)
  if (progress === undefined || progress.state !== 'replicating' || progress.memberRound === 0 || !answers(raft, leader, id)) return false
  return raft.log.octetsBetween(progress.matchIndex + 1, raft.log.lastIndex) <= raft.options.maxAppendOctets
}

function appendMembership(raft: Raft, leader: Leader, membership: Membership): number {
  const index = raft.log.lastIndex + 1
  appendToLog(raft, makeEntry(index, raft.currentTerm, 'configuration', encodeMembership(membership)))
  followMembers(raft, leader)
  // Fewer may be needed now than before, for entries that wait.
  advanceCommitIndex(raft)
  replicate(raft, leader)
  return index
}

function followMembers(raft: Raft, leader: Leader): void {
  const present = members(raft.configuration)
  for (const id of present) {
    if (id !== raft.id && !leader.progress.has(id)) leader.progress.set(id, new Progress(raft.log.lastIndex + 1, raft.now))
  }
  for (const id of leader.progress.keys()) if (!present.includes(id)) leader.progress.delete(id)
}

/** After every step: the second entry of a change, and what a committed configuration says of this server and of former members. */
export function advanceMembership(raft: Raft): void {
  const committed = committedConfiguration(raft)
  if (committed.membership !== raft.settled) settle(raft, committed.membership)
  const hasCommitted = raft.log.term(raft.commitIndex) === raft.currentTerm
  const isOut = committed.membership === raft.configuration && !isVoter(raft.configuration, raft.id)
  // Who was elected though it is out was needed, and until it has committed something it does not know who answers.
  if (raft.phase.type === 'leader' && isOut && hasCommitted) handOver(raft, raft.phase)
  if (raft.phase.type !== 'leader' && !raft.isRemoved && committed.membership.removed.includes(raft.id)) becomeRemoved(raft)
  if (raft.phase.type !== 'leader' || raft.phase.transfer !== null) return
  const isJointCommitted = raft.configuration.outgoingVoters !== null && committed.membership === raft.configuration
  if (isJointCommitted && hasCommitted) appendMembership(raft, raft.phase, completedMembership(raft.configuration))
}

/** Tells those that are no longer members. */
function settle(raft: Raft, membership: Membership): void {
  const known = raft.settled?.removed.length ?? membership.removed.length
  raft.settled = membership
  const gone = membership.removed.slice(known)
  if (raft.phase.type === 'leader') for (const id of gone) if (id !== raft.id) tellRemoved(raft, id)
}

/** "The leader steps down once it has committed the C_new log entry" (§6), if it does not vote there; but first it hands over what it has (thesis §4.2.2). */
function handOver(raft: Raft, leader: Leader): void {
  if (!leader.isLeaving) {
    leader.isLeaving = true
    const successor = leader.transfer === null ? bestSuccessor(raft) : null
    if (successor !== null) beginTransfer(raft, leader, successor)
  }
  if (leader.transfer === null || leader.transfer.timeoutNowSent) becomeFollower(raft, raft.currentTerm, null)
}

function becomeRemoved(raft: Raft): void {
  raft.isRemoved = true
  becomeFollower(raft, raft.currentTerm, null)
}

// Former members

/**
 * Whether `from` is one; then it is told, and nothing else of what it says is heard: it must not disturb the others (thesis §4.2.3). But as
 * long as it leads us it is heard: it steps down when it has handed over.
 */
export function isFormerMember(raft: Raft, from: ServerId, message: Message): boolean {
  const { membership } = committedConfiguration(raft)
  if (!membership.removed.includes(from) || from === knownLeader(raft)) return false
  countDrop(raft, 'message of a former member')
  if (message.type !== 'removed') tellRemoved(raft, from)
  return true
}

/**
 * Whether `from` is nobody that we know of while a leader is heard: then there is nothing that it must tell us. Without a leader it may be of a
 * later configuration than ours. A candidate that the leader wants is heard in any case.
 */
export function isStranger(raft: Raft, from: ServerId, message: Message): boolean {
  if (!hearsLeader(raft) || from === knownLeader(raft) || isMember(raft.configuration, from)) return false
  if (raft.heardConfiguration !== null && isMember(raft.heardConfiguration.membership, from)) return false
  if (message.type === 'requestVote' && message.leadershipTransfer) return false
  countDrop(raft, 'message of a stranger')
  return true
}

function tellRemoved(raft: Raft, to: ServerId): void {
  send(raft, to, { type: 'removed', term: raft.currentTerm, index: committedConfiguration(raft).index })
}

/** Only what is committed is told, and a former member's id is never used again: so it is true for good. */
export function receiveRemoved(raft: Raft, message: Removed): void {
  const isNewer = message.index > committedConfiguration(raft).index || !isMember(raft.configuration, raft.id)
  if (raft.isRemoved || !isNewer) countDrop(raft, 'removed, of an earlier configuration')
  else becomeRemoved(raft)
}
