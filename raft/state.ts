/**
 * The state of one server (figure 2) and the transitions that all parts share. What a phase may know is in the phase, so that a follower has
 * no progress table to read.
 */

import { assert } from './assert.ts'
import type { PlacedMembership } from './configurations.ts'
import { configurationAppended, configurationsTruncated } from './configurations.ts'
import type { Effects, HardState, Lives, MembershipOutcome, ProposalOutcome, ReadOutcome, TransferOutcome } from './effects.ts'
import type { Entry } from './entry.ts'
import type { LogStart, RaftLog } from './log.ts'
import type { LastChange } from './membership-change.ts'
import type { Membership } from './membership.ts'
import type { Message, ServerId } from './message.ts'
import type { Envelope } from './message.ts'
import { patienceMs } from './patience.ts'
import type { Progress } from './progress.ts'
import type { Configuration } from './quorum.ts'
import type { RandomSource } from './random.ts'
import { randomBelow } from './random.ts'
import type { KnownLives, Standing } from './standing.ts'

export interface RaftOptions {
  readonly heartbeatMs: number
  /** T: timeouts are drawn from [T, 1.5 T). */
  readonly electionTimeoutMs: number
  /** Window of each follower: appends in flight, and their octets. */
  readonly maxInflightMessages: number
  readonly maxInflightOctets: number
  /** The most octets of entries in one append; a single larger entry still goes. */
  readonly maxAppendOctets: number
  /** A leader takes no more proposals while its uncommitted entries hold this many octets. */
  readonly maxUncommittedOctets: number
  /** Compaction leaves about so many octets before what was asked for, so that a slow follower needs no snapshot. */
  readonly compactionTailOctets: number
}

export const defaultRaftOptions: RaftOptions = {
  heartbeatMs: 50,
  electionTimeoutMs: 300,
  maxInflightMessages: 128,
  maxInflightOctets: 8 * 1024 * 1024,
  maxAppendOctets: 256 * 1024,
  maxUncommittedOctets: 64 * 1024 * 1024,
  compactionTailOctets: 4 * 1024 * 1024,
}

export interface Follower {
  readonly type: 'follower'
  readonly leader: ServerId | null
  /** When the leader was last heard; meaningless without one. */
  lastHeard: number
}

export interface PreCandidate {
  readonly type: 'preCandidate'
  readonly votes: Map<ServerId, boolean>
}

export interface Candidate {
  readonly type: 'candidate'
  readonly votes: Map<ServerId, boolean>
  /** The batch that holds our own vote: it counts only once that is durable. */
  readonly voteSequence: number
  /** The leader asked for this election (thesis §3.10). */
  readonly leadershipTransfer: boolean
}

export interface Leader {
  readonly type: 'leader'
  readonly progress: Map<ServerId, Progress>
  heartbeatDeadline: number
  round: number
  /** When the last rounds of heartbeats began, by their number. */
  readonly roundsBegan: Map<number, number>
  /** While it lasts, no proposal is taken. */
  transfer: LeadershipTransfer | null
  lastChange: LastChange | null
  /** It is no longer a member, and hands over. */
  isLeaving: boolean
}

/** Leadership is being handed over. */
export interface LeadershipTransfer {
  readonly to: ServerId
  /** Given up then. */
  readonly deadline: number
  readonly requests: TransferRequest[]
  timeoutNowSent: boolean
}

/** Whom to tell of a failure. */
export interface TransferRequest {
  readonly from: ServerId
  readonly id: number
}

export type Phase = Follower | PreCandidate | Candidate | Leader

/** A batch on its way to the disk. */
export interface PendingWrite {
  readonly sequence: number
  /** The entries up to here will be durable with it; lowered when they are truncated meanwhile. */
  lastIndex: number
  readonly since: number
}

/** A read and the server that asks for it. */
export interface Read {
  readonly from: ServerId
  readonly id: number
}

/** Reads that have no outcome yet; they belong to a leader and its term. */
export interface Reads {
  readonly term: number
  readonly leader: ServerId | null
  /** At the leader: those that wait for the next round of heartbeats, */
  waiting: Read[]
  /** and those that the present one will confirm, for what was committed when it began. */
  confirming: { readonly round: number; readonly index: number; readonly reads: readonly Read[] } | null
  /** At a follower: those that the leader was asked about, and when. */
  readonly forwarded: Map<number, number>
}

/** What a step has gathered so far. */
export interface Outbox {
  hardStateChanged: boolean
  /** The lowest index that was appended or replaced; Infinity if none. */
  firstChangedIndex: number
  send: Envelope[]
  sendAfterPersist: Envelope[]
  outcomes: ProposalOutcome[]
  reads: ReadOutcome[]
  transfers: TransferOutcome[]
  changes: MembershipOutcome[]
  statusChanged: boolean
  livesChanged: boolean
  reset: LogStart | null
  compactTo: LogStart | null
  snapshotsTo: ServerId[]
  snapshotParts: Effects['snapshotParts'][number][]
}

export interface Raft {
  readonly id: ServerId
  readonly options: RaftOptions
  readonly random: RandomSource
  /** In force: the last of `configurations`. */
  configuration: Membership
  /** At the log's base, and of the log's entries. */
  configurations: PlacedMembership[]
  /** The latest of each other server that has told it, since our start (standing.ts). */
  readonly toldConfigurations: Map<ServerId, PlacedMembership>
  /** The latest of them, if it is later than our own was then. */
  heardConfiguration: PlacedMembership | null
  /** The committed one that was acted on last (membership-change.ts). */
  settled: Membership | null
  /** We are no longer a member, for good. */
  isRemoved: boolean
  readonly log: RaftLog
  currentTerm: number
  votedFor: ServerId | null
  phase: Phase
  /** Own clock in ms: it stands still while the process does. */
  now: number
  electionDeadline: number
  /** To the leader and back, as it told us last; 0: nobody has. */
  roundTripMs: number
  /** Until then a hint that the leader is gone makes elections hurry. */
  hurryUntil: number
  /** Until then somebody wants our vote whose log is behind ours. */
  wantedUntil: number
  /** The term in which this process started, or became a member again: of later ones it knows all that this server did. */
  startTerm: number
  /** Whether we may vote, and who has been who (standing.ts). */
  standing: Standing
  readonly lives: KnownLives
  recallDeadline: number
  /** How far each other server has come, by its own answers: what its disk must hold (standing.ts). Gone with the process. */
  readonly seen: Map<ServerId, { readonly term: number; readonly index: number }>
  /** The highest id of a proposal taken from each life of each server, by priority: a copy of a message is not appended twice, nor is it said to be dropped. */
  readonly forwarded: Map<ServerId, Map<number, number[]>>
  reads: Reads
  commitIndex: number
  /** Invariant: lastApplied <= commitIndex. */
  lastApplied: number
  /** Our log is on disk up to here. */
  durableIndex: number
  durableSequence: number
  /** The sequence of the last batch that was handed out. */
  lastSequence: number
  pendingWrites: PendingWrite[]
  outbox: Outbox
  /** Messages that were not acted on, by reason. */
  readonly drops: Map<string, number>
}

export interface RaftInit {
  readonly id: ServerId
  /** At the log's base. */
  readonly configuration: Configuration & Partial<Membership>
  readonly random: RandomSource
  readonly hardState: HardState
  readonly log: RaftLog
  /** What the application holds durably already: delivery goes on after it. Default: the log's base. */
  readonly appliedIndex?: number
  /** The log is not what the disk holds: it begins anew after its base (start.ts). */
  readonly isLogReset?: boolean
  /** What the disk held of it, and the number of this life; without it the server is a member, and knows of nobody. */
  readonly lives?: Lives & { readonly nonce: number }
  readonly now: number
  readonly options?: Partial<RaftOptions>
}

export function emptyOutbox(): Outbox {
  return {
    hardStateChanged: false,
    firstChangedIndex: Infinity,
    send: [],
    sendAfterPersist: [],
    outcomes: [],
    livesChanged: false,
    reset: null,
    compactTo: null,
    snapshotsTo: [],
    snapshotParts: [],
    reads: [],
    transfers: [],
    changes: [],
    statusChanged: false,
  }
}

/** For a message that asks for, grants or acknowledges nothing. */
export function send(raft: Raft, to: ServerId, message: Message): void {
  raft.outbox.send.push({ to, message })
}

export function sendAfterPersist(raft: Raft, to: ServerId, message: Message): void {
  raft.outbox.sendAfterPersist.push({ to, message })
}

export function countDrop(raft: Raft, reason: string): void {
  raft.drops.set(reason, (raft.drops.get(reason) ?? 0) + 1)
}

export function appendToLog(raft: Raft, entry: Entry): void {
  raft.log.append(entry)
  raft.outbox.firstChangedIndex = Math.min(raft.outbox.firstChangedIndex, entry.index)
  if (entry.kind === 'configuration') configurationAppended(raft, entry)
}

/** Removes a conflicting suffix, and with it the claim that it is, or will be, durable. */
export function truncateLog(raft: Raft, index: number): void {
  assert(index > raft.commitIndex, `truncation from ${index}, but ${raft.commitIndex} is committed`)
  raft.log.truncateFrom(index)
  configurationsTruncated(raft, index)
  raft.durableIndex = Math.min(raft.durableIndex, index - 1)
  for (const write of raft.pendingWrites) write.lastIndex = Math.min(write.lastIndex, index - 1)
}

export function setTerm(raft: Raft, term: number, votedFor: ServerId | null): void {
  assert(term >= raft.currentTerm, `term ${term} after ${raft.currentTerm}`)
  assert(term > raft.currentTerm || raft.votedFor === null || raft.votedFor === votedFor, `second vote in term ${term}`)
  raft.currentTerm = term
  raft.votedFor = votedFor
  raft.outbox.hardStateChanged = true
}

export function setPhase(raft: Raft, phase: Phase): void {
  raft.phase = phase
  raft.outbox.statusChanged = true
}

/**
 * Enters `term` if it is newer, and follows `leader`, if known. The election timer starts anew for whoever led or stood for election; but not
 * because of a later term alone (§5.2: only a leader, or a candidate that gets the vote, is waited for): a candidate that can't win, and is
 * quick, would keep those that can from ever trying.
 */
export function becomeFollower(raft: Raft, term: number, leader: ServerId | null): void {
  const wasWaiting = raft.phase.type === 'follower' || raft.phase.type === 'preCandidate'
  if (term > raft.currentTerm) setTerm(raft, term, null)
  setPhase(raft, { type: 'follower', leader, lastHeard: raft.now })
  if (leader !== null || !wasWaiting) resetElectionTimer(raft)
}

/** A new draw from [T, 1.5 T), of a T that the round trip may have made longer (patience.ts); much shorter while the leader is believed dead, since whoever still hears it refuses the pre-vote. */
export function resetElectionTimer(raft: Raft): void {
  const timeout = leaderPatienceMs(raft)
  const hurry = raft.now < raft.hurryUntil
  raft.electionDeadline =
    raft.now + (hurry ? 10 + randomBelow(raft.random, 30) : timeout + randomBelow(raft.random, Math.max(1, timeout / 2)))
}

/** How long the leader may be silent. */
export function leaderPatienceMs(raft: Raft): number {
  return patienceMs(raft.options.electionTimeoutMs, raft.roundTripMs)
}

/** As the leader: whether this follower has been heard lately. */
export function isHeard(raft: Raft, { lastHeard, roundTripMs }: Pick<Progress, 'lastHeard' | 'roundTripMs'>): boolean {
  return raft.now - lastHeard < patienceMs(raft.options.electionTimeoutMs, roundTripMs)
}

/** The leader that this server believes in. */
export function knownLeader(raft: Raft): ServerId | null {
  if (raft.phase.type === 'leader') return raft.id
  return raft.phase.type === 'follower' ? raft.phase.leader : null
}

/** Whether a batch has been on its way to the disk for longer than the election timeout: such a server must not lead. */
export function isDiskStalled(raft: Raft): boolean {
  const oldest = raft.pendingWrites[0]
  return oldest !== undefined && raft.now - oldest.since > raft.options.electionTimeoutMs
}
