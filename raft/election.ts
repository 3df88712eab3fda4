/**
 * Elections (§5.2, §5.4.1) with pre-vote (thesis §9.6) and leader stickiness (§6: a server that hears a leader refuses votes). Both are needed:
 * pre-vote alone lets a partly connected server unseat a leader that a majority still hears.
 */

import { assert } from './assert.ts'
import { mayCampaign } from './configurations.ts'
import type { PreVote, PreVoteResponse, RequestVote, RequestVoteResponse, ServerId } from './message.ts'
import { isVoter, members, voteResult } from './quorum.ts'
import { randomBelow } from './random.ts'
import { becomeLeader } from './replication.ts'
import type { Raft } from './state.ts'
import {
  becomeFollower,
  countDrop,
  isDiskStalled,
  leaderPatienceMs,
  resetElectionTimer,
  send,
  sendAfterPersist,
  setPhase,
  setTerm,
} from './state.ts'

/** The election timer: when it is due, ask whether an election could be won. */
export function tickElection(raft: Raft): void {
  if (raft.now < raft.electionDeadline) return
  resetElectionTimer(raft)
  if (!mayCampaign(raft) && !isWanted(raft)) return
  if (isDiskStalled(raft)) return
  startPreVote(raft)
}

/**
 * Whether a learner stands for election, too: the configuration of a candidate wants its vote, and the candidate can't have it. That is a
 * configuration which an entry here has replaced, or hidden, and no leader has committed; as long as its voters are needed there, and whose log
 * is the longest is a learner by its own, nobody else can win. It hands over at once (membership-change.ts).
 */
function isWanted(raft: Raft): boolean {
  return raft.now < raft.wantedUntil && !raft.isRemoved && raft.standing.type === 'member'
}

/** The leader's connection closed and it refuses a new one. Only a hint: it forgets the leader and hurries, and a pre-vote decides. */
export function leaderGone(raft: Raft): void {
  raft.hurryUntil = raft.now + raft.options.electionTimeoutMs
  setPhase(raft, { type: 'follower', leader: null, lastHeard: raft.now })
  raft.electionDeadline = raft.now + 1 + randomBelow(raft.random, 20)
}

function startPreVote(raft: Raft): void {
  setPhase(raft, { type: 'preCandidate', votes: new Map([[raft.id, true]]) })
  for (const peer of members(raft.configuration)) requestVoteFrom(raft, peer)
  countPreVotes(raft)
}

/** Asks `peer` for what the phase wants; again, if a lost connection came back. */
export function requestVoteFrom(raft: Raft, peer: ServerId): void {
  if (peer === raft.id || !isVoter(raft.configuration, peer)) return
  const { currentTerm: term, log } = raft
  const position = { lastLogIndex: log.lastIndex, lastLogTerm: log.lastTerm }
  if (raft.phase.type === 'preCandidate') send(raft, peer, { type: 'preVote', term, nextTerm: term + 1, ...position })
  if (raft.phase.type === 'candidate') {
    sendAfterPersist(raft, peer, { type: 'requestVote', term, ...position, leadershipTransfer: raft.phase.leadershipTransfer })
  }
}

/** The leader asked for it (TimeoutNow, thesis §3.10): no pre-vote, which those who hear the leader would refuse. */
export function campaignNow(raft: Raft): void {
  startElection(raft, true)
}

/** "Each candidate votes for itself": the vote is written first and counts when that is durable. */
function startElection(raft: Raft, leadershipTransfer: boolean): void {
  setTerm(raft, raft.currentTerm + 1, raft.id)
  setPhase(raft, { type: 'candidate', votes: new Map(), voteSequence: raft.lastSequence + 1, leadershipTransfer })
  resetCandidateTimer(raft)
  for (const peer of members(raft.configuration)) requestVoteFrom(raft, peer)
}

/** Real votes wait for disks, so even a hurried election gets time for them: each further one costs a term. */
function resetCandidateTimer(raft: Raft): void {
  const quarter = Math.ceil(raft.options.electionTimeoutMs / 4)
  if (raft.now >= raft.hurryUntil) resetElectionTimer(raft)
  else raft.electionDeadline = raft.now + quarter + randomBelow(raft.random, quarter)
}

/** Our own vote became durable. */
export function countOwnVote(raft: Raft): void {
  if (raft.phase.type !== 'candidate') return
  if (raft.phase.voteSequence > raft.durableSequence) return
  raft.phase.votes.set(raft.id, true)
  countVotes(raft)
}

/** Whether a leader is heard: ourselves, or another within the least election timeout. */
export function hearsLeader(raft: Raft): boolean {
  if (raft.phase.type === 'leader') return true
  if (raft.phase.type !== 'follower') return false
  return raft.phase.leader !== null && raft.now - raft.phase.lastHeard < leaderPatienceMs(raft)
}

/** Granting changes nothing but our own eagerness. A server whose disk hangs grants nothing: its vote would not come, and the election be in vain. */
export function receivePreVote(raft: Raft, from: ServerId, message: PreVote): void {
  const isNewer = message.nextTerm > raft.currentTerm
  const isUpToDate = raft.log.isUpToDate(message.lastLogIndex, message.lastLogTerm)
  const mayVote = raft.standing.type === 'member' && !isDiskStalled(raft)
  const voteGranted = isNewer && isUpToDate && !hearsLeader(raft) && mayVote
  if (voteGranted) raft.electionDeadline = Math.max(raft.electionDeadline, raft.now + 20 + randomBelow(raft.random, 20))
  if (isNewer && !isUpToDate && !hearsLeader(raft)) raft.wantedUntil = raft.now + 2 * leaderPatienceMs(raft)
  const answer: PreVoteResponse = { type: 'preVoteResponse', term: raft.currentTerm, nextTerm: message.nextTerm, voteGranted }
  if (voteGranted) send(raft, from, answer)
  else sendAfterPersist(raft, from, answer)
}

export function receivePreVoteResponse(raft: Raft, from: ServerId, message: PreVoteResponse): void {
  if (message.term > raft.currentTerm) {
    becomeFollower(raft, message.term, null)
    return
  }
  if (raft.phase.type !== 'preCandidate' || message.nextTerm !== raft.currentTerm + 1) {
    countDrop(raft, 'preVoteResponse for another election')
    return
  }
  raft.phase.votes.set(from, message.voteGranted)
  countPreVotes(raft)
}

function countPreVotes(raft: Raft): void {
  assert(raft.phase.type === 'preCandidate', 'pre-votes are counted by a pre-candidate')
  const { votes } = raft.phase
  if (voteResult(raft.configuration, (id) => votes.get(id)) === 'won') startElection(raft, false)
}

/** §5.2, §5.4.1; §6: "if a server receives a RequestVote RPC within the minimum election timeout of hearing from a current leader, it does
 * not update its term or grant its vote"; unless that leader wants it (thesis §3.10). */
export function receiveRequestVote(raft: Raft, from: ServerId, message: RequestVote): void {
  if (message.term > raft.currentTerm && hearsLeader(raft) && !message.leadershipTransfer) {
    countDrop(raft, 'requestVote while a leader is heard')
    return
  }
  if (message.term > raft.currentTerm) becomeFollower(raft, message.term, null)
  const voteGranted = mayVoteFor(raft, from, message)
  if (voteGranted && raft.votedFor === null) setTerm(raft, raft.currentTerm, from)
  if (voteGranted && raft.phase.type === 'preCandidate') becomeFollower(raft, raft.currentTerm, null)
  else if (voteGranted) resetElectionTimer(raft)
  sendAfterPersist(raft, from, { type: 'requestVoteResponse', term: raft.currentTerm, voteGranted })
}

function mayVoteFor(raft: Raft, from: ServerId, message: RequestVote): boolean {
  if (message.term < raft.currentTerm || raft.standing.type !== 'member') return false
  if (raft.phase.type === 'follower' && raft.phase.leader !== null) return raft.votedFor === from
  if (raft.votedFor !== null && raft.votedFor !== from) return false
  return raft.log.isUpToDate(message.lastLogIndex, message.lastLogTerm)
}

export function receiveRequestVoteResponse(raft: Raft, from: ServerId, message: RequestVoteResponse): void {
  if (message.term > raft.currentTerm) {
    becomeFollower(raft, message.term, null)
    return
  }
  if (raft.phase.type !== 'candidate' || message.term !== raft.currentTerm) {
    countDrop(raft, 'requestVoteResponse for another election')
    return
  }
  raft.phase.votes.set(from, message.voteGranted)
  countVotes(raft)
}

function countVotes(raft: Raft): void {
  assert(raft.phase.type === 'candidate', 'votes are counted by a candidate')
  const { votes } = raft.phase
  const result = voteResult(raft.configuration, (id) => votes.get(id))
  if (result === 'lost') becomeFollower(raft, raft.currentTerm, null)
  if (result !== 'won' || votes.get(raft.id) !== true) return
  raft.hurryUntil = 0
  becomeLeader(raft)
}
