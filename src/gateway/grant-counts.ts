/** Grants of this gateway's that were asked of the log, and what became of them: for people. */

import type { Advance } from '../session/commands.ts'
import type { Result } from '../session/results.ts'

export type GrantKind = 'tick' | 'record' | 'renewal'
/** `lost`: given up without an outcome, for a newer one takes its place. */
export type GrantOutcome = 'asked' | 'committed' | 'refused' | 'lost'

export class GrantCounts {
  readonly #counts = new Map<string, { readonly kind: GrantKind; readonly outcome: GrantOutcome; count: number }>()

  asked(advance: Advance): void {
    this.#addAll(advance, 'asked')
  }

  /** Null: nobody knows. */
  settled(advance: Advance, result: Result | null): void {
    if (result === null) return this.#addAll(advance, 'lost')
    if (result.type !== 'batch') return this.#addAll(advance, 'refused')
    const records = advance.grants.length - result.refused.length
    const renewals = result.taken.length - records
    this.#add('tick', 'committed', advance.tick === 0 ? 0 : 1)
    this.#add('record', 'committed', records)
    this.#add('record', 'refused', result.refused.length)
    this.#add('renewal', 'committed', renewals)
    this.#add('renewal', 'refused', advance.renewals.length - renewals)
  }

  entries(): readonly { readonly kind: GrantKind; readonly outcome: GrantOutcome; readonly count: number }[] {
    return [...this.#counts.values()]
  }

  #addAll({ tick, grants, renewals }: Advance, outcome: GrantOutcome): void {
    this.#add('tick', outcome, tick === 0 ? 0 : 1)
    this.#add('record', outcome, grants.length)
    this.#add('renewal', outcome, renewals.length)
  }

  #add(kind: GrantKind, outcome: GrantOutcome, count: number): void {
    if (count === 0) return
    const key = `${kind} ${outcome}`
    const known = this.#counts.get(key)
    if (known === undefined) this.#counts.set(key, { kind, outcome, count })
    else known.count += count
  }
}
