/** Values as text: equal texts, equal values. What is known by its text gets a small number. */

import { toHex } from '../../../src/kit/bytes.ts'

export function canonical(value: unknown): string {
  switch (typeof value) {
    case 'string':
      return JSON.stringify(value)
    case 'bigint':
      return `${value}n`
    case 'object':
      return value === null ? 'null' : canonicalObject(value)
    default:
      // JSON has no Infinity.
      return String(value)
  }
}

function canonicalObject(value: object): string {
  if (value instanceof Uint8Array) return `x${toHex(value)}`
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`
  return `{${Object.entries(value)
    .map(([name, one]) => `${name}:${canonical(one)}`)
    .join()}}`
}

/** Numbers values from 0 on, in the order in which they are first met. */
export class Interner<T> {
  readonly #ids = new Map<string, number>()
  readonly #values: T[] = []

  get size(): number {
    return this.#values.length
  }

  id(value: T, key = canonical(value)): number {
    const known = this.#ids.get(key)
    if (known !== undefined) return known
    const id = this.#values.length
    this.#ids.set(key, id)
    this.#values.push(value)
    return id
  }

  get(id: number): T {
    return this.#values[id]!
  }

  values(): readonly T[] {
    return this.#values
  }
}

/** Lists of whole numbers by number: 0 is the empty one. */
export class Lists {
  readonly #interner = new Interner<readonly number[]>()

  constructor() {
    this.id([])
  }

  get size(): number {
    return this.#interner.size
  }

  id(list: readonly number[]): number {
    return this.#interner.id(list, list.join())
  }

  /** Of a list without order. */
  idOfBag(list: readonly number[]): number {
    return this.id(list.toSorted((a, b) => a - b))
  }

  get(id: number): readonly number[] {
    return this.#interner.get(id)
  }
}
