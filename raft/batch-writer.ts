/**
 * Group commit: one batch is being written while the next one fills; messages that must wait for the disk wait with their batch. A failed
 * write is final.
 */

import type { Persist } from './effects.ts'
import { mergePersists } from './effects.ts'
import type { Envelope } from './message.ts'
import type { Storage } from './storage.ts'

interface Batch {
  readonly persist: Persist
  readonly sends: Envelope[]
}

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
  #writing: Batch | null = null
  #next: Batch | null = null
  #stopped = false
  #idle: Promise<void> = Promise.resolve()

  constructor(storage: Storage, handlers: BatchWriterHandlers) {
    this.#storage = storage
    this.#handlers = handlers
  }

  /** Queues a batch, if any, and messages that must wait for it and all before it. */
  add(persist: Persist | null, sends: readonly Envelope[]): void {
    if (this.#stopped) return
    if (persist !== null) this.#queue(persist)
    const last = this.#next ?? this.#writing
    if (last === null) this.#handlers.onSend(sends)
    else last.sends.push(...sends)
    this.#start()
  }

  #queue(persist: Persist): void {
    const merged = this.#next === null ? persist : mergePersists(this.#next.persist, persist)
    this.#next = { persist: merged, sends: this.#next?.sends ?? [] }
  }

  #start(): void {
    if (this.#writing !== null || this.#next === null) return
    const batch = this.#next
    this.#writing = batch
    this.#next = null
    this.#idle = this.#storage.write(batch.persist).then(
      () => this.#written(batch),
      (error: unknown) => this.#failed(error),
    )
  }

  #written(batch: Batch): void {
    if (this.#stopped) return
    this.#writing = null
    this.#start()
    this.#handlers.onSend(batch.sends)
    this.#handlers.onPersisted(batch.persist.sequence)
  }

  #failed(error: unknown): void {
    if (this.#stopped) return
    this.#stopped = true
    this.#handlers.onFailed(error)
  }

  /** Forgets what is queued; resolves when nothing is being written any more. */
  stop(): Promise<void> {
    this.#stopped = true
    this.#next = null
    return this.#idle
  }
}
