/**
 * What those who ask for the VPN configuration's version, or for a new configuration in the place of the one they know, were told: a black box
 * that knows nothing of the log, only who asked what when. A new configuration is a compare-and-set of the version.
 */

import { Violation } from './checkers/violation.ts'
import type { Operation } from './linearizability.ts'
import { checkByKey, describeFailure } from './linearizability.ts'
import type { RegisterInput, RegisterOutput } from './register.ts'
import { registerModel } from './register.ts'

const key = 'version'

/** An operation that was called; it takes effect at any time, or never, until it returns. */
export interface Call {
  readonly client: string
  readonly input: RegisterInput
  readonly call: number
}

export class VersionHistory {
  /** Counts calls and returns: no two are at the same moment. */
  #moment = 0
  readonly #operations = new Map<Call, Operation<RegisterInput, RegisterOutput>>()

  reads(client: string): Call {
    return this.#called(client, { type: 'read', key })
  }

  replaces(client: string, expected: number): Call {
    return this.#called(client, { type: 'compareAndSet', key, expected, value: expected + 1 })
  }

  returned(call: Call, output: RegisterOutput): void {
    this.#operations.set(call, { ...call, return: ++this.#moment, output })
  }

  /** Throws `Violation`. */
  check(): void {
    // Of a read without an answer nobody knows anything.
    const operations = [...this.#operations.values()].filter(({ input, output }) => input.type !== 'read' || output !== null)
    const failure = checkByKey(operations, (input) => input.key, registerModel)
    if (failure !== null) throw new Violation('linearizability', describeFailure(failure))
  }

  #called(client: string, input: RegisterInput): Call {
    const call = { client, input, call: ++this.#moment }
    this.#operations.set(call, { ...call, return: Infinity, output: null })
    return call
  }
}
