/** Named counters of what a core dropped or did: the shell turns them into metrics. */
export class Counters {
  readonly #counts = new Map<string, number>()

  add(name: string, count: number): void {
    if (count > 0) this.#counts.set(name, (this.#counts.get(name) ?? 0) + count)
  }

  get(name: string): number {
    return this.#counts.get(name) ?? 0
  }

  entries(): Record<string, number> {
    return Object.fromEntries(this.#counts)
  }
}
