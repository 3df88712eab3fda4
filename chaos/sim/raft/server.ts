/**
 * A server of the raft-only world: a machine, the life of the core on it, a clock of its own, and an application whose whole state is its
 * place in the log.
 */

import type { Effects } from '../../../raft/effects.ts'
import { configurationAt } from '../../../raft/configurations.ts'
import type { LogStart } from '../../../raft/log.ts'
import type { MembershipChange } from '../../../raft/membership.ts'
import type { Envelope, InstallSnapshot, ServerId } from '../../../raft/message.ts'
import type { Input } from '../../../raft/raft.ts'
import type { Raft } from '../../../raft/state.ts'
import type { SeededRandom } from '../../../src/kit/random.ts'
import { Violation } from '../checkers/violation.ts'
import { emptyCheckpoint } from './disk.ts'
import { RaftLife } from './life.ts'
import { Machine } from './machine.ts'

export interface ServerHandlers {
  onStep(raft: Raft, effects: Effects): void
  /** `read`: how many entries were committed when the read began. */
  onRead(server: Server, outcome: Effects['reads'][number], read: number): void
  onWrite(server: Server): void
  onSend(server: Server, envelope: Envelope): void
  /** As many messages have left as were to leave: the process ends before the next one. */
  onSpent(server: Server): void
  onSnapshotTo(server: Server, to: ServerId): void
  onSnapshotPart(server: Server, part: InstallSnapshot): void
}

type Unclocked<T> = T extends unknown ? Omit<T, 'now'> : never

export class Server {
  readonly machine: Machine
  readonly #handlers: ServerHandlers
  readonly #firstBoot: readonly ServerId[]
  readonly #now: () => number
  #life: RaftLife | null = null
  /** When the batch that is being written is durable. */
  writtenAt = 0
  /** Its disk hangs until then. */
  stalledUntil = 0
  /** The process does not run until then; its clock stands still, and packets wait. */
  frozenUntil = 0
  /** A snapshot that it takes over. */
  installing: { readonly mark: LogStart; readonly doneAt: number } | null = null
  /** So many messages leave before the process ends; Infinity: it goes on. */
  messagesLeft = Infinity
  /** Own clocks differ, and start anew with the process. */
  #startedAt = 0
  #lastApplied = 0
  #ids = 0
  /** Reads without an outcome. */
  readonly #reads = new Map<number, number>()

  /** `firstBoot`: the members that it is started with; none: it joins. */
  constructor(id: ServerId, firstBoot: readonly ServerId[], now: () => number, handlers: ServerHandlers) {
    this.machine = new Machine(id)
    this.#firstBoot = firstBoot
    this.#now = now
    this.#handlers = handlers
  }

  get id(): ServerId {
    return this.machine.id
  }

  /** Null: it is down. */
  get raft(): Raft | null {
    return this.#life?.raft ?? null
  }

  get lastApplied(): number {
    return this.#lastApplied
  }

  get isFrozen(): boolean {
    return this.frozenUntil > this.#now()
  }

  get isReading(): boolean {
    return this.#reads.size > 0
  }

  /** A process starts, with all others reachable. */
  boot(peers: Iterable<ServerId>, random: SeededRandom): void {
    this.#startedAt = this.#now()
    this.#reads.clear()
    this.messagesLeft = Infinity
    this.#life = new RaftLife({
      machine: this.machine,
      random,
      configuration: { voters: this.#firstBoot, outgoingVoters: null, learners: [] },
      options: {
        heartbeatMs: 20,
        electionTimeoutMs: 100,
        maxInflightMessages: 4,
        maxAppendOctets: 200,
        maxUncommittedOctets: 2000,
        compactionTailOctets: 100,
      },
      now: 0,
      handlers: {
        onStep: (raft, effects) => this.#stepped(raft, effects),
        onWrite: () => this.#handlers.onWrite(this),
        onSend: (envelope) => this.#send(envelope),
        onEffects: (effects) => this.#perform(effects),
      },
    })
    this.#lastApplied = this.machine.disk.checkpoint.index
    for (const peer of peers) if (peer !== this.id) this.step({ type: 'peerConnected', peer })
  }

  crash(isWritten: boolean): void {
    this.#life?.end(isWritten)
    this.#life = null
    this.installing = null
  }

  /** Its clock stands still for a turn. */
  sleep(ms: number): void {
    this.#startedAt += ms
  }

  step(input: Unclocked<Input>): void {
    this.#life?.step({ ...input, now: this.#clock() })
  }

  tick(): void {
    this.#life?.step({ type: 'tick', now: this.#clock() })
  }

  /** The disk has done what it can by now. */
  completeWrite(): void {
    const isBusy = this.writtenAt > this.#now() || this.stalledUntil > this.#now()
    if (this.#life?.isWriting === true && !isBusy) this.#life.diskDone(this.#clock())
  }

  propose(): void {
    if (this.raft === null) return
    const id = this.#newId()
    const data = Uint8Array.from(`${this.id}/${id}`, (character) => character.charCodeAt(0))
    this.step({ type: 'propose', proposals: [{ id, kind: 'command', priority: 1, data }] })
  }

  read(committed: number): void {
    if (this.raft === null) return
    const id = this.#newId()
    this.#reads.set(id, committed)
    this.step({ type: 'read', id })
  }

  transferLeadership(to: ServerId): void {
    if (this.raft !== null) this.step({ type: 'transferLeadership', id: this.#newId(), to })
  }

  changeMembership(changes: readonly MembershipChange[]): void {
    if (this.raft !== null) this.step({ type: 'changeMembership', id: this.#newId(), changes })
  }

  /** The application's state reaches its disk; then the log may forget. */
  checkpoint(doCompact: boolean): void {
    const { raft, machine } = this
    if (raft === null || this.installing !== null || this.#lastApplied <= machine.disk.checkpoint.index) return
    const index = this.#lastApplied
    machine.disk = {
      ...machine.disk,
      checkpoint: { ...emptyCheckpoint, index, term: raft.log.term(index)!, configuration: configurationAt(raft, index) },
    }
    if (doCompact) this.step({ type: 'compact', index })
  }

  /** The snapshot is durable, and the log not yet made anew. */
  snapshotDurable(mark: LogStart): void {
    this.machine.disk = { ...this.machine.disk, checkpoint: { ...emptyCheckpoint, ...mark } }
  }

  snapshotInstalled({ index, term, configuration }: LogStart): void {
    this.#lastApplied = index
    this.step({ type: 'snapshotInstalled', index, term, configuration: configuration! })
  }

  describe(): unknown {
    const { raft, machine } = this
    const place = { phase: raft?.phase.type, term: raft?.currentTerm, last: raft?.log.lastIndex, commit: raft?.commitIndex }
    return {
      id: this.id,
      ...place,
      lastApplied: this.#lastApplied,
      standing: raft?.isRemoved ? 'removed' : raft?.standing.type,
      lost: machine.lost !== null,
    }
  }

  #clock(): number {
    return this.#now() - this.#startedAt
  }

  #newId(): number {
    return this.raft!.lives.own.bootCounter * 2 ** 32 + ++this.#ids
  }

  #stepped(raft: Raft, effects: Effects): void {
    this.#handlers.onStep(raft, effects)
    for (const { index } of effects.committed) {
      if (index !== this.#lastApplied + 1) throw new Violation('state machine safety', `${this.id} skips or repeats ${index}`)
      this.#lastApplied = index
    }
    for (const outcome of effects.reads) {
      const read = this.#reads.get(outcome.id)
      if (read === undefined) throw new Violation('reads', `${this.id} hears of read ${outcome.id}, which has ended`)
      this.#reads.delete(outcome.id)
      this.#handlers.onRead(this, outcome, read)
    }
  }

  #send(envelope: Envelope): void {
    if (this.messagesLeft === 0) this.#handlers.onSpent(this)
    else this.#handlers.onSend(this, envelope)
    this.messagesLeft--
  }

  #perform({ snapshotsTo, snapshotParts }: Effects): void {
    for (const to of snapshotsTo) this.#handlers.onSnapshotTo(this, to)
    for (const { message } of snapshotParts) if (message.type === 'installSnapshot') this.#handlers.onSnapshotPart(this, message)
  }
}
