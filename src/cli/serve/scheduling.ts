/**
 * How much of a busy machine's processors this process gets before others. A gateway that waits for a processor is silent meanwhile, and its
 * sessions are taken over (docs/failure-detection.md).
 */

import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { setPriority } from 'node:os'
import type { Logger } from 'pino'

/**
 * Linux keeps the value by thread; threads that are started later inherit it. Where it shares processors out by session (sched_autogroup(7)),
 * the session's value is what counts against other services. What is not permitted is left as it is.
 */
export function setNice(nice: number, logger: Logger): void {
  try {
    for (const thread of readdirSync('/proc/self/task')) setPriority(Number(thread), nice)
    setNiceOfSession(nice)
  } catch (error) {
    logger.info({ event: 'nice-not-set', nice, reason: (error as Error).message })
  }
}

/** Only of a session that this process began, as services do: else it is somebody else's, too. */
function setNiceOfSession(nice: number): void {
  // After the name in parentheses: state, parent, process group, session (proc_pid_stat(5)).
  const session = readFileSync('/proc/self/stat', 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ')[3]
  if (Number(session) !== process.pid) return
  try {
    writeFileSync('/proc/self/autogroup', `${nice}`)
  } catch (error) {
    // A kernel without it.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
  }
}
