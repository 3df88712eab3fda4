/** A command that is proposed again only when it is known what came of the last one, or that nobody can tell any more. */

import type { Command } from '../session/commands.ts'

export class SingleProposal<C extends Command> {
  readonly #propose: (command: C, settled: () => void) => void
  #isUnderWay = false

  constructor(propose: (command: C, settled: () => void) => void) {
    this.#propose = propose
  }

  get isUnderWay(): boolean {
    return this.#isUnderWay
  }

  propose(command: C): void {
    this.#isUnderWay = true
    this.#propose(command, () => {
      this.#isUnderWay = false
    })
  }
}
