/**
 * One direction of one session: a source that numbers and stamps a packet every 20 ms whatever happens to the gateways, and a sink that
 * remembers what it saw. Pure; the time comes in.
 */

import { SequenceHistory } from '../../client/sequence-history.ts'
import { Pacer } from './pacer.ts'

/** At 50 packets/s some 20 s: more than the time around an event that is looked at. */
const REMEMBERED = 1024

export class FlowSource {
  readonly #pacer: Pacer
  readonly #stamps = new Float64Array(REMEMBERED)

  /** The first packet is due at `startMs`. */
  constructor(startMs: number) {
    this.#pacer = new Pacer(startMs)
  }

  get sent(): number {
    return this.#pacer.sent
  }

  /** The counter of a packet that is due, to be sent now; null when none is. Ask until null: a late source makes up for it. */
  due(nowMs: number): number | null {
    const counter = this.#pacer.due(nowMs)
    if (counter !== null) this.#stamps[counter % REMEMBERED] = nowMs
    return counter
  }

  /** The counters sent from `fromMs` to `toMs`, as far as remembered. */
  sentBetween(fromMs: number, toMs: number): { first: number; count: number } {
    const { sent } = this.#pacer
    let first = Math.max(0, sent - REMEMBERED)
    while (first < sent && this.#stamps[first % REMEMBERED]! < fromMs) first++
    let end = first
    while (end < sent && this.#stamps[end % REMEMBERED]! <= toMs) end++
    return { first, count: end - first }
  }
}

export class FlowSink {
  /** Without the duplicated. */
  received = 0
  duplicated = 0
  lastMs = -Infinity
  readonly #seen = new SequenceHistory()
  readonly #times = new Float64Array(REMEMBERED)
  readonly #counters = new Float64Array(REMEMBERED)

  arrive(counter: number, nowMs: number): void {
    if (this.#seen.see(counter)) {
      this.duplicated += 1
      return
    }
    const at = this.received % REMEMBERED
    this.#times[at] = nowMs
    this.#counters[at] = counter
    this.received += 1
    this.lastMs = nowMs
  }

  /** What arrived from `fromMs` on, as far as remembered, in order of arrival. */
  since(fromMs: number): { times: number[]; counters: number[] } {
    const times: number[] = []
    const counters: number[] = []
    for (let i = Math.max(0, this.received - REMEMBERED); i < this.received; i++) {
      const time = this.#times[i % REMEMBERED]!
      if (time < fromMs) continue
      times.push(time)
      counters.push(this.#counters[i % REMEMBERED]!)
    }
    return { times, counters }
  }
}
