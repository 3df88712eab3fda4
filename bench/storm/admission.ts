/** How soon clients were admitted, and what became of an established session's packets meanwhile. Pure; all times are ms of one clock. */

import { percentile } from '../bench.ts'
import type { FleetPacket } from '../fleet/readiness.ts'

/** A client's one attempt. */
export interface Attempt {
  /** Null: it was not its turn yet when all ended. */
  readonly begunMs: number | null
  /** Null: never. */
  readonly upMs: number | null
  readonly retransmissions: number
  /** With which it gave up. */
  readonly problem: string | null
}

export interface Admission {
  readonly up: number
  readonly gaveUp: number
  /** Neither up nor given up. */
  readonly waiting: number
  /** Until the last that came up was up. */
  readonly allMs: number
  /** A second, while the middle nine tenths came up: the ends are of few. */
  readonly perSecond: number
  /** Ascending: from its beginning until it was up, of each. */
  readonly connectMs: readonly number[]
  readonly retransmissions: number
  readonly mostRetransmissions: number
}

export function admissionOf(attempts: readonly Attempt[], beginMs: number): Admission {
  const up = attempts.flatMap(({ upMs, begunMs }) => (upMs === null ? [] : [{ upMs, tookMs: upMs - (begunMs ?? beginMs) }]))
  const times = up.map(({ upMs }) => upMs - beginMs).toSorted((a, b) => a - b)
  const [from, to] = [percentile(times, 5), percentile(times, 95)]
  const gaveUp = attempts.filter(({ problem }) => problem !== null).length
  return {
    up: up.length,
    gaveUp,
    waiting: attempts.length - up.length - gaveUp,
    allMs: times.at(-1) ?? 0,
    perSecond: to > from ? (0.9 * times.length * 1000) / (to - from) : 0,
    connectMs: up.map(({ tookMs }) => tookMs).toSorted((a, b) => a - b),
    retransmissions: attempts.reduce((sum, { retransmissions }) => sum + retransmissions, 0),
    mostRetransmissions: attempts.reduce((most, { retransmissions }) => Math.max(most, retransmissions), 0),
  }
}

export interface Disturbance {
  readonly packets: number
  readonly lost: number
  /** Of those that arrived, in ms. */
  readonly p50: number
  readonly p99: number
  readonly most: number
  /** For so long nothing was sent: what the sender's own process stood still for. */
  readonly senderMs: number
}

/** Of the packets that were sent from `fromMs` to before `toMs`. */
export function disturbanceOf(packets: readonly FleetPacket[], fromMs: number, toMs: number): Disturbance {
  const all = packets.filter(({ sentMs }) => sentMs >= fromMs && sentMs < toMs)
  const delays = all.flatMap(({ sentMs, arrivedMs }) => (arrivedMs === null ? [] : [arrivedMs - sentMs])).toSorted((a, b) => a - b)
  const gaps = all.slice(1).map(({ sentMs }, i) => sentMs - all[i]!.sentMs)
  return {
    packets: all.length,
    lost: all.length - delays.length,
    p50: percentile(delays, 50),
    p99: percentile(delays, 99),
    most: delays.at(-1) ?? 0,
    senderMs: gaps.reduce((most, gap) => Math.max(most, gap), 0),
  }
}

/** How many of the moments lie in each span of `spanMs` from `fromMs` to `toMs`. */
export function countsOver(moments: readonly number[], fromMs: number, toMs: number, spanMs: number): number[] {
  const counts = Array.from({ length: Math.max(1, Math.ceil((toMs - fromMs) / spanMs)) }, () => 0)
  for (const moment of moments) {
    const i = Math.floor((moment - fromMs) / spanMs)
    if (i >= 0 && i < counts.length) counts[i]! += 1
  }
  return counts
}
