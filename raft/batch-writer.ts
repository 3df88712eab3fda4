/** Writes the batches of a write queue to a storage, one after the other. A failed write is final. */

import type { Persist } from './effects.ts'
import type { Envelope } from './message.ts'
import type { Storage } from './storage.ts'
import { WriteQueue } from './write-queue.ts'

export interface BatchWriterHandlers {
  /** The batch is durable: these may leave now. Called before `onPersisted`. */
  onSend(envelopes: readonly Envelope[]): void
  onPersisted(sequence: number): void
  /** Once. Nothing is written afterwards. */
  onFailed(error: unknown): void
}

export class BatchWriter {
  readonly #storage: Storage
  readonly #handlers: BatchWriterHandlers
  readonly #queue = new WriteQueue()
  #stopped = false
  #idle: Promise<void> = Promise.resolve()

  constructor(storage: Storage, handlers: BatchWriterHandlers) {
    this.#storage = storage
    this.#handlers = handlers
  }

  /** Queues a batch, if any, and messages that must wait for it and all before it. */
  add(persist: Persist | null, sends: readonly Envelope[]): void {
    if (this.#stopped) return
    const free = this.#queue.add(persist, sends)
    if (free.length > 0) this.#handlers.onSend(free)
    this.#start()
  }

  #start(): void {
    const persist = this.#queue.begin()
    if (persist === null) return
    this.#idle = this.#storage.write(persist).then(
      () => this.#written(),
      (error: unknown) => this.#failed(error),
    )
  }

  #written(): void {
    if (this.#stopped) return
    const { persist, sends } = this.#queue.completed()
    this.#start()
    this.#handlers.onSend(sends)
    this.#handlers.onPersisted(persist.sequence)
  }

  #failed(error: unknown): void {
    if (this.#stopped) return
    this.#stopped = true
    this.#handlers.onFailed(error)
  }

  /** Forgets what is queued; resolves when nothing is being written any more. */
  stop(): Promise<void> {
    this.#stopped = true
    this.#queue.clear()
    return this.#idle
  }
}
