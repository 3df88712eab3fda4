/**
 * What an established PSK session (one IKE SA, one Child SA, one virtual address) costs a gateway in memory, all told: the process's resident
 * set, and what of it is the JavaScript heap and the typed arrays of the replicated state. And for how long a gateway's main thread stands still
 * that has so many, and is at work (memory/stalls.ts).
 */

import { fork } from 'node:child_process'
import { once } from 'node:events'
import type { Bench, BenchOptions, Measurement } from './bench.ts'
import { drawMemory } from './memory/picture.ts'
import { measureStalls } from './memory/stalls.ts'

export const memoryBench: Bench = {
  name: 'memory',
  question:
    'octets a session on a gateway that owns none of them, and on one that established all; and stalls of the event loop with so many',
  parameters: ({ isQuick }) => ({ sessions: sessionsOf({ isQuick }) }),
  async run(options: BenchOptions, report: (row: Measurement) => void) {
    // Each in a process of its own: what one had would lie in the other's resident set.
    for (const role of ['bystander', 'owner']) {
      const child = fork(new URL('./memory/process.js', import.meta.url), [String(sessionsOf(options)), role])
      child.on('message', (row) => report(row as Measurement))
      const [code] = (await once(child, 'exit')) as [number | null]
      if (code !== 0) throw new Error(`the ${role} ended with ${code}`)
    }
    await measureStalls(sessionsOf(options), options.isQuick ? 10 : 60, report)
  },
  picture: drawMemory,
}

function sessionsOf({ isQuick }: BenchOptions): number {
  return isQuick ? 10_000 : 1_000_000
}
