/** Processor time of other processes. */

import { readdirSync, readFileSync } from 'node:fs'

/** Seconds that all threads of the processes have run. */
export function cpuSeconds(pids: readonly number[]): number {
  const tasks = pids.flatMap((pid) => readdirSync(`/proc/${pid}/task`).map((task) => `/proc/${pid}/task/${task}/schedstat`))
  const ns = tasks.map((file) => Number(readFileSync(file, 'utf8').split(' ')[0]))
  return ns.reduce((sum, each) => sum + each, 0) / 1e9
}
