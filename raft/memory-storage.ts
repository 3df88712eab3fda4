/** A storage that forgets with the process, or that outlives its server in a test: what was written stays until `reopen`. */

import type { HardState, Lives, Persist } from './effects.ts'
import type { Entry } from './entry.ts'
import { RaftError } from './errors.ts'
import type { LogStart } from './log.ts'
import { emptyStart } from './log.ts'
import type { Storage, StoredState } from './storage.ts'

export class MemoryStorage implements Storage {
  #hardState: HardState = { currentTerm: 0, votedFor: null }
  #lives: Lives = { bootCounter: 0, nonces: [], isRejoining: false, caughtUpIn: 0, peers: new Map() }
  #base: LogStart = emptyStart
  #entries: Entry[] = []
  #closed = false

  load(): Promise<StoredState> {
    this.#lives = { ...this.#lives, bootCounter: this.#lives.bootCounter + 1 }
    this.#closed = false
    return Promise.resolve({ hardState: this.#hardState, base: this.#base, entries: [...this.#entries], lives: this.#lives })
  }

  write(batch: Persist): Promise<void> {
    if (this.#closed) return Promise.reject(new RaftError('ERR_CLOSED', 'the storage is closed'))
    this.#hardState = batch.hardState ?? this.#hardState
    this.#lives = batch.lives ?? this.#lives
    if (batch.reset !== null) this.#entries = []
    this.#base = batch.reset ?? this.#base
    const first = batch.entries[0]?.index
    if (first !== undefined) this.#entries = [...this.#entries.filter((entry) => entry.index < first), ...batch.entries]
    this.#base = batch.compactTo ?? this.#base
    this.#entries = this.#entries.filter(({ index }) => index > this.#base.index)
    return Promise.resolve()
  }

  close(): Promise<void> {
    this.#closed = true
    return Promise.resolve()
  }
}
