/**
 * What the gateways agree through: one log of commands, the same everywhere. Raft implements it (raft-log.ts); an in-memory one serves
 * the tests (memory-log.ts); one suite checks both (test/store/replicated-log-suite.ts).
 */

import type { Bytes } from '../kit/bytes.ts'
import type { LogStatus } from '../context/log-status.ts'
import type { ProposalPriority } from '../context/proposal-priority.ts'

export type { LogRole, LogStatus } from '../context/log-status.ts'

/** Who proposed a command, and its number there: a command that is appended twice is delivered once. */
export interface CommandId {
  /** 8 octets as an integer, fresh for each life of a process. */
  readonly client: bigint
  /** From 1, by one for each command of the client. */
  readonly serial: number
}

/** A committed command. `index` rises by one from command to command that is delivered. */
export interface CommittedCommand {
  readonly index: number
  readonly id: CommandId
  readonly command: Bytes
}

/** A place in the log: after the last command that was delivered, or before the first. */
export interface LogMark {
  /** The engine's own numbers for the place. */
  readonly index: number
  readonly term: number
  /** Who belonged to the group there, in the engine's words; at most 1 MiB. */
  readonly configuration: Bytes
  /** What else the log needs to go on from there; opaque, at most 1 MiB. */
  readonly position: Bytes
}

export interface ReplicatedLog {
  /**
   * Proposes a command. Resolves when it is known to be committed. Throws `ERR_PROPOSAL_DROPPED` when it certainly was not appended
   * (safe to retry), `ERR_OUTCOME_UNKNOWN` when it may have been: append it again with the same id and the same octets. When too much waits
   * to be committed, what has the higher number for a priority (default 1) is dropped first, and may be overtaken.
   */
  append(id: CommandId, command: Bytes, priority?: ProposalPriority): Promise<void>
  /** Called for every committed command, in order, without gaps or repetitions, each durable on a majority. */
  onCommitted(listener: (commands: readonly CommittedCommand[]) => void): void
  /** Called when role, term, leader or configuration change: for liveness only, never for safety. */
  onStatus(listener: (status: LogStatus) => void): void
  status(): LogStatus
  /**
   * Resolves with an index once everything that was committed when it was called has been delivered here (a linearizable read). Puts nothing
   * into the log. Throws `ERR_NO_LEADER`, `ERR_PROPOSAL_DROPPED`: both safe to retry.
   */
  barrier(): Promise<number>
  /** Where delivery is. To be kept with what was made of everything delivered so far: a log that is opened with it goes on from there. */
  mark(): LogMark
  /** What was made of everything up to `mark` is kept durably: the log may forget that part. */
  trim(mark: LogMark): void
  close(): Promise<void>
}
