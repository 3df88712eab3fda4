/** What became of IKE exchanges: for people. Every label is one of a few words. */

import type { Bytes } from '../../kit/bytes.ts'
import { exchangeType } from '../../ike/wire/header.ts'

/** Where the exchange type is (RFC 7296 §3.1). */
const EXCHANGE_OFFSET = 18

const names: ReadonlyMap<number | undefined, string> = new Map([
  [exchangeType.ikeSaInit, 'IKE_SA_INIT'],
  [exchangeType.ikeAuth, 'IKE_AUTH'],
  [exchangeType.createChildSa, 'CREATE_CHILD_SA'],
  [exchangeType.informational, 'INFORMATIONAL'],
])

/** `in`: the client asks; `out`: we do. */
export type ExchangeDirection = 'in' | 'out'

/**
 * Of a client's request: `committed`; `rejected`: committed with a refusal of the client, as AUTHENTICATION_FAILED; `refused`: the log would not
 * have it; `answered`: by what nothing is remembered of, as a cookie; `repeated`: the stored answer was sent again; `waiting`: dropped, for another
 * exchange of the session was under way; `dropped`. Of a request of ours: `asked`, then `answered` or `unanswered`; `dropped`: an answer that was none.
 */
export const exchangeOutcomes = [
  'committed',
  'rejected',
  'refused',
  'answered',
  'repeated',
  'waiting',
  'dropped',
  'asked',
  'unanswered',
] as const
export type ExchangeOutcome = (typeof exchangeOutcomes)[number]

export interface ExchangeCount {
  readonly exchange: string
  readonly direction: ExchangeDirection
  readonly outcome: ExchangeOutcome
  count: number
}

export class ExchangeCounts {
  readonly #counts = new Map<string, ExchangeCount>()
  /** Cookies that were sent. */
  cookies = 0

  /** `message`: any one of the exchange; empty or cut short: `other`. */
  count(message: Bytes, direction: ExchangeDirection, outcome: ExchangeOutcome): void {
    const exchange = names.get(message[EXCHANGE_OFFSET]) ?? 'other'
    const key = `${exchange} ${direction} ${outcome}`
    const known = this.#counts.get(key)
    if (known === undefined) this.#counts.set(key, { exchange, direction, outcome, count: 1 })
    else known.count += 1
  }

  entries(): readonly Readonly<ExchangeCount>[] {
    return [...this.#counts.values()]
  }
}
