/**
 * What comes out was put in, and once. A packet that follows its session over the mesh, or is held while it changes hands, or waits for a limit, is
 * neither lost from sight nor doubled. For what clients send `ReplayAcceptance` sees the second time; here is what they receive. A network that
 * repeats a message between gateways repeats an inner packet with it, for that has no number yet: so often may it come.
 */

import type { Mark } from '../marks.ts'
import { nameOfMark } from '../marks.ts'
import { Violation } from './violation.ts'

export class Conservation {
  /** Sent, and how often it may come out still. */
  readonly #left = new Map<string, number>()

  sent(mark: Mark): void {
    this.#left.set(nameOfMark(mark), 1)
  }

  /** The network has made another copy of it. */
  repeated(mark: Mark): void {
    const name = nameOfMark(mark)
    this.#left.set(name, (this.#left.get(name) ?? 0) + 1)
  }

  /** `where`: a client, or the gateway that gives it to the trusted host. */
  delivered(where: string, mark: Mark): void {
    const name = nameOfMark(mark)
    const left = this.#left.get(name)
    if (left === undefined) throw new Violation('conservation', `${name} came out at ${where}, and nobody sent it`)
    if (left === 0 && mark.direction === 'down') throw new Violation('conservation', `${name} came out at ${where} again`)
    this.#left.set(name, left - 1)
  }
}
