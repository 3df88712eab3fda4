/** Processor time of other processes. */

import { readdirSync, readFileSync } from 'node:fs'
import type { CostedRound, Round } from './load.ts'

/** Seconds that all threads of the processes have run. */
export function cpuSeconds(pids: readonly number[]): number {
  const tasks = pids.flatMap((pid) => readdirSync(`/proc/${pid}/task`).map((task) => `/proc/${pid}/task/${task}/schedstat`))
  const ns = tasks.map((file) => Number(readFileSync(file, 'utf8').split(' ')[0]))
  return ns.reduce((sum, each) => sum + each, 0) / 1e9
}

/** Runs a round and sees what it costs these processes. */
export async function costed(pids: readonly number[], run: () => Promise<Round>): Promise<CostedRound> {
  const before = cpuSeconds(pids)
  const round = await run()
  return { ...round, cpuUsPerCommit: ((cpuSeconds(pids) - before) * 1e6) / round.commits }
}
