/** Which slots of a batch leave together, as one message, in the order in which they came: lists in arrays that are made once. */

import { BATCH_DATAGRAMS } from './batch-memory.ts'

/** No slot, and no message. */
export const NONE = 255

export class Messages {
  #count = 0
  readonly #first = new Uint8Array(BATCH_DATAGRAMS)
  readonly #last = new Uint8Array(BATCH_DATAGRAMS)
  readonly #slots = new Uint8Array(BATCH_DATAGRAMS)
  readonly #octets = new Uint32Array(BATCH_DATAGRAMS)
  readonly #isFull = new Uint8Array(BATCH_DATAGRAMS)
  /** Of each slot, the next one of its message. */
  readonly #next = new Uint8Array(BATCH_DATAGRAMS)

  get count(): number {
    return this.#count
  }

  /** The number of the new message. `octets`: what the slot has of those that are counted; `isFull`: it takes no more. */
  begin(slot: number, octets: number, isFull: boolean): number {
    const message = this.#count++
    this.#first[message] = slot
    this.#last[message] = slot
    this.#slots[message] = 1
    this.#octets[message] = octets
    this.#isFull[message] = isFull ? 1 : 0
    this.#next[slot] = NONE
    return message
  }

  join(message: number, slot: number, octets: number, isFull: boolean): void {
    this.#next[this.#last[message]!] = slot
    this.#next[slot] = NONE
    this.#last[message] = slot
    this.#slots[message]! += 1
    this.#octets[message]! += octets
    if (isFull) this.#isFull[message] = 1
  }

  first(message: number): number {
    return this.#first[message]!
  }

  last(message: number): number {
    return this.#last[message]!
  }

  /** How many slots. */
  slots(message: number): number {
    return this.#slots[message]!
  }

  /** Of all its slots. */
  octets(message: number): number {
    return this.#octets[message]!
  }

  isFull(message: number): boolean {
    return this.#isFull[message] === 1
  }

  /** The slot after this one in its message; NONE: it is the last. */
  next(slot: number): number {
    return this.#next[slot]!
  }

  clear(): void {
    this.#count = 0
  }
}
