/** A process that makes checkpoints: begun at once, given in slices while commands go on being applied, and written whole or not at all. */

import { toHex } from '../../src/kit/bytes.ts'
import type { CheckpointRecord } from '../../src/session/checkpoint.ts'
import { Checkpointer } from '../../src/session/checkpoint.ts'
import type { State } from '../../src/session/state.ts'
import type { Checkpoint, CheckpointMark } from './raft/disk.ts'

/** So many records between two other things that a process does. */
const SLICE_RECORDS = 6

export class CheckpointWriter {
  readonly #checkpointer: Checkpointer
  #mark: CheckpointMark | null = null
  #given: CheckpointRecord[] = []

  constructor(state: State) {
    this.#checkpointer = new Checkpointer(state)
  }

  get isWriting(): boolean {
    return this.#mark !== null
  }

  /** `mark`: where the log is now. */
  begin(mark: CheckpointMark): void {
    if (this.#mark !== null) return
    this.#checkpointer.begin()
    this.#mark = mark
    this.#given = []
  }

  /** Goes on with the one under way; what it is once it has been given to its end, else null. `former`: what the disk holds. */
  step(former: Checkpoint): Checkpoint | null {
    const mark = this.#mark
    if (mark === null) return null
    const records = this.#checkpointer.next(SLICE_RECORDS)
    this.#given.push(...records)
    if (records.length > 0) return null
    this.#mark = null
    return { ...mark, records: changed(former.records, this.#given) }
  }

  /** The disk did not take it. */
  fail(): void {
    if (this.#mark === null) return
    this.#checkpointer.abandon()
    this.#mark = null
  }
}

function changed(former: ReadonlyMap<string, Uint8Array>, changes: readonly CheckpointRecord[]): ReadonlyMap<string, Uint8Array> {
  const records = new Map(former)
  for (const { key, value } of changes) {
    if (value === null) records.delete(toHex(key))
    else records.set(toHex(key), value)
  }
  return records
}
