/**
 * Rule 14: at most one exchange of a session is under way. A later datagram of the session is dropped meanwhile, for the client repeats it;
 * but not for a request of ours, or its answer, of which the client knows nothing: then it waits for the commit.
 */

import type { IkeArrival } from './surroundings.ts'

export interface PendingExchange {
  readonly arrival: IkeArrival
  /** Virtual addresses that it wants, in hexadecimal. */
  readonly addresses: readonly string[]
  /** How often the same request was decided. */
  readonly attempts: number
  /** Of a request of ours, or its answer. */
  readonly isOurs: boolean
}

export class PendingExchanges {
  readonly #pending = new Map<number, PendingExchange>()

  has(session: number): boolean {
    return this.#pending.has(session)
  }

  isOurs(session: number): boolean {
    return this.#pending.get(session)?.isOurs === true
  }

  begin(session: number, pending: PendingExchange): void {
    this.#pending.set(session, pending)
  }

  /** False: it was not this one that is under way, so whatever became of it is nobody's matter any more. */
  end(session: number, pending: PendingExchange): boolean {
    return this.#pending.get(session) === pending && this.#pending.delete(session)
  }

  inspect(): unknown {
    return [...this.#pending]
  }

  clear(): void {
    this.#pending.clear()
  }
}
