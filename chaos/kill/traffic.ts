/** The nemesis' handle on the process that makes and receives all traffic. */

import type { ChildProcess } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { answerOf } from '../../bench/process/answer.ts'
import { startProcess } from '../../bench/process/start.ts'
import type { Undo } from '../lab/undo.ts'
import type { FromTraffic, ToTraffic, TrafficSetup } from './messages.ts'

/** Built-in clients connect and every TCP connection is made before it is ready. */
const OPEN_LIMIT_MS = 90_000
const ANSWER_LIMIT_MS = 20_000
const who = "the traffic's process"

export class Traffic {
  readonly #child: ChildProcess
  #lastId = 0

  /** Resolves when every client can send. */
  static async open(setup: TrafficSetup, undo: Undo): Promise<Traffic> {
    const module = fileURLToPath(new URL('traffic-process.js', import.meta.url))
    const child = startProcess(module, who, undo)
    const traffic = new Traffic(child)
    await traffic.#ask(setup, OPEN_LIMIT_MS, ({ type }) => type === 'ready')
    return traffic
  }

  private constructor(child: ChildProcess) {
    this.#child = child
  }

  flow(): void {
    this.#child.send({ type: 'flow' } satisfies ToTraffic)
  }

  quiet(): void {
    this.#child.send({ type: 'quiet' } satisfies ToTraffic)
  }

  /** Of each client, when what came last was sent, of both directions the earlier; monotonic ms, −∞ before anything came. */
  async latest(): Promise<readonly number[]> {
    return (await this.#answer('latest')).sentMs
  }

  async report(): Promise<Extract<FromTraffic, { readonly type: 'report' }>> {
    return this.#answer('report')
  }

  async #answer<T extends 'latest' | 'report'>(type: T): Promise<Extract<FromTraffic, { readonly type: T }>> {
    const id = ++this.#lastId
    const message = await this.#ask({ type, id }, ANSWER_LIMIT_MS, (message) => 'id' in message && message.id === id)
    return message as Extract<FromTraffic, { readonly type: T }>
  }

  #ask(ask: ToTraffic, limitMs: number, isAnswer: (message: FromTraffic) => boolean): Promise<FromTraffic> {
    return answerOf<FromTraffic>(this.#child, { who, limitMs, isAnswer, ask: () => void this.#child.send(ask) })
  }
}
