/** A gateway's disk as far as checkpoints go: it outlives the process, and a checkpoint is written whole or not at all. */

import type { CheckpointRecord } from '../../src/session/checkpoint.ts'
import { Checkpointer, restoreState } from '../../src/session/checkpoint.ts'
import type { State } from '../../src/session/state.ts'
import { CheckpointRecords } from '../../test/support/checkpoint-records.ts'

/** So many records between two other things that a process does. */
const SLICE_RECORDS = 6

export class CheckpointDisk {
  readonly #records = new CheckpointRecords()
  #index = 0

  /** The log's index that the last checkpoint reflects; 0: there is none. */
  get index(): number {
    return this.#index
  }

  write(index: number, records: readonly CheckpointRecord[]): void {
    this.#records.write(records)
    this.#index = index
  }

  restore(state: State): void {
    restoreState(state, this.#records)
  }
}

/** A process that makes checkpoints: begun at once, given in slices while commands go on being applied. */
export class CheckpointWriter {
  readonly #checkpointer: Checkpointer
  readonly #disk: CheckpointDisk
  #index: number | null = null
  #given: CheckpointRecord[] = []

  constructor(state: State, disk: CheckpointDisk) {
    this.#checkpointer = new Checkpointer(state)
    this.#disk = disk
  }

  begin(appliedIndex: number): void {
    if (this.#index !== null) return
    this.#checkpointer.begin()
    this.#index = appliedIndex
    this.#given = []
  }

  /** Goes on with the one under way. */
  step(): void {
    if (this.#index === null) return
    const records = this.#checkpointer.next(SLICE_RECORDS)
    this.#given.push(...records)
    if (records.length > 0) return
    this.#disk.write(this.#index, this.#given)
    this.#index = null
  }

  /** The disk did not take it. */
  fail(): void {
    if (this.#index === null) return
    this.#checkpointer.abandon()
    this.#index = null
  }
}
