/**
 * A life of a Raft core, from the start of its process to its crash: it joins what the disk holds, its effects are performed in their order,
 * and its batches are written one after the other. When a batch is durable the world says. The process may end between any two effects.
 */

import type { Effects, Persist } from '../../../raft/effects.ts'
import type { Envelope } from '../../../raft/message.ts'
import type { Input } from '../../../raft/raft.ts'
import { createRaft, step } from '../../../raft/raft.ts'
import type { RandomSource } from '../../../raft/random.ts'
import { joinLog } from '../../../raft/start.ts'
import type { Raft, RaftInit } from '../../../raft/state.ts'
import { WriteQueue } from '../../../raft/write-queue.ts'
import { opened, written } from './disk.ts'
import type { Machine } from './machine.ts'

export interface LifeHandlers {
  /** The core made a step; nothing of its effects is done yet. */
  onStep(raft: Raft, effects: Effects): void
  /** A batch goes to the disk: call `diskDone` when it is durable. */
  onWrite(persist: Persist): void
  onSend(envelope: Envelope): void
  /** What is committed, answers, and snapshots. */
  onEffects(effects: Effects): void
}

export interface LifeOptions extends Pick<RaftInit, 'configuration' | 'options' | 'now'> {
  readonly machine: Machine
  readonly random: RandomSource
  readonly handlers: LifeHandlers
}

type Unclocked<T> = T extends unknown ? Omit<T, 'now'> : never

/** An input without its time, for whoever keeps the core's clock. */
export type UnclockedInput = Unclocked<Input>

export class RaftLife {
  readonly raft: Raft
  readonly #machine: Machine
  readonly #handlers: LifeHandlers
  readonly #queue = new WriteQueue()
  #isOver = false
  /** What is being written is on disk. */
  #isDurable = false

  constructor({ machine, random, handlers, ...init }: LifeOptions) {
    this.#machine = machine
    this.#handlers = handlers
    machine.disk = opened(machine.disk)
    const { disk, id } = machine
    const lives = { ...disk.lives, nonce: random.uint32() }
    this.raft = createRaft({ ...init, id, random, ...joinLog(disk, disk.checkpoint, init.configuration), lives })
  }

  get isOver(): boolean {
    return this.#isOver
  }

  step(input: Input): void {
    if (this.#isOver) return
    const effects = step(this.raft, input)
    this.#handlers.onStep(this.raft, effects)
    const free = this.#queue.add(effects.persist, effects.sendAfterPersist)
    this.#send(free)
    this.#write()
    this.#send(effects.send)
    if (!this.#isOver) this.#handlers.onEffects(effects)
  }

  /** Whether a batch is on its way to the disk. */
  get isWriting(): boolean {
    return this.#queue.writing !== null
  }

  /** The batch that is being written is on disk, though the process may not have heard of it. */
  makeDurable(): void {
    const { writing } = this.#queue
    if (writing === null || this.#isOver || this.#isDurable) return
    this.#isDurable = true
    this.#machine.disk = written(this.#machine.disk, writing)
  }

  /** The process hears that the batch is durable. `now`: of the core's clock. */
  diskDone(now: number): void {
    if (this.#isOver) return
    this.makeDurable()
    const { persist, sends } = this.#queue.completed()
    this.#isDurable = false
    this.#write()
    this.#send(sends)
    this.step({ type: 'persisted', sequence: persist.sequence, now })
  }

  /** The process ends. What was being written is on disk or is not; what waited is not. */
  end(isWritten: boolean): void {
    if (this.#isOver) return
    if (isWritten) this.makeDurable()
    this.#isOver = true
  }

  #write(): void {
    const persist = this.#isOver ? null : this.#queue.begin()
    if (persist !== null) this.#handlers.onWrite(persist)
  }

  #send(envelopes: readonly Envelope[]): void {
    for (const envelope of envelopes) if (!this.#isOver) this.#handlers.onSend(envelope)
  }
}
