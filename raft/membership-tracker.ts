/**
 * The changes of the membership that this server's callers wait for: first until the leader says where it appended the change, then until the
 * log says what became of it. Done is a change when a configuration that is not joint is committed at its entry or after it.
 */

import type { MembershipOutcome } from './effects.ts'
import { RaftError } from './errors.ts'
import type { MembershipChange, MembershipRefusal } from './membership.ts'
import type { Position } from './proposal-tracker.ts'

interface Waiter {
  readonly changes: readonly MembershipChange[]
  readonly resolve: () => void
  readonly reject: (error: RaftError) => void
  readonly deadline: number
  /** Null until the leader has answered. */
  place: Position | null
}

/** What is committed here: the last configuration, and the term of an entry (null: it is no longer in the log). */
export interface CommittedView {
  readonly commitIndex: number
  readonly configurationIndex: number
  readonly isJoint: boolean
  termAt(index: number): number | null
}

export class MembershipTracker {
  readonly #waiters = new Map<number, Waiter>()

  get count(): number {
    return this.#waiters.size
  }

  add(id: number, changes: readonly MembershipChange[], deadline: number): Promise<void> {
    return new Promise((resolve, reject) => this.#waiters.set(id, { changes, resolve, reject, deadline, place: null }))
  }

  outcome(outcome: MembershipOutcome): void {
    const waiter = this.#waiters.get(outcome.id)
    if (waiter === undefined) return
    if (outcome.type === 'refused') this.#reject(outcome.id, waiter, refusal(outcome.reason, waiter.changes))
    else waiter.place = { index: outcome.index, term: outcome.term }
  }

  committed(view: CommittedView): void {
    for (const [id, waiter] of this.#waiters) {
      if (waiter.place === null || waiter.place.index > view.commitIndex) continue
      const term = view.termAt(waiter.place.index)
      if (term !== null && term !== waiter.place.term) this.#reject(id, waiter, overwritten())
      else if (view.configurationIndex >= waiter.place.index && !view.isJoint) this.#resolve(id, waiter, term)
    }
  }

  #resolve(id: number, waiter: Waiter, term: number | null): void {
    if (term === null) {
      this.#reject(id, waiter, new RaftError('ERR_OUTCOME_UNKNOWN', 'the entry of the change is no longer in the log'))
      return
    }
    this.#waiters.delete(id)
    waiter.resolve()
  }

  expire(now: number): void {
    for (const [id, waiter] of this.#waiters) {
      if (waiter.deadline <= now) this.#reject(id, waiter, new RaftError('ERR_OUTCOME_UNKNOWN', 'the change was not complete in time'))
    }
  }

  rejectAll(): void {
    for (const [id, waiter] of this.#waiters) this.#reject(id, waiter, new RaftError('ERR_CLOSED'))
  }

  #reject(id: number, waiter: Waiter, error: RaftError): void {
    this.#waiters.delete(id)
    waiter.reject(error)
  }
}

function overwritten(): RaftError {
  return new RaftError('ERR_PROPOSAL_DROPPED', 'a later leader put another entry in its place; it is safe to retry')
}

function refusal(reason: MembershipRefusal, changes: readonly MembershipChange[]): RaftError {
  const who = changes.map(({ server }) => server).join(', ')
  switch (reason) {
    case 'noLeader':
      return new RaftError('ERR_NO_LEADER')
    case 'conflict':
      return new RaftError('ERR_CONFLICT', 'another change or a transfer of leadership is under way, or the leader is new')
    case 'idUsed':
      return new RaftError('ERR_VALIDATION', `${who}: a member has or had this id, and an id is never used again`)
    case 'unknownServer':
      return new RaftError('ERR_VALIDATION', `${who}: not a member`)
    case 'notLearner':
      return new RaftError('ERR_VALIDATION', `${who}: a voter already`)
    case 'notCaughtUp':
      return new RaftError('ERR_TARGET_NOT_UP', `${who}: does not answer, or has not caught up with the log yet`)
    case 'wouldLoseQuorum':
      return new RaftError('ERR_QUORUM_AT_RISK', `${who}: fewer than a majority of the voters that would be are answering`)
    case 'full':
      return new RaftError('ERR_VALIDATION', 'there are as many members, or were as many, as there may be')
  }
}
