/**
 * The replicated log by Raft: commands travel in an envelope with client and serial, and the indexes delivered count delivered commands, so
 * they have no gaps where Raft keeps entries of its own or a command stands twice.
 */

import { assert } from '../kit/assert.ts'
import type { Bytes } from '../kit/bytes.ts'
import type { ErrorCode } from '../kit/errors.ts'
import { CodedError } from '../kit/errors.ts'
import type { ProposalPriority } from '../context/proposal-priority.ts'
import type { CommittedEntry, RaftFigures, RaftServer } from '../../raft/index.ts'
import { RaftError } from '../../raft/index.ts'
import type { Delivered } from './delivery.ts'
import { Delivery } from './delivery.ts'
import { encodeEnvelope } from './envelope.ts'
import type { CommandId, CommittedCommand, LogMark, LogStatus, ReplicatedLog } from './replicated-log.ts'

type Listener = (commands: readonly CommittedCommand[]) => void

/** An entry of a client was committed; it came into this member's log at `inLogMs` (`performance.now`; null: not known). */
export type EntryListener = (serial: number, inLogMs: number | null) => void

interface Waiting {
  readonly resolve: () => void
  readonly reject: (error: Error) => void
}

export class RaftLog implements ReplicatedLog {
  readonly #server: RaftServer
  readonly #delivery = new Delivery()
  readonly #waiting = new Map<string, Waiting[]>()
  #listeners: Listener[] = []
  #undelivered: CommittedCommand[] = []
  #watched: { readonly client: bigint; readonly listener: EntryListener } | null = null

  /**
   * Takes the server over: `close` closes it. Must be made before anyone else listens to what the server commits. `from`: what the server was
   * opened with; null: the beginning. Throws `DecodeError` for a mark that is not of a log of this version.
   */
  constructor(server: RaftServer, from: LogMark | null = null) {
    this.#server = server
    if (from !== null) this.moveTo(from)
    server.onCommitted((entries) => this.#committed(entries))
  }

  /**
   * Also resolves when an earlier append of the same id is delivered. Throws `ERR_VALIDATION` for a serial that is so far behind its client's
   * newest that nobody knows any more whether it was delivered.
   */
  append(id: CommandId, command: Bytes, priority: ProposalPriority = 1): Promise<void> {
    const key = keyOf(id)
    return new Promise((resolve, reject) => {
      const waiting = { resolve, reject }
      this.#waiting.set(key, [...(this.#waiting.get(key) ?? []), waiting])
      this.#server.propose(encodeEnvelope(id, command), priority).then(
        () => this.#settle(key, waiting, null),
        (error: unknown) => this.#settle(key, waiting, coded(error)),
      )
    })
  }

  onCommitted(listener: Listener): void {
    this.#listeners.push(listener)
    const commands = this.#undelivered
    this.#undelivered = []
    if (commands.length > 0) listener(commands)
  }

  onStatus(listener: (status: LogStatus) => void): void {
    this.#server.onStatus(listener)
  }

  status(): LogStatus {
    return this.#server.status()
  }

  async barrier(): Promise<number> {
    await translated(this.#server.barrier())
    return this.index
  }

  /**
   * Hands leadership to another voter, and resolves when it is seen to lead. Throws `ERR_GATEWAY_NOT_UP`, `ERR_NO_LEADER`, `ERR_CONFLICT`
   * while another transfer is under way, `ERR_PROPOSAL_DROPPED` when somebody else was elected, `ERR_OUTCOME_UNKNOWN`.
   */
  transferLeadership(to: string): Promise<void> {
    return translated(this.#server.transferLeadership(to))
  }

  /** If this member leads: hands leadership to the most up-to-date voter, whose id it resolves with. Null: there was nothing to hand over, or nobody. */
  resignLeadership(): Promise<string | null> {
    return translated(this.#server.resignLeadership())
  }

  /**
   * Adds a member that does not vote yet, at an address where it is dialled. Resolves when that is complete. Throws `ERR_QUORUM_AT_RISK`,
   * `ERR_NO_LEADER`, `ERR_CONFLICT` while another change is under way, `ERR_PROPOSAL_DROPPED`: then nothing has changed; and `ERR_OUTCOME_UNKNOWN`.
   */
  addMember(id: string, address: string): Promise<void> {
    return translated(this.#server.addLearner(id, address))
  }

  /** Lets a member vote. Throws `ERR_GATEWAY_NOT_UP` while it has not caught up with the log, and as `addMember`. */
  promoteMember(id: string): Promise<void> {
    return translated(this.#server.promote(id))
  }

  /** Removes a member for good. As `addMember`. */
  removeMember(id: string): Promise<void> {
    return translated(this.#server.remove(id))
  }

  /** Tells everybody where a member is dialled from now on. As `addMember`. */
  moveMember(id: string, address: string): Promise<void> {
    return translated(this.#server.move(id, address))
  }

  /** Tells of each committed entry of this client, before its command is delivered. */
  watchEntries(client: bigint, listener: EntryListener): void {
    this.#watched = { client, listener }
  }

  figures(): RaftFigures {
    return this.#server.figures()
  }

  /** Whether it was a member and never will be again. */
  isFormerMember(id: string): boolean {
    return this.#server.isFormerMember(id)
  }

  /** Of the last command that was delivered. */
  get index(): number {
    return this.#delivery.index
  }

  /** For how long this member's disk has been at one write, in ms; 0: at none. */
  get writingForMs(): number {
    return this.#server.writingForMs
  }

  mark(): LogMark {
    return this.#delivery.mark((index) => this.#server.configurationAt(index))
  }

  trim({ index }: LogMark): void {
    this.#server.compact(index)
  }

  /** The server has taken a snapshot over: delivery goes on after `mark`. Throws `DecodeError`. */
  moveTo(mark: LogMark): void {
    this.#delivery.moveTo(mark)
  }

  close(): Promise<void> {
    return this.#server.close()
  }

  #committed(entries: readonly CommittedEntry[]): void {
    const { commands, seen } = this.#delivery.take(entries)
    this.#tellEntries(entries, seen)
    this.#deliver(commands)
    for (const { id, isExpired } of seen)
      this.#settleAll(keyOf(id), isExpired ? new CodedError('ERR_VALIDATION', `serial ${id.serial} is too far behind its client`) : null)
  }

  /** `seen`: one of each entry. */
  #tellEntries(entries: readonly CommittedEntry[], seen: Delivered['seen']): void {
    if (this.#watched === null) return
    const { client, listener } = this.#watched
    for (const [i, { id }] of seen.entries()) {
      if (id.client === client) listener(id.serial, this.#server.inLogSince(entries[i]!.index))
    }
  }

  #deliver(commands: readonly CommittedCommand[]): void {
    if (commands.length === 0) return
    if (this.#listeners.length === 0) this.#undelivered.push(...commands)
    for (const listener of this.#listeners) listener(commands)
  }

  #settleAll(key: string, error: Error | null): void {
    for (const waiting of this.#waiting.get(key) ?? []) this.#settle(key, waiting, error)
  }

  #settle(key: string, waiting: Waiting, error: Error | null): void {
    const others = (this.#waiting.get(key) ?? []).filter((other) => other !== waiting)
    if (others.length === 0) this.#waiting.delete(key)
    else this.#waiting.set(key, others)
    if (error === null) waiting.resolve()
    else waiting.reject(error)
  }
}

function keyOf(id: CommandId): string {
  return `${id.client}/${id.serial}`
}

/** The promise's value, or its error as the application's. */
async function translated<T>(promise: Promise<T>): Promise<T> {
  try {
    return await promise
  } catch (error) {
    throw coded(error)
  }
}

/** The same code in the application's error; Raft knows of servers, where the application has gateways. */
function coded(error: unknown): CodedError {
  assert(error instanceof RaftError, `expected a RaftError, got ${String(error)}`)
  const code: ErrorCode = error.code === 'ERR_TARGET_NOT_UP' ? 'ERR_GATEWAY_NOT_UP' : error.code
  return new CodedError(code, error.message, { cause: error })
}
