/**
 * How soon after a takeover every session may be sent to again, from stamped packets of a source that serves the sessions in turn, a packet each, all
 * the time. Pure; all times are ms of one clock.
 *
 * A session's packet that arrives shows that the session could be sent to by then. So what is looked at is how long packets had to wait, that
 * were on their way at the takeover or were sent soon after it, and whether any that was sent after it never arrived.
 */

export interface FleetPacket {
  readonly sentMs: number
  /** Null: never. */
  readonly arrivedMs: number | null
}

export interface Readiness {
  /** By then after the takeover nobody had to wait any more, and nothing was lost any more. */
  readonly allReadyMs: number
  readonly lostBefore: number
  readonly lostAfter: number
  /** The longest delay of packets that were sent in the second before the fault: what this machine does by itself. */
  readonly usualDelayMs: number
}

/** A packet that is late a second after a takeover is late for another reason. */
const SOON_MS = 1_000

export function readinessOf(packets: readonly FleetPacket[], faultMs: number, takeoverMs: number): Readiness {
  const waits = packets
    .filter(({ sentMs }) => sentMs >= faultMs && sentMs < takeoverMs + SOON_MS)
    .map(({ sentMs, arrivedMs }) => (arrivedMs === null ? 0 : arrivedMs - Math.max(sentMs, takeoverMs)))
  const lost = packets.filter(({ sentMs, arrivedMs }) => sentMs >= faultMs && arrivedMs === null).map(({ sentMs }) => sentMs - takeoverMs)
  const before = packets.filter(({ sentMs }) => sentMs >= faultMs - SOON_MS && sentMs < faultMs)
  return {
    allReadyMs: greatest([...waits, ...lost]),
    lostBefore: lost.filter((afterMs) => afterMs < 0).length,
    lostAfter: lost.filter((afterMs) => afterMs >= 0).length,
    usualDelayMs: greatest(before.map(({ sentMs, arrivedMs }) => (arrivedMs === null ? 0 : arrivedMs - sentMs))),
  }
}

/** At least 0. */
function greatest(values: readonly number[]): number {
  return values.reduce((most, value) => Math.max(most, value), 0)
}
