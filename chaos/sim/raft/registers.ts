/** The application of the raft-only world: a few registers. A command is text: the proposal's name, then what it does. */

import { assert } from '../../../raft/assert.ts'
import { fromUtf8, toUtf8 } from '../../../src/kit/bytes.ts'
import type { RegisterInput, RegisterOutput } from '../register.ts'
import { applyToRegister } from '../register.ts'

export interface RegisterCommand {
  /** Of the proposal: the server that it was made at, and its number there. */
  readonly name: string
  readonly input: RegisterInput
}

export function encodeRegisterCommand({ name, input }: RegisterCommand): Uint8Array {
  if (input.type === 'compareAndSet') return toUtf8(`${name} c ${input.key} ${input.value} ${input.expected}`)
  assert(input.type === 'write', 'reads are not replicated')
  return toUtf8(`${name} w ${input.key} ${input.value}`)
}

export function decodeRegisterCommand(data: Uint8Array): RegisterCommand {
  const [name = '', type, key = '', value, expected] = fromUtf8(data).split(' ')
  if (type === 'w') return { name, input: { type: 'write', key, value: Number(value) } }
  return { name, input: { type: 'compareAndSet', key, value: Number(value), expected: Number(expected) } }
}

export class Registers {
  readonly #values: Map<string, number>

  /** As `encoded` holds them; empty: as they were at the beginning. */
  constructor(encoded: Uint8Array) {
    this.#values = new Map(encoded.length === 0 ? [] : (JSON.parse(fromUtf8(encoded)) as [string, number][]))
  }

  encode(): Uint8Array {
    return toUtf8(JSON.stringify([...this.#values]))
  }

  value(key: string): number {
    return this.#values.get(key) ?? 0
  }

  apply(input: RegisterInput): RegisterOutput {
    const { value, output } = applyToRegister(this.value(input.key), input)
    this.#values.set(input.key, value)
    return output
  }
}
