/**
 * What a step asks the shell to do. The order of durability is in the shape: what may leave at once and what must wait for the disk are
 * different lists.
 */

import type { Entry } from './entry.ts'
import type { LogStart } from './log.ts'
import type { MembershipRefusal } from './membership.ts'
import type { Envelope, InstallSnapshot, InstallSnapshotResponse, ServerId, TransferResult } from './message.ts'

/** What must survive a crash besides the log (figure 2). */
export interface HardState {
  readonly currentTerm: number
  readonly votedFor: ServerId | null
}

/** What a server knows of the lives of servers (standing.ts). */
export interface Lives {
  /** How often this server's storage was opened, as far as it and its peers know. */
  readonly bootCounter: number
  /** The numbers of its own lives, the newest last. */
  readonly nonces: readonly number[]
  /** Its storage lost something, and it does not vote until it has caught up. */
  readonly isRejoining: boolean
  /** The life in which it last had caught up, by its count: what lives before that one did, it holds again. 0: it never lost anything. */
  readonly caughtUpIn: number
  /** Of each other server that has said so: its last start. */
  readonly peers: ReadonlyMap<ServerId, Life>
}

/** One start of a server: the count of them, and a number drawn for this one. */
export interface Life {
  readonly bootCounter: number
  readonly nonce: number
}

/** To be written in one synced batch. Batches complete in the order of `sequence`. */
export interface Persist {
  /** Rises by one from batch to batch of a process; the completion names it. */
  readonly sequence: number
  /** Null when unchanged. */
  readonly hardState: HardState | null
  /** Null when unchanged. */
  readonly lives: Lives | null
  /** Forget everything that the store holds: the log begins anew after this base. Before the entries. Null: nothing of that kind. */
  readonly reset: LogStart | null
  /** Consecutive. What the store has from the first one's index on is replaced, in the same batch. */
  readonly entries: readonly Entry[]
  /** The entries up to here may be forgotten, after that. Null: nothing of that kind. */
  readonly compactTo: LogStart | null
}

/** What became of a proposal at this server. */
export type ProposalOutcome =
  /** In the log of the leader of `term`, at `index`; committed or lost, the log will tell. */
  | { readonly id: number; readonly type: 'appended'; readonly index: number; readonly term: number }
  /** Sent to the leader; an answer may come. */
  | { readonly id: number; readonly type: 'forwarded' }
  /** Certainly in no log. */
  | { readonly id: number; readonly type: 'dropped'; readonly reason: DropReason }

export type DropReason = 'noLeader' | 'full' | 'refusedByLeader' | 'leadershipTransfer'

/** What became of a read of this server. */
export type ReadOutcome =
  /** Whoever has applied the log up to `index` may read: that was committed when the read began. */
  | { readonly id: number; readonly type: 'confirmed'; readonly index: number }
  | { readonly id: number; readonly type: 'dropped'; readonly reason: ReadDropReason }

export type ReadDropReason = 'noLeader' | 'leaderLost' | 'refusedByLeader' | 'full'

/** Why a transfer of leadership that was asked for here did not happen. */
export interface TransferOutcome {
  readonly id: number
  readonly result: TransferResult
}

/** What became of a change of the membership that was asked for here: in the log of the leader of `term`, at `index`; or refused. */
export type MembershipOutcome =
  | { readonly id: number; readonly type: 'appended'; readonly index: number; readonly term: number }
  | { readonly id: number; readonly type: 'refused'; readonly reason: MembershipRefusal }

/** What the shell must do after a step, in this order. */
export interface Effects {
  /** Write durably, in one batch. Null when nothing on disk changed. */
  readonly persist: Persist | null
  /** May leave at once: a leader replicates while it writes (thesis §10.2.1). */
  readonly send: readonly Envelope[]
  /** Whatever asks for, grants or acknowledges: only once every batch up to this step's is on disk (thesis §3.8). */
  readonly sendAfterPersist: readonly Envelope[]
  /** Committed, in order, each once; perhaps not yet durable here. */
  readonly committed: readonly Entry[]
  readonly outcomes: readonly ProposalOutcome[]
  readonly reads: readonly ReadOutcome[]
  readonly transfers: readonly TransferOutcome[]
  readonly changes: readonly MembershipOutcome[]
  /** Role, term, leader or configuration changed. */
  readonly statusChanged: boolean
  /** Followers whose next entry was compacted: they get a snapshot. Each once, until its end is told. */
  readonly snapshotsTo: readonly ServerId[]
  /** Parts of a snapshot for us, of the leader that we follow, and a follower's answers to ours. */
  readonly snapshotParts: readonly { readonly from: ServerId; readonly message: InstallSnapshot | InstallSnapshotResponse }[]
}

/** One batch that does what `earlier` and then `later` would: for a writer that fell behind. */
export function mergePersists(earlier: Persist, later: Persist): Persist {
  const base = { sequence: later.sequence, hardState: later.hardState ?? earlier.hardState, lives: later.lives ?? earlier.lives }
  if (later.reset !== null) return { ...later, ...base }
  const firstLater = later.entries[0]?.index ?? Infinity
  const kept = earlier.entries.filter((entry) => entry.index < firstLater)
  return {
    ...base,
    reset: earlier.reset,
    entries: later.entries.length === 0 ? earlier.entries : [...kept, ...later.entries],
    compactTo: later.compactTo ?? earlier.compactTo,
  }
}
