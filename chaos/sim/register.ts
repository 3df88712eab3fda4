/** A register that is read, written, and compared and set: what the raft-only simulation replicates, and its model for the checker. */

import type { Model } from './linearizability.ts'

export type RegisterInput =
  | { readonly type: 'read'; readonly key: string }
  | { readonly type: 'write'; readonly key: string; readonly value: number }
  | { readonly type: 'compareAndSet'; readonly key: string; readonly expected: number; readonly value: number }

/** What a read saw; for a write the value written; for a compare-and-set whether it set. */
export type RegisterOutput = number | boolean

/** What an operation gives, and the value after it. A register begins with 0. */
export function applyToRegister(value: number, input: RegisterInput): { readonly value: number; readonly output: RegisterOutput } {
  if (input.type === 'read') return { value, output: value }
  if (input.type === 'write') return { value: input.value, output: input.value }
  const isSet = value === input.expected
  return { value: isSet ? input.value : value, output: isSet }
}

export const registerModel: Model<number, RegisterInput, RegisterOutput> = {
  init: 0,
  step(state, input, output) {
    const after = applyToRegister(state, input)
    return output === null || output === after.output ? after.value : null
  },
  isPure: ({ type }, output) => type === 'read' || (type === 'compareAndSet' && output === false),
  equal: (a, b) => a === b,
  hash: (state) => state,
}
