/** What charon, the client's daemon, wrote after a fault: a client that noticed nothing has nothing to say. */

import type { Check } from './check.ts'
import { check } from './check.ts'

/** The first retransmission of a request that met the fault is normal (4 s after it); the second means that no one answered for 11 s. */
const alarm = /initiating|re-?establish|giving up|deleting|retransmit 2/

export const CLIENT_LOG = "the client's log"

/** `log`: only what was written since the fault. */
export function checkClientUntroubled(log: string): Check {
  const alarms = log.split('\n').filter((line) => alarm.test(line))
  const retransmissions = log.split('\n').filter((line) => /retransmit 1\b/.test(line)).length
  const detail = alarms.length > 0 ? alarms.join(' | ') : `no word of it; ${retransmissions} first retransmissions`
  return check(CLIENT_LOG, alarms.length === 0, detail)
}
