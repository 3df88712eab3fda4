/**
 * A server of the raft-only world: a machine, the life of the core on it, a clock of its own, replicated registers as the application, and
 * clients that call here. What clients are told is told as RaftServer does it, by the same trackers.
 */

import type { Effects } from '../../../raft/effects.ts'
import { configurationAt } from '../../../raft/configurations.ts'
import type { Entry } from '../../../raft/entry.ts'
import { RaftError } from '../../../raft/errors.ts'
import type { MembershipChange } from '../../../raft/membership.ts'
import type { Envelope, InstallSnapshot, ServerId } from '../../../raft/message.ts'
import type { Position } from '../../../raft/proposal-tracker.ts'
import { ProposalTracker } from '../../../raft/proposal-tracker.ts'
import { ReadTracker } from '../../../raft/read-tracker.ts'
import { newId } from '../../../raft/proposals.ts'
import type { Raft } from '../../../raft/state.ts'
import { knownLeader } from '../../../raft/state.ts'
import type { SeededRandom } from '../../../src/kit/random.ts'
import { Violation } from '../checkers/violation.ts'
import type { RegisterInput, RegisterOutput } from '../register.ts'
import type { Checkpoint } from './disk.ts'
import { emptyCheckpoint } from './disk.ts'
import type { History } from './history.ts'
import type { UnclockedInput } from './life.ts'
import { RaftLife } from './life.ts'
import { Machine } from './machine.ts'
import { decodeRegisterCommand, encodeRegisterCommand, Registers } from './registers.ts'

export interface ServerHandlers {
  onStep(raft: Raft, effects: Effects): void
  /** `read`: how many entries were committed when the read began. */
  onRead(server: Server, outcome: Effects['reads'][number], read: number): void
  /** A client here was told of success, */
  onAnswered(server: Server, input: RegisterInput): void
  /** or that its command is in no log, for good. */
  onDropped(name: string): void
  onWrite(server: Server): void
  onSend(server: Server, envelope: Envelope): void
  /** As many messages have left as were to leave: the process ends before the next one. */
  onSpent(server: Server): void
  onSnapshotTo(server: Server, to: ServerId): void
  onSnapshotPart(server: Server, part: InstallSnapshot): void
}

/** Calls without an outcome for so long have an unknown one. */
const timeoutMs = 1000

export class Server {
  readonly machine: Machine
  readonly #handlers: ServerHandlers
  readonly #firstBoot: readonly ServerId[]
  readonly #now: () => number
  readonly #history: History
  #life: RaftLife | null = null
  /** When the batch that is being written is durable. */
  writtenAt = 0
  /** Its disk hangs until then. */
  stalledUntil = 0
  /** The process does not run until then; its clock stands still, and packets wait. */
  frozenUntil = 0
  /** A snapshot that it takes over. */
  installing: { readonly checkpoint: Checkpoint; readonly doneAt: number } | null = null
  /** So many messages leave before the process ends; Infinity: it goes on. */
  messagesLeft = Infinity
  /** Own clocks differ, and start anew with the process. */
  #startedAt = 0
  #lastApplied = 0
  #ids = 0
  #leader: ServerId | null = null
  #registers = new Registers(emptyCheckpoint.position)
  /** What the commands gave that this life has applied, by index. */
  readonly #outputs = new Map<number, RegisterOutput>()
  /** Reads without an outcome: how much was committed when they began. */
  readonly #readsBegan = new Map<number, number>()
  #proposals = new ProposalTracker()
  #reads = new ReadTracker()

  /** `firstBoot`: the members that it is started with; none: it joins. */
  constructor(id: ServerId, firstBoot: readonly ServerId[], now: () => number, history: History, handlers: ServerHandlers) {
    this.machine = new Machine(id)
    this.#firstBoot = firstBoot
    this.#now = now
    this.#history = history
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

  /** Whether a client here waits for a read, or for a command. */
  isCalling(type: 'read' | 'command'): boolean {
    return (type === 'read' ? this.#reads : this.#proposals).count > 0
  }

  value(key: string): number {
    return this.#registers.value(key)
  }

  /** A process starts, with all others reachable. */
  boot(peers: Iterable<ServerId>, random: SeededRandom, maxAppendOctets: number): void {
    this.#startedAt = this.#now()
    this.#begin()
    this.messagesLeft = Infinity
    this.#life = new RaftLife({
      machine: this.machine,
      random,
      configuration: { voters: this.#firstBoot, outgoingVoters: null, learners: [] },
      options: {
        heartbeatMs: 20,
        electionTimeoutMs: 100,
        maxInflightMessages: 4,
        maxInflightOctets: 400,
        maxAppendOctets,
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
    this.#resume(this.machine.disk.checkpoint)
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

  step(input: UnclockedInput): void {
    this.#life?.step({ ...input, now: this.#clock() })
  }

  tick(): void {
    this.#proposals.expire(this.#clock())
    this.#reads.expire(this.#clock())
    this.#life?.step({ type: 'tick', now: this.#clock() })
  }

  /** The disk has done what it can by now. */
  completeWrite(): void {
    const isBusy = this.writtenAt > this.#now() || this.stalledUntil > this.#now()
    if (this.#life?.isWriting === true && !isBusy) this.#life.diskDone(this.#clock())
  }

  /** A client calls. `committed`: how much is committed now. */
  call(input: RegisterInput, committed: number): void {
    if (this.raft === null) return
    const id = this.#newId()
    const name = `${this.id}/${id}`
    this.#history.called(name, input)
    if (input.type === 'read') {
      this.#readsBegan.set(id, committed)
      this.#reads.add(id, this.#clock() + timeoutMs, (outcome) => this.#readSettled(name, input, outcome))
      this.step({ type: 'read', id })
    } else {
      this.#proposals.add(id, this.#clock() + timeoutMs, (outcome) => this.#proposalSettled(name, input, outcome))
      this.step({ type: 'propose', proposals: [{ id, kind: 'command', priority: 1, data: encodeRegisterCommand({ name, input }) }] })
    }
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
    const place = { index, term: raft.log.term(index)!, configuration: configurationAt(raft, index) }
    machine.disk = { ...machine.disk, checkpoint: { ...emptyCheckpoint, ...place, position: this.#registers.encode() } }
    if (doCompact) this.step({ type: 'compact', index })
  }

  /** The snapshot is durable, and the log not yet made anew. */
  snapshotDurable(checkpoint: Checkpoint): void {
    this.machine.disk = { ...this.machine.disk, checkpoint }
  }

  snapshotInstalled(checkpoint: Checkpoint): void {
    const { index, term, configuration } = checkpoint
    this.#resume(checkpoint)
    this.step({ type: 'snapshotInstalled', index, term, configuration: configuration! })
    this.#proposals.passedOver({ index, term })
    this.#reads.applied(this.#lastApplied)
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
    return newId(this.raft!.lives.own, ++this.#ids)
  }

  /** What a process knows that has just started. */
  #begin(): void {
    this.#leader = null
    this.#outputs.clear()
    this.#readsBegan.clear()
    this.#proposals = new ProposalTracker()
    this.#reads = new ReadTracker()
  }

  #resume({ index, position }: Checkpoint): void {
    this.#lastApplied = index
    this.#registers = new Registers(position)
  }

  #stepped(raft: Raft, effects: Effects): void {
    this.#handlers.onStep(raft, effects)
    for (const outcome of effects.reads) {
      const began = this.#readsBegan.get(outcome.id)
      if (began === undefined) throw new Violation('reads', `${this.id} hears of read ${outcome.id}, which has ended`)
      this.#readsBegan.delete(outcome.id)
      this.#handlers.onRead(this, outcome, began)
    }
  }

  #apply({ index, kind, data }: Entry): void {
    if (index !== this.#lastApplied + 1) throw new Violation('state machine safety', `${this.id} skips or repeats ${index}`)
    this.#lastApplied = index
    if (kind === 'command') this.#outputs.set(index, this.#registers.apply(decodeRegisterCommand(data).input))
  }

  #proposalSettled(name: string, input: RegisterInput, outcome: Position | RaftError): void {
    if (!(outcome instanceof RaftError)) {
      // Of what a snapshot holds nobody knows what it gave.
      const output = this.#outputs.get(outcome.index)
      if (output !== undefined) this.#history.returned(name, output)
      this.#handlers.onAnswered(this, input)
    } else if (outcome.code === 'ERR_PROPOSAL_DROPPED') {
      this.#history.failed(name)
      this.#handlers.onDropped(name)
    }
  }

  #readSettled(name: string, input: RegisterInput, outcome: number | RaftError): void {
    if (outcome instanceof RaftError) return this.#history.failed(name)
    this.#history.returned(name, this.value(input.key))
    this.#handlers.onAnswered(this, input)
  }

  #send(envelope: Envelope): void {
    if (this.messagesLeft === 0) this.#handlers.onSpent(this)
    else this.#handlers.onSend(this, envelope)
    this.messagesLeft--
  }

  /** In RaftServer's order. */
  #perform({ outcomes, reads, committed, statusChanged, snapshotsTo, snapshotParts }: Effects): void {
    const { log } = this.raft!
    for (const outcome of outcomes) this.#proposals.outcome(outcome, (index) => (index <= this.#lastApplied ? log.term(index) : null))
    for (const outcome of reads) this.#reads.outcome(outcome)
    for (const entry of committed) this.#apply(entry)
    for (const { index, term } of committed) this.#proposals.delivered(index, term)
    this.#reads.applied(this.#lastApplied)
    if (statusChanged) this.#statusChanged()
    for (const to of snapshotsTo) this.#handlers.onSnapshotTo(this, to)
    for (const { message } of snapshotParts) if (message.type === 'installSnapshot') this.#handlers.onSnapshotPart(this, message)
  }

  #statusChanged(): void {
    const leader = knownLeader(this.raft!)
    if (leader !== this.#leader) this.#proposals.leaderChanged()
    this.#leader = leader
  }
}
