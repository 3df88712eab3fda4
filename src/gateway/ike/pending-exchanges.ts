/** Rule 14: at most one exchange of a session is under way. A later datagram of the session is dropped meanwhile, for the client repeats it. */

import type { IkeArrival } from './surroundings.ts'

export interface PendingExchange {
  readonly arrival: IkeArrival
  /** Virtual addresses that it wants, in hexadecimal. */
  readonly addresses: readonly string[]
  /** How often the same request was decided. */
  readonly attempts: number
}

export class PendingExchanges {
  readonly #pending = new Map<number, PendingExchange>()

  has(session: number): boolean {
    return this.#pending.has(session)
  }

  begin(session: number, pending: PendingExchange): void {
    this.#pending.set(session, pending)
  }

  /** False: it was not this one that is under way, so whatever became of it is nobody's matter any more. */
  end(session: number, pending: PendingExchange): boolean {
    return this.#pending.get(session) === pending && this.#pending.delete(session)
  }

  clear(): void {
    this.#pending.clear()
  }
}
