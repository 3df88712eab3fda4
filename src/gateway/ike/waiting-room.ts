/**
 * Requests of clients that are not in yet: they wait here until the gateway says that there is time for one more. After an outage all clients connect
 * at once, and whoever is in already must not notice. Who has begun goes first; otherwise the order is that of arrival.
 */

import type { Now } from '../clock.ts'

export type WaitingLane = 'begun' | 'new'

/** `waits`: it is served in its turn; `known`: the same waits already; `full`: there are too many. */
export type Entered = 'waits' | 'known' | 'full'

type Serve = (now: Now) => void

interface Waiting {
  readonly octets: number
  readonly serve: Serve
}

const MAX_WAITING = 4096
const MAX_WAITING_OCTETS = 16 * 2 ** 20

class Lane {
  readonly #waiting = new Map<string, Waiting>()
  #octets = 0

  get size(): number {
    return this.#waiting.size
  }

  enter(key: string, waiting: Waiting): Entered {
    if (this.#waiting.has(key)) return 'known'
    if (this.size >= MAX_WAITING || this.#octets + waiting.octets > MAX_WAITING_OCTETS) return 'full'
    this.#waiting.set(key, waiting)
    this.#octets += waiting.octets
    return 'waits'
  }

  take(): Serve | null {
    for (const [key, { octets, serve }] of this.#waiting) {
      this.#waiting.delete(key)
      this.#octets -= octets
      return serve
    }
    return null
  }

  clear(): void {
    this.#waiting.clear()
    this.#octets = 0
  }
}

export class WaitingRoom {
  readonly #begun = new Lane()
  readonly #new = new Lane()
  readonly #onWaiting: (() => void) | null

  /** `onWaiting`: somebody waits, so `serve` is to be called before long. Null: nobody has to. */
  constructor(onWaiting: (() => void) | null) {
    this.#onWaiting = onWaiting
  }

  get waiting(): number {
    return this.#begun.size + this.#new.size
  }

  /** `key`: the same for a datagram that comes again. */
  enter(lane: WaitingLane, key: string, octets: number, now: Now, serve: Serve): Entered {
    if (this.#onWaiting === null) {
      serve(now)
      return 'waits'
    }
    const entered = (lane === 'begun' ? this.#begun : this.#new).enter(key, { octets, serve })
    if (entered === 'waits') this.#onWaiting()
    return entered
  }

  /** Has the next one's turn. False: nobody waits, or only new ones, for whom there is no time now. */
  serve(now: Now, mayBegin: boolean): boolean {
    const serve = this.#begun.take() ?? (mayBegin ? this.#new.take() : null)
    serve?.(now)
    return serve !== null
  }

  /** Nobody waits any more. */
  clear(): void {
    this.#begun.clear()
    this.#new.clear()
  }
}
