/** The packet core's figures, once a second. */

import type { PacketReport } from '../packet-messages.ts'
import type { DropCounters } from './drops.ts'

const REPORT_MS = 1000

export class Reporter {
  packetsIn = 0
  packetsOut = 0
  forwarded = 0
  relayed = 0
  horizonStalls = 0
  ceilingStalls = 0
  #packetsAtReport = 0
  #reportedAtMs: number | null = null

  /** Null: none is due. */
  report(drops: DropCounters, nowMs: number): PacketReport | null {
    const sinceMs = this.#reportedAtMs
    if (sinceMs !== null && nowMs - sinceMs < REPORT_MS) return null
    const packets = this.packetsIn + this.packetsOut
    const packetsPerSecond = sinceMs === null ? 0 : Math.round(((packets - this.#packetsAtReport) * 1000) / (nowMs - sinceMs))
    this.#packetsAtReport = packets
    this.#reportedAtMs = nowMs
    const { packetsIn, packetsOut, forwarded, relayed, horizonStalls, ceilingStalls } = this
    return {
      packetsPerSecond,
      packetsIn,
      packetsOut,
      forwarded,
      relayed,
      horizonStalls,
      ceilingStalls,
      drops: drops.toRecord(),
    }
  }
}
