/**
 * What a step asks the shell to do. The order of durability is in the shape: what may leave at once and what must wait for the disk are
 * different lists.
 */

import type { Entry } from './entry.ts'
import type { Envelope, ServerId } from './message.ts'

/** What must survive a crash besides the log (figure 2). */
export interface HardState {
  readonly currentTerm: number
  readonly votedFor: ServerId | null
}

/** To be written in one synced batch. Batches complete in the order of `sequence`. */
export interface Persist {
  /** Rises by one from batch to batch of a process; the completion names it. */
  readonly sequence: number
  /** Null when unchanged. */
  readonly hardState: HardState | null
  /** Consecutive. What the store has from the first one's index on is replaced, in the same batch. */
  readonly entries: readonly Entry[]
}

/** What became of a proposal at this server. */
export type ProposalOutcome =
  /** In the log of the leader of `term`, at `index`; committed or lost, the log will tell. */
  | { readonly id: number; readonly type: 'appended'; readonly index: number; readonly term: number }
  /** Sent to the leader; an answer may come. */
  | { readonly id: number; readonly type: 'forwarded' }
  /** Certainly in no log. */
  | { readonly id: number; readonly type: 'dropped'; readonly reason: DropReason }

export type DropReason = 'noLeader' | 'full' | 'refusedByLeader'

/** What the shell must do after a step, in this order. */
export interface Effects {
  /** Write durably, in one batch. Null when nothing on disk changed. */
  readonly persist: Persist | null
  /** May leave at once: a leader replicates while it writes (thesis §10.2.1). */
  readonly send: readonly Envelope[]
  /** Whatever asks for, grants or acknowledges: only once every batch up to this step's is on disk (thesis §3.8). */
  readonly sendAfterPersist: readonly Envelope[]
  /** Committed and durable here, in order, each once. */
  readonly committed: readonly Entry[]
  readonly outcomes: readonly ProposalOutcome[]
  /** Role, term or leader changed. */
  readonly statusChanged: boolean
}

/** One batch that does what `earlier` and then `later` would: for a writer that fell behind. */
export function mergePersists(earlier: Persist, later: Persist): Persist {
  const firstLater = later.entries[0]?.index ?? Infinity
  const kept = earlier.entries.filter((entry) => entry.index < firstLater)
  return {
    sequence: later.sequence,
    hardState: later.hardState ?? earlier.hardState,
    entries: later.entries.length === 0 ? earlier.entries : [...kept, ...later.entries],
  }
}
