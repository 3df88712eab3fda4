/** What a server needs of a disk. One writer, one batch at a time. */

import type { HardState, Persist } from './effects.ts'
import type { Entry } from './entry.ts'

export interface StoredState {
  readonly hardState: HardState
  /** From the first index on, without gaps. */
  readonly entries: readonly Entry[]
  /** How often this storage was opened, this time included: from 1. */
  readonly bootCounter: number
}

export interface Storage {
  /** Everything that is durable. Called once, before the first write. Throws `ERR_STORAGE_DAMAGED`. */
  load(): Promise<StoredState>
  /** Resolves when the batch is durable. Not called again before that; not called again after a rejection. Throws `ERR_STORAGE`. */
  write(batch: Persist): Promise<void>
  close(): Promise<void>
}
