/** The demo's cluster for benches with very many built-in clients: gateways as processes, and processes of the bench's beside them. */

import type { ChildProcess } from 'node:child_process'
import { fork } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ClusterApi } from '../../src/cli/demo/cluster-api.ts'
import { FreePorts } from '../../src/cli/demo/free-ports.ts'
import { GatewayProcesses } from '../../src/cli/demo/gateway-processes.ts'
import type { DemoLayout } from '../../src/cli/demo/layout.ts'
import { GATEWAY_IDENTITY, layOut, logTail } from '../../src/cli/demo/layout.ts'
import { messageOf } from '../../src/cli/failure.ts'
import { signalChild } from '../../src/cli/signal-child.ts'
import { toUtf8 } from '../../src/kit/bytes.ts'
import { Scrape } from '../heartbeats/scrape.ts'
import type { CrowdSetup } from './crowd.ts'

const READY_LIMIT_MS = 60_000
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

export interface FleetCluster {
  readonly layout: DemoLayout
  readonly gateways: GatewayProcesses
  readonly api: ClusterApi
  /** A process of the bench's, which ends with it. */
  readonly fork: (module: URL) => ChildProcess
}

/** Runs `body` beside gateways that are ready. Whatever happens, all processes are ended; what is thrown says where their logs stay. */
export async function withFleetCluster<T>(count: number, body: (cluster: FleetCluster) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'evpc-fleet-'))
  const ports = await FreePorts.open()
  const layout = await layOut(folder, count, ports)
  const gateways = new GatewayProcesses(layout, {
    onChange: () => undefined,
    // What it leaves undone fails on its own, with the end of the log.
    onUnexpectedExit: () => undefined,
  })
  const children: ChildProcess[] = []
  const end = (): void => {
    gateways.killAllNow()
    for (const child of children) signalChild(child, 'SIGKILL')
  }
  const quit = (): void => process.exit(1)
  process.on('exit', end)
  for (const name of signals) process.on(name, quit)
  try {
    const api = new ClusterApi(layout, (id) => gateways.isRunning(id))
    await bringUp(layout, gateways, api)
    const result = await body({
      layout,
      gateways,
      api,
      fork: (module) => {
        const child = fork(module, [], { serialization: 'advanced' })
        children.push(child)
        return child
      },
    })
    end()
    await rm(folder, { recursive: true, force: true })
    return result
  } catch (error) {
    throw new Error(`${messageOf(error)} (logs: ${folder})`, { cause: error })
  } finally {
    end()
    process.off('exit', end)
    for (const name of signals) process.off(name, quit)
    ports.close()
  }
}

async function bringUp(layout: DemoLayout, gateways: GatewayProcesses, api: ClusterApi): Promise<void> {
  for (const { id } of layout.gateways) gateways.start(id)
  for (const { id } of layout.gateways) {
    if (!(await api.ready(id, READY_LIMIT_MS, new AbortController().signal))) {
      throw new Error(`gateway ${id} is not ready:\n${logTail(layout, id)}`)
    }
  }
}

/** Clients of that cluster: `count` of them from `first` on. */
export function crowdOf({ ike, natT, secret }: DemoLayout, first: number, count: number): CrowdSetup {
  return { first, count, gateway: { ike, natT }, gatewayIdentity: GATEWAY_IDENTITY, secret: toUtf8(secret) }
}

/** The metrics of each gateway that runs. */
export async function scrapeAll({ layout, gateways }: FleetCluster): Promise<readonly Scrape[]> {
  const running = layout.gateways.filter(({ id }) => gateways.isRunning(id))
  return Promise.all(running.map(async ({ admin }) => new Scrape(await (await fetch(`http://127.0.0.1:${admin}/metrics`)).text())))
}
