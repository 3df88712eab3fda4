/**
 * Counters of what the shells dropped, by reason. Reasons are constants of the code, never a peer's words, so there are few.
 */
export class Drops {
  readonly #counts = new Map<string, number>()

  count(reason: string, by = 1): void {
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + by)
  }

  of(reason: string): number {
    return this.#counts.get(reason) ?? 0
  }

  toRecord(): Record<string, number> {
    return Object.fromEntries(this.#counts)
  }
}
