/** The demo's handle on its two traffic processes: the clients' and the trusted host's. */

import type { ChildProcess } from 'node:child_process'
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { toUtf8 } from '../../kit/bytes.ts'
import { CommandFailure } from '../failure.ts'
import type { DemoLayout } from './layout.ts'
import { GATEWAY_IDENTITY } from './layout.ts'
import type { FlowWindow, SessionWindow } from './measuring.ts'
import type { FromTraffic, HeardPacket, ToTraffic, TrafficTotals } from './traffic-messages.ts'
import { signalChild } from '../signal-child.ts'

/** An answer takes a few ms; without one the process hangs, and nothing can be measured. */
const ANSWER_MS = 5000

type Answer = Extract<FromTraffic, { readonly id: number }>

/** One of the two. */
class TrafficChild {
  readonly #child: ChildProcess
  readonly #name: string
  readonly #waiting = new Map<number, (answer: Answer) => void>()
  readonly #onMessage: (message: FromTraffic) => void
  #lastId = 0

  constructor(file: string, name: string, onMessage: (message: FromTraffic) => void) {
    this.#name = name
    this.#onMessage = onMessage
    this.#child = fork(fileURLToPath(new URL(file, import.meta.url)), [], {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    })
    this.#child.on('message', (message) => this.#handle(message as FromTraffic))
  }

  tell(message: ToTraffic): void {
    // One that is dying takes no message any more: its exit tells.
    if (this.#child.connected) this.#child.send(message, () => undefined)
  }

  ask<T extends Answer['type']>(question: (id: number) => ToTraffic): Promise<Extract<Answer, { readonly type: T }>> {
    const id = ++this.#lastId
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new CommandFailure(`the ${this.#name} process does not answer`)), ANSWER_MS)
      this.#waiting.set(id, (answer) => {
        clearTimeout(timer)
        resolve(answer as Extract<Answer, { readonly type: T }>)
      })
      this.tell(question(id))
    })
  }

  onExit(listener: () => void): void {
    this.#child.on('exit', listener)
  }

  async close(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    const exited = once(this.#child, 'exit')
    this.tell({ type: 'close' })
    const timer = setTimeout(() => this.killNow(), ANSWER_MS)
    await exited
    clearTimeout(timer)
  }

  killNow(): void {
    signalChild(this.#child, 'SIGKILL')
  }

  #handle(message: FromTraffic): void {
    if (!('id' in message)) return this.#onMessage(message)
    this.#waiting.get(message.id)?.(message)
    this.#waiting.delete(message.id)
  }
}

export interface Totals {
  readonly up: { readonly sent: number; readonly received: number }
  readonly down: { readonly sent: number; readonly received: number }
  readonly duplicated: number
  readonly established: number
  readonly reAuthentications: number
  readonly sequenceNumbersReused: number
  /** Of each session, when it last received something in the direction that is worse off. */
  readonly lastMs: readonly number[]
}

export class Traffic {
  readonly #clients: TrafficChild
  readonly #host: TrafficChild
  readonly #up = new Set<number>()
  readonly #ready: Promise<void>
  #closing = false
  /** The last thing that went wrong for a client. */
  lastProblem: string | null = null
  /** Told of each packet of the call that is heard. */
  onHeard: (packet: HeardPacket) => void = () => undefined

  constructor(layout: DemoLayout, sessions: number, onFatal: (error: Error) => void) {
    let clientsReady: () => void = () => undefined
    let hostReady: () => void = () => undefined
    this.#clients = new TrafficChild('./clients-process.js', 'clients', (message) =>
      message.type === 'ready' ? clientsReady() : this.#client(message),
    )
    this.#host = new TrafficChild('./host-process.js', 'trusted host', () => hostReady())
    this.#ready = Promise.all([
      new Promise<void>((resolve) => (clientsReady = resolve)),
      new Promise<void>((resolve) => (hostReady = resolve)),
    ]).then(() => undefined)
    const ended = (name: string) => () => this.#closing || onFatal(new CommandFailure(`the ${name} process ended`))
    this.#clients.onExit(ended('clients'))
    this.#host.onExit(ended('trusted host'))
    const { ike, natT, inside, host, secret } = layout
    this.#clients.tell({ type: 'clients', sessions, gateway: { ike, natT }, gatewayIdentity: GATEWAY_IDENTITY, secret: toUtf8(secret) })
    this.#host.tell({ type: 'host', sessions, listen: host, gateways: inside })
  }

  /** Sessions that have been up. */
  get up(): number {
    return this.#up.size
  }

  /** Resolves when the sockets are open. Throws AbortError when `stop` aborts first: a process that has ended is never ready. */
  async ready(stop: AbortSignal): Promise<void> {
    stop.throwIfAborted()
    const done = new AbortController()
    const stopped = once(stop, 'abort', { signal: done.signal }).catch(() => undefined)
    await Promise.race([this.#ready, stopped])
    done.abort()
    stop.throwIfAborted()
  }

  dial(): void {
    this.#clients.tell({ type: 'dial' })
  }

  /** What must not outlive the demo, should it be killed. */
  ward(processes: readonly number[], folder: string): void {
    this.#host.tell({ type: 'wards', processes, folder })
  }

  /** Each session's traffic around an event. */
  async window(fromMs: number, toMs: number): Promise<readonly SessionWindow[]> {
    const question = (id: number): ToTraffic => ({ type: 'window', id, fromMs, toMs })
    const [clients, host] = await Promise.all([this.#clients.ask<'window'>(question), this.#host.ask<'window'>(question)])
    return clients.sent.map((sent, session) => ({
      up: flowWindow(sent, host.arrivals[session]!),
      down: flowWindow(host.sent[session]!, clients.arrivals[session]!),
    }))
  }

  async totals(): Promise<Totals> {
    const question = (id: number): ToTraffic => ({ type: 'totals', id })
    const answers = await Promise.all([this.#clients.ask<'totals'>(question), this.#host.ask<'totals'>(question)])
    return joinTotals(answers[0].totals, answers[1].totals)
  }

  /** The sources fall silent. */
  quiet(): void {
    this.#clients.tell({ type: 'quiet' })
    this.#host.tell({ type: 'quiet' })
  }

  async close(): Promise<void> {
    this.#closing = true
    await this.#clients.close()
    await this.#host.close()
  }

  killNow(): void {
    this.#closing = true
    this.#clients.killNow()
    this.#host.killNow()
  }

  #client(message: FromTraffic): void {
    if (message.type === 'problem') this.lastProblem = message.problem
    if (message.type === 'heard') this.onHeard(message.packet)
    if (message.type !== 'up') return
    this.#up.add(message.session)
    this.#host.tell({ type: 'address', session: message.session, address: message.address })
  }
}

function flowWindow(sent: FlowWindow['sent'], arrivals: FlowWindow['arrivals']): FlowWindow {
  return { sent, arrivals }
}

function joinTotals(clients: TrafficTotals, host: TrafficTotals): Totals {
  return {
    up: { sent: clients.sent, received: host.received },
    down: { sent: host.sent, received: clients.received },
    duplicated: clients.duplicated + host.duplicated,
    established: clients.established,
    reAuthentications: clients.reAuthentications,
    sequenceNumbersReused: clients.sequenceNumbersReused,
    lastMs: clients.lastMs.map((one, session) => Math.min(one, host.lastMs[session]!)),
  }
}
