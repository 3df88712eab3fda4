/**
 * One direction of one client's datagrams: a source that numbers them, at one rate whatever happens, and a sink that remembers which came, which came twice,
 * and when none came. Pure; times are monotonic ms.
 */

import { Pacer } from '../../src/cli/demo/pacer.ts'
import { SequenceHistory } from '../../src/client/sequence-history.ts'

/** A silence that is as long is noted. */
export const NOTED_SILENCE_MS = 150

export class Source {
  readonly #periodMs: number
  /** Null: nothing is due yet. */
  #pacer: Pacer | null = null

  constructor(perSecond: number) {
    this.#periodMs = 1000 / perSecond
  }

  get sent(): number {
    return this.#pacer?.sent ?? 0
  }

  /** The first is due now. */
  begin(nowMs: number): void {
    this.#pacer = new Pacer(nowMs, this.#periodMs)
  }

  /** The number of a datagram that is due, to be sent now; null when none is. Ask until null: who is late makes up for it. */
  due(nowMs: number): number | null {
    return this.#pacer?.due(nowMs) ?? null
  }
}

export interface Silence {
  readonly fromMs: number
  readonly toMs: number
}

export interface FlowReport {
  readonly sent: number
  /** Without those that came again. */
  readonly received: number
  readonly duplicates: readonly { readonly number: number; readonly atMs: number }[]
  readonly silences: readonly Silence[]
}

export class Sink {
  /** When what came last was sent: −∞ before anything came. */
  latestSentMs = -Infinity
  #received = 0
  #lastMs: number | null = null
  readonly #seen = new SequenceHistory()
  readonly #duplicates: { readonly number: number; readonly atMs: number }[] = []
  readonly #silences: Silence[] = []

  arrive(number: number, sentMs: number, nowMs: number): void {
    if (this.#seen.see(number)) {
      this.#duplicates.push({ number, atMs: nowMs })
      return
    }
    this.#received += 1
    this.latestSentMs = Math.max(this.latestSentMs, sentMs)
    this.#note(nowMs)
    this.#lastMs = nowMs
  }

  /** `sent`: by the other side. A silence that has not ended is one until `nowMs`. */
  report(sent: number, nowMs: number): FlowReport {
    this.#note(nowMs)
    return { sent, received: this.#received, duplicates: this.#duplicates, silences: this.#silences }
  }

  #note(nowMs: number): void {
    if (this.#lastMs !== null && nowMs - this.#lastMs >= NOTED_SILENCE_MS) this.#silences.push({ fromMs: this.#lastMs, toMs: nowMs })
  }
}
