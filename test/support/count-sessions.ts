/** What is counted as sessions come and go, counted anew. */

import { derive } from '../../src/session/derive.ts'
import type { State } from '../../src/session/state.ts'
import { phases } from '../../src/context/session-context-codec.ts'

/** How many established sessions, and of any phase, each incarnation owns, and their packets a second: by a look at every session. */
export function countSessions(state: State): Map<number, { established: number; all: number; packetsPerSecond: number }> {
  const counts = new Map<number, { established: number; all: number; packetsPerSecond: number }>()
  const { sessions } = state
  for (let row = 0; row < sessions.end; row++) {
    if (!sessions.isUsed(row)) continue
    const owner = derive(state, row)
    const count = counts.get(owner) ?? { established: 0, all: 0, packetsPerSecond: 0 }
    counts.set(owner, count)
    count.all += 1
    if (phases[sessions.phase[row]!] !== 'established') continue
    count.established += 1
    count.packetsPerSecond += sessions.packetsPerSecond[row]!
  }
  return counts
}
