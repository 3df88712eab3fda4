/** What a round costs the servers. */

import { cpuSeconds } from '../process/cpu-seconds.ts'
import type { CostedRound, Round } from './load.ts'

/** Runs a round and sees what it costs these processes. */
export async function costed(pids: readonly number[], run: () => Promise<Round>): Promise<CostedRound> {
  const before = cpuSeconds(pids)
  const round = await run()
  return { ...round, cpuUsPerCommit: ((cpuSeconds(pids) - before) * 1e6) / round.commits }
}
