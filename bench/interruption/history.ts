/** Rows of numbers, of which the last so many are remembered: what was sent or received, and when. */

export class History {
  readonly #columns: readonly Float64Array[]
  readonly #length: number
  #count = 0

  constructor(columns: number, length: number) {
    this.#columns = Array.from({ length: columns }, () => new Float64Array(length))
    this.#length = length
  }

  add(...row: readonly number[]): void {
    const at = this.#count++ % this.#length
    this.#columns.forEach((column, i) => (column[at] = row[i]!))
  }

  /** The columns of the rows whose column `by` is from `from` to `to`, in the order in which they were added. */
  between(by: number, from: number, to: number): number[][] {
    const found: number[][] = this.#columns.map(() => [])
    for (let i = Math.max(0, this.#count - this.#length); i < this.#count; i++) {
      const at = i % this.#length
      const value = this.#columns[by]![at]!
      if (value < from || value > to) continue
      this.#columns.forEach((column, c) => found[c]!.push(column[at]!))
    }
    return found
  }
}
