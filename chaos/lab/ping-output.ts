/**
 * What `ping -D` printed, and the longest gap between its replies: what the user of the tunnel noticed of a fault.
 *
 *     [1795477902.935590] 64 bytes from 10.50.0.50: icmp_seq=1 ttl=63 time=0.814 ms
 */

import type { Check } from './check.ts'
import { check } from './check.ts'

export interface PingReply {
  /** When it came, ms of the wall clock. */
  readonly timeMs: number
  readonly sequence: number
}

export interface PingRecord {
  /** In order of arrival, without duplicates. */
  readonly replies: readonly PingReply[]
  readonly duplicates: number
  readonly transmitted: number
  /** Lines such as `From 10.99.0.11 icmp_seq=7 Destination Host Unreachable`. */
  readonly complaints: readonly string[]
}

/** When nothing was sent on purpose. */
export interface Pause {
  readonly fromMs: number
  readonly toMs: number
}

export interface Gap {
  readonly lengthMs: number
  /** icmp_seq of the last reply before the gap, null when there was none. */
  readonly after: number | null
  /** icmp_seq of the first reply after it, null when none came any more. */
  readonly before: number | null
}

export const PINGS_FLOW = 'pings flow at the end'

const replyLine = /^\[(\d+\.\d+)\] \d+ bytes from [^ ]+: icmp_seq=(\d+) (.*)$/
const summaryLine = /^(\d+) packets transmitted/
const complaintLine = /^(?:\[\d+\.\d+\] )?(?:From |ping: )/

/** Lines that say nothing of replies are left out. A run that was cut off has no summary: then the highest number seen counts as sent. */
export function parsePing(text: string): PingRecord {
  const replies: PingReply[] = []
  const complaints: string[] = []
  let duplicates = 0
  let transmitted = 0
  for (const line of text.split('\n')) {
    const reply = replyLine.exec(line)
    if (reply !== null) {
      const sequence = Number(reply[2])
      if (reply[3]?.includes('(DUP!)') === true) duplicates++
      else replies.push({ timeMs: Number(reply[1]) * 1000, sequence })
      transmitted = Math.max(transmitted, sequence)
    } else if (complaintLine.test(line)) complaints.push(line)
    else transmitted = Math.max(transmitted, Number(summaryLine.exec(line)?.[1] ?? 0))
  }
  return { replies, duplicates, transmitted, complaints }
}

/** The longest time without a reply between the first one and `untilMs`, when the sending ended; pauses in the sending don't count. */
export function longestGap(replies: readonly PingReply[], untilMs: number, pauses: readonly Pause[] = []): Gap {
  let longest: Gap = { lengthMs: 0, after: null, before: null }
  for (const [i, reply] of replies.entries()) {
    const next = replies[i + 1]
    const endMs = next?.timeMs ?? untilMs
    const lengthMs = endMs - reply.timeMs - pausedMs(pauses, reply.timeMs, endMs)
    if (lengthMs > longest.lengthMs) longest = { lengthMs, after: reply.sequence, before: next?.sequence ?? null }
  }
  return longest
}

function pausedMs(pauses: readonly Pause[], fromMs: number, toMs: number): number {
  return pauses.reduce((sum, pause) => sum + Math.max(0, Math.min(toMs, pause.toMs) - Math.max(fromMs, pause.fromMs)), 0)
}

/** As if the last `count` had not been sent: nobody waited for their answers. Those that came are in it, for they end a gap. */
export function withoutLast(record: PingRecord, count: number): PingRecord {
  return { ...record, transmitted: Math.max(0, record.transmitted - count) }
}

/** Numbers sent and never answered. The last one does not count: sending was ended without waiting for its answer. */
export function lostPings({ replies, transmitted }: PingRecord): number[] {
  const answered = new Set(replies.map(({ sequence }) => sequence))
  return Array.from({ length: Math.max(0, transmitted - 1) }, (_, i) => i + 1).filter((sequence) => !answered.has(sequence))
}

/** Numbers in ascending order as ranges: `3, 7–9`. */
export function formatRanges(numbers: readonly number[]): string {
  const ranges: { first: number; last: number }[] = []
  for (const number of numbers) {
    const range = ranges.at(-1)
    if (range !== undefined && range.last + 1 === number) range.last = number
    else ranges.push({ first: number, last: number })
  }
  return ranges.map(({ first, last }) => (first === last ? `${first}` : `${first}–${last}`)).join(', ')
}

/** Each packet at most once: a second copy would mean that a replayed one was accepted. */
export function checkNoDuplicates(record: PingRecord): Check {
  return check('no ping was answered twice', record.duplicates === 0, `${record.duplicates} duplicates in ${record.replies.length} replies`)
}

/** `record`: of the pings that were sent once the fault was long over. */
export function checkTrafficFlows(record: PingRecord): Check {
  const lost = lostPings(record)
  const isOk = record.transmitted > 1 && lost.length === 0
  return check(
    PINGS_FLOW,
    isOk,
    `${record.replies.length} of ${record.transmitted} answered${lost.length === 0 ? '' : `, lost ${formatRanges(lost)}`}`,
  )
}
