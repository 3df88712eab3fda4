/**
 * The log of one process of a gateway: a life of the Raft core, and around it what RaftServer and RaftLog do there, without their promises:
 * proposals and reads that wait for their outcomes, delivery, snapshots, time.
 */

import { decodeMessage, encodeMessage } from '../../raft/codec.ts'
import { configurationAt } from '../../raft/configurations.ts'
import type { Effects, Persist } from '../../raft/effects.ts'
import type { Entry } from '../../raft/entry.ts'
import { RaftError } from '../../raft/errors.ts'
import { bestSuccessor } from '../../raft/leadership-transfer.ts'
import type { MembershipChange } from '../../raft/membership.ts'
import { membershipOf } from '../../raft/membership.ts'
import type { Envelope } from '../../raft/message.ts'
import { byPriority } from '../../raft/priority.ts'
import { ProposalTracker } from '../../raft/proposal-tracker.ts'
import type { Proposal } from '../../raft/proposals.ts'
import { newId } from '../../raft/proposals.ts'
import { nextDeadline } from '../../raft/raft.ts'
import { ReadTracker } from '../../raft/read-tracker.ts'
import type { Raft, RaftOptions } from '../../raft/state.ts'
import { knownLeader } from '../../raft/state.ts'
import { statusOf } from '../../raft/status.ts'
import type { ProposalPriority } from '../../src/context/proposal-priority.ts'
import type { AppendFailure } from '../../src/gateway/proposals.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { emptyBytes } from '../../src/kit/bytes.ts'
import type { SeededRandom } from '../../src/kit/random.ts'
import { Delivery } from '../../src/store/delivery.ts'
import { encodeEnvelope } from '../../src/store/envelope.ts'
import type { CommandId, CommittedCommand, LogStatus } from '../../src/store/replicated-log.ts'
import type { Checkpoint, CheckpointMark } from './raft/disk.ts'
import { MemberSnapshots } from './member-snapshots.ts'
import type { UnclockedInput } from './raft/life.ts'
import { RaftLife } from './raft/life.ts'
import type { Machine } from './raft/machine.ts'

export interface MemberHandlers {
  /** The core made a step; nothing of its effects is done yet. */
  onStep(raft: Raft, effects: Effects): void
  /** A batch goes to the disk. */
  onWrite(persist: Persist): void
  onSend(envelope: Envelope, octets: Bytes): void
  /** As many messages have left as were to leave: the process ends before the next one. */
  onSpent(): void
  onCommands(commands: readonly CommittedCommand[]): void
  onStatus(status: LogStatus): void
  onAppendFailed(serial: number, failure: AppendFailure): void
  /** The proposal of a command ended as committed, for certain. */
  onCommitted(serial: number, position: { readonly index: number; readonly term: number }): void
  /** A snapshot has arrived whole: call `snapshotDurable` when it is on disk, and `restored` when the state was made of it. */
  onSnapshot(checkpoint: Checkpoint): void
  /** The next tick has something to do then, on the process's clock. */
  onDeadline(dueMs: number): void
}

export interface MemberOptions {
  readonly machine: Machine
  readonly ids: readonly string[]
  readonly client: bigint
  readonly random: SeededRandom
  readonly options: Partial<RaftOptions>
  /** Of the process: it stands still while the process does. */
  readonly now: () => number
  readonly handlers: MemberHandlers
}

/** Ten election timeouts, as a server has it. */
const PROPOSAL_TIMEOUT_MS = 3000

export class RaftMember {
  readonly #o: MemberOptions
  readonly #life: RaftLife
  readonly #delivery = new Delivery()
  readonly #proposals = new ProposalTracker()
  readonly #reads = new ReadTracker()
  /** By the proposal's id, until it has ended. `isTold`: its command was delivered, whichever proposal brought it. */
  readonly #appends = new Map<number, { readonly serial: number; readonly sinceMs: number; isTold: boolean }>()
  /** Since when reads wait, by their id. */
  readonly #readsSince = new Map<number, number>()
  readonly #snapshots: MemberSnapshots
  #queued: Proposal[] = []
  #ids = 0
  #leader: string | null = null
  /** A snapshot is being made the state: what is committed meanwhile waits. */
  #isInstalling = false
  #undelivered: Entry[] = []
  /** So many messages leave before the process ends; Infinity: it goes on. */
  messagesLeft = Infinity

  constructor(options: MemberOptions) {
    this.#o = options
    const { machine, ids, random, handlers } = options
    this.#life = new RaftLife({
      machine,
      random,
      configuration: membershipOf({ voters: ids, outgoingVoters: null, learners: [] }),
      options: options.options,
      now: options.now(),
      handlers: {
        onStep: (raft, effects) => handlers.onStep(raft, effects),
        onWrite: (persist) => handlers.onWrite(persist),
        onSend: (envelope) => this.#send(envelope),
        onEffects: (effects) => this.#perform(effects),
      },
    })
    this.#snapshots = new MemberSnapshots({
      raft: this.raft,
      now: options.now,
      checkpoint: () => machine.disk.checkpoint,
      send: (to, message) => {
        if (!this.#life.isOver) this.#send({ to, message })
      },
      step: (input) => this.step(input),
      onWhole: (checkpoint) => handlers.onSnapshot(checkpoint),
    })
    const { checkpoint } = machine.disk
    if (checkpoint.index > 0) this.moveTo(checkpoint)
  }

  // ---- what the process may look at

  get raft(): Raft {
    return this.#life.raft
  }

  /** Of the last command that was delivered. */
  get index(): number {
    return this.#delivery.index
  }

  get isInstalling(): boolean {
    return this.#isInstalling
  }

  /** For how long the oldest append or read has waited for its outcome; 0: none does. */
  get oldestPendingMs(): number {
    const now = this.#o.now()
    return Math.max(
      0,
      ...[...this.#appends.values()].map(({ sinceMs, isTold }) => (isTold ? 0 : now - sinceMs)),
      ...[...this.#readsSince.values()].map((at) => now - at),
    )
  }

  get writingForMs(): number {
    const since = Math.min(this.raft.pendingWrites[0]?.since ?? Infinity, this.#snapshots.storingSinceMs)
    return since === Infinity ? 0 : this.#o.now() - since
  }

  status(): LogStatus {
    return statusOf(this.raft)
  }

  mark(): CheckpointMark {
    const { index, term, position } = this.#delivery.mark(() => emptyBytes)
    return { index, term, position, configuration: configurationAt(this.raft, index) }
  }

  // ---- inputs

  /** Queues a command; `flush` proposes all that is queued. True: call it when this turn of the event loop is over. */
  append(serial: number, octets: Bytes, priority: ProposalPriority): boolean {
    const id = this.#newId()
    this.#appends.set(id, { serial, sinceMs: this.#o.now(), isTold: false })
    this.#proposals.add(id, this.#o.now() + PROPOSAL_TIMEOUT_MS, (outcome) => this.#settled(id, outcome))
    return this.#queue(id, { client: this.#o.client, serial }, octets, priority)
  }

  /** As `append`, of a client that does not care what becomes of it. */
  appendFor(client: CommandId, octets: Bytes, priority: ProposalPriority): boolean {
    return this.#queue(this.#newId(), client, octets, priority)
  }

  #queue(id: number, command: CommandId, octets: Bytes, priority: ProposalPriority): boolean {
    this.#queued.push({ id, kind: 'command', priority, data: encodeEnvelope(command, octets) })
    return this.#queued.length === 1
  }

  flush(): void {
    const proposals = byPriority(this.#queued)
    this.#queued = []
    this.step({ type: 'propose', proposals })
  }

  /** `done` gets the index of Raft's log up to which everything is delivered here; null: it came to nothing, and is safe to retry. */
  read(done: (index: number | null) => void): void {
    const id = this.#newId()
    this.#readsSince.set(id, this.#o.now())
    this.#reads.add(id, this.#o.now() + PROPOSAL_TIMEOUT_MS, (outcome) => {
      this.#readsSince.delete(id)
      done(outcome instanceof RaftError ? null : outcome)
    })
    this.step({ type: 'read', id })
  }

  receive(from: string, octets: Bytes): void {
    this.step({ type: 'message', from, message: decodeMessage(octets) })
  }

  /** To this gateway, or away from it to the best one. */
  handLeadership(to: string | null): void {
    const target = to ?? bestSuccessor(this.raft)
    if (target !== null) this.step({ type: 'transferLeadership', id: this.#newId(), to: target })
  }

  /** Whatever comes of it: what is committed shows. */
  changeMembership(changes: readonly MembershipChange[]): void {
    this.step({ type: 'changeMembership', id: this.#newId(), changes })
  }

  tick(): void {
    const now = this.#o.now()
    this.#proposals.expire(now)
    this.#reads.expire(now)
    this.#snapshots.tick()
    this.step({ type: 'tick' })
  }

  compact(index: number): void {
    this.step({ type: 'compact', index: Math.min(index, this.raft.lastApplied) })
  }

  step(input: UnclockedInput): void {
    this.#life.step({ ...input, now: this.#o.now() })
    if (!this.#life.isOver) this.#o.handlers.onDeadline(nextDeadline(this.raft))
  }

  /** The batch being written is on disk, whether the process runs or not. */
  makeDurable(): void {
    this.#life.makeDurable()
  }

  /** The process hears that it is. */
  diskDone(): void {
    this.#life.diskDone(this.#o.now())
  }

  /** The snapshot is on disk, in the place of the checkpoint. */
  snapshotDurable({ index, term, configuration }: Checkpoint): void {
    this.#isInstalling = true
    this.#snapshots.stored()
    this.#undelivered = []
    this.step({ type: 'snapshotInstalled', index, term, configuration: configuration! })
    this.#proposals.passedOver({ index, term })
  }

  /** The application begins anew with it: delivery goes on after it. Then what waited is delivered. */
  moveTo({ index, term, position }: CheckpointMark): void {
    this.#delivery.moveTo({ index, term, position, configuration: emptyBytes })
  }

  deliverWhatWaited(): void {
    this.#isInstalling = false
    const entries = this.#undelivered
    this.#undelivered = []
    this.#deliver(entries)
    this.#reads.applied(this.raft.lastApplied)
    this.#snapshots.takenOver()
  }

  /** The process ends; what was being written is on disk or is not. */
  end(isWritten: boolean): void {
    this.#life.end(isWritten)
  }

  // ---- effects

  #newId(): number {
    return newId(this.raft.lives.own, ++this.#ids)
  }

  #send(envelope: Envelope): void {
    if (this.messagesLeft === 0) this.#o.handlers.onSpent()
    else this.#o.handlers.onSend(envelope, encodeMessage(envelope.message))
    this.messagesLeft--
  }

  #perform(effects: Effects): void {
    const { log, lastApplied } = this.raft
    for (const outcome of effects.outcomes) this.#proposals.outcome(outcome, (index) => (index <= lastApplied ? log.term(index) : null))
    for (const outcome of effects.reads) this.#reads.outcome(outcome)
    if (effects.committed.length > 0) this.#take(effects.committed)
    if (!this.#isInstalling) this.#reads.applied(lastApplied)
    if (effects.statusChanged) this.#statusChanged()
    this.#snapshots.perform(effects)
  }

  #take(entries: readonly Entry[]): void {
    if (this.#isInstalling) this.#undelivered.push(...entries)
    else this.#deliver(entries)
    for (const { index, term } of entries) this.#proposals.delivered(index, term)
  }

  /** An append ends with its command, too, whichever proposal brought it. */
  #deliver(entries: readonly Entry[]): void {
    const { commands, seen } = this.#delivery.take(entries.filter(({ kind }) => kind === 'command'))
    if (commands.length > 0) this.#o.handlers.onCommands(commands)
    for (const { id, isExpired } of seen) if (id.client === this.#o.client) this.#ended(id.serial, isExpired)
  }

  #ended(serial: number, isExpired: boolean): void {
    for (const append of this.#appends.values()) {
      if (append.serial !== serial || append.isTold) continue
      append.isTold = true
      if (isExpired) this.#o.handlers.onAppendFailed(serial, 'expired')
    }
  }

  #settled(id: number, outcome: { readonly index: number; readonly term: number } | RaftError): void {
    const append = this.#appends.get(id)
    this.#appends.delete(id)
    if (append === undefined) return
    const { serial, isTold } = append
    if (!(outcome instanceof RaftError)) this.#o.handlers.onCommitted(serial, outcome)
    else if (!isTold) this.#o.handlers.onAppendFailed(serial, outcome.code === 'ERR_PROPOSAL_DROPPED' ? 'dropped' : 'unknown')
  }

  #statusChanged(): void {
    const leader = knownLeader(this.raft)
    if (leader !== this.#leader) this.#proposals.leaderChanged()
    this.#leader = leader
    this.#o.handlers.onStatus(this.status())
  }
}
