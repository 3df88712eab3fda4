/** One member's view of the log in memory-log.ts. */

import type { Bytes } from '../kit/bytes.ts'
import { emptyBytes } from '../kit/bytes.ts'
import { CodedError } from '../kit/errors.ts'
import type { AppendOutcome, MemoryCluster } from './memory-log.ts'
import type { CommandId, CommittedCommand, LogMark, LogStatus, ReplicatedLog } from './replicated-log.ts'

interface Waiting {
  /** Done when so many commands are delivered; Infinity until it is known. */
  position: number
  readonly resolve: () => void
  readonly reject: (error: CodedError) => void
}

export class MemoryLog implements ReplicatedLog {
  readonly id: string
  readonly #cluster: MemoryCluster
  #waiting = new Set<Waiting>()
  #committedListeners: ((commands: readonly CommittedCommand[]) => void)[] = []
  #statusListeners: ((status: LogStatus) => void)[] = []
  #undelivered: CommittedCommand[] = []
  #isClosed = false
  /** How many commands were delivered here. */
  delivered = 0

  constructor(id: string, cluster: MemoryCluster, from: LogMark | null = null) {
    this.id = id
    this.#cluster = cluster
    this.delivered = from?.index ?? 0
  }

  append(id: CommandId, command: Bytes): Promise<void> {
    return this.#wait((waiting) => {
      const settle = (outcome: AppendOutcome): void => this.#settle(waiting, outcome)
      this.#cluster.append({ id, command: command.slice(), settle })
    })
  }

  async barrier(): Promise<number> {
    await this.#wait((waiting) => this.#settle(waiting, { position: this.#cluster.commands.length }))
    return this.delivered
  }

  onCommitted(listener: (commands: readonly CommittedCommand[]) => void): void {
    this.#committedListeners.push(listener)
    const commands = this.#undelivered
    this.#undelivered = []
    if (commands.length > 0) listener(commands)
  }

  onStatus(listener: (status: LogStatus) => void): void {
    this.#statusListeners.push(listener)
  }

  status(): LogStatus {
    return this.#cluster.statusOf(this.id)
  }

  mark(): LogMark {
    return { index: this.delivered, term: 0, configuration: emptyBytes, position: emptyBytes }
  }

  /** All of it is kept: other members may restart from the beginning. */
  trim(): void {}

  close(): Promise<void> {
    this.#isClosed = true
    for (const waiting of this.#waiting) waiting.reject(new CodedError('ERR_OUTCOME_UNKNOWN', 'the log was closed'))
    this.#waiting.clear()
    return Promise.resolve()
  }

  /** For the cluster: the next commands. */
  deliver(commands: readonly CommittedCommand[]): void {
    this.delivered += commands.length
    if (this.#isClosed) return
    if (this.#committedListeners.length === 0) this.#undelivered.push(...commands)
    for (const listener of this.#committedListeners) listener(commands)
    for (const waiting of this.#waiting) this.#maybeResolve(waiting)
  }

  statusChanged(): void {
    if (this.#isClosed) return
    for (const listener of this.#statusListeners) listener(this.status())
  }

  #wait(start: (waiting: Waiting) => void): Promise<void> {
    if (this.#isClosed) return Promise.reject(new CodedError('ERR_CLOSED'))
    return new Promise((resolve, reject) => {
      const waiting = { position: Infinity, resolve, reject }
      this.#waiting.add(waiting)
      start(waiting)
    })
  }

  #settle(waiting: Waiting, outcome: AppendOutcome): void {
    if (!this.#waiting.has(waiting)) return
    if ('position' in outcome) {
      waiting.position = outcome.position
      this.#maybeResolve(waiting)
      return
    }
    this.#waiting.delete(waiting)
    waiting.reject(outcome.error)
  }

  #maybeResolve(waiting: Waiting): void {
    if (this.delivered >= waiting.position && this.#waiting.delete(waiting)) waiting.resolve()
  }
}
