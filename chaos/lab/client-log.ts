/** What charon, the client's daemon, wrote after a fault: a client that noticed nothing has nothing to say. */

import type { Check } from './check.ts'
import { check } from './check.ts'

/** The first retransmission of a request that met the fault is normal (4 s after it); the second means that no one answered for 11 s. */
const alarm = /initiating|re-?establish|giving up|deleting|retransmit 2/

const DAY_MS = 86_400_000

/**
 * The lines written at `sinceMs` (of the wall clock) or later. They have the time of day only, `01:23:45.678 12[IKE] …`, so a line counts
 * as later when it is so within half a day.
 */
export function logSince(log: string, sinceMs: number): string {
  const since = timeOfDayMs(new Date(sinceMs))
  return log
    .split('\n')
    .filter((line) => elapsedMs(since, loggedTimeMs(line)) < DAY_MS / 2)
    .join('\n')
}

/** When charon wrote the line, ms since midnight; NaN for no line of its. */
export function loggedTimeMs(line: string): number {
  const [, hours, minutes, seconds, ms] = /^(\d+):(\d+):(\d+)\.(\d+) /.exec(line) ?? []
  return ((Number(hours) * 60 + Number(minutes)) * 60 + Number(seconds)) * 1000 + Number(ms)
}

/** Since midnight, as charon writes it. */
export function timeOfDayMs(date: Date): number {
  return ((date.getHours() * 60 + date.getMinutes()) * 60 + date.getSeconds()) * 1000 + date.getMilliseconds()
}

/** From a time of day to a later one, over midnight if need be. */
export function elapsedMs(fromMs: number, toMs: number): number {
  return (toMs - fromMs + DAY_MS) % DAY_MS
}

export const CLIENT_LOG = "the client's log"

/** `log`: only what was written since the fault. */
export function checkClientUntroubled(log: string): Check {
  const alarms = log.split('\n').filter((line) => alarm.test(line))
  const retransmissions = log.split('\n').filter((line) => /retransmit 1\b/.test(line)).length
  const detail = alarms.length > 0 ? alarms.join(' | ') : `no word of it; ${retransmissions} first retransmissions`
  return check(CLIENT_LOG, alarms.length === 0, detail)
}
