/**
 * What was made and has to go again, the latest first. Every maker registers the way back before it goes on, so that a failure or a
 * signal half-way leaves nothing behind.
 */
export class Undo {
  readonly #steps: { readonly what: string; readonly undo: () => Promise<unknown> }[] = []

  add(what: string, undo: () => Promise<unknown>): void {
    this.#steps.push({ what, undo })
  }

  /** Does every step, though one may fail; returns what could not be undone. */
  async all(): Promise<string[]> {
    const problems: string[] = []
    for (let step = this.#steps.pop(); step !== undefined; step = this.#steps.pop()) {
      try {
        await step.undo()
      } catch (error) {
        problems.push(`${step.what}: ${String(error)}`)
      }
    }
    return problems
  }
}
