/** S2: no inbound packet is accepted twice by the cluster. Looks at every inner packet that any gateway delivers, by the mark its sender gave it. */

import { Violation } from './violation.ts'

export class ReplayAcceptance {
  readonly #accepted = new Map<string, string>()

  /** `mark` names one ESP packet that a client sent. */
  delivered(gateway: string, mark: string): void {
    const first = this.#accepted.get(mark)
    if (first !== undefined) throw new Violation('S2', `packet ${mark} was accepted by ${first} and by ${gateway}`)
    this.#accepted.set(mark, gateway)
  }

  get count(): number {
    return this.#accepted.size
  }
}
