/**
 * How long the main thread of a gateway stands still that has very many sessions and is at work: an `evpc serve` process whose stores hold a crowd,
 * with calls of real clients, their logins and liveness checks, grants and ticks, scans of all sessions, and checkpoints.
 */

import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { Traffic } from '../../src/cli/demo/traffic.ts'
import type { Measurement } from '../bench.ts'
import { figure, percentile } from '../bench.ts'
import { waitUntil } from '../../chaos/lab/processes.ts'
import { PreparedCluster } from '../crowd/prepared-cluster.ts'
import type { StallReport } from './stall-probe.ts'

const LIMIT_MS = 50
/** Calls of 50 packets a second each way. */
const CALLS = 20
/** Some every minute at such a load; else there would be none while we look. */
const CHECKPOINT_COMMANDS = 500
const TOLD = 8
const UP_LIMIT_MS = 60_000
/** Code that runs for the first time is slow, and so is the start of profiling. */
const WARM_UP_MS = 5000
const POLL_MS = 50
const probe = fileURLToPath(new URL('./stall-probe.js', import.meta.url))

export async function measureStalls(sessions: number, seconds: number, report: (row: Measurement) => void): Promise<void> {
  const settings = `storage: { checkpointCommands: ${CHECKPOINT_COMMANDS} }\n`
  await PreparedCluster.run({ gateways: 1, sizes: [sessions], settings }, async (cluster) => {
    const file = join(cluster.layout.folder, 'stalls.json')
    const gateway = cluster.serve('sg1', ['--import', probe], { EVPC_STALLS: file })
    await cluster.logged('sg1', 'serving')
    const traffic = new Traffic(cluster.layout, CALLS, fail)
    try {
      await traffic.ready(AbortSignal.timeout(UP_LIMIT_MS))
      traffic.dial()
      await waitUntil('calls', UP_LIMIT_MS, AbortSignal.timeout(2 * UP_LIMIT_MS), () => traffic.up === CALLS)
      await delay(WARM_UP_MS)
      gateway.signal('SIGUSR2')
      await delay(seconds * 1000)
      gateway.signal('SIGUSR2')
      while (!existsSync(file)) await delay(POLL_MS)
      tell(sessions, JSON.parse(readFileSync(file, 'utf8')) as StallReport, report)
    } finally {
      traffic.killNow()
    }
  })
}

function tell(sessions: number, { lateMs, lateInAllMs, stalls }: StallReport, report: (row: Measurement) => void): void {
  const ms = (value: number): ReturnType<typeof figure> => figure('ms', [value])
  report({
    parameters: { what: 'stalls of the event loop', sessions },
    figures: {
      p99: ms(percentile(lateMs, 99)),
      max: { ...ms(lateMs.at(-1) ?? 0), limit: { below: LIMIT_MS } },
      'max with waiting for a processor': ms(lateInAllMs.at(-1) ?? 0),
      'beyond 10 ms': figure('stalls', [stalls.length]),
    },
  })
  for (const { ms: length, waitedMs, collectedMs, what } of stalls.slice(0, TOLD))
    report({
      parameters: { what: `  ${what}` },
      figures: { stall: ms(length), 'of it garbage collection': ms(collectedMs), 'waited for a processor beside': ms(waitedMs) },
    })
}

function fail(error: Error): never {
  throw error
}
