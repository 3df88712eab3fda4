/** Checkpoints of one process, and what becomes of them on its disk: the log is cut behind them, and a leader's snapshot takes their place. */

import { fromHex } from '../../src/kit/bytes.ts'
import type { SeededRandom } from '../../src/kit/random.ts'
import { restoreState } from '../../src/session/checkpoint.ts'
import type { State } from '../../src/session/state.ts'
import { createState } from '../../src/session/state.ts'
import { CheckpointWriter } from './checkpoint-writer.ts'
import type { Host } from './host.ts'
import type { Checkpoint } from './raft/disk.ts'
import type { RaftMember } from './raft-member.ts'

/** Chance that a checkpoint is not written, asked at each step. */
const FAILURE = 0.01

export class Checkpointing {
  readonly #host: Host
  readonly #state: State
  readonly #member: RaftMember
  readonly #random: SeededRandom
  readonly #writer: CheckpointWriter
  /** Given to the disk, and not yet there. */
  #underWay: Checkpoint | null = null
  #isOver = false

  constructor(host: Host, state: State, member: RaftMember, random: SeededRandom) {
    this.#host = host
    this.#state = state
    this.#member = member
    this.#random = random
    this.#writer = new CheckpointWriter(state)
  }

  begin(): void {
    if (this.#underWay === null && !this.#member.isInstalling && this.#member.index > 0) this.#writer.begin(this.#member.mark())
  }

  /** Goes on with the one under way. `failed`: the disk did not take it, and the process must end. `run`: when it is awake. */
  step(run: (then: () => void) => void, failed: () => void): void {
    if (!this.#writer.isWriting) return
    if (this.#random.fraction() < FAILURE) return this.#writer.fail()
    const checkpoint = this.#writer.step(this.#host.machine.disk.checkpoint)
    if (checkpoint === null) return
    this.#underWay = checkpoint
    this.#write(checkpoint, run, failed, () => this.#member.compact(checkpoint.index))
  }

  /** A snapshot takes the place of what is there, after what is being written. `installed`: it is on disk. */
  install(snapshot: Checkpoint, run: (then: () => void) => void, failed: () => void, installed: () => void): boolean {
    if (this.#writer.isWriting || this.#underWay !== null) return false
    this.#underWay = snapshot
    this.#write(snapshot, run, failed, installed)
    return true
  }

  restore(): void {
    restoreFrom(this.#state, this.#host.machine.disk.checkpoint)
  }

  /** The process ends. */
  end(isWritten: boolean): void {
    if (isWritten && this.#underWay !== null) this.#put(this.#underWay)
    this.#isOver = true
  }

  #write(checkpoint: Checkpoint, run: (then: () => void) => void, failed: () => void, done: () => void): void {
    this.#host.drive.write((hasFailed) => {
      if (this.#isOver) return
      if (hasFailed) return failed()
      this.#put(checkpoint)
      this.#underWay = null
      run(done)
    })
  }

  #put(checkpoint: Checkpoint): void {
    this.#host.machine.disk = { ...this.#host.machine.disk, checkpoint }
  }
}

/** All at once: what the state held is gone. */
export function restoreFrom(state: State, { records }: Checkpoint): void {
  const loaded = createState()
  restoreState(loaded, octetsOf(records))
  Object.assign(state, loaded)
}

function* octetsOf(records: ReadonlyMap<string, Uint8Array>): Generator<readonly [Uint8Array, Uint8Array]> {
  for (const [key, value] of records) yield [fromHex(key)!, value]
}
