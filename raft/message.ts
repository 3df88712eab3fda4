/**
 * What servers say to one another: the RPCs of the paper (figure 2) as one-way messages, with pre-vote (thesis §9.6), heartbeats of their own
 * (so that a heartbeat is never stuck in the window of appends), commit announcements, and forwarded proposals.
 */

import type { Entry, EntryKind } from './entry.ts'

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

export interface Heartbeat {
  readonly type: 'heartbeat'
  readonly term: number
  /** min(matchIndex of the receiver, commitIndex): the receiver is known to have these entries. */
  readonly commitIndex: number
  /** Counts the leader's rounds; answers echo it. */
  readonly round: number
}

export interface HeartbeatResponse {
  readonly type: 'heartbeatResponse'
  readonly term: number
  readonly round: number
}

/** Tells at once what is committed; the next heartbeat repeats it. Not answered. */
export interface Commit {
  readonly type: 'commit'
  readonly term: number
  readonly commitIndex: number
}

/** A proposal made at a follower. `id` rises from message to message of one sender, so that a copy is recognised. */
export interface Forward {
  readonly type: 'forward'
  readonly term: number
  readonly id: number
  readonly kind: EntryKind
  readonly data: Uint8Array
}

/** `index` is where the leader of `term` appended the proposal, or 0 when it certainly did not. */
export interface ForwardResponse {
  readonly type: 'forwardResponse'
  readonly term: number
  readonly id: number
  readonly index: number
}

export type Message =
  | PreVote
  | PreVoteResponse
  | RequestVote
  | RequestVoteResponse
  | AppendEntries
  | AppendEntriesResponse
  | Heartbeat
  | HeartbeatResponse
  | Commit
  | Forward
  | ForwardResponse

/** A message and whom it is for. */
export interface Envelope {
  readonly to: ServerId
  readonly message: Message
}
