/**
 * When a request is sent again and when it is given up (RFC 7296 §2.4), with strongSwan's formula: after the n-th sending wait
 * `firstMs × base^n`. Its defaults send at 0, 4.0, 11.2, 24.2, 47.5 and 89.5 s and give up after 165 s.
 */

import type { Bytes } from '../kit/bytes.ts'

export interface RetransmissionTimes {
  readonly firstMs: number
  readonly base: number
  /** How often a request is sent again. */
  readonly tries: number
  /** No wait is longer. */
  readonly limitMs: number
}

/** Those of strongSwan 5.9.8 (retransmit_timeout, retransmit_base, retransmit_tries); it has no limit. */
export const strongSwanTimes: RetransmissionTimes = { firstMs: 4000, base: 1.8, tries: 5, limitMs: Infinity }

/** How long to wait for an answer after a request was sent `again` times again. */
export function waitMs(times: RetransmissionTimes, again: number): number {
  return Math.min(times.limitMs, times.firstMs * times.base ** again)
}

/** The one request that is unanswered, if any. */
export class Retransmission {
  readonly #times: RetransmissionTimes
  #request: Bytes | null = null
  #again = 0
  #dueMs = Infinity

  constructor(times: RetransmissionTimes) {
    this.#times = times
  }

  /** Follows what is pending now; a request that it doesn't know has just been sent. */
  track(pending: Bytes | null, nowMs: number): void {
    if (pending === this.#request) return
    this.#request = pending
    this.#again = 0
    this.#dueMs = pending === null ? Infinity : nowMs + waitMs(this.#times, 0)
  }

  /** `again`: send it again now. `give-up`: it was sent often enough. */
  check(nowMs: number): 'wait' | 'again' | 'give-up' {
    if (nowMs < this.#dueMs) return 'wait'
    if (this.#again >= this.#times.tries) return 'give-up'
    this.#again += 1
    this.#dueMs = nowMs + waitMs(this.#times, this.#again)
    return 'again'
  }
}
