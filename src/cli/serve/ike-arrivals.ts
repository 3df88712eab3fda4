/**
 * IKE messages from the packet core, its own and those that other gateways sent on. Of thousands of clients that connect at once they come in one turn of
 * the event loop, and each costs this thread a tenth of a millisecond before it is even decided that it waits. So they are looked at in slices.
 */

import type { FromPackets } from '../../gateway/packet-messages.ts'
import { Slices } from './slices.ts'

export type IkeMessage = Extract<FromPackets, { readonly type: 'ike' | 'mesh' }>

/** The packet core lets through some thousands at once. Beyond so many the newest are left out: clients repeat what is not answered. */
export const MAX_ARRIVALS = 16_384
const SLICE_MS = 1

export interface IkeArrivalsOptions {
  readonly handle: (message: IkeMessage) => void
  /** One was left out. */
  readonly leaveOut: () => void
  /** Monotonic. */
  readonly nowMs?: () => number
}

export class IkeArrivals {
  readonly #o: IkeArrivalsOptions
  readonly #slices: Slices
  /** In the order in which they came. */
  readonly #arrived = new Set<IkeMessage>()

  constructor(options: IkeArrivalsOptions) {
    this.#o = options
    this.#slices = new Slices(SLICE_MS, () => this.#next(), options.nowMs)
  }

  /** Handled soon, in the order in which they come. */
  arrive(message: IkeMessage): void {
    if (this.#arrived.size >= MAX_ARRIVALS) return this.#o.leaveOut()
    this.#arrived.add(message)
    this.#slices.wake()
  }

  close(): void {
    this.#slices.close()
    this.#arrived.clear()
  }

  #next(): boolean {
    for (const message of this.#arrived) {
      this.#arrived.delete(message)
      this.#o.handle(message)
      break
    }
    return this.#arrived.size > 0
  }
}
