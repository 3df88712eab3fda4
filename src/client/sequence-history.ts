/**
 * Every sequence number ever seen on one SA, exactly: what a replay window forgets, this remembers. It is how the client would notice that
 * two gateways, or one before and after a crash, used a number twice.
 *
 * One bit a number, in pages. Traffic fills pages one after the other (a takeover skips a few), so an hour of 1,000 packets/s takes 450 KB. Beyond
 * `MAX_PAGES` the page made first is forgotten: an attacker's numbers can't fill the memory.
 */

const PAGE_NUMBERS = 4096
const WORD_BITS = 32
export const MAX_PAGES = 65_536

export class SequenceHistory {
  readonly #pages = new Map<number, Uint32Array>()
  #lastNumber = -1
  #lastPage: Uint32Array | null = null

  /** Remembers the number; whether it had been seen before. */
  see(sequence: number): boolean {
    const page = this.#page(Math.floor(sequence / PAGE_NUMBERS))
    const at = sequence % PAGE_NUMBERS
    const bit = 1 << (at % WORD_BITS)
    const word = Math.floor(at / WORD_BITS)
    const seen = (page[word]! & bit) !== 0
    page[word]! |= bit
    return seen
  }

  #page(number: number): Uint32Array {
    if (number === this.#lastNumber) return this.#lastPage!
    const page = this.#pages.get(number) ?? this.#newPage(number)
    this.#lastNumber = number
    this.#lastPage = page
    return page
  }

  #newPage(number: number): Uint32Array {
    if (this.#pages.size >= MAX_PAGES) for (const oldest of this.#pages.keys()) if (this.#pages.delete(oldest)) break
    const page = new Uint32Array(PAGE_NUMBERS / WORD_BITS)
    this.#pages.set(number, page)
    return page
  }
}
