/** Packets between servers: lost, copied, delayed and so reordered, and cut off by direction. */

import type { ServerId } from '../../../raft/message.ts'
import { randomBelow } from '../../../src/kit/random.ts'
import type { SeededRandom } from '../../../src/kit/random.ts'
import { Violation } from '../checkers/violation.ts'

export interface PacketFaults {
  readonly lossPercent: number
  readonly copyPercent: number
  readonly maxDelayMs: number
  /** So many packets come up to two seconds later than that: when others lead, or the same server again. */
  readonly latePercent: number
}

const maxLateMs = 2000
/** More than any cluster has under way that works: answers that answer each other for ever. */
const maxPackets = 20_000

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
    const { lossPercent, copyPercent, maxDelayMs, latePercent } = this.faults
    if (randomBelow(this.#random, 100) < lossPercent) return
    if (this.#packets.length > maxPackets) throw new Violation('flood', `${this.#packets.length} messages are under way`)
    const copies = randomBelow(this.#random, 100) < copyPercent ? 2 : 1
    for (let i = 0; i < copies; i++) {
      const lateMs = randomBelow(this.#random, 100) < latePercent ? randomBelow(this.#random, maxLateMs) : 0
      this.#packets.push({ at: now + 1 + randomBelow(this.#random, maxDelayMs) + lateMs, from, to, bytes })
    }
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
