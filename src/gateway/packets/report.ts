/** The packet core's figures, once a second. */

import type { PacketReport } from '../packet-messages.ts'
import type { DropCounters } from './drops.ts'
import type { OwnedSession } from './owned-session.ts'

const REPORT_MS = 1000
/** Sessions whose counters one report names: the oldest installed ones. */
export const MAX_REPORTED_SESSIONS = 16_384

export class Reporter {
  packetsIn = 0
  packetsOut = 0
  forwarded = 0
  relayed = 0
  horizonStalls = 0
  #packetsAtReport = 0
  #reportedAtMs: number | null = null

  /** Null: none is due. */
  report(sessions: Iterable<OwnedSession>, drops: DropCounters, nowMs: number): PacketReport | null {
    const sinceMs = this.#reportedAtMs
    if (sinceMs !== null && nowMs - sinceMs < REPORT_MS) return null
    const packets = this.packetsIn + this.packetsOut
    const packetsPerSecond = sinceMs === null ? 0 : Math.round(((packets - this.#packetsAtReport) * 1000) / (nowMs - sinceMs))
    this.#packetsAtReport = packets
    this.#reportedAtMs = nowMs
    const { packetsIn, packetsOut, forwarded, relayed, horizonStalls } = this
    return {
      packetsPerSecond,
      packetsIn,
      packetsOut,
      forwarded,
      relayed,
      horizonStalls,
      drops: drops.toRecord(),
      sessions: reportedSessions(sessions),
    }
  }
}

function reportedSessions(sessions: Iterable<OwnedSession>): PacketReport['sessions'] {
  const reported: PacketReport['sessions'][number][] = []
  for (const { session, children } of sessions) {
    if (reported.length === MAX_REPORTED_SESSIONS) break
    const counters = children.map(({ spiIn, next, window, packetsIn, packetsOut, octetsIn, octetsOut }) => {
      return { spiIn, next, highest: window.highest, packetsIn, packetsOut, octetsIn, octetsOut }
    })
    reported.push({ session, children: counters })
  }
  return reported
}
