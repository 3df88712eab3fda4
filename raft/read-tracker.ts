/** The reads of this server whose callers wait: first for an index that the leader confirmed, then until the log is applied here so far. */

import type { ReadDropReason, ReadOutcome } from './effects.ts'
import { RaftError } from './errors.ts'

interface Waiter {
  /** Told once. */
  readonly settle: (outcome: number | RaftError) => void
  readonly deadline: number
  /** Null until it is confirmed. */
  index: number | null
}

export class ReadTracker {
  readonly #waiters = new Map<number, Waiter>()

  get count(): number {
    return this.#waiters.size
  }

  /** `settle` gets the index up to which the log is applied here, or why the read came to nothing. */
  add(id: number, deadline: number, settle: (outcome: number | RaftError) => void): void {
    this.#waiters.set(id, { settle, deadline, index: null })
  }

  outcome(outcome: ReadOutcome): void {
    const waiter = this.#waiters.get(outcome.id)
    if (waiter === undefined) return
    if (outcome.type === 'confirmed') waiter.index = outcome.index
    else this.#reject(outcome.id, waiter, droppedError(outcome.reason))
  }

  /** The log is applied up to `index`. */
  applied(index: number): void {
    for (const [id, waiter] of this.#waiters) {
      if (waiter.index === null || waiter.index > index) continue
      this.#waiters.delete(id)
      waiter.settle(waiter.index)
    }
  }

  expire(now: number): void {
    for (const [id, waiter] of this.#waiters) {
      const what = waiter.index === null ? 'confirmed' : 'applied here'
      if (waiter.deadline <= now)
        this.#reject(id, waiter, new RaftError('ERR_PROPOSAL_DROPPED', `the read was not ${what} in time; ${retry}`))
    }
  }

  rejectAll(): void {
    for (const [id, waiter] of this.#waiters) this.#reject(id, waiter, new RaftError('ERR_CLOSED'))
  }

  #reject(id: number, waiter: Waiter, error: RaftError): void {
    this.#waiters.delete(id)
    waiter.settle(error)
  }
}

const retry = 'it is safe to retry'

function droppedError(reason: ReadDropReason): RaftError {
  if (reason === 'noLeader') return new RaftError('ERR_NO_LEADER')
  if (reason === 'full') return new RaftError('ERR_PROPOSAL_DROPPED', `too many reads wait already; ${retry}`)
  return new RaftError('ERR_PROPOSAL_DROPPED', `the leader was lost before it confirmed the read; ${retry}`)
}
