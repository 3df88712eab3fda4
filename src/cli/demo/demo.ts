/**
 * `evpc demo`: a cluster on this machine, with calls in progress through it, and what a killed gateway does to them.
 *
 * Each gateway, the clients and the trusted host are processes of their own; this one starts them, makes things happen, and reports.
 */

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { monotonicMs } from '../../dataplane/clock.ts'
import { nativeAvailable } from '../../network/syscalls.ts'
import { CommandFailure, messageOf } from '../failure.ts'
import { printJson } from '../output.ts'
import type { Killed } from './actions.ts'
import { Actions } from './actions.ts'
import { clientName } from './client-name.ts'
import type { Picture } from './cluster-api.ts'
import { ClusterApi } from './cluster-api.ts'
import { Events, LATE_MS } from './events.ts'
import { FreePorts } from './free-ports.ts'
import { DemoFront } from './front/demo-front.ts'
import { GatewayProcesses } from './gateway-processes.ts'
import type { DemoLayout } from './layout.ts'
import { layOut, logTail, portsLine } from './layout.ts'
import type { GatewayOnScreen } from './live-line.ts'
import { liveLine } from './live-line.ts'
import type { DemoEvent, DemoReport } from './report.ts'
import { comparisonLine, eventLine, problemsOf, zerosLine } from './report.ts'
import { Screen, onKeys } from './screen.ts'
import type { Totals } from './traffic.ts'
import { Traffic } from './traffic.ts'

export interface DemoOptions {
  /** Null: until Ctrl-C. */
  readonly seconds: number | null
  readonly gateways: number
  readonly sessions: number
  /** Whether gateways are killed, restarted and drained by themselves. */
  readonly script: boolean
  readonly json: boolean
}

/** The script's times. */
const KILL_AFTER_UP_MS = 5000
const DRAIN_AFTER_RESTART_MS = 4000
/** An event so near to the end would not be seen to its end. */
const LAST_EVENT_MS = 3000
const LIVE_MS = 1000
const POLL_MS = 50
const READY_LIMIT_MS = 20_000
const UP_LIMIT_MS = 30_000
/** A session that has received nothing for so long at the end has not gone on. */
const SILENT_MS = 1500

/** Runs the demo; resolves with the exit code. */
export async function demo(options: DemoOptions): Promise<number> {
  if (process.platform !== 'linux')
    throw new CommandFailure('evpc demo needs Linux, whose kernel lets the gateways share a port (SO_REUSEPORT)')
  if (!nativeAvailable()) throw new CommandFailure('evpc demo needs koffi, which does not load here; "npm ci" installs it')
  const screen = new Screen(options.json ? process.stderr : process.stdout)
  screen.line(`evpc demo: ${options.gateways} gateways and ${options.sessions} clients on this machine, 50 packets/s each way and client`)
  const folder = mkdtempSync(join(tmpdir(), 'evpc-demo-'))
  const removeFolder = (): void => rmSync(folder, { recursive: true, force: true })
  process.on('exit', removeFolder)
  const ports = await FreePorts.open()
  try {
    const layout = await layOut(folder, options.gateways, ports)
    if (layout.busyPorts.length > 0) screen.line(portsLine(layout))
    return await new Demo(options, layout, screen).run()
  } finally {
    ports.close()
    removeFolder()
    process.off('exit', removeFolder)
  }
}

class Demo {
  readonly #options: DemoOptions
  readonly #layout: DemoLayout
  readonly #screen: Screen
  readonly #gateways: GatewayProcesses
  readonly #traffic: Traffic
  readonly #api: ClusterApi
  readonly #events: Events
  readonly #actions: Actions
  readonly #front: DemoFront
  readonly #stop = new AbortController()
  readonly #startedMs = monotonicMs()
  #failure: Error | null = null
  /** As it was when somebody last looked. */
  #picture: Picture | null = null
  #isShowOn = false
  #lastPackets = 0
  #lastLiveMs = 0

  constructor(options: DemoOptions, layout: DemoLayout, screen: Screen) {
    this.#options = options
    this.#layout = layout
    this.#screen = screen
    this.#traffic = new Traffic(layout, options.sessions, (error) => this.#fail(error))
    this.#gateways = new GatewayProcesses(layout, {
      onChange: (processes) => this.#traffic.ward(processes, layout.folder),
      onUnexpectedExit: (gateway, signal) => this.#ended(gateway, signal),
    })
    this.#api = new ClusterApi(layout, (gateway) => this.#gateways.isRunning(gateway))
    this.#events = new Events({
      api: this.#api,
      gateways: this.#gateways,
      traffic: this.#traffic,
      stop: this.#stop.signal,
      onBegin: (text) => screen.line(text),
      onMeasured: (event, note) => void this.#measured(event, note),
    })
    this.#actions = new Actions({
      gateways: layout.gateways.map(({ id }) => id),
      events: this.#events,
      api: this.#api,
      isUp: () => this.#traffic.up === options.sessions,
      pause: (ms) => this.#pause(ms),
      hasTime: () => this.#hasTime(),
      onLine: (text) => screen.line(text),
      onProblem: (error) => this.#complain(error),
    })
    this.#front = new DemoFront({
      layout,
      gateways: this.#gateways,
      api: this.#api,
      actions: this.#actions,
      sessions: () => this.#events.lastSeen,
      picture: () => this.#picture,
      isShowOn: () => this.#isShowOn,
      stop: this.#stop.signal,
      kill: (gateway) => this.#kill(gateway),
      drain: (gateway) => this.#actions.drain({ wanted: gateway }),
      transfer: (client) => this.#actions.transfer(client),
    })
    this.#traffic.onHeard = (packet) => this.#front.arrive(packet)
  }

  async run(): Promise<number> {
    const killAll = (): void => {
      this.#gateways.killAllNow()
      this.#traffic.killNow()
    }
    const onSignal = (): void => (this.#stop.signal.aborted ? process.exit(1) : this.#stop.abort())
    const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
    this.#screen.onLost(() => this.#stop.abort())
    process.on('exit', killAll)
    for (const signal of signals) process.on(signal, onSignal)
    try {
      return await this.#play()
    } finally {
      killAll()
      process.off('exit', killAll)
      for (const signal of signals) process.off(signal, onSignal)
    }
  }

  async #play(): Promise<number> {
    const { seconds } = this.#options
    const front = await this.#front.open()
    const end = seconds === null ? null : setTimeout(() => this.#stop.abort(), 1000 * seconds - (monotonicMs() - this.#startedMs))
    const giveBack = this.#screen.isTerminal ? onKeys(this.#keys()) : () => undefined
    try {
      await this.#bringUp()
      await Promise.all([this.#script(), this.#live()])
      if (this.#failure !== null) throw this.#failure
      return await this.#finish()
    } catch (error) {
      if (this.#failure !== null) throw this.#failure
      if (!isAbort(error)) throw error
      throw new CommandFailure(`ended after ${this.#elapsed()} s, before all sessions were up`)
    } finally {
      giveBack()
      await front.close()
      this.#screen.end()
      if (end !== null) clearTimeout(end)
    }
  }

  async #bringUp(): Promise<void> {
    for (const { id } of this.#layout.gateways) this.#gateways.start(id)
    await this.#traffic.ready(this.#stop.signal)
    for (const { id } of this.#layout.gateways) {
      if (await this.#api.ready(id, READY_LIMIT_MS, this.#stop.signal)) continue
      throw this.#failure ?? new CommandFailure(`gateway ${id} is not ready:\n${logTail(this.#layout, id)}`)
    }
    this.#screen.line(`gateways ready after ${this.#elapsed()} s; dashboard: ${this.#api.dashboard}`)
    if (this.#screen.isTerminal) this.#screen.line('keys: k kill · d drain · t transfer · q quit')
    this.#traffic.dial()
    await this.#sessionsUp()
    this.#screen.line(`${this.#traffic.up} sessions up after ${this.#elapsed()} s`)
  }

  async #sessionsUp(): Promise<void> {
    const { sessions } = this.#options
    for (const endMs = monotonicMs() + UP_LIMIT_MS; this.#traffic.up < sessions; await this.#pause(POLL_MS)) {
      if (monotonicMs() < endMs) continue
      const { up, lastProblem } = this.#traffic
      throw new CommandFailure(`only ${up} of ${sessions} sessions came up${lastProblem === null ? '' : `: ${lastProblem}`}`)
    }
  }

  /** A kill, a restart, a drain: the demo's own story. Ends early with the demo. */
  async #script(): Promise<void> {
    const { script, gateways } = this.#options
    if (!script || gateways < 2) return
    this.#isShowOn = true
    try {
      await this.#pause(KILL_AFTER_UP_MS)
      if (gateways > 2) await this.#killByScript()
      else this.#screen.line(`nothing is killed: ${this.#actions.objection(null)!.message}`)
      await this.#pause(DRAIN_AFTER_RESTART_MS)
      if (this.#hasTime()) await this.#actions.drain({ not: this.#actions.lastKilled })
    } catch (error) {
      if (!isAbort(error)) this.#fail(error)
    } finally {
      this.#isShowOn = false
    }
  }

  /** Resolves when the gateway is back. */
  async #killByScript(): Promise<void> {
    // Somebody may have been quicker.
    while (this.#actions.objection(null) !== null) await this.#pause(POLL_MS)
    if (this.#hasTime()) await (await this.#actions.kill(null)).restarted
  }

  /** A gateway's process ended, and not by us. Killed from another terminal it is one more event; else it has a fault. */
  #ended(gateway: string, signal: NodeJS.Signals | null): void {
    if (this.#stop.signal.aborted) return
    if (signal === null || this.#actions.objection(gateway) !== null)
      return this.#fail(new CommandFailure(`gateway ${gateway} ended by itself:\n${logTail(this.#layout, gateway)}`))
    this.#goOn(this.#actions.died(gateway, signal))
  }

  /** Resolves with the gateway's name; what is wrong with its restart is told on the screen. */
  async #kill(gateway: string | null): Promise<string> {
    const killed = this.#actions.kill(gateway)
    this.#goOn(killed)
    return (await killed).gateway
  }

  #goOn(killed: Promise<Killed>): void {
    killed.then(({ restarted }) => restarted).catch((error: unknown) => this.#complain(error))
  }

  #keys(): Readonly<Record<string, () => void>> {
    const act = (what: () => Promise<unknown>) => () => {
      what().catch((error: unknown) => this.#complain(error))
    }
    return {
      k: () => this.#goOn(this.#actions.kill(null)),
      d: act(() => this.#actions.drain({})),
      t: act(() => this.#actions.transfer(null)),
      q: () => this.#stop.abort(),
    }
  }

  /** A line each second until the end. */
  async #live(): Promise<void> {
    this.#packetsPerSecond(await this.#traffic.totals())
    while (!this.#stop.signal.aborted) {
      try {
        await this.#pause(LIVE_MS)
        const [picture, totals, sessions] = await Promise.all([this.#api.picture(), this.#traffic.totals(), this.#api.carried()])
        this.#events.lastSeen = sessions
        this.#picture = picture
        this.#screen.live(liveLine(this.#running(), picture, this.#packetsPerSecond(totals), this.#layout.front))
      } catch (error) {
        if (isAbort(error)) return
        // A gateway that dies while it is asked answers nothing; the next second another one is.
        await wait(POLL_MS)
      }
    }
  }

  #running(): GatewayOnScreen[] {
    return this.#layout.gateways.map(({ id }) => ({ id, isRunning: this.#gateways.isRunning(id) }))
  }

  /** Received in both directions since the last time that this was asked. */
  #packetsPerSecond({ up, down }: Totals): number {
    const nowMs = monotonicMs()
    const packets = up.received + down.received
    const rate = Math.round((1000 * (packets - this.#lastPackets)) / (nowMs - this.#lastLiveMs))
    this.#lastPackets = packets
    this.#lastLiveMs = nowMs
    return rate
  }

  async #measured(event: DemoEvent, note: string): Promise<void> {
    this.#screen.line(eventLine(event, note))
    if (event.sessionsMoved === 0) return
    this.#screen.line(zerosLine(await this.#traffic.totals()))
    if (event.type === 'kill') this.#screen.line(comparisonLine)
  }

  async #finish(): Promise<number> {
    const seconds = Number(this.#elapsed())
    await this.#events.settle()
    const quietMs = monotonicMs()
    this.#traffic.quiet()
    await wait(LATE_MS)
    const totals = await this.#traffic.totals()
    const report = this.#report(seconds, totals)
    const silent = totals.lastMs.flatMap((lastMs, session) => (lastMs > quietMs - SILENT_MS ? [] : [clientName(session)]))
    const problems = problemsOf(report, silent)
    await this.#traffic.close()
    this.#screen.end()
    if (this.#options.json) printJson(report)
    else this.#summary(report)
    for (const problem of problems) process.stderr.write(`evpc demo: ${problem}\n`)
    return problems.length === 0 ? 0 : 1
  }

  #report(seconds: number, { up, down, duplicated, reAuthentications, sequenceNumbersReused }: Totals): DemoReport {
    const { gateways, sessions } = this.#options
    const packets = { sent: up.sent + down.sent, received: up.received + down.received, duplicated, up, down }
    return { gateways, sessions, seconds, events: this.#events.measured, packets, reAuthentications, sequenceNumbersReused }
  }

  #summary({ seconds, packets: { sent, received }, reAuthentications, sequenceNumbersReused }: DemoReport): void {
    this.#screen.line(`${seconds} s: ${sent} packets sent, ${received} received, ${sent - received} lost`)
    this.#screen.line(zerosLine({ reAuthentications, sequenceNumbersReused }))
  }

  #elapsed(): string {
    return ((monotonicMs() - this.#startedMs) / 1000).toFixed(1)
  }

  /** Whether an event that begins now can still be seen to do something. */
  #hasTime(): boolean {
    const { seconds } = this.#options
    return seconds === null || 1000 * seconds - (monotonicMs() - this.#startedMs) >= LAST_EVENT_MS
  }

  async #pause(ms: number): Promise<void> {
    await wait(ms, undefined, { signal: this.#stop.signal })
  }

  #complain(error: unknown): void {
    if (!this.#stop.signal.aborted && !isAbort(error)) this.#screen.line(messageOf(error))
  }

  /** The demo can't go on. */
  #fail(error: unknown): void {
    if (this.#stop.signal.aborted) return
    this.#failure ??= error instanceof Error ? error : new Error(String(error))
    this.#stop.abort()
  }
}

function isAbort(error: unknown): boolean {
  return error instanceof Error && error.name === 'AbortError'
}
