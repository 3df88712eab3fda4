/**
 * What the clients of the replicated registers called and were told. Of an operation that was said to have failed for certain nothing remains
 * (the checkers see that it never takes effect). One whose outcome is unknown stays open.
 */

import { Violation } from '../checkers/violation.ts'
import type { Operation } from '../linearizability.ts'
import { checkByKey, describeFailure } from '../linearizability.ts'
import type { RegisterInput, RegisterOutput } from '../register.ts'
import { registerModel } from '../register.ts'

export class History {
  /** Counts calls and returns: no two are at the same moment. */
  #moment = 0
  #nextValue = 0
  readonly #operations = new Map<string, Operation<RegisterInput, RegisterOutput>>()

  /** Every value is written once, so that a read tells which write it saw. */
  newValue(): number {
    return ++this.#nextValue
  }

  called(name: string, input: RegisterInput): void {
    this.#operations.set(name, { client: name, call: ++this.#moment, return: Infinity, input, output: null })
  }

  returned(name: string, output: RegisterOutput): void {
    const operation = this.#operations.get(name)
    if (operation === undefined || operation.return !== Infinity) throw new Violation('history', `${name} returns, and is not under way`)
    this.#operations.set(name, { ...operation, return: ++this.#moment, output })
  }

  /** It had no effect, and will have none. */
  failed(name: string): void {
    this.#operations.delete(name)
  }

  /** `committed`: the names of the commands of the log, in its order. Throws `Violation`. */
  check(committed: readonly string[]): void {
    this.#checkLog(committed)
    // Of commands that nobody answered only those in the log can have been seen.
    const commands = committed.flatMap((name) => this.#operations.get(name) ?? [])
    const operations = [...commands, ...this.#reads()]
    const failure = checkByKey(operations, ({ key }) => key, registerModel)
    if (failure !== null) throw new Violation('linearizability', describeFailure(failure))
  }

  /** Those that were answered. */
  #reads(): Operation<RegisterInput, RegisterOutput>[] {
    return [...this.#operations.values()].filter(({ input, return: end }) => input.type === 'read' && end !== Infinity)
  }

  /** Every acknowledged command is in the log; and none is there twice. */
  #checkLog(committed: readonly string[]): void {
    const once = new Set<string>()
    for (const name of committed) {
      if (once.has(name)) throw new Violation('once', `command ${name} is committed twice`)
      once.add(name)
    }
    for (const [name, operation] of this.#operations) {
      const isAcknowledged = operation.return !== Infinity && operation.input.type !== 'read'
      if (isAcknowledged && !once.has(name)) throw new Violation('durability', `command ${name} was acknowledged, and is not committed`)
    }
  }
}
