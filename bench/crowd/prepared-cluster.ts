/**
 * A cluster of `evpc serve` whose first gateway has a crowd of sessions in its stores: the demo's files, one member, the others waiting to be added.
 * Nobody comes for the sessions of the crowd, so gateways don't ask whether their clients are there (`dpd_delay: 0`).
 */

import { fork } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { LabProcess } from '../../chaos/lab/processes.ts'
import { start, waitUntil } from '../../chaos/lab/processes.ts'
import { CLIENT_NETWORK } from '../../src/cli/demo/call-packet.ts'
import { FreePorts } from '../../src/cli/demo/free-ports.ts'
import type { DemoLayout, GatewayLayout } from '../../src/cli/demo/layout.ts'
import { layOut, logTail } from '../../src/cli/demo/layout.ts'
import { crowdNetwork } from './crowd.ts'
import type { FromPreparation } from './preparation.ts'

const main = fileURLToPath(new URL('../../src/main.js', import.meta.url))
/** The stall of a gateway beside others on a busy machine is not to move sessions. */
const timing = 'timing: { electionTimeoutMs: 1000, gatewayDownMs: 5000, servingLeaseMs: 30000 }\n'
const POLL_MS = 10
const LIMIT_MS = 240_000

export class PreparedCluster {
  readonly layout: DemoLayout
  readonly #ports: FreePorts
  readonly #processes = new Map<string, LabProcess>()

  /** Runs `body`, and leaves nothing behind. `sizes`: ascending; the first gateway's stores hold the last. `settings`: further lines of gateway.yaml. */
  static async run<T>(
    {
      gateways,
      sizes,
      settings,
      onMessage,
    }: { gateways: number; sizes: readonly number[]; settings?: string; onMessage?: (message: FromPreparation) => void },
    body: (cluster: PreparedCluster) => Promise<T>,
  ): Promise<T> {
    const folder = mkdtempSync(join(tmpdir(), 'evpc-crowd-'))
    const ports = await FreePorts.open()
    const cluster = new PreparedCluster(await layOut(folder, gateways, ports, 1), ports)
    const end = (): void => cluster.#killNow()
    process.once('exit', end)
    try {
      for (const { configFile } of cluster.layout.gateways) appendFileSync(configFile, `${timing}${settings ?? ''}`)
      writeVpn(cluster.layout)
      await prepare(cluster.layout, sizes, onMessage ?? (() => undefined))
      return await body(cluster)
    } finally {
      process.off('exit', end)
      await Promise.all([...cluster.#processes.values()].map((process) => process.kill()))
      ports.close()
      rmSync(folder, { recursive: true, force: true })
    }
  }

  private constructor(layout: DemoLayout, ports: FreePorts) {
    this.layout = layout
    this.#ports = ports
  }

  of(id: string): GatewayLayout {
    return this.layout.gateways.find((gateway) => gateway.id === id)!
  }

  /** Starts the gateway; `env` beside this process's. */
  serve(id: string, nodeArguments: readonly string[] = [], env: Readonly<Record<string, string>> = {}): LabProcess {
    const { configFile, logFile } = this.of(id)
    const command = [process.execPath, ...nodeArguments, main, 'serve', '--config', configFile, '--vpn', this.layout.vpnFile]
    const started = start(id, command, logFile, env)
    this.#processes.set(id, started)
    return started
  }

  /** Resolves when this event is in the gateway's log, since `fromLine`. Throws when the process ends. */
  async logged(id: string, event: string, fromLine = 0): Promise<Readonly<Record<string, unknown>>> {
    let found: Readonly<Record<string, unknown>> | undefined
    await waitUntil(
      `${event} of ${id}`,
      LIMIT_MS,
      AbortSignal.timeout(2 * LIMIT_MS),
      () => {
        found = this.events(id)
          .slice(fromLine)
          .find((line) => line['event'] === event)
        if (found === undefined && this.#processes.get(id)?.isRunning !== true) throw new Error(`${id} ended:\n${logTail(this.layout, id)}`)
        return found !== undefined
      },
      POLL_MS,
    )
    return found!
  }

  events(id: string): readonly Readonly<Record<string, unknown>>[] {
    const lines = readFileSync(this.of(id).logFile, 'utf8').split('\n')
    return lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line) as Record<string, unknown>)
  }

  async post(id: string, path: string, body: object): Promise<void> {
    const headers = { Authorization: `Bearer ${this.layout.adminToken}`, 'Content-Type': 'application/json' }
    const url = `http://127.0.0.1:${this.of(id).admin}${path}`
    const response = await fetch(url, { method: 'POST', headers, body: JSON.stringify(body), signal: AbortSignal.timeout(LIMIT_MS) })
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`)
  }

  #killNow(): void {
    for (const started of this.#processes.values()) started.signal('SIGKILL')
    this.#ports.close()
  }
}

function writeVpn({ vpnFile }: DemoLayout): void {
  const text = readFileSync(vpnFile, 'utf8')
    .replace(`addrs: [${CLIENT_NETWORK}]`, `addrs: [${CLIENT_NETWORK}, ${crowdNetwork}]`)
    .replace('    pools: [callers]\n', '    pools: [callers]\n    dpd_delay: 0\n')
  writeFileSync(vpnFile, text)
}

/** In a process of its own: what it had in memory would lie in the way of what is measured. */
async function prepare(layout: DemoLayout, sizes: readonly number[], onMessage: (message: FromPreparation) => void): Promise<void> {
  const child = fork(new URL('./preparation.js', import.meta.url), [], { serialization: 'advanced' })
  child.on('message', (message) => onMessage(message as FromPreparation))
  child.send({ layout, sizes })
  const [code] = (await once(child, 'exit')) as [number | null]
  if (code !== 0) throw new Error(`the preparation of ${sizes.at(-1)} sessions ended with ${code}`)
}
