/** A storage that forgets with the process, or that outlives its server in a test: what was written stays until `reopen`. */

import type { HardState, Persist } from './effects.ts'
import type { Entry } from './entry.ts'
import { RaftError } from './errors.ts'
import type { Storage, StoredState } from './storage.ts'

export class MemoryStorage implements Storage {
  #hardState: HardState = { currentTerm: 0, votedFor: null }
  #entries: Entry[] = []
  #bootCounter = 0
  #closed = false

  load(): Promise<StoredState> {
    this.#bootCounter++
    this.#closed = false
    return Promise.resolve({ hardState: this.#hardState, entries: [...this.#entries], bootCounter: this.#bootCounter })
  }

  write(batch: Persist): Promise<void> {
    if (this.#closed) return Promise.reject(new RaftError('ERR_CLOSED', 'the storage is closed'))
    this.#hardState = batch.hardState ?? this.#hardState
    const first = batch.entries[0]?.index
    if (first !== undefined) this.#entries = [...this.#entries.filter((entry) => entry.index < first), ...batch.entries]
    return Promise.resolve()
  }

  close(): Promise<void> {
    this.#closed = true
    return Promise.resolve()
  }
}
