/** The bench's handle on the processes that make and receive traffic: the trusted host's, and one in each client's namespace. */

import type { ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { LabError } from '../../chaos/lab/lab-error.ts'
import type { LabNetwork } from '../../chaos/lab/network.ts'
import { INNER_HOST, clientName } from '../../chaos/lab/network.ts'
import type { Undo } from '../../chaos/lab/undo.ts'
import { answerOf } from '../process/answer.ts'
import { startProcess } from '../process/start.ts'
import type { Arrivals, Sent } from './arrivals.ts'
import type { ClientWindow, FromTraffic, HostWindow, ToTraffic } from './messages.ts'
import type { Chunk } from './player.ts'

/** An answer takes a few ms; on a machine that is busy with much else, longer. */
const ANSWER_MS = 20_000

/** What one client's call and audio did in a window. */
export interface ClientTraffic {
  readonly down: { readonly sent: Sent; readonly arrivals: Arrivals }
  readonly up: { readonly sent: Sent; readonly arrivals: Arrivals }
  readonly chunks: readonly Chunk[]
  readonly reconnections: number
}

class TrafficProcess {
  readonly #child: ChildProcess
  readonly #name: string
  #lastId = 0

  static async start(network: LabNetwork, participant: string, file: string, setup: ToTraffic, undo: Undo): Promise<TrafficProcess> {
    const module = fileURLToPath(new URL(file, import.meta.url))
    const child = startProcess(module, `traffic of ${participant}`, undo, (command) => network.inside(participant, command))
    const traffic = new TrafficProcess(child, participant)
    await traffic.#answer(setup, (message) => message.type === 'ready')
    return traffic
  }

  private constructor(child: ChildProcess, name: string) {
    this.#child = child
    this.#name = name
    child.setMaxListeners(50)
  }

  async window<T extends FromTraffic['type']>(type: T, fromMs: number, toMs: number): Promise<Extract<FromTraffic, { readonly type: T }>> {
    const id = ++this.#lastId
    const message = await this.#answer({ type: 'window', id, fromMs, toMs }, (one) => 'id' in one && one.id === id)
    if (message.type !== type) throw new LabError(`the traffic process of ${this.#name} answers ${message.type}`)
    return message as Extract<FromTraffic, { readonly type: T }>
  }

  #answer(ask: ToTraffic, isAnswer: (message: FromTraffic) => boolean): Promise<FromTraffic> {
    const who = `the traffic process of ${this.#name}`
    return answerOf<FromTraffic>(this.#child, { who, limitMs: ANSWER_MS, isAnswer, ask: () => this.#child.send(ask) })
  }
}

export class Traffic {
  readonly #host: TrafficProcess
  readonly #clients: readonly TrafficProcess[]

  /** Starts calls and audio; `kbits`: the bit rate of each client, whose tunnels are up. */
  static async start(network: LabNetwork, kbits: readonly number[], undo: Undo): Promise<Traffic> {
    const host = await TrafficProcess.start(network, 'host', './host-process.js', { type: 'host', address: INNER_HOST, kbits }, undo)
    const clients: TrafficProcess[] = []
    for (const [client, rate] of kbits.entries()) {
      const setup: ToTraffic = { type: 'client', client, kbits: rate, host: INNER_HOST }
      clients.push(await TrafficProcess.start(network, clientName(client), './client-process.js', setup, undo))
    }
    return new Traffic(host, clients)
  }

  private constructor(host: TrafficProcess, clients: readonly TrafficProcess[]) {
    this.#host = host
    this.#clients = clients
  }

  /** Of every client. To be asked when what was sent in the window has had time to arrive. Monotonic ms. */
  async window(fromMs: number, toMs: number): Promise<ClientTraffic[]> {
    const [host, ...clients] = await Promise.all([
      this.#host.window('host-window', fromMs, toMs),
      ...this.#clients.map((client) => client.window('client-window', fromMs, toMs)),
    ] as const)
    return clients.map((client, i) => trafficOf(host, client, i))
  }
}

function trafficOf(host: HostWindow, client: ClientWindow, i: number): ClientTraffic {
  return {
    down: { sent: host.sent[i]!, arrivals: client.down },
    up: { sent: client.sent, arrivals: host.up[i]! },
    chunks: client.chunks,
    reconnections: client.reconnections,
  }
}
