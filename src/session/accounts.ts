/**
 * What sessions have carried in all their tenures. Whoever has a session tells now and then what came to it since it last did, and those amounts are
 * added up: the log delivers each once, so nothing is counted twice, and nothing is ever counted down. An amount stays true when its teller has
 * no session any more, so it names no epoch.
 */

import type { Traffic } from '../context/traffic.ts'
import { noTraffic } from '../context/traffic.ts'
import { motionPart } from './changes.ts'
import type { Account } from './commands.ts'
import type { Result } from './results.ts'
import type { State } from './state.ts'

export function account(state: State, command: Account): Result {
  const { sessions } = state
  const taken: number[] = []
  for (const { session, packetsIn, packetsOut, octetsIn, octetsOut } of command.sessions) {
    const row = sessions.find(session)
    // It has ended, and whoever tells of its end knew of this.
    if (row === -1) continue
    sessions.changes.before(row, motionPart)
    sessions.packetsIn[row] = sum(sessions.packetsIn[row]!, packetsIn)
    sessions.packetsOut[row] = sum(sessions.packetsOut[row]!, packetsOut)
    sessions.octetsIn[row] = sum(sessions.octetsIn[row]!, octetsIn)
    sessions.octetsOut[row] = sum(sessions.octetsOut[row]!, octetsOut)
    taken.push(session)
  }
  return { type: 'batch', taken, refused: [] }
}

/** What is agreed that the session has carried; nothing: there is no such session. */
export function trafficOf({ sessions }: State, session: number): Traffic {
  const row = sessions.find(session)
  return row === -1 ? noTraffic : trafficOfRow(sessions, row)
}

export function trafficOfRow(sessions: State['sessions'], row: number): Traffic {
  return {
    packetsIn: sessions.packetsIn[row]!,
    packetsOut: sessions.packetsOut[row]!,
    octetsIn: sessions.octetsIn[row]!,
    octetsOut: sessions.octetsOut[row]!,
  }
}

/** Exact as long as it can be. */
function sum(a: number, b: number): number {
  return Math.min(Number.MAX_SAFE_INTEGER, a + b)
}
