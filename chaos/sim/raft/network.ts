/** Packets between servers: lost, copied, delayed and so reordered, and cut off by direction. */

import type { ServerId } from '../../../raft/message.ts'
import { randomBelow } from '../../../src/kit/random.ts'
import type { SeededRandom } from '../../../src/kit/random.ts'

export interface PacketFaults {
  readonly lossPercent: number
  readonly copyPercent: number
  readonly maxDelayMs: number
}

export interface Packet {
  readonly at: number
  readonly from: ServerId
  readonly to: ServerId
  readonly bytes: Uint8Array
}

export class PacketNetwork {
  readonly #random: SeededRandom
  faults: PacketFaults
  #packets: Packet[] = []
  /** Directed. */
  readonly #cut = new Set<string>()

  constructor(random: SeededRandom, faults: PacketFaults) {
    this.#random = random
    this.faults = faults
  }

  send(now: number, from: ServerId, to: ServerId, bytes: Uint8Array): void {
    const { lossPercent, copyPercent, maxDelayMs } = this.faults
    if (randomBelow(this.#random, 100) < lossPercent) return
    const copies = randomBelow(this.#random, 100) < copyPercent ? 2 : 1
    for (let i = 0; i < copies; i++) this.#packets.push({ at: now + 1 + randomBelow(this.#random, maxDelayMs), from, to, bytes })
  }

  /** Takes what has arrived and can be taken now. */
  arrived(now: number, canTake: (to: ServerId) => boolean): readonly Packet[] {
    const due: Packet[] = []
    const later: Packet[] = []
    for (const packet of this.#packets) (packet.at <= now && canTake(packet.to) ? due : later).push(packet)
    this.#packets = later
    return due.filter(({ from, to }) => !this.isCut(from, to))
  }

  /** Loses what is on its way and is so. */
  drop(is: (bytes: Uint8Array) => boolean): void {
    this.#packets = this.#packets.filter(({ bytes }) => !is(bytes))
  }

  cut(from: ServerId, to: ServerId): void {
    this.#cut.add(`${from}>${to}`)
  }

  join(): void {
    this.#cut.clear()
  }

  isCut(from: ServerId, to: ServerId): boolean {
    return this.#cut.size > 0 && this.#cut.has(`${from}>${to}`)
  }
}
