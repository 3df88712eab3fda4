/** What a server needs of a disk. One writer, one batch at a time. */

import type { HardState, Lives, Persist } from './effects.ts'
import type { Entry } from './entry.ts'
import type { LogStart } from './log.ts'

export interface StoredState {
  readonly hardState: HardState
  readonly base: LogStart
  /** From the base on, without gaps. */
  readonly entries: readonly Entry[]
  /** Its boot counter counts this opening, too: from 1. */
  readonly lives: Lives
}

export interface Storage {
  /** Everything that is durable. Called once, before the first write. Throws `ERR_STORAGE_DAMAGED`. */
  load(): Promise<StoredState>
  /** Resolves when the batch is durable. Not called again before that; not called again after a rejection. Throws `ERR_STORAGE`. */
  write(batch: Persist): Promise<void>
  close(): Promise<void>
}
