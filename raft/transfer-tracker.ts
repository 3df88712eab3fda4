/** The transfers of leadership that this server's callers wait for: done when the target is seen to lead. */

import type { TransferOutcome } from './effects.ts'
import { RaftError } from './errors.ts'
import type { ServerId, TransferResult } from './message.ts'

interface Waiter {
  readonly to: ServerId
  /** Who led when it was asked for. */
  readonly from: ServerId | null
  readonly resolve: () => void
  readonly reject: (error: RaftError) => void
  readonly deadline: number
}

export class TransferTracker {
  readonly #waiters = new Map<number, Waiter>()

  get count(): number {
    return this.#waiters.size
  }

  add(id: number, from: ServerId | null, to: ServerId, deadline: number): Promise<void> {
    return new Promise((resolve, reject) => this.#waiters.set(id, { to, from, resolve, reject, deadline }))
  }

  outcome({ id, result }: TransferOutcome): void {
    const waiter = this.#waiters.get(id)
    if (waiter !== undefined) this.#reject(id, waiter, failure(result, waiter.to))
  }

  /** This server believes that `leader` leads. */
  leaderChanged(leader: ServerId | null): void {
    for (const [id, waiter] of this.#waiters) {
      if (leader === waiter.to) {
        this.#waiters.delete(id)
        waiter.resolve()
      } else if (leader !== null && leader !== waiter.from) {
        this.#reject(
          id,
          waiter,
          new RaftError('ERR_PROPOSAL_DROPPED', `${leader} was elected instead of ${waiter.to}; it is safe to retry`),
        )
      }
    }
  }

  expire(now: number): void {
    for (const [id, waiter] of this.#waiters) if (waiter.deadline <= now) this.#reject(id, waiter, failure('unanswered', waiter.to))
  }

  rejectAll(): void {
    for (const [id, waiter] of this.#waiters) this.#reject(id, waiter, new RaftError('ERR_CLOSED'))
  }

  #reject(id: number, waiter: Waiter, error: RaftError): void {
    this.#waiters.delete(id)
    waiter.reject(error)
  }
}

function failure(result: TransferResult, to: ServerId): RaftError {
  switch (result) {
    case 'noLeader':
      return new RaftError('ERR_NO_LEADER')
    case 'targetNotUp':
      return new RaftError('ERR_TARGET_NOT_UP', `${to} is not a voter that answers and is up to date`)
    case 'conflict':
      return new RaftError('ERR_CONFLICT', 'leadership is being handed over already')
    case 'unanswered':
      return new RaftError('ERR_OUTCOME_UNKNOWN', `${to} has not taken leadership yet, and still may`)
  }
}
