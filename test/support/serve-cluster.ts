/**
 * Gateways as their users run them: `evpc serve` processes on 127.0.0.1, without privileges, in a folder of their own. The files are the
 * demo's, but for the timing: on a busy machine the default's 300 ms of silence would move sessions that nobody wanted to move.
 */

import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { LabProcess } from '../../chaos/lab/processes.ts'
import { start, waitUntil } from '../../chaos/lab/processes.ts'
import type { SessionPage, SessionView } from '../../src/admin/source.ts'
import type { DemoLayout, GatewayLayout } from '../../src/cli/demo/layout.ts'
import { FreePorts } from '../../src/cli/demo/free-ports.ts'
import { layOut } from '../../src/cli/demo/layout.ts'
import { temporaryFolder } from '../cli/evpc.ts'

const main = fileURLToPath(new URL('../../src/main.js', import.meta.url))
/** Patience for a busy machine; what happens at all happens in a fraction of it. */
const LIMIT_MS = 30_000
const timing = 'timing: { heartbeatMs: 50, electionTimeoutMs: 1000, gatewayDownMs: 1000, servingLeaseMs: 5000 }\n'

export class ServeCluster {
  readonly layout: DemoLayout
  readonly #processes: Map<string, LabProcess>

  /** Lays the files out without starting anything; the cluster begins with `first` of them. What is started ends with the test. */
  static async layOut(t: TestContext, count: number, first = count): Promise<ServeCluster> {
    const ports = await FreePorts.open()
    t.after(() => ports.close())
    const processes = new Map<string, LabProcess>()
    const killAll = (): void => processes.forEach((process) => process.signal('SIGKILL'))
    process.once('exit', killAll)
    // What a test file gets that takes too long. It has no `exit`, and the gateways have process groups of their own.
    const interrupted = (): never => process.exit(1)
    process.once('SIGTERM', interrupted)
    // Before the folder's: hooks run in the order in which they came, and nobody may write into a folder that is being removed.
    t.after(async () => {
      await Promise.all([...processes.values()].map((process) => process.kill()))
      process.off('exit', killAll).off('SIGTERM', interrupted)
    })
    const layout = await layOut(temporaryFolder(t), count, ports, first)
    for (const { configFile } of layout.gateways) appendFileSync(configFile, timing)
    return new ServeCluster(layout, processes)
  }

  /** Starts all that the cluster begins with, and returns when each may be sent traffic. */
  static async start(t: TestContext, count: number, first = count): Promise<ServeCluster> {
    const cluster = await ServeCluster.layOut(t, count, first)
    const members = cluster.layout.gateways.slice(0, first)
    for (const { id } of members) cluster.serve(id)
    for (const { id } of members) await cluster.ready(id)
    return cluster
  }

  private constructor(layout: DemoLayout, processes: Map<string, LabProcess>) {
    this.layout = layout
    this.#processes = processes
  }

  /** Starts the gateway, with another configuration file than its own or another build than this one if one is given. */
  serve(id: string, configFile = this.of(id).configFile, build = main): LabProcess {
    const args = ['serve', '--config', configFile, '--vpn', this.layout.vpnFile]
    const process = start(id, [globalThis.process.execPath, build, ...args], this.of(id).logFile)
    this.#processes.set(id, process)
    return process
  }

  of(id: string): GatewayLayout {
    const found = this.layout.gateways.find((gateway) => gateway.id === id)
    if (found === undefined) throw new Error(`no gateway ${id}`)
    return found
  }

  /** The newest process of the gateway. */
  process(id: string): LabProcess {
    const found = this.#processes.get(id)
    if (found === undefined) throw new Error(`${id} was not started`)
    return found
  }

  file(name: string): string {
    return join(this.layout.folder, name)
  }

  /** Returns when the gateway may be sent traffic; throws with its log when it ends instead. */
  async ready(id: string): Promise<void> {
    await eventually(`${id} to be ready; it says: ${this.process(id).logFile}`, async () => {
      if (!this.process(id).isRunning) throw new Error(`${id} ended: ${this.process(id).log}`)
      return this.isReady(id)
    })
  }

  async isReady(id: string): Promise<boolean> {
    const response = await this.get(id, '/readyz').catch(() => null)
    return response?.ok === true
  }

  get(id: string, path: string): Promise<Response> {
    const headers = { Authorization: `Bearer ${this.layout.adminToken}` }
    return fetch(`http://127.0.0.1:${this.of(id).admin}${path}`, { headers, signal: AbortSignal.timeout(LIMIT_MS) })
  }

  post(id: string, path: string, body: string, type = 'application/json'): Promise<Response> {
    const headers = { Authorization: `Bearer ${this.layout.adminToken}`, 'Content-Type': type }
    const url = `http://127.0.0.1:${this.of(id).admin}${path}`
    return fetch(url, { method: 'POST', headers, body, signal: AbortSignal.timeout(LIMIT_MS) })
  }

  delete(id: string, path: string): Promise<Response> {
    const headers = { Authorization: `Bearer ${this.layout.adminToken}` }
    const url = `http://127.0.0.1:${this.of(id).admin}${path}`
    return fetch(url, { method: 'DELETE', headers, signal: AbortSignal.timeout(LIMIT_MS) })
  }

  /** The established sessions that are agreed on by now: also one of which this gateway has not heard when its client has its answer. */
  async agreedSessions(id: string): Promise<readonly SessionView[]> {
    const response = await this.get(id, '/v1/sessions')
    const body = await response.json()
    if (response.status !== 200) throw new Error(`${id} lists no sessions: ${JSON.stringify(body)}`)
    return (body as SessionPage).sessions
  }

  /** The established sessions as the gateway sees them, whether or not there is a leader. */
  async sessions(id: string): Promise<readonly SessionView[]> {
    return ((await (await this.get(id, '/v1/sessions?consistency=local')).json()) as SessionPage).sessions
  }

  /** The values of a metric by its label `reason`, as in `evpc_drops_total{reason="…"} 7`. */
  async counts(id: string, metric: string): Promise<ReadonlyMap<string, number>> {
    const text = await (await this.get(id, '/metrics')).text()
    const lines = text.matchAll(new RegExp(`^${metric}\\{reason="([^"]+)"\\} (\\d+)$`, 'gm'))
    return new Map([...lines].map(([, reason, value]) => [reason!, Number(value)]))
  }
}

/** Looks again and again until it is so; throws, and says what was waited for, when it never is. */
export function eventually(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  return waitUntil(what, LIMIT_MS, AbortSignal.timeout(2 * LIMIT_MS), isSo, 20)
}
