/**
 * How many packets a second, and at what delay, pass through one gateway's packet path: a whole data plane (worker thread, sockets, packet
 * core, plane) as in `evpc serve`, with grants that never run out, so that no log is in the way.
 *
 * The gateways (one a path) are processes of their own and take turns, round by round, under the same driver. The driver keeps a bounded
 * number of packets on their way and counts what comes out at the far end, so nothing is lost on purpose and a slow driver shows: beside
 * the rate stands the rate for each second of the gateway's own CPU time, which a busy machine disturbs less.
 */

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { runCommand, tryCommand } from '../src/network/commands.ts'
import { namespacesUnavailable } from './namespace.ts'
import type { Bench, BenchOptions, Measurement } from './bench.ts'
import type { DriverOptions } from './esp/driver.ts'
import { signalChild } from '../src/cli/signal-child.ts'

export const espBench: Bench = {
  name: 'esp',
  question: 'packets/s, bits/s and delay through one gateway, fast and plain path side by side',
  parameters: ({ isQuick }) => ({ sessions: 16, inFlight: 256, ...settings({ isQuick }) }),
  run,
}

function settings({ isQuick }: BenchOptions): Omit<DriverOptions, 'planes'> {
  return isQuick ? { rounds: 3, packets: 3000, delayPackets: 300 } : { rounds: 5, packets: 20_000, delayPackets: 3000 }
}

/** In a network namespace of its own where that can be had; else on the machine's loopback, without the TUN device. */
async function run(options: BenchOptions, report: (row: Measurement) => void): Promise<void> {
  const missing = await namespacesUnavailable()
  if (missing !== false) {
    console.log(`  (plane tun: ${missing})`)
    return drive([], { planes: ['loopback'], ...settings(options) }, report)
  }
  const name = `evpcbench${process.pid}`
  await runCommand(['ip', 'netns', 'add', name])
  try {
    await runCommand(['ip', '-n', name, 'link', 'set', 'lo', 'up'])
    await drive(['ip', 'netns', 'exec', name], { planes: ['loopback', 'tun'], ...settings(options) }, report)
  } finally {
    await tryCommand(['ip', 'netns', 'del', name])
  }
}

async function drive(prefix: readonly string[], options: DriverOptions, report: (row: Measurement) => void): Promise<void> {
  const module = new URL('./esp/driver.js', import.meta.url).pathname
  const [file, ...words] = [...prefix, process.execPath, '--enable-source-maps', module, JSON.stringify(options)]
  const child = spawn(file, words, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  child.on('message', (row) => report(row as Measurement))
  // A signal ends the driver, and the namespace is taken away as after any other failure.
  const end = (): void => signalChild(child, 'SIGKILL')
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, end)
  const [code] = (await once(child, 'exit')) as [number | null]
  if (code !== 0) throw new Error(`the driver ended with ${code}`)
}
