/** What waits for a connection to take it, bounded in octets: the oldest goes first when there is too much, since Raft repeats what matters. */

export class SendQueue {
  readonly #maxOctets: number
  #items: Uint8Array[][] = []
  #first = 0
  #octets = 0
  dropped = 0

  constructor(maxOctets: number) {
    this.#maxOctets = maxOctets
  }

  get isEmpty(): boolean {
    return this.#first === this.#items.length
  }

  get octets(): number {
    return this.#octets
  }

  /** Queues parts that belong together. */
  push(parts: Uint8Array[]): void {
    this.#items.push(parts)
    this.#octets += octetsOf(parts)
    while (this.#octets > this.#maxOctets && this.#items.length - this.#first > 1) {
      this.shift()
      this.dropped++
    }
  }

  shift(): Uint8Array[] | null {
    const parts = this.#items[this.#first]
    if (parts === undefined) return null
    this.#octets -= octetsOf(parts)
    this.#items[this.#first++] = []
    if (this.#first >= 1024 && 2 * this.#first >= this.#items.length) {
      this.#items = this.#items.slice(this.#first)
      this.#first = 0
    }
    return parts
  }

  clear(): void {
    this.dropped += this.#items.length - this.#first
    this.#items = []
    this.#first = 0
    this.#octets = 0
  }
}

function octetsOf(parts: readonly Uint8Array[]): number {
  let octets = 0
  for (const part of parts) octets += part.length
  return octets
}
