/** IKE datagrams that wait a moment for the log: their session is not known here yet, or is between owners. */

import type { Now } from '../clock.ts'
import type { IkeArrival } from './surroundings.ts'

/** A datagram waits so long; its client sends it again anyway. */
const PARK_MS = 200
const MAX_PARKED = 1024
/** Anybody can send datagrams for SPIs that nobody has. */
const MAX_PARKED_OCTETS = 4 * 2 ** 20

interface Parked {
  readonly arrival: IkeArrival
  readonly untilMs: number
}

export class IkeParking {
  #parked: Parked[] = []
  #octets = 0

  get length(): number {
    return this.#parked.length
  }

  inspect(ageOf: (atMs: number) => number): unknown {
    return this.#parked.map(({ arrival, untilMs }) => [arrival, ageOf(untilMs)])
  }

  /** Returns how many others, the oldest, had to make room. */
  park(arrival: IkeArrival, now: Now): number {
    this.#parked.push({ arrival, untilMs: now.monotonicMs + PARK_MS })
    this.#octets += arrival.datagram.length
    let dropped = 0
    while (this.#parked.length > MAX_PARKED || this.#octets > MAX_PARKED_OCTETS) {
      this.#octets -= this.#parked.shift()!.arrival.datagram.length
      dropped += 1
    }
    return dropped
  }

  /** Offers everything that waits; what is taken goes. */
  retry(take: (arrival: IkeArrival) => boolean): void {
    if (this.#parked.length > 0) this.#keep(({ arrival }) => !take(arrival))
  }

  /** Drops what has waited too long, and returns how many that were. */
  expire(now: Now): number {
    const before = this.#parked.length
    if (before > 0) this.#keep(({ untilMs }) => untilMs > now.monotonicMs)
    return before - this.#parked.length
  }

  #keep(stays: (parked: Parked) => boolean): void {
    const waiting = this.#parked
    this.#parked = []
    const kept = waiting.filter(stays)
    this.#parked = [...kept, ...this.#parked]
    this.#octets = this.#parked.reduce((sum, { arrival }) => sum + arrival.datagram.length, 0)
  }
}
