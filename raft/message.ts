/**
 * What servers say to one another: the RPCs of the paper (figure 2) as one-way messages, with pre-vote (thesis §9.6), heartbeats of their own
 * (so that a heartbeat is never stuck in the window of appends), commit announcements, and forwarded proposals.
 */

import type { Entry, EntryKind } from './entry.ts'
import type { Membership, MembershipChange, MembershipRefusal } from './membership.ts'
import type { ProposalPriority } from './priority.ts'

/** 1 to 64 letters, digits, `.`, `_`, `-`. */
export type ServerId = string

/** `nextTerm` is the term that the sender would campaign in; `term` is still its current one. */
export interface PreVote {
  readonly type: 'preVote'
  readonly term: number
  readonly nextTerm: number
  readonly lastLogIndex: number
  readonly lastLogTerm: number
}

/** A refusal teaches the candidate our term, if it is the higher one. */
export interface PreVoteResponse {
  readonly type: 'preVoteResponse'
  readonly term: number
  readonly nextTerm: number
  readonly voteGranted: boolean
}

export interface RequestVote {
  readonly type: 'requestVote'
  readonly term: number
  readonly lastLogIndex: number
  readonly lastLogTerm: number
  /** The leader wants this election (thesis §3.10): who hears it votes all the same. */
  readonly leadershipTransfer: boolean
}

export interface RequestVoteResponse {
  readonly type: 'requestVoteResponse'
  readonly term: number
  readonly voteGranted: boolean
}

export interface AppendEntries {
  readonly type: 'appendEntries'
  readonly term: number
  readonly prevLogIndex: number
  readonly prevLogTerm: number
  readonly leaderCommit: number
  readonly entries: readonly Entry[]
}

export interface AppendEntriesResponse {
  readonly type: 'appendEntriesResponse'
  readonly term: number
  readonly success: boolean
  /** On success the index up to which the sender's durable log equals the leader's; otherwise the `prevLogIndex` it refused. */
  readonly index: number
  /** On refusal: the highest index that may match, and its term in the sender's log (fast backtracking). */
  readonly hintIndex: number
  readonly hintTerm: number
}

/**
 * An append is on the sender's disk, up to `index`; but the sender does not vote, for it may have forgotten that it did, and in a later term: it
 * counts for nothing (standing.ts).
 */
export interface EntriesHeld {
  readonly type: 'entriesHeld'
  readonly term: number
  readonly index: number
}

export interface Heartbeat {
  readonly type: 'heartbeat'
  readonly term: number
  /** min(matchIndex of the receiver, commitIndex): the receiver is known to have these entries. */
  readonly commitIndex: number
  /** Counts the leader's rounds; answers echo it. */
  readonly round: number
  /** To the receiver and back, as the leader measured it; an integer, 0: not yet. */
  readonly roundTripMs: number
}

export interface HeartbeatResponse {
  readonly type: 'heartbeatResponse'
  readonly term: number
  readonly round: number
  /** False while the sender may have forgotten what it once acknowledged, or that it voted in a later term (standing.ts). */
  readonly isMember: boolean
}

/** Tells at once what is committed; the next heartbeat repeats it. Not answered. */
export interface Commit {
  readonly type: 'commit'
  readonly term: number
  readonly commitIndex: number
}

/** A proposal made at a follower. `id` rises from message to message of one sender and priority, so that a copy is recognised. */
export interface Forward {
  readonly type: 'forward'
  readonly term: number
  readonly id: number
  readonly kind: EntryKind
  readonly priority: ProposalPriority
  readonly data: Uint8Array
}

/** `index` is where the leader of `term` appended the proposal, or 0 when it certainly did not. */
export interface ForwardResponse {
  readonly type: 'forwardResponse'
  readonly term: number
  readonly id: number
  readonly index: number
}

/**
 * A part of the snapshot that ends with the entry `lastIncludedIndex` (§7), by number instead of by offset: what a part holds is the
 * application's. They are numbered from 0 and answered one by one.
 */
export interface InstallSnapshot {
  readonly type: 'installSnapshot'
  readonly term: number
  readonly lastIncludedIndex: number
  readonly lastIncludedTerm: number
  readonly part: number
  readonly isLast: boolean
  /** In force at that entry; in part 0, and null in the others. */
  readonly configuration: Membership | null
  readonly data: Uint8Array
}

/** All parts below `nextPart` were taken. 0 for a snapshot that is new to the receiver: whatever was taken before is lost. */
export interface InstallSnapshotResponse {
  readonly type: 'installSnapshotResponse'
  readonly term: number
  readonly lastIncludedIndex: number
  readonly nextPart: number
}

/** The most lives that a server remembers. */
export const maxNonces = 32

/** A server that started tells who it is, and asks what the receiver knew of it. It does not vote before (standing.ts). */
export interface Recall {
  readonly type: 'recall'
  readonly term: number
  readonly bootCounter: number
  readonly nonce: number
  /** The numbers of its lives that it remembers, at most `maxNonces`. */
  readonly nonces: readonly number[]
  /** It knows that it has forgotten something, and wants to know when it has caught up. */
  readonly isRejoining: boolean
}

/**
 * The last start of the asker that we knew before it asked (0 and 0: none), and how far it has come as far as we have seen: the highest term
 * that it answered in, and the highest entry that it acknowledged in that term.
 */
export interface RecallResponse {
  readonly type: 'recallResponse'
  readonly term: number
  /** Of the start that is answered: another one's answer says nothing. */
  readonly nonce: number
  readonly knownBootCounter: number
  readonly knownNonce: number
  readonly seenTerm: number
  readonly seenIndex: number
  /** The receiver's latest configuration, and where it is: the asker's own may be old, and so is what it takes for a majority. */
  readonly configurationIndex: number
  readonly configuration: Membership
}

/** The leader of `term` has led since the receiver asked: whatever was committed before is in the log up to `index`, an entry of `entryTerm`. */
export interface RejoinTarget {
  readonly type: 'rejoinTarget'
  readonly term: number
  readonly nonce: number
  readonly index: number
  readonly entryTerm: number
}

/** Asks the leader for an index from which the sender may read (thesis §6.4). `id` rises from question to question, over restarts too. */
export interface ReadIndex {
  readonly type: 'readIndex'
  readonly term: number
  readonly id: number
}

/** 0: not confirmed; ask again. */
export interface ReadIndexResponse {
  readonly type: 'readIndexResponse'
  readonly term: number
  readonly id: number
  readonly index: number
}

/** Asks the leader to hand its leadership over. */
export interface TransferLeadership {
  readonly type: 'transferLeadership'
  readonly term: number
  readonly id: number
  readonly to: ServerId
}

/** Why leadership was not handed over. That it was needs no message: another leader is heard then. */
export interface TransferLeadershipResponse {
  readonly type: 'transferLeadershipResponse'
  readonly term: number
  readonly id: number
  readonly result: TransferResult
}

/**
 * `targetNotUp`: the target does not vote, does not answer, or did not catch up in time. `conflict`: another transfer is under way.
 * `unanswered`: it was told to campaign, and has not; it still may.
 */
export type TransferResult = 'noLeader' | 'targetNotUp' | 'conflict' | 'unanswered'

/** The leader of `term` asks the receiver to campaign at once (thesis §3.10). */
export interface TimeoutNow {
  readonly type: 'timeoutNow'
  readonly term: number
}

/** Asks the leader to change who belongs to the cluster. */
export interface ChangeMembership {
  readonly type: 'changeMembership'
  readonly term: number
  readonly id: number
  readonly changes: readonly MembershipChange[]
}

/** `index` is where the leader of `term` appended the change if it is `accepted`, and else 0. */
export interface ChangeMembershipResponse {
  readonly type: 'changeMembershipResponse'
  readonly term: number
  readonly id: number
  readonly result: 'accepted' | MembershipRefusal
  readonly index: number
}

/** The receiver is no longer a member: so says the committed configuration at `index`. */
export interface Removed {
  readonly type: 'removed'
  readonly term: number
  readonly index: number
}

export type Message =
  | PreVote
  | PreVoteResponse
  | RequestVote
  | RequestVoteResponse
  | AppendEntries
  | AppendEntriesResponse
  | EntriesHeld
  | Heartbeat
  | HeartbeatResponse
  | Commit
  | Forward
  | ForwardResponse
  | InstallSnapshot
  | InstallSnapshotResponse
  | Recall
  | RecallResponse
  | RejoinTarget
  | ReadIndex
  | ReadIndexResponse
  | TransferLeadership
  | TransferLeadershipResponse
  | TimeoutNow
  | ChangeMembership
  | ChangeMembershipResponse
  | Removed

/** A message and whom it is for. */
export interface Envelope {
  readonly to: ServerId
  readonly message: Message
}
