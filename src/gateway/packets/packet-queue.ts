/** Packets that wait for something, bounded in octets and age; the oldest go first when there are too many. */

export interface QueueLimits {
  readonly octets: number
  readonly ageMs: number
}

/** Octets of all queues of a gateway together. */
export class QueueBudget {
  readonly limit: number
  used = 0

  constructor(limit: number) {
    this.limit = limit
  }
}

interface Waiting<T> {
  readonly item: T
  readonly octets: number
  readonly sinceMs: number
}

/** Accounted for beyond a packet's own octets. */
const ENTRY_OCTETS = 64

export class PacketQueue<T> {
  readonly #limits: QueueLimits
  readonly #budget: QueueBudget
  #waiting: Waiting<T>[] = []
  #octets = 0

  constructor(limits: QueueLimits, budget: QueueBudget) {
    this.#limits = limits
    this.#budget = budget
  }

  get length(): number {
    return this.#waiting.length
  }

  /** Adds an item; returns how many were dropped for it (the item itself when the gateway's budget is used up by other queues). */
  push(item: T, octets: number, nowMs: number): number {
    const size = octets + ENTRY_OCTETS
    if (size > this.#limits.octets) return 1
    let dropped = 0
    while (this.#waiting.length > 0 && !this.#fits(size)) {
      this.#account(this.#waiting.shift()!, -1)
      dropped += 1
    }
    if (!this.#fits(size)) return dropped + 1
    this.#waiting.push({ item, octets: size, sinceMs: nowMs })
    this.#account({ octets: size }, 1)
    return dropped
  }

  /** The oldest; undefined: nothing waits. */
  take(): T | undefined {
    const first = this.#waiting.shift()
    if (first !== undefined) this.#account(first, -1)
    return first?.item
  }

  /** Drops what has waited too long; returns how many. */
  expire(nowMs: number): number {
    let dropped = 0
    while (this.#waiting.length > 0 && nowMs - this.#waiting[0]!.sinceMs > this.#limits.ageMs) {
      this.#account(this.#waiting.shift()!, -1)
      dropped += 1
    }
    return dropped
  }

  /** Offers each item, the oldest first, and keeps those that are not taken, as old as they are. `isTaken` must not touch this queue. */
  sift(isTaken: (item: T) => boolean): void {
    const waiting = this.#waiting
    this.#waiting = []
    for (const entry of waiting) {
      if (isTaken(entry.item)) this.#account(entry, -1)
      else this.#waiting.push(entry)
    }
  }

  /** Takes everything out, the oldest first. */
  takeAll(): T[] {
    const items = this.#waiting.map(({ item }) => item)
    this.#budget.used -= this.#octets
    this.#octets = 0
    this.#waiting = []
    return items
  }

  /** What waits, the oldest first, and for how long. */
  inspect(ageOf: (atMs: number) => number): readonly (readonly [T, number])[] {
    return this.#waiting.map(({ item, sinceMs }) => [item, ageOf(sinceMs)])
  }

  #fits(size: number): boolean {
    return this.#octets + size <= this.#limits.octets && this.#budget.used + size <= this.#budget.limit
  }

  #account({ octets }: { readonly octets: number }, sign: 1 | -1): void {
    this.#octets += sign * octets
    this.#budget.used += sign * octets
  }
}
