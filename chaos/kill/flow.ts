/**
 * One direction of one client's datagrams: a source that numbers them, at one rate whatever happens, and a sink that remembers which came, which came twice,
 * and when none came. Pure; times are monotonic ms.
 */

/** A silence that is as long is noted. */
export const NOTED_SILENCE_MS = 150

export class Source {
  sent = 0
  readonly #periodMs: number
  #nextMs = Infinity

  constructor(perSecond: number) {
    this.#periodMs = 1000 / perSecond
  }

  /** The first is due now. */
  begin(nowMs: number): void {
    this.#nextMs = nowMs
  }

  /** The number of a datagram that is due, to be sent now; null when none is. Ask until null: who is late makes up for it. */
  due(nowMs: number): number | null {
    if (nowMs < this.#nextMs) return null
    this.#nextMs += this.#periodMs
    return this.sent++
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
  #seen = new Uint8Array(1024)
  readonly #duplicates: { readonly number: number; readonly atMs: number }[] = []
  readonly #silences: Silence[] = []

  arrive(number: number, sentMs: number, nowMs: number): void {
    if (this.#see(number)) {
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

  /** Whether it has been seen before. */
  #see(number: number): boolean {
    const at = number >>> 3
    const bit = 1 << (number & 7)
    if (at >= this.#seen.length) {
      const wider = new Uint8Array(Math.max(2 * this.#seen.length, at + 1))
      wider.set(this.#seen)
      this.#seen = wider
    }
    const isSeen = (this.#seen[at]! & bit) !== 0
    this.#seen[at]! |= bit
    return isSeen
  }
}
