/**
 * States of the walk, each once, exactly and in few octets: a state is a row of small numbers, and a row is kept as a tree of pairs, each pair
 * once. Most states differ from others in one or two numbers, so most of their pairs are there already.
 */

/** More than pairs of any kind, and than any number in a row. */
const BOUND = 2 ** 26

class Pairs {
  readonly #ids = new Map<number, number>()
  #left = new Uint32Array(1024)
  #right = new Uint32Array(1024)

  get size(): number {
    return this.#ids.size
  }

  id(left: number, right: number): number {
    const key = left * BOUND + right
    const known = this.#ids.get(key)
    if (known !== undefined) return known
    const id = this.#ids.size
    if (id === this.#left.length) {
      this.#left = twice(this.#left)
      this.#right = twice(this.#right)
    }
    this.#ids.set(key, id)
    this.#left[id] = left
    this.#right[id] = right
    return id
  }

  left(id: number): number {
    return this.#left[id]!
  }

  right(id: number): number {
    return this.#right[id]!
  }
}

function twice(column: Uint32Array): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(2 * column.length)
  larger.set(column)
  return larger
}

/** Rows of `width` numbers. */
export class RowStore {
  readonly #width: number
  readonly #left: RowStore | null
  readonly #right: RowStore | null
  readonly #pairs = new Pairs()

  constructor(width: number) {
    this.#width = width
    const half = width >> 1
    this.#left = half > 1 ? new RowStore(half) : null
    this.#right = width - half > 1 ? new RowStore(width - half) : null
  }

  get size(): number {
    return this.#pairs.size
  }

  /** The number of the row from `at` on: the next one when it is new. */
  id(row: readonly number[], at = 0): number {
    const half = this.#width >> 1
    const left = this.#left === null ? row[at]! : this.#left.id(row, at)
    const right = this.#right === null ? row[at + half]! : this.#right.id(row, at + half)
    return this.#pairs.id(left, right)
  }

  /** Fills in the row from `at` on. */
  read(id: number, row: number[], at = 0): void {
    const half = this.#width >> 1
    const left = this.#pairs.left(id)
    const right = this.#pairs.right(id)
    if (this.#left === null) row[at] = left
    else this.#left.read(left, row, at)
    if (this.#right === null) row[at + half] = right
    else this.#right.read(right, row, at + half)
  }
}
