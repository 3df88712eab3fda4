/**
 * The proposals of this server whose callers wait. A proposal is `sent` until the core says where the leader appended it; then it waits for
 * the log: the entry committed at its index is it if the terms are equal. Terms never fall along the log, so a committed entry of a later
 * term at or before its place proves that it is lost.
 */

import type { DropReason, ProposalOutcome } from './effects.ts'
import { RaftError } from './errors.ts'

export interface Position {
  readonly index: number
  readonly term: number
}

/** Told once: where the proposal is committed and was delivered, or why nobody can say that. */
export type Settle = (outcome: Position | RaftError) => void

interface Waiter {
  readonly settle: Settle
  readonly deadline: number
  state: 'sent' | 'forwarded' | Position
}

export class ProposalTracker {
  readonly #waiters = new Map<number, Waiter>()
  readonly #idsAt = new Map<number, number[]>()
  #deliveredTerm = 0
  #deliveredIndex = 0

  get count(): number {
    return this.#waiters.size
  }

  add(id: number, deadline: number, settle: Settle): void {
    this.#waiters.set(id, { settle, deadline, state: 'sent' })
  }

  /** `termAt` is the term of a delivered index, null where it is not delivered yet, or forgotten. */
  outcome(outcome: ProposalOutcome, termAt: (index: number) => number | null): void {
    const waiter = this.#waiters.get(outcome.id)
    if (waiter === undefined) return
    if (outcome.type === 'forwarded') waiter.state = 'forwarded'
    else if (outcome.type === 'dropped') this.#reject(outcome.id, droppedError(outcome.reason))
    else this.#placed(outcome.id, waiter, { index: outcome.index, term: outcome.term }, termAt(outcome.index))
  }

  #placed(id: number, waiter: Waiter, position: Position, deliveredTerm: number | null): void {
    waiter.state = position
    if (deliveredTerm === null && position.index <= this.#deliveredIndex) {
      this.#reject(id, new RaftError('ERR_OUTCOME_UNKNOWN', 'what was delivered at its place is forgotten already'))
      return
    }
    const ids = this.#idsAt.get(position.index)
    if (ids === undefined) this.#idsAt.set(position.index, [id])
    else ids.push(id)
    if (deliveredTerm !== null) this.#settleAt(position.index, deliveredTerm)
  }

  /** An entry was delivered to the application. */
  delivered(index: number, term: number): void {
    this.#deliveredIndex = index
    this.#settleAt(index, term)
    if (term === this.#deliveredTerm) return
    this.#deliveredTerm = term
    for (const [id, { state }] of this.#waiters) {
      if (typeof state === 'object' && state.term < term) this.#reject(id, overwritten())
    }
  }

  /** A snapshot took the place of everything up to here: whether a proposal of ours is in it, nobody can tell any more. */
  passedOver({ index }: Position): void {
    this.#deliveredIndex = Math.max(this.#deliveredIndex, index)
    for (const [id, { state }] of this.#waiters) {
      if (typeof state === 'object' && state.index <= index)
        this.#reject(id, new RaftError('ERR_OUTCOME_UNKNOWN', 'the proposal may be in a snapshot that was taken over'))
    }
  }

  #settleAt(index: number, term: number): void {
    const ids = this.#idsAt.get(index)
    if (ids === undefined) return
    this.#idsAt.delete(index)
    for (const id of ids) this.#settle(id, index, term)
  }

  #settle(id: number, index: number, term: number): void {
    const waiter = this.#waiters.get(id)
    if (waiter === undefined || typeof waiter.state !== 'object') return
    if (waiter.state.term !== term) {
      this.#reject(id, overwritten())
      return
    }
    this.#waiters.delete(id)
    waiter.settle({ index, term })
  }

  /** The leader that was sent proposals is not followed any more: its answers may never come. */
  leaderChanged(): void {
    for (const [id, { state }] of this.#waiters) {
      if (state === 'forwarded') this.#reject(id, new RaftError('ERR_OUTCOME_UNKNOWN', 'the leader that the proposal was sent to was lost'))
    }
  }

  expire(now: number): void {
    for (const [id, { deadline }] of this.#waiters) {
      if (deadline <= now) this.#reject(id, new RaftError('ERR_OUTCOME_UNKNOWN', 'the proposal was not committed in time'))
    }
  }

  rejectAll(reason: string): void {
    for (const id of this.#waiters.keys()) this.#reject(id, new RaftError('ERR_OUTCOME_UNKNOWN', reason))
  }

  #reject(id: number, error: RaftError): void {
    const waiter = this.#waiters.get(id)
    if (waiter === undefined) return
    this.#waiters.delete(id)
    if (typeof waiter.state === 'object') this.#forgetPlace(id, waiter.state.index)
    waiter.settle(error)
  }

  #forgetPlace(id: number, index: number): void {
    const rest = (this.#idsAt.get(index) ?? []).filter((other) => other !== id)
    if (rest.length === 0) this.#idsAt.delete(index)
    else this.#idsAt.set(index, rest)
  }
}

function overwritten(): RaftError {
  return new RaftError('ERR_PROPOSAL_DROPPED', 'a later leader put another entry in its place')
}

function droppedError(reason: DropReason): RaftError {
  if (reason === 'noLeader') return new RaftError('ERR_PROPOSAL_DROPPED', 'no leader is known at the moment')
  if (reason === 'full') return new RaftError('ERR_PROPOSAL_DROPPED', 'too many octets are uncommitted')
  if (reason === 'leadershipTransfer') return new RaftError('ERR_PROPOSAL_DROPPED', 'leadership is being handed over')
  return new RaftError('ERR_PROPOSAL_DROPPED', 'the server believed to lead refused it')
}
