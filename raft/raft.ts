/**
 * The Raft consensus algorithm (Ongaro and Ousterhout, "In Search of an Understandable Consensus Algorithm", extended version; § refers to it,
 * "thesis" to Ongaro's dissertation) as a pure state machine: `step` takes an input and returns what to write, what to send and what is
 * committed. It does no I/O, reads no clock and draws from the generator it was given, so that one seed replays a cluster.
 *
 * The shell performs each step's effects in order: `persist` is handed to the one writer; `send` leaves at once; `sendAfterPersist` when all
 * batches so far are durable; and each completed batch comes back as `persisted`.
 */

import { assert } from './assert.ts'
import { configurationsOf } from './configurations.ts'
import type { Effects, Persist } from './effects.ts'
import {
  countOwnVote,
  leaderGone,
  receivePreVote,
  receivePreVoteResponse,
  receiveRequestVote,
  receiveRequestVoteResponse,
  requestVoteFrom,
  tickElection,
} from './election.ts'
import {
  advanceTransfer,
  receiveTimeoutNow,
  receiveTransferLeadership,
  receiveTransferLeadershipResponse,
  repeatTimeoutNow,
  transferLeadership,
} from './leadership-transfer.ts'
import {
  advanceMembership,
  changeMembership,
  isFormerMember,
  isStranger,
  receiveChangeMembership,
  receiveChangeMembershipResponse,
  receiveRemoved,
} from './membership-change.ts'
import type { Membership, MembershipChange } from './membership.ts'
import { membershipOf } from './membership.ts'
import type { Message, ServerId } from './message.ts'
import type { ForwardedProposal, Proposal } from './proposals.ts'
import { propose, receiveForwardResponse, receiveForwards } from './proposals.ts'
import { hasQuorum } from './quorum.ts'
import { advanceReads, read, receiveReadIndex, receiveReadIndexResponse } from './read-index.ts'
import {
  advanceCommitIndex,
  peerConnected,
  receiveAppendEntries,
  receiveAppendEntriesResponse,
  receiveEntriesHeld,
  receiveCommit,
  receiveHeartbeat,
  receiveHeartbeatResponse,
  tickLeader,
} from './replication.ts'
import {
  compact,
  receiveInstallSnapshot,
  receiveInstallSnapshotResponse,
  snapshotFailed,
  snapshotInstalled,
  snapshotStarted,
} from './snapshot.ts'
import {
  firstLife,
  initialStanding,
  knownLives,
  livesOf,
  maybeRejoined,
  noteSeen,
  recallAtConnection,
  receiveRecall,
  receiveRecallResponse,
  receiveRejoinTarget,
  tickStanding,
} from './standing.ts'
import type { Outbox, Raft, RaftInit } from './state.ts'
import { countDrop, defaultRaftOptions, emptyOutbox, resetElectionTimer } from './state.ts'

/** `now` is the server's own clock in ms: monotone, and standing still while the process does. */
export type Input = { readonly now: number } & (
  | { readonly type: 'tick' }
  | { readonly type: 'message'; readonly from: ServerId; readonly message: Message }
  | { readonly type: 'propose'; readonly proposals: readonly Proposal[] }
  /** Messages, too: forwarded proposals that came together. */
  | { readonly type: 'forwards'; readonly forwards: readonly ForwardedProposal[] }
  /** The batch with this sequence, and so all before it, is durable. */
  | { readonly type: 'persisted'; readonly sequence: number }
  /** The connection to the peer closed and it refuses a new one. */
  | { readonly type: 'peerGone'; readonly peer: ServerId }
  | { readonly type: 'peerConnected'; readonly peer: ServerId }
  /** The application holds the effects of everything up to `index` durably. */
  | { readonly type: 'compact'; readonly index: number }
  /** A snapshot is on its way to `peer`, and ends with the entry `index`; or it came to nothing. */
  | { readonly type: 'snapshotStarted'; readonly peer: ServerId; readonly index: number }
  | { readonly type: 'snapshotFailed'; readonly peer: ServerId }
  /** The application has taken a snapshot over, durably. */
  | { readonly type: 'snapshotInstalled'; readonly index: number; readonly term: number; readonly configuration: Membership }
  | { readonly type: 'read'; readonly id: number }
  | { readonly type: 'transferLeadership'; readonly id: number; readonly to: ServerId }
  | { readonly type: 'changeMembership'; readonly id: number; readonly changes: readonly MembershipChange[] }
)

/** A server as it starts: a follower with what its disk held. */
export function createRaft(init: RaftInit): Raft {
  const { hardState, log, lives } = init
  const configurations = configurationsOf(
    { index: log.base.index, membership: membershipOf(init.configuration) },
    log.slice(log.firstIndex, log.lastIndex),
  )
  const appliedIndex = init.appliedIndex ?? log.base.index
  assert(appliedIndex >= log.base.index, `the application holds ${appliedIndex}, but the log begins after ${log.base.index}`)
  assert(appliedIndex <= log.lastIndex, `the application holds ${appliedIndex}, but the log ends at ${log.lastIndex}`)
  assert(hardState.currentTerm >= log.lastTerm, `term ${hardState.currentTerm}, but the log ends in term ${log.lastTerm}`)
  const raft: Raft = {
    id: init.id,
    options: { ...defaultRaftOptions, ...init.options },
    random: init.random,
    configuration: configurations.at(-1)!.membership,
    configurations,
    toldConfigurations: new Map(),
    heardConfiguration: null,
    settled: null,
    isRemoved: false,
    log,
    currentTerm: hardState.currentTerm,
    votedFor: hardState.votedFor,
    phase: { type: 'follower', leader: null, lastHeard: init.now },
    now: init.now,
    electionDeadline: init.now,
    roundTripMs: 0,
    hurryUntil: 0,
    wantedUntil: 0,
    startTerm: hardState.currentTerm,
    forwarded: new Map(),
    standing: { type: 'member', answered: new Set(init.configuration.voters) },
    lives: knownLives(lives ?? firstLife, lives?.nonce ?? 0),
    recallDeadline: init.now,
    seen: new Map(),
    reads: { term: hardState.currentTerm, leader: null, waiting: [], confirming: null, forwarded: new Map() },
    commitIndex: appliedIndex,
    lastApplied: appliedIndex,
    durableIndex: log.lastIndex,
    durableSequence: 0,
    lastSequence: 0,
    pendingWrites: [],
    outbox: emptyOutbox(),
    drops: new Map(),
  }
  if (init.isLogReset === true) {
    raft.outbox.reset = { ...log.base, configuration: raft.configuration }
    raft.outbox.hardStateChanged = true
  }
  if (lives !== undefined) {
    raft.standing = initialStanding(raft, lives.isRejoining)
    raft.outbox.livesChanged = true
  }
  // Who votes alone waits for nobody.
  if (!hasQuorum(raft.configuration, (id) => id === raft.id)) resetElectionTimer(raft)
  return raft
}

/** Changes `raft` by one input. */
export function step(raft: Raft, input: Input): Effects {
  raft.now = Math.max(raft.now, input.now)
  handle(raft, input)
  advanceTransfer(raft)
  advanceReads(raft)
  advanceMembership(raft)
  return takeEffects(raft)
}

/** When the next tick has something to do; earlier ones do no harm. */
export function nextDeadline(raft: Raft): number {
  return raft.phase.type === 'leader' ? raft.phase.heartbeatDeadline : raft.electionDeadline
}

function handle(raft: Raft, input: Input): void {
  switch (input.type) {
    case 'tick':
      tickStanding(raft)
      if (raft.phase.type === 'leader') tickLeader(raft, raft.phase)
      else tickElection(raft)
      return
    case 'message':
      receive(raft, input.from, input.message)
      return
    case 'propose':
      propose(raft, input.proposals)
      return
    case 'forwards':
      receiveForwards(
        raft,
        input.forwards.filter(({ from, message }) => isHeard(raft, from, message)),
      )
      return
    case 'persisted':
      persisted(raft, input.sequence)
      return
    case 'peerGone':
      if (raft.phase.type === 'follower' && raft.phase.leader === input.peer) leaderGone(raft)
      return
    case 'peerConnected':
      recallAtConnection(raft, input.peer)
      if (raft.phase.type === 'leader') peerConnected(raft, raft.phase, input.peer)
      else requestVoteFrom(raft, input.peer)
      return
    case 'compact':
      compact(raft, input.index)
      return
    case 'snapshotStarted':
      if (raft.phase.type === 'leader') snapshotStarted(raft.phase, input.peer, input.index)
      return
    case 'snapshotFailed':
      if (raft.phase.type === 'leader') snapshotFailed(raft.phase, input.peer)
      return
    case 'snapshotInstalled':
      snapshotInstalled(raft, input.index, input.term, input.configuration)
      return
    case 'read':
      read(raft, input.id)
      return
    case 'transferLeadership':
      transferLeadership(raft, input.id, input.to)
      return
    case 'changeMembership':
      changeMembership(raft, input.id, input.changes)
      return
  }
}

function isHeard(raft: Raft, from: ServerId, message: Message): boolean {
  if (!raft.isRemoved) return !isFormerMember(raft, from, message) && !isStranger(raft, from, message)
  countDrop(raft, 'message to a former member')
  return false
}

function receive(raft: Raft, from: ServerId, message: Message): void {
  if (!isHeard(raft, from, message)) return
  noteSeen(raft, from, message)
  switch (message.type) {
    case 'preVote':
      return receivePreVote(raft, from, message)
    case 'preVoteResponse':
      return receivePreVoteResponse(raft, from, message)
    case 'requestVote':
      return receiveRequestVote(raft, from, message)
    case 'requestVoteResponse':
      return receiveRequestVoteResponse(raft, from, message)
    case 'appendEntries':
      return receiveAppendEntries(raft, from, message)
    case 'appendEntriesResponse':
      return receiveAppendEntriesResponse(raft, from, message)
    case 'entriesHeld':
      return receiveEntriesHeld(raft, from, message)
    case 'heartbeat':
      return receiveHeartbeat(raft, from, message)
    case 'heartbeatResponse':
      receiveHeartbeatResponse(raft, from, message)
      repeatTimeoutNow(raft, from)
      return
    case 'commit':
      return receiveCommit(raft, from, message)
    case 'forward':
      return receiveForwards(raft, [{ from, message }])
    case 'forwardResponse':
      return receiveForwardResponse(raft, message)
    case 'installSnapshot':
      return receiveInstallSnapshot(raft, from, message)
    case 'installSnapshotResponse':
      return receiveInstallSnapshotResponse(raft, from, message)
    case 'recall':
      return receiveRecall(raft, from, message)
    case 'recallResponse':
      return receiveRecallResponse(raft, from, message)
    case 'rejoinTarget':
      return receiveRejoinTarget(raft, from, message)
    case 'readIndex':
      return receiveReadIndex(raft, from, message)
    case 'readIndexResponse':
      return receiveReadIndexResponse(raft, from, message)
    case 'transferLeadership':
      return receiveTransferLeadership(raft, from, message)
    case 'transferLeadershipResponse':
      return receiveTransferLeadershipResponse(raft, message)
    case 'timeoutNow':
      return receiveTimeoutNow(raft, message)
    case 'changeMembership':
      return receiveChangeMembership(raft, from, message)
    case 'changeMembershipResponse':
      return receiveChangeMembershipResponse(raft, message)
    case 'removed':
      return receiveRemoved(raft, message)
  }
}

/** Completions name batches, not indexes: an index may meanwhile hold another entry (truncated and written anew). */
function persisted(raft: Raft, sequence: number): void {
  assert(sequence <= raft.lastSequence, `batch ${sequence} is durable, but the last one is ${raft.lastSequence}`)
  while (raft.pendingWrites.length > 0 && raft.pendingWrites[0]!.sequence <= sequence) {
    raft.durableIndex = Math.max(raft.durableIndex, raft.pendingWrites.shift()!.lastIndex)
  }
  raft.durableSequence = Math.max(raft.durableSequence, sequence)
  countOwnVote(raft)
  advanceCommitIndex(raft)
  maybeRejoined(raft)
}

function takeEffects(raft: Raft): Effects {
  const { outbox } = raft
  raft.outbox = emptyOutbox()
  const persist = takePersist(raft, outbox)
  const { send, sendAfterPersist, outcomes, reads, transfers, statusChanged, snapshotsTo, snapshotParts } = outbox
  const answers = { outcomes, reads, transfers, changes: outbox.changes, statusChanged }
  return { persist, send, sendAfterPersist, committed: takeCommitted(raft), ...answers, snapshotsTo, snapshotParts }
}

function takePersist(raft: Raft, outbox: Outbox): Persist | null {
  const { log } = raft
  const { hardStateChanged, livesChanged, firstChangedIndex, reset, compactTo } = outbox
  const entries = firstChangedIndex <= log.lastIndex ? log.slice(firstChangedIndex, log.lastIndex) : []
  if (!hardStateChanged && !livesChanged && entries.length === 0 && reset === null && compactTo === null) return null
  raft.lastSequence++
  raft.pendingWrites.push({ sequence: raft.lastSequence, lastIndex: log.lastIndex, since: raft.now })
  const hardState = hardStateChanged ? { currentTerm: raft.currentTerm, votedFor: raft.votedFor } : null
  return { sequence: raft.lastSequence, hardState, lives: livesChanged ? livesOf(raft) : null, reset, entries, compactTo }
}

/** Durable on a majority, and so for good; our own disk may be slow, and the application need not wait for it. */
function takeCommitted(raft: Raft): Effects['committed'] {
  const to = raft.commitIndex
  assert(to >= raft.lastApplied, `committed up to ${to}, but ${raft.lastApplied} is applied`)
  if (to === raft.lastApplied) return []
  const entries = raft.log.slice(raft.lastApplied + 1, to)
  raft.lastApplied = to
  return entries
}
