/**
 * The log's way from the leader to the others (§5.3) and the rule of commitment (§5.4.2). The leader sends before its own write is durable and
 * counts itself only after it (thesis §10.2.1).
 */

import { assert } from './assert.ts'
import { maxEntriesPerMessage } from './codec.ts'
import { makeEntry } from './entry.ts'
import type { AppendEntries, AppendEntriesResponse, Commit, EntriesHeld, Heartbeat, HeartbeatResponse, ServerId } from './message.ts'
import { smoothedMs } from './patience.ts'
import { Progress } from './progress.ts'
import { hasQuorum, members, quorumIndex } from './quorum.ts'
import { hasForgottenEntries, sendRejoinTargets } from './standing.ts'
import type { Leader, Raft } from './state.ts'
import {
  appendToLog,
  becomeFollower,
  countDrop,
  isDiskStalled,
  isHeard,
  resetElectionTimer,
  send,
  sendAfterPersist,
  setPhase,
  truncateLog,
} from './state.ts'

/** So many rounds of heartbeats may be unanswered and are still measured. */
const measuredRounds = 64

// The leader's side

/** "Each leader commits a blank no-op entry into the log at the start of its term" (§8). */
export function becomeLeader(raft: Raft): void {
  const progress = new Map<ServerId, Progress>()
  for (const peer of members(raft.configuration)) {
    if (peer !== raft.id) progress.set(peer, new Progress(raft.log.lastIndex + 1, raft.now))
  }
  const leader: Leader = {
    type: 'leader',
    progress,
    heartbeatDeadline: raft.now,
    round: 0,
    roundsBegan: new Map(),
    transfer: null,
    lastChange: null,
    isLeaving: false,
  }
  setPhase(raft, leader)
  appendToLog(raft, makeEntry(raft.log.lastIndex + 1, raft.currentTerm, 'noop', new Uint8Array(0)))
  replicate(raft, leader)
}

/** Heartbeats; and the reasons to stop leading: no quorum was heard for T (check-quorum), or our own disk hangs. */
export function tickLeader(raft: Raft, leader: Leader): void {
  const isAnswering = (id: ServerId): boolean => {
    const progress = leader.progress.get(id)
    if (progress === undefined) return id === raft.id
    // With those that don't count it could commit nothing, and would keep others from electing one who can.
    return isHeard(raft, { lastHeard: progress.lastHeardAsMember, roundTripMs: progress.roundTripMs })
  }
  if (isDiskStalled(raft) || !hasQuorum(raft.configuration, isAnswering)) {
    becomeFollower(raft, raft.currentTerm, null)
    return
  }
  if (raft.now >= leader.heartbeatDeadline) sendHeartbeats(raft, leader)
}

/** A new round of heartbeats. */
export function sendHeartbeats(raft: Raft, leader: Leader): void {
  leader.heartbeatDeadline = raft.now + raft.options.heartbeatMs
  leader.round++
  leader.roundsBegan.set(leader.round, raft.now)
  leader.roundsBegan.delete(leader.round - measuredRounds)
  for (const [peer, progress] of leader.progress) sendHeartbeat(raft, leader, peer, progress)
}

function sendHeartbeat(raft: Raft, leader: Leader, peer: ServerId, progress: Progress): void {
  const commitIndex = Math.min(progress.matchIndex, raft.commitIndex)
  const roundTripMs = Math.ceil(progress.roundTripMs)
  send(raft, peer, { type: 'heartbeat', term: raft.currentTerm, commitIndex, round: leader.round, roundTripMs })
}

/** Sends to every follower what its window allows. */
export function replicate(raft: Raft, leader: Leader): void {
  for (const [peer, progress] of leader.progress) sendAppends(raft, peer, progress)
}

export function sendAppends(raft: Raft, peer: ServerId, progress: Progress): void {
  const { maxInflightMessages, maxInflightOctets } = raft.options
  while (progress.hasRoom(maxInflightMessages, maxInflightOctets)) {
    if (progress.nextIndex > raft.log.lastIndex && progress.state === 'replicating') return
    if (progress.nextIndex < raft.log.firstIndex) {
      askForSnapshot(raft, peer, progress)
      return
    }
    sendAppend(raft, peer, progress)
  }
}

function askForSnapshot(raft: Raft, peer: ServerId, progress: Progress): void {
  progress.awaitSnapshot()
  raft.outbox.snapshotsTo.push(peer)
}

function sendAppend(raft: Raft, peer: ServerId, progress: Progress): void {
  const prevLogIndex = progress.nextIndex - 1
  const prevLogTerm = raft.log.term(prevLogIndex)
  assert(prevLogTerm !== null, `no term at ${prevLogIndex}, for ${peer}`)
  const entries = raft.log.page(prevLogIndex + 1, raft.options.maxAppendOctets, maxEntriesPerMessage)
  const lastIndex = prevLogIndex + entries.length
  send(raft, peer, { type: 'appendEntries', term: raft.currentTerm, prevLogIndex, prevLogTerm, leaderCommit: raft.commitIndex, entries })
  if (progress.state === 'replicating') progress.announcedCommit = Math.max(progress.announcedCommit, Math.min(raft.commitIndex, lastIndex))
  progress.sent(lastIndex, raft.log.octetsBetween(prevLogIndex + 1, lastIndex))
}

export function receiveAppendEntriesResponse(raft: Raft, from: ServerId, message: AppendEntriesResponse): void {
  const progress = heardFollower(raft, from, message.term)
  if (progress === null) return
  if (!message.success) {
    receiveRefusal(raft, from, progress, message)
    return
  }
  if (message.index > raft.log.lastIndex) {
    countDrop(raft, 'acknowledgement beyond the log')
    return
  }
  progress.lastHeardAsMember = raft.now
  const isNews = progress.acknowledged(message.index)
  maybeReplicate(raft, progress)
  if (isNews) advanceCommitIndex(raft)
  sendAppends(raft, from, progress)
  announceCommit(raft, from, progress)
}

/** Of a follower that does not vote: its log grows, and nothing is committed by it. */
export function receiveEntriesHeld(raft: Raft, from: ServerId, message: EntriesHeld): void {
  const progress = heardFollower(raft, from, message.term)
  if (progress === null) return
  if (message.index > raft.log.lastIndex) {
    countDrop(raft, 'acknowledgement beyond the log')
    return
  }
  progress.held(message.index)
  maybeReplicate(raft, progress)
  sendAppends(raft, from, progress)
}

function maybeReplicate(raft: Raft, progress: Progress): void {
  if (progress.state !== 'replicating' && progress.heldIndex + 1 >= raft.log.firstIndex) progress.replicate()
}

/** Goes back as far as both sides' terms prove useless (§5.3, the optimisation at its end). Late refusals change nothing. */
function receiveRefusal(raft: Raft, from: ServerId, progress: Progress, message: AppendEntriesResponse): void {
  // Who has forgotten what it acknowledged may have said so before an acknowledgement of its former life has come.
  if (progress.rejoining !== null && message.index <= progress.heldIndex) progress.forget(message.index + 1)
  const isLate = message.index <= progress.heldIndex || (progress.state === 'probing' && message.index !== progress.nextIndex - 1)
  if (isLate || progress.state === 'snapshotting') return
  const meeting = raft.log.lastIndexOfTermAtMost(Math.min(message.hintIndex, message.index - 1), message.hintTerm)
  progress.probeFrom(progress.state === 'replicating' ? Math.min(progress.heldIndex, meeting) + 1 : meeting + 1)
  sendAppends(raft, from, progress)
}

/** An answer may show that appends were lost: it allows the next probe, and while entries are missing it asks where we are. */
export function receiveHeartbeatResponse(raft: Raft, from: ServerId, message: HeartbeatResponse): void {
  const progress = heardFollower(raft, from, message.term)
  if (progress === null) return
  acknowledgeRound(raft, progress, message)
  // A member says again what it said when it was none.
  const said = message.isMember ? progress.matchIndex : progress.heldIndex
  if (progress.state === 'snapshotting' || (said >= raft.log.lastIndex && progress.state === 'replicating')) return
  progress.probeSent = false
  if (progress.nextIndex < raft.log.firstIndex) askForSnapshot(raft, from, progress)
  else if (progress.state === 'probing') sendAppends(raft, from, progress)
  else sendProbe(raft, from, progress)
}

function acknowledgeRound(raft: Raft, progress: Progress, { round, isMember }: HeartbeatResponse): void {
  if (raft.phase.type !== 'leader' || round > raft.phase.round) {
    countDrop(raft, 'answer to a round that has not begun')
    return
  }
  if (round > progress.acknowledgedRound) measureRoundTrip(raft, raft.phase, progress, round)
  progress.acknowledgedRound = Math.max(progress.acknowledgedRound, round)
  if (isMember) acknowledgeAsMember(raft, raft.phase, progress, round)
}

/** By the first answer to a round. */
function measureRoundTrip(raft: Raft, leader: Leader, progress: Progress, round: number): void {
  const began = leader.roundsBegan.get(round)
  if (began !== undefined) progress.roundTripMs = smoothedMs(progress.roundTripMs, raft.now - began)
}

/** A confirmation by a member lets others that rejoin know how far they have to come. */
function acknowledgeAsMember(raft: Raft, leader: Leader, progress: Progress, round: number): void {
  progress.lastHeardAsMember = raft.now
  if (round <= progress.memberRound) return
  progress.memberRound = round
  if (progress.rejoining !== null && round >= progress.rejoining.fromRound) progress.rejoining = null
  sendRejoinTargets(raft, leader)
}

/** An empty append at the end of what was sent: refused if something before it was lost. It takes no room in the window. */
function sendProbe(raft: Raft, peer: ServerId, progress: Progress): void {
  const prevLogIndex = progress.nextIndex - 1
  const prevLogTerm = raft.log.term(prevLogIndex)
  assert(prevLogTerm !== null, `no term at ${prevLogIndex}`)
  send(raft, peer, {
    type: 'appendEntries',
    term: raft.currentTerm,
    prevLogIndex,
    prevLogTerm,
    leaderCommit: raft.commitIndex,
    entries: [],
  })
}

/** The connection to `peer` is new: what was in flight on the old one is lost. */
export function peerConnected(raft: Raft, leader: Leader, peer: ServerId): void {
  const progress = leader.progress.get(peer)
  if (progress === undefined) return
  if (progress.state !== 'snapshotting') progress.probeFrom(progress.heldIndex > 0 ? progress.heldIndex + 1 : progress.nextIndex)
  sendHeartbeat(raft, leader, peer, progress)
  sendAppends(raft, peer, progress)
}

/** The progress of a follower that answered in our term as leader; null when the answer is of no use. */
export function heardFollower(raft: Raft, from: ServerId, term: number): Progress | null {
  if (term > raft.currentTerm) becomeFollower(raft, term, null)
  const progress = raft.phase.type === 'leader' && term === raft.currentTerm ? raft.phase.progress.get(from) : undefined
  if (progress === undefined) {
    countDrop(raft, 'answer to another leader')
    return null
  }
  progress.lastHeard = raft.now
  return progress
}

/** "If there exists an N such that N > commitIndex, a majority of matchIndex[i] ≥ N, and log[N].term == currentTerm: set commitIndex = N." */
export function advanceCommitIndex(raft: Raft): void {
  if (raft.phase.type !== 'leader') return
  const { progress } = raft.phase
  const index = quorumIndex(raft.configuration, (id) => (id === raft.id ? raft.durableIndex : (progress.get(id)?.matchIndex ?? 0)))
  if (index <= raft.commitIndex || raft.log.term(index) !== raft.currentTerm) return
  raft.commitIndex = index
  for (const [peer, peerProgress] of progress) announceCommit(raft, peer, peerProgress)
}

function announceCommit(raft: Raft, peer: ServerId, progress: Progress): void {
  const commitIndex = Math.min(progress.matchIndex, raft.commitIndex)
  if (commitIndex <= progress.announcedCommit) return
  progress.announcedCommit = commitIndex
  send(raft, peer, { type: 'commit', term: raft.currentTerm, commitIndex })
}

// The follower's side

/** Whether the sender leads our term: then it is followed. One of an older term learns ours. */
export function hearLeader(raft: Raft, from: ServerId, term: number): boolean {
  if (term < raft.currentTerm) {
    sendAfterPersist(raft, from, {
      type: 'appendEntriesResponse',
      term: raft.currentTerm,
      success: false,
      index: 0,
      hintIndex: 0,
      hintTerm: 0,
    })
    return false
  }
  if (term === raft.currentTerm && (raft.phase.type === 'leader' || isOtherLeaderKnown(raft, from))) {
    countDrop(raft, 'second leader of a term')
    return false
  }
  raft.hurryUntil = 0
  if (term > raft.currentTerm || raft.phase.type !== 'follower' || raft.phase.leader !== from) becomeFollower(raft, term, from)
  else raft.phase.lastHeard = raft.now
  resetElectionTimer(raft)
  return true
}

function isOtherLeaderKnown(raft: Raft, from: ServerId): boolean {
  return raft.phase.type === 'follower' && raft.phase.leader !== null && raft.phase.leader !== from
}

export function receiveAppendEntries(raft: Raft, from: ServerId, message: AppendEntries): void {
  if (!hearLeader(raft, from, message.term)) return
  if (raft.log.term(message.prevLogIndex) !== message.prevLogTerm && message.prevLogIndex >= raft.commitIndex) {
    refuseAppend(raft, from, message)
    return
  }
  appendNewEntries(raft, message)
  const index = message.prevLogIndex + message.entries.length
  // "set commitIndex = min(leaderCommit, index of last new entry)": what lies beyond it in our log may not be the leader's.
  raft.commitIndex = Math.max(raft.commitIndex, Math.min(message.leaderCommit, index))
  acknowledge(raft, from, Math.max(index, raft.commitIndex))
}

/** Tells the leader that our disk holds its entries up to `index`: to be counted only if we know of all terms in which we voted. */
export function acknowledge(raft: Raft, leader: ServerId, index: number): void {
  const { currentTerm: term } = raft
  if (raft.standing.type !== 'member') sendAfterPersist(raft, leader, { type: 'entriesHeld', term, index })
  else sendAfterPersist(raft, leader, { type: 'appendEntriesResponse', term, success: true, index, hintIndex: 0, hintTerm: 0 })
}

function refuseAppend(raft: Raft, from: ServerId, message: AppendEntries): void {
  const hintIndex = raft.log.lastIndexOfTermAtMost(message.prevLogIndex, message.prevLogTerm)
  const hintTerm = raft.log.term(hintIndex)
  assert(hintTerm !== null, `no term at ${hintIndex}`)
  const { currentTerm: term } = raft
  sendAfterPersist(raft, from, { type: 'appendEntriesResponse', term, success: false, index: message.prevLogIndex, hintIndex, hintTerm })
}

/** Deletes only on a conflict: a late copy of an old append must not remove what came after it. */
function appendNewEntries(raft: Raft, message: AppendEntries): void {
  for (const entry of message.entries) {
    const term = raft.log.term(entry.index)
    if (term === entry.term || entry.index < raft.log.firstIndex) continue
    if (term !== null) truncateLog(raft, entry.index)
    appendToLog(raft, entry)
  }
}

export function receiveHeartbeat(raft: Raft, from: ServerId, message: Heartbeat): void {
  if (!hearLeader(raft, from, message.term)) return
  raft.roundTripMs = message.roundTripMs
  learnCommitIndex(raft, message.commitIndex)
  const isMember = raft.standing.type === 'member'
  sendAfterPersist(raft, from, { type: 'heartbeatResponse', term: raft.currentTerm, round: message.round, isMember })
}

export function receiveCommit(raft: Raft, from: ServerId, message: Commit): void {
  if (!hearLeader(raft, from, message.term)) return
  learnCommitIndex(raft, message.commitIndex)
}

/** The leader said that we hold these entries: it has our word. We may have forgotten since that we gave it, while we don't vote. */
function learnCommitIndex(raft: Raft, commitIndex: number): void {
  if (raft.standing.type !== 'member') {
    // What we hold up to there need not be what the leader holds.
    return
  }
  if (commitIndex > raft.log.lastIndex) hasForgottenEntries(raft)
  else raft.commitIndex = Math.max(raft.commitIndex, commitIndex)
}
