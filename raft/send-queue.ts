/**
 * What waits for a connection to take it: first what has no priority, then forwarded proposals by theirs, then parts of snapshots, each lane in
 * its order. Bounded in octets: when there is too much, the oldest of the least important lane goes, since Raft, and who proposes, repeat
 * what matters.
 */

import type { SendPriority } from './priority.ts'
import { proposalPriorities } from './priority.ts'

export class SendQueue {
  readonly #maxOctets: number
  /** What has no priority, then by priority, then bulk. */
  readonly #lanes: readonly Lane[] = [new Lane(), ...proposalPriorities.map(() => new Lane()), new Lane()]
  #octets = 0
  dropped = 0

  constructor(maxOctets: number) {
    this.#maxOctets = maxOctets
  }

  get isEmpty(): boolean {
    return this.#lanes.every(({ length }) => length === 0)
  }

  get octets(): number {
    return this.#octets
  }

  /** Queues parts that belong together. A single one may be larger than the bound. */
  push(parts: Uint8Array[], priority: SendPriority = null): void {
    this.#lanes[laneOf(priority)]!.push(parts)
    this.#octets += octetsOf(parts)
    while (this.#octets > this.#maxOctets && this.#count > 1) {
      this.#take(this.#lanes.findLast(({ length }) => length > 0)!)
      this.dropped++
    }
  }

  /** The next; without bulk, unless that is wanted. */
  shift(withBulk = true): Uint8Array[] | null {
    const lane = this.#lanes.find(({ length }) => length > 0)
    return lane === undefined || (!withBulk && lane === this.#lanes.at(-1)) ? null : this.#take(lane)
  }

  clear(): void {
    this.dropped += this.#count
    for (const lane of this.#lanes) lane.clear()
    this.#octets = 0
  }

  get #count(): number {
    return this.#lanes.reduce((count, { length }) => count + length, 0)
  }

  #take(lane: Lane): Uint8Array[] {
    const parts = lane.shift()
    this.#octets -= octetsOf(parts)
    return parts
  }
}

function laneOf(priority: SendPriority): number {
  if (priority === null) return 0
  return priority === 'bulk' ? 1 + proposalPriorities.length : 1 + priority
}

/** First in, first out. */
class Lane {
  #items: Uint8Array[][] = []
  #first = 0

  get length(): number {
    return this.#items.length - this.#first
  }

  push(parts: Uint8Array[]): void {
    this.#items.push(parts)
  }

  /** The lane must not be empty. */
  shift(): Uint8Array[] {
    const parts = this.#items[this.#first]!
    this.#items[this.#first++] = []
    if (this.#first >= 1024 && 2 * this.#first >= this.#items.length) {
      this.#items = this.#items.slice(this.#first)
      this.#first = 0
    }
    return parts
  }

  clear(): void {
    this.#items = []
    this.#first = 0
  }
}

function octetsOf(parts: readonly Uint8Array[]): number {
  let octets = 0
  for (const part of parts) octets += part.length
  return octets
}
