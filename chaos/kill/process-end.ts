/** Processes that are to end by themselves. */

import { setTimeout as delay } from 'node:timers/promises'
import type { LabProcess } from '../lab/processes.ts'
import { NoProgress } from '../sim/no-progress.ts'

const LOOK_MS = 100

/** Resolves when it has ended; throws NoProgress with these words when it does not. */
export async function untilEnded(process: LabProcess, limitMs: number, signal: AbortSignal, otherwise: string): Promise<void> {
  const deadline = Date.now() + limitMs
  while (process.isRunning) {
    if (Date.now() > deadline) throw new NoProgress(otherwise)
    await delay(LOOK_MS, undefined, { signal })
  }
}
