/** The network between gateways: Raft's connections and the mesh, cut together or apart, in one direction or both; it loses, repeats, delays. */

import type { SeededRandom } from '../../src/kit/random.ts'
import type { NetworkFaults } from './plan.ts'
import type { Scheduler } from './scheduler.ts'

export type Channel = 'raft' | 'mesh'

export class Links {
  readonly #scheduler: Scheduler
  readonly #random: SeededRandom
  readonly #cut = new Set<string>()
  /** On Raft's connections, by direction. */
  readonly #lastArrivalMs = new Map<string, number>()
  faults: Readonly<Record<Channel, NetworkFaults>>

  constructor(scheduler: Scheduler, random: SeededRandom, faults: Readonly<Record<Channel, NetworkFaults>>) {
    this.#scheduler = scheduler
    this.#random = random
    this.faults = faults
  }

  /** Returns how many copies are on their way. */
  send(channel: Channel, from: string, to: string, arrive: () => void): number {
    if (this.isCut(channel, from, to)) return 0
    const ifConnected = (): void => {
      if (!this.isCut(channel, from, to)) arrive()
    }
    if (!this.faults[channel].isInOrder) return transmit(this.#scheduler, this.#random, this.faults[channel], ifConnected)
    this.#sendInOrder(channel, `${from}>${to}`, ifConnected)
    return 1
  }

  /** What is lost is lost: with the connection that it was sent over. */
  #sendInOrder(channel: Channel, link: string, arrive: () => void): void {
    const { loss, delayMs } = this.faults[channel]
    if (this.#random.fraction() < loss) return
    const { nowMs } = this.#scheduler
    const atMs = Math.max(this.#lastArrivalMs.get(link) ?? 0, nowMs + this.#random.fraction() * 2 * delayMs)
    this.#lastArrivalMs.set(link, atMs)
    this.#scheduler.after(atMs - nowMs, arrive)
  }

  cut(channel: Channel, from: string, to: string): void {
    this.#cut.add(`${channel} ${from}>${to}`)
  }

  join(channel: Channel, from: string, to: string): void {
    this.#cut.delete(`${channel} ${from}>${to}`)
  }

  isCut(channel: Channel, from: string, to: string): boolean {
    return this.#cut.size > 0 && this.#cut.has(`${channel} ${from}>${to}`)
  }
}

/** Over a network that loses, repeats, delays and so reorders. Returns how many copies are on their way. */
export function transmit(scheduler: Scheduler, random: SeededRandom, faults: NetworkFaults, arrive: () => void): number {
  if (random.fraction() < faults.loss) return 0
  const copies = random.fraction() < faults.duplicate ? 2 : 1
  for (let i = 0; i < copies; i++) scheduler.after(random.fraction() * 2 * faults.delayMs * (1 + i), arrive)
  return copies
}
