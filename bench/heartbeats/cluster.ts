/**
 * Three gateways as the demo runs them, each a process of its own, with clients whose calls go on through them. Nobody is declared down
 * here: how long gateways are silent is what is asked, not what comes of it.
 */

import { appendFileSync, existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { setPriority } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { ClusterApi } from '../../src/cli/demo/cluster-api.ts'
import { FreePorts } from '../../src/cli/demo/free-ports.ts'
import { GatewayProcesses } from '../../src/cli/demo/gateway-processes.ts'
import type { DemoLayout } from '../../src/cli/demo/layout.ts'
import { layOut, logTail } from '../../src/cli/demo/layout.ts'
import { Traffic } from '../../src/cli/demo/traffic.ts'
import { Scrape } from './scrape.ts'

const gateways = 3
const readyLimitMs = 60_000
const upLimitMs = 120_000
const pollMs = 100
/** Patience with silent gateways, ms: longer than they are ever silent. Elections go by the default. */
const timing = 'timing: { gatewayDownMs: 30000, servingLeaseMs: 30000 }\n'

export class HeartbeatCluster {
  readonly #layout: DemoLayout
  readonly #processes: GatewayProcesses
  readonly #traffic: Traffic
  #pids: readonly number[] = []
  #failure: Error | null = null

  /** Runs `body` beside a cluster whose sessions are up; `folder` exists and is empty. */
  static async run<T>(folder: string, sessions: number, body: (cluster: HeartbeatCluster) => Promise<T>): Promise<T> {
    const ports = await FreePorts.open()
    const layout = await layOut(folder, gateways, ports)
    for (const { configFile } of layout.gateways) appendFileSync(configFile, timing)
    const cluster = new HeartbeatCluster(layout, sessions)
    const end = (): void => cluster.#killNow()
    process.once('exit', end)
    try {
      await cluster.#bringUp(sessions)
      const result = await body(cluster)
      if (cluster.#failure !== null) throw cluster.#failure
      return result
    } finally {
      process.off('exit', end)
      end()
      ports.close()
    }
  }

  private constructor(layout: DemoLayout, sessions: number) {
    this.#layout = layout
    this.#traffic = new Traffic(layout, sessions, (error) => (this.#failure ??= error))
    this.#processes = new GatewayProcesses(layout, {
      onChange: (pids) => {
        this.#pids = pids
        this.#traffic.ward(pids, layout.folder)
      },
      onUnexpectedExit: (id) => (this.#failure ??= new Error(`${id} ended by itself:\n${logTail(layout, id)}`)),
    })
  }

  /** The metrics of each gateway, by its id. */
  async scrape(): Promise<ReadonlyMap<string, Scrape>> {
    if (this.#failure !== null) throw this.#failure
    const one = async (id: string, port: number): Promise<[string, Scrape]> => {
      const response = await fetch(`http://127.0.0.1:${port}/metrics`)
      return [id, new Scrape(await response.text())]
    }
    return new Map(await Promise.all(this.#layout.gateways.map(({ id, admin }) => one(id, admin))))
  }

  /** For how long the threads of all gateways together have been ready to run and not run, in seconds: main threads, and all others. */
  waited(): { readonly main: number; readonly others: number } {
    const waits = this.#threads().map(({ pid, tid }) => ({ isMain: pid === tid, ns: waitedNs(pid, tid) }))
    const sum = (isMain: boolean): number => waits.reduce((total, wait) => total + (wait.isMain === isMain ? wait.ns : 0), 0) / 1e9
    return { main: sum(true), others: sum(false) }
  }

  /** Of all threads of all gateways, and, where processors are shared out by session, of their sessions: else it would count inside these only. */
  setNice(nice: number): void {
    for (const { tid } of this.#threads()) setPriority(tid, nice)
    for (const file of this.#pids.map((pid) => `/proc/${pid}/autogroup`).filter((path) => existsSync(path))) writeFileSync(file, `${nice}`)
  }

  #threads(): { readonly pid: number; readonly tid: number }[] {
    return this.#pids.flatMap((pid) => readdirSync(`/proc/${pid}/task`).map((tid) => ({ pid, tid: Number(tid) })))
  }

  async #bringUp(sessions: number): Promise<void> {
    const stop = AbortSignal.timeout(readyLimitMs + upLimitMs)
    const api = new ClusterApi(this.#layout, (id) => this.#processes.isRunning(id))
    for (const { id } of this.#layout.gateways) this.#processes.start(id)
    await this.#traffic.ready(stop)
    for (const { id } of this.#layout.gateways) {
      if (await api.ready(id, readyLimitMs, stop)) continue
      throw this.#failure ?? new Error(`${id} is not ready:\n${logTail(this.#layout, id)}`)
    }
    this.#traffic.dial()
    while (this.#traffic.up < sessions) await delay(pollMs, undefined, { signal: stop })
  }

  #killNow(): void {
    this.#processes.killAllNow()
    this.#traffic.killNow()
  }
}

/** The second of the numbers of schedstat (Documentation/scheduler/sched-stats.rst); a thread that is gone has waited enough. */
function waitedNs(pid: number, tid: number): number {
  try {
    return Number(readFileSync(`/proc/${pid}/task/${tid}/schedstat`, 'utf8').split(' ')[1])
  } catch {
    return 0
  }
}
