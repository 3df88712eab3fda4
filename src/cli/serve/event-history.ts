/** The last events of a gateway, and whoever follows them. */

import type { AdminEvent, EventQuery } from '../../admin/source.ts'
import type { GatewayEvent } from '../../gateway/events.ts'

const REMEMBERED = 10_000
/** A follower that reads too slowly loses the oldest. */
const MAX_WAITING = 10_000

interface Follower {
  readonly waiting: AdminEvent[]
  wake: (() => void) | null
}

export class EventHistory {
  readonly #events: AdminEvent[] = []
  readonly #followers = new Set<Follower>()

  #after: number

  /** `index`: of the last command that was applied before. */
  constructor(index: number) {
    this.#after = index
  }

  /** All events with a higher index are remembered. */
  get after(): number {
    return this.#after
  }

  /** What came up to this index was not seen happen. */
  missed(index: number): void {
    this.#after = Math.max(this.#after, index)
  }

  add(event: GatewayEvent): void {
    const shown = showEvent(event)
    this.#events.push(shown)
    if (this.#events.length > REMEMBERED) this.#after = Math.max(this.#after, this.#events.shift()!.index)
    for (const follower of this.#followers) {
      follower.waiting.push(shown)
      if (follower.waiting.length > MAX_WAITING) follower.waiting.shift()
      follower.wake?.()
    }
  }

  /** Events with a higher index than `after` (null: only those to come), then, with `follow`, those that come, until the signal aborts. */
  async *read({ after, follow }: EventQuery, signal: AbortSignal): AsyncGenerator<AdminEvent> {
    const past = after === null ? [] : this.#events.filter(({ index }) => index > after)
    if (follow) yield* this.#follow(past, signal)
    else yield* past
  }

  async *#follow(past: AdminEvent[], signal: AbortSignal): AsyncGenerator<AdminEvent> {
    const follower: Follower = { waiting: past, wake: null }
    this.#followers.add(follower)
    const wakeUp = (): void => follower.wake?.()
    signal.addEventListener('abort', wakeUp)
    try {
      while (!signal.aborted) {
        const next = follower.waiting.shift()
        if (next !== undefined) yield next
        else await new Promise<void>((resolve) => (follower.wake = resolve))
      }
    } finally {
      signal.removeEventListener('abort', wakeUp)
      this.#followers.delete(follower)
    }
  }
}

function showEvent(event: GatewayEvent): AdminEvent {
  const { index, timeMs, type, session, gateway, from, to, epoch, what } = event
  const { interruptionMs, interruptionP50Ms, sessions, quiet } = event
  return {
    index,
    time: new Date(timeMs).toISOString(),
    type,
    what,
    ...(session === undefined ? {} : { session: String(session) }),
    ...(gateway === undefined ? {} : { gateway }),
    ...(from === undefined ? {} : { from }),
    ...(to === undefined ? {} : { to }),
    ...(epoch === undefined ? {} : { epoch }),
    ...(interruptionMs === undefined ? {} : { interruptionMs }),
    ...(interruptionP50Ms === undefined ? {} : { interruptionP50Ms }),
    ...(sessions === undefined ? {} : { sessions }),
    ...(quiet === undefined ? {} : { quiet }),
  }
}
