/** Group commit: one batch is being written while the next one fills; messages that must wait for the disk wait with their batch. */

import { assert } from './assert.ts'
import type { Persist } from './effects.ts'
import { mergePersists } from './effects.ts'
import type { Envelope } from './message.ts'

export interface Batch {
  readonly persist: Persist
  /** These may leave once it is durable. */
  readonly sends: Envelope[]
}

export class WriteQueue {
  #writing: Batch | null = null
  #next: Batch | null = null

  /** Queues a batch, if any, and messages that must wait for it and all before it. Returns those that need not wait. */
  add(persist: Persist | null, sends: readonly Envelope[]): readonly Envelope[] {
    if (persist !== null) {
      const merged = this.#next === null ? persist : mergePersists(this.#next.persist, persist)
      this.#next = { persist: merged, sends: this.#next?.sends ?? [] }
    }
    const last = this.#next ?? this.#writing
    if (last === null) return sends
    last.sends.push(...sends)
    return []
  }

  /** The batch to write now; null: one is being written, or there is none. */
  begin(): Persist | null {
    if (this.#writing !== null || this.#next === null) return null
    this.#writing = this.#next
    this.#next = null
    return this.#writing.persist
  }

  /** The batch that was begun is durable. */
  completed(): Batch {
    const batch = this.#writing
    assert(batch !== null, 'a batch was completed, and none was being written')
    this.#writing = null
    return batch
  }

  /** What is being written; null: nothing is. */
  get writing(): Persist | null {
    return this.#writing?.persist ?? null
  }

  /** Forgets what is not being written yet. */
  clear(): void {
    this.#next = null
  }
}
