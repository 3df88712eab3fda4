/**
 * How much of a busy machine's processors this process gets before others. A gateway that waits for a processor is silent meanwhile, and its
 * sessions are taken over (docs/failure-detection.md).
 */

import { readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { setPriority } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import type { EventLog } from './logging/event-log.ts'

/** The kernel takes a session's value only so often from all who are not root together: later is soon enough. */
const AGAIN_MS = 150
const TRIES = 40

/**
 * Linux keeps the value by thread; threads that are started later inherit it. Where it shares processors out by session (sched_autogroup(7)),
 * the session's value is what counts against other services. What is not permitted is left as it is, and told. The threads have it at once; resolves
 * when the session has it, too, or will not.
 */
export async function setNice(nice: number, logger: Pick<EventLog, 'write'>): Promise<void> {
  try {
    for (const thread of readdirSync('/proc/self/task')) setPriority(Number(thread), nice)
    await setNiceOfSession(nice)
  } catch (error) {
    logger.write('nice-not-set', { nice, reason: (error as Error).message })
  }
}

/** Only of a session that this process began, as services do: else it is somebody else's, too. */
async function setNiceOfSession(nice: number): Promise<void> {
  // After the name in parentheses: state, parent, process group, session (proc_pid_stat(5)).
  const session = readFileSync('/proc/self/stat', 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ')[3]
  if (Number(session) !== process.pid) return
  for (let tried = 1; !isSetNow(nice, tried < TRIES); tried++) await delay(AGAIN_MS, undefined, { ref: false })
}

/** False: not now, for somebody else's was set a moment ago. */
function isSetNow(nice: number, mayWait: boolean): boolean {
  try {
    writeFileSync('/proc/self/autogroup', `${nice}`)
    return true
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    // A kernel without it.
    if (code === 'ENOENT') return true
    if (code === 'EAGAIN' && mayWait) return false
    throw error
  }
}
