/** The command by which new owners say for how long sessions stood still, and its octets: commands.ts has the others. */

import type { Reader, Writer } from '../kit/wire.ts'

/**
 * For how long sessions stood still that came to their new owner from the gateway `from`, as that owner measured (owners.ts): of one takeover, or of
 * transfers of about one time. From cluster version 2 on.
 */
export interface Interruptions {
  readonly type: 'interruptions'
  /** The new owner's, who says it. */
  readonly incarnation: number
  readonly from: string
  readonly way: 'takeover' | 'transfer'
  /** Of all sessions of a takeover, in the first command about it; null in the others, and of transfers. */
  readonly summary: InterruptionSummary | null
  readonly figures: readonly InterruptionFigure[]
  /** The proposer's clock. */
  readonly nowMs: number
}

export interface InterruptionSummary {
  readonly sessions: number
  /** Of them without a packet in time. */
  readonly quiet: number
  readonly p50Ms: number
  readonly maxMs: number
}

/** `epoch`: the first of the new owner's. `isQuiet`: until a packet could have been carried, for none came in time. */
export interface InterruptionFigure {
  readonly session: number
  readonly epoch: number
  readonly ms: number
  readonly isQuiet: boolean
}

/** Of at least one figure. The middle of two is the longer one. */
export function summaryOf(figures: readonly InterruptionFigure[]): InterruptionSummary {
  const sorted = figures.map(({ ms }) => ms).sort((a, b) => a - b)
  const quiet = figures.filter(({ isQuiet }) => isQuiet).length
  return { sessions: sorted.length, quiet, p50Ms: sorted[Math.floor(sorted.length / 2)]!, maxMs: sorted.at(-1)! }
}

/** Longer ones are said to be as long: seven weeks. */
export const MAX_INTERRUPTION_MS = 0xffff_fffe
/** In one command: 10 KB. */
export const MAX_FIGURES = 1024
const MAX_GATEWAY = 64
const ways = ['takeover', 'transfer'] as const

export function encodeInterruptions(w: Writer, { incarnation, from, way, summary, figures, nowMs }: Interruptions): void {
  w.varint(incarnation)
    .text(from)
    .u8(ways.indexOf(way))
    .boolean(summary !== null)
  if (summary !== null) w.varint(summary.sessions).varint(summary.quiet).varint(summary.p50Ms).varint(summary.maxMs)
  w.varint(figures.length)
  for (const { session, epoch, ms, isQuiet } of figures)
    w.varint(session)
      .varint(epoch)
      .varint(2 * ms + (isQuiet ? 1 : 0))
  w.varint(nowMs)
}

export function decodeInterruptions(r: Reader): Interruptions {
  return {
    type: 'interruptions',
    incarnation: r.varint('incarnation'),
    from: r.text('from', MAX_GATEWAY),
    way: ways[r.u8('way')] ?? r.fail('way', 'expected 0 or 1'),
    summary: r.boolean('hasSummary')
      ? {
          sessions: r.varint('sessions'),
          quiet: r.varint('quiet'),
          p50Ms: r.count('p50', MAX_INTERRUPTION_MS),
          maxMs: r.count('max', MAX_INTERRUPTION_MS),
        }
      : null,
    figures: Array.from({ length: r.count('figures', MAX_FIGURES) }, () => decodeFigure(r)),
    nowMs: r.varint('nowMs'),
  }
}

function decodeFigure(r: Reader): InterruptionFigure {
  const [session, epoch, told] = [r.varint('session'), r.varint('epoch'), r.count('ms', 2 * MAX_INTERRUPTION_MS + 1)]
  return { session, epoch, ms: Math.floor(told / 2), isQuiet: told % 2 === 1 }
}
