/**
 * The turns of a data plane's thread on the fast path. Each turn: the messages of the main thread, timers that are due, then one wait in
 * this very thread (epoll_wait) and a bounded share of every descriptor's input. Nothing waits in libuv's thread pool.
 *
 * A turn ends by returning to Node's own loop, so promises, child processes and Node's timers go on too, at the latest when the wait ends:
 * it lasts no longer than to the next tick, and no longer than a millisecond while something of Node's is awaited. The main thread ends it by the `Wake`
 * that it writes to after every message.
 */

import type { MessagePort } from 'node:worker_threads'
import { receiveMessageOnPort } from 'node:worker_threads'
import type { BlockingPoller } from '../network/poller.ts'
import { monotonicMs } from './clock.ts'
import type { ToWorker } from './messages.ts'
import { TICK_MS } from './packet-host.ts'
import type { PacketHost } from './packet-host.ts'

/** Arrays of messages handled in a turn, before packets get theirs. */
const MESSAGES_A_TURN = 64
/** While Node's own loop has work that we wait for. */
const BUSY_WAIT_MS = 1

export interface TurnOptions {
  readonly poller: BlockingPoller
  readonly port: MessagePort
  readonly host: PacketHost
  /** Posts what was gathered for the main thread. Comes after what was gathered for the network has left. */
  flush(): void
  onClose(): void
}

export class Turns {
  readonly #options: TurnOptions
  #nextTickMs = 0
  #closing = false

  constructor(options: TurnOptions) {
    this.#options = options
    setImmediate(this.#turn)
  }

  readonly #turn = (): void => {
    const { host, poller } = this.#options
    const isBehind = this.#messages()
    if (this.#closing) return this.#options.onClose()
    const nowMs = monotonicMs()
    if (nowMs >= this.#nextTickMs) {
      // An interval that was missed is not made up for.
      this.#nextTickMs = nowMs + TICK_MS
      host.tick()
    }
    this.#flush()
    poller.turn(this.#waitMs(isBehind), this.#flush)
    setImmediate(this.#turn)
  }

  /** Sends first: what the main thread hears of has left. */
  readonly #flush = (): void => {
    this.#options.host.flush()
    this.#options.flush()
  }

  /** Whether messages may be left. */
  #messages(): boolean {
    const { host, port } = this.#options
    for (let i = 0; i < MESSAGES_A_TURN && !this.#closing; i++) {
      const received = receiveMessageOnPort(port)
      if (received === undefined) return false
      const messages = received.message as readonly ToWorker[]
      for (const message of messages) host.handle(message)
      this.#closing = messages.at(-1)?.type === 'close'
    }
    return true
  }

  #waitMs(isBehind: boolean): number {
    if (isBehind) return 0
    const untilTickMs = Math.max(0, Math.ceil(this.#nextTickMs - monotonicMs()))
    return this.#options.host.isBusy ? Math.min(BUSY_WAIT_MS, untilTickMs) : untilTickMs
  }
}
