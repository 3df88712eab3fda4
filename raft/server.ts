/**
 * A Raft server: the core driven by a storage, a transport and timers. The core decides; this file performs effects in the order that they
 * ask for, and turns the world into inputs.
 */

import { performance } from 'node:perf_hooks'
import { nextTick } from 'node:process'
import { clearImmediate, setImmediate } from 'node:timers'
import { isAddress } from './address.ts'
import { assert } from './assert.ts'
import { BatchWriter } from './batch-writer.ts'
import type { PlacedMembership } from './configurations.ts'
import { committedConfiguration, configurationAt } from './configurations.ts'
import { decodeMessage } from './codec.ts'
import type { Effects } from './effects.ts'
import type { Entry } from './entry.ts'
import { maxEntryDataOctets } from './entry.ts'
import { RaftError } from './errors.ts'
import { bestSuccessor } from './leadership-transfer.ts'
import { LogTimes } from './log-times.ts'
import { MembershipTracker } from './membership-tracker.ts'
import type { Membership, MembershipChange } from './membership.ts'
import { decodeMembership, encodeMembership, hasAddress, isMember, maxMembers, membershipOf } from './membership.ts'
import type { Envelope, Message, ServerId } from './message.ts'
import { isIdentityName } from './peer-identity.ts'
import type { Position } from './proposal-tracker.ts'
import { ProposalTracker } from './proposal-tracker.ts'
import type { ProposalPriority, SendPriority } from './priority.ts'
import { byPriority, shareOf } from './priority.ts'
import type { ForwardedProposal, Proposal } from './proposals.ts'
import { newId } from './proposals.ts'
import type { Input } from './raft.ts'
import { createRaft, nextDeadline, step } from './raft.ts'
import type { RandomSource } from './random.ts'
import { SnapshotReceiver } from './snapshot-receiver.ts'
import { SnapshotSenders } from './snapshot-senders.ts'
import type { SnapshotMark, SnapshotStore } from './snapshot-store.ts'
import { ReadTracker } from './read-tracker.ts'
import type { Raft, RaftOptions } from './state.ts'
import { countDrop, knownLeader } from './state.ts'
import type { RaftStatus } from './status.ts'
import { statusOf } from './status.ts'
import { joinLog } from './start.ts'
import { StepEncoder } from './step-encoder.ts'
import { ServerClock } from './server-clock.ts'
import type { Storage } from './storage.ts'
import { TransferTracker } from './transfer-tracker.ts'
import type { PeerState, Transport } from './transport.ts'
import { DecodeError } from './wire.ts'

export interface RaftServerOptions extends Partial<RaftOptions> {
  readonly id: ServerId
  /**
   * The voters of a new cluster, this server too: id → `host:port`. Only for the first boot: later the log knows. Empty for a server that joins a
   * running cluster: it waits until it is added there.
   */
  readonly members: Readonly<Record<ServerId, string>>
  readonly storage: Storage
  readonly transport: Transport
  readonly random: RandomSource
  /** Where the application keeps its state durably; without it the log is never compacted, and all of it is delivered at every start. */
  readonly snapshots?: ApplicationSnapshots
  /** The most octets of a snapshot that are sent to a follower in a second. Default: 32 MiB, a quarter of what 1 Gbit/s carries. */
  readonly snapshotOctetsPerSecond?: number
  /** After this many ms without an outcome a proposal's outcome is unknown. Default: ten election timeouts. */
  readonly proposalTimeoutMs?: number
  /** The storage failed: the process should end. Called once; the server is closed then. */
  readonly onFatal: (error: RaftError) => void
  /** A batch of entries is on this server's disk, so long after they came into its log. */
  readonly onWritten?: (ms: number) => void
}

/** How much a server holds, for people. */
export interface RaftFigures {
  readonly lastIndex: number
  /** Up to here it is on this server's disk. */
  readonly durableIndex: number
  /** Where the log begins: the last entry that was compacted, or that a snapshot includes. */
  readonly baseIndex: number
  /** Of the entries that the log holds. */
  readonly logOctets: number
}

/** The application's durable state, as the server needs it. */
export interface ApplicationSnapshots {
  readonly store: SnapshotStore
  /** A leader's snapshot has replaced what the store holds: begin anew with it. What is delivered afterwards follows it. */
  onInstalled(mark: SnapshotMark): Promise<void>
}

/** A committed command of the application. Indexes rise; those missing in between are Raft's own entries. */
export interface CommittedEntry {
  readonly index: number
  readonly term: number
  readonly data: Uint8Array
}

/** The most proposals of this server that wait at a time, by priority a part of it; and the most barriers, and transfers of leadership. */
const maxWaiting = 16_384
const defaultSnapshotOctetsPerSecond = 32 * 1024 * 1024

export class RaftServer {
  readonly #options: RaftServerOptions
  readonly #raft: Raft
  readonly #writer: BatchWriter
  readonly #proposals = new ProposalTracker()
  readonly #reads = new ReadTracker()
  readonly #transfers = new TransferTracker()
  readonly #changes = new MembershipTracker()
  /** What the transport was told. */
  #peersOf: Membership | null = null
  #heardPeersOf: PlacedMembership | null = null
  readonly #proposalTimeoutMs: number
  readonly #clock: ServerClock
  #committedListeners: ((entries: readonly CommittedEntry[]) => void)[] = []
  #statusListeners: ((status: RaftStatus) => void)[] = []
  /** Committed before anyone listened. */
  #undelivered: CommittedEntry[] = []
  #queued: Proposal[] = []
  #forwards: ForwardedProposal[] = []
  /** The read of this turn of the event loop, shared by all its barriers. */
  #barrier: { readonly id: number; readonly index: Promise<number> } | null = null
  #flush: NodeJS.Immediate | 'soon' | null = null
  #proposalCount = 0
  #leader: ServerId | null = null
  #closed: Promise<void> | null = null
  #malformedMessages = 0
  readonly #times = new LogTimes()
  /** Null where the application keeps no state: then the log is never compacted. */
  readonly #senders: SnapshotSenders | null
  readonly #receiver: SnapshotReceiver | null
  /** The application is taking a snapshot over: what is committed meanwhile waits. */
  #isInstalling = false

  /**
   * Loads the storage, starts the transport, and joins its cluster. Throws what they throw, then nothing is left open. Throws
   * `ERR_STORAGE_DAMAGED` when log and application state don't meet, or when there is nobody to catch up from.
   */
  static async open(options: RaftServerOptions): Promise<RaftServer> {
    const stored = await options.storage.load()
    const addresses = new Map(Object.entries(options.members))
    const firstBoot = membershipOf({ voters: [...addresses.keys()].toSorted(), outgoingVoters: null, learners: [], addresses })
    const mark = options.snapshots?.store.latest ?? null
    const applied = mark === null ? null : { index: mark.index, term: mark.term, configuration: decodeMembership(mark.configuration) }
    const joined = joinLog(stored, applied, firstBoot)
    if (stored.lives.isRejoining && isAlone(joined.configuration, options.id))
      throw new RaftError('ERR_STORAGE_DAMAGED', 'the storage was damaged, and there is no other server to catch up from')
    const raft = createRaft({
      id: options.id,
      random: options.random,
      ...joined,
      lives: { ...stored.lives, nonce: options.random.uint32() },
      now: 0,
      options: pickRaftOptions(options),
    })
    const server = new RaftServer(options, raft)
    await server.#start()
    return server
  }

  private constructor(options: RaftServerOptions, raft: Raft) {
    this.#options = options
    this.#raft = raft
    this.#proposalTimeoutMs = options.proposalTimeoutMs ?? 10 * raft.options.electionTimeoutMs
    this.#clock = new ServerClock(Math.max(20, raft.options.heartbeatMs), (now) => this.#onTick(now))
    this.#senders = options.snapshots === undefined ? null : this.#createSenders(options.snapshots)
    this.#receiver = options.snapshots === undefined ? null : this.#createReceiver(options.snapshots)
    this.#writer = new BatchWriter(options.storage, {
      onSend: (envelopes) => this.#send(envelopes),
      onPersisted: (sequence) => {
        for (const ms of this.#times.written(sequence, performance.now())) options.onWritten?.(ms)
        this.#step({ type: 'persisted', sequence, now: this.#clock.now() })
      },
      onFailed: (error) => this.#fail(error),
    })
  }

  async #start(): Promise<void> {
    const onMessage = (from: ServerId, bytes: Uint8Array): void => this.#receive(from, bytes)
    const onPeer = (peer: ServerId, state: PeerState): void => this.#peer(peer, state)
    this.#clock.arm(nextDeadline(this.#raft))
    try {
      await this.#options.transport.start({ onMessage, onPeer })
      this.#tellTransport()
    } catch (error) {
      await this.close()
      throw error
    }
  }

  // The application's side

  /**
   * Proposes a command of at most 4 MiB, here or through the leader. Resolves when it is committed and was delivered here. Throws
   * `ERR_PROPOSAL_DROPPED` when it certainly is not and never will be, `ERR_OUTCOME_UNKNOWN` when nobody knows, `ERR_CLOSED`. When too much
   * waits, what has the higher number for a priority is dropped first; proposals of one priority keep their order.
   */
  propose(data: Uint8Array, priority: ProposalPriority = 1): Promise<Position> {
    if (data.length > maxEntryDataOctets) {
      return Promise.reject(new RaftError('ERR_VALIDATION', `expected at most ${maxEntryDataOctets} octets, got ${data.length}`))
    }
    return this.#propose(data, priority)
  }

  /**
   * Resolves with an index once everything that was committed when it was called was delivered here: a linearizable read, which costs a round
   * of heartbeats and no entry. Throws `ERR_NO_LEADER`, or `ERR_PROPOSAL_DROPPED` when the leader was lost meanwhile (both safe to retry),
   * `ERR_CLOSED`.
   */
  barrier(): Promise<number> {
    if (this.#closed !== null) return Promise.reject(new RaftError('ERR_CLOSED'))
    if (this.#reads.count >= maxWaiting) return Promise.reject(new RaftError('ERR_PROPOSAL_DROPPED', `${maxWaiting} reads wait already`))
    this.#barrier ??= this.#read()
    return this.#barrier.index
  }

  /**
   * Hands leadership to another voter, through the leader if that is not this server. Resolves when `to` is seen to lead. Throws
   * `ERR_TARGET_NOT_UP`, `ERR_NO_LEADER`, `ERR_CONFLICT` while another transfer is under way, `ERR_PROPOSAL_DROPPED` when somebody else was
   * elected meanwhile, `ERR_OUTCOME_UNKNOWN` when it may still happen, `ERR_CLOSED`.
   */
  transferLeadership(to: ServerId): Promise<void> {
    if (this.#closed !== null) return Promise.reject(new RaftError('ERR_CLOSED'))
    const leader = knownLeader(this.#raft)
    if (leader === to) return Promise.resolve()
    if (this.#transfers.count >= maxWaiting) return Promise.reject(new RaftError('ERR_CONFLICT', `${maxWaiting} transfers wait already`))
    if (!isMember(this.#raft.configuration, to)) return Promise.reject(new RaftError('ERR_TARGET_NOT_UP', `there is no server ${to}`))
    const id = this.#newProposalId()
    const done = this.#transfers.add(id, leader, to, this.#clock.now() + this.#proposalTimeoutMs)
    this.#step({ type: 'transferLeadership', id, to, now: this.#clock.now() })
    return done
  }

  /** If this server leads: hands leadership to the most up-to-date voter that answers, and resolves with its id; with null where there is none. */
  async resignLeadership(): Promise<ServerId | null> {
    const successor = bestSuccessor(this.#raft)
    if (successor !== null) await this.transferLeadership(successor)
    return successor
  }

  /** Adds a server, as a learner, which receives the log and does not vote. It starts with no members. See `changeMembership`. */
  addLearner(server: ServerId, address: string): Promise<void> {
    return this.changeMembership([{ type: 'add', server, address }])
  }

  /** Makes a learner that has caught up a voter. See `changeMembership`. */
  promote(server: ServerId): Promise<void> {
    return this.changeMembership([{ type: 'promote', server }])
  }

  /** Removes a member for good: its id is never used again. A leader that is removed hands its leadership over. See `changeMembership`. */
  remove(server: ServerId): Promise<void> {
    return this.changeMembership([{ type: 'remove', server }])
  }

  /** Tells everybody where a member is dialled from now on. See `changeMembership`. */
  move(server: ServerId, address: string): Promise<void> {
    return this.changeMembership([{ type: 'move', server, address }])
  }

  /**
   * Changes who belongs to the cluster, all of it at once, by joint consensus where voters change; here or through the leader. Resolves when the
   * change is complete. Throws, and then nothing has changed: `ERR_VALIDATION`, `ERR_TARGET_NOT_UP` for a learner that lags,
   * `ERR_QUORUM_AT_RISK`, `ERR_CONFLICT` while another change is under way, `ERR_NO_LEADER`, `ERR_PROPOSAL_DROPPED`; and
   * `ERR_OUTCOME_UNKNOWN` when it may be under way, `ERR_CLOSED`.
   */
  changeMembership(changes: readonly MembershipChange[]): Promise<void> {
    if (this.#closed !== null) return Promise.reject(new RaftError('ERR_CLOSED'))
    const problem = changes.map(problemOf).find((text) => text !== null)
    if (problem !== undefined || changes.length === 0 || changes.length > maxMembers)
      return Promise.reject(new RaftError('ERR_VALIDATION', problem ?? `expected 1 to ${maxMembers} changes, got ${changes.length}`))
    if (this.#changes.count >= maxWaiting) return Promise.reject(new RaftError('ERR_CONFLICT', `${maxWaiting} changes wait already`))
    const id = this.#newProposalId()
    const done = this.#changes.add(id, changes, this.#clock.now() + this.#proposalTimeoutMs)
    this.#step({ type: 'changeMembership', id, changes, now: this.#clock.now() })
    return done
  }

  /** Whether it was a member once and is none any more, for good: its id is never used again. */
  isFormerMember(server: ServerId): boolean {
    return committedConfiguration(this.#raft).membership.removed.includes(server)
  }

  /** The configuration in force at `index`, which is not before the last snapshot that `compact` was told of: for a snapshot's mark. */
  configurationAt(index: number): Uint8Array {
    return encodeMembership(configurationAt(this.#raft, index))
  }

  /** Committed commands in order, each once: durable on a majority, and here as soon as our disk has it. What was committed before the first listener came is kept for it. */
  onCommitted(listener: (entries: readonly CommittedEntry[]) => void): void {
    this.#committedListeners.push(listener)
    const entries = this.#undelivered
    this.#undelivered = []
    if (entries.length > 0) listener(entries)
  }

  /** Called when role, term or leader change. */
  onStatus(listener: (status: RaftStatus) => void): void {
    this.#statusListeners.push(listener)
  }

  /**
   * The application holds the effects of everything up to `index` durably: the log need not any longer. Not heeded while a snapshot, perhaps of less,
   * is taking the place of what the application holds: it will need what follows.
   */
  compact(index: number): void {
    if (this.#receiver?.isTakingOver === true) return
    this.#step({ type: 'compact', index: Math.min(index, this.#raft.lastApplied), now: this.#clock.now() })
  }

  /** For how long a batch, or a part of a snapshot, has been on its way to this server's disk, in ms; 0: none is. */
  get writingForMs(): number {
    const since = [this.#raft.pendingWrites[0]?.since, this.#receiver?.storingSince].filter((at) => typeof at === 'number')
    return since.length === 0 ? 0 : this.#clock.now() - Math.min(...since)
  }

  status(): RaftStatus {
    return statusOf(this.#raft)
  }

  figures(): RaftFigures {
    const { log, durableIndex } = this.#raft
    const { lastIndex } = log
    const baseIndex = log.base.index
    return { lastIndex, durableIndex, baseIndex, logOctets: log.octetsBetween(baseIndex + 1, lastIndex) }
  }

  /** When a committed entry came into this server's log, by `performance.now`; null: not known. To be asked as it is delivered, in order. */
  inLogSince(index: number): number | null {
    return this.#times.take(index)
  }

  /** Counters by reason: what was received and not acted on. */
  drops(): ReadonlyMap<string, number> {
    return new Map([...this.#raft.drops, ['malformed', this.#malformedMessages]])
  }

  /** Stops; the outcome of what still waits is unknown. */
  close(): Promise<void> {
    this.#closed ??= this.#close('the server was closed')
    return this.#closed
  }

  async #close(reason: string): Promise<void> {
    this.#clock.stop()
    if (this.#flush !== null && this.#flush !== 'soon') clearImmediate(this.#flush)
    this.#proposals.rejectAll(reason)
    this.#senders?.cancel()
    await this.#receiver?.close()
    this.#reads.rejectAll()
    this.#transfers.rejectAll()
    this.#changes.rejectAll()
    await this.#options.transport.close()
    await this.#writer.stop()
    await this.#options.storage.close()
  }

  #fail(error: unknown): void {
    const fatal = new RaftError('ERR_STORAGE', `the storage failed: ${String(error)}`, { cause: error })
    this.#closed ??= this.#close('the storage failed')
    // What else fails while closing a failed storage is of no interest any more; `close` still tells whoever asks.
    void Promise.allSettled([this.#closed])
    this.#options.onFatal(fatal)
  }

  #propose(data: Uint8Array, priority: ProposalPriority): Promise<Position> {
    if (this.#closed !== null) return Promise.reject(new RaftError('ERR_CLOSED'))
    if (this.#proposals.count >= shareOf(maxWaiting, priority)) {
      return Promise.reject(new RaftError('ERR_PROPOSAL_DROPPED', `${this.#proposals.count} proposals wait already`))
    }
    const id = this.#newProposalId()
    this.#queued.push({ id, kind: 'command', priority, data })
    this.#scheduleFlush()
    return settled((settle) => this.#proposals.add(id, this.#clock.now() + this.#proposalTimeoutMs, settle))
  }

  #newProposalId(): number {
    this.#proposalCount++
    return newId(this.#raft.lives.own, this.#proposalCount)
  }

  #read(): { readonly id: number; readonly index: Promise<number> } {
    const id = this.#newProposalId()
    this.#scheduleFlush()
    const deadline = this.#clock.now() + this.#proposalTimeoutMs
    return { id, index: settled((settle) => this.#reads.add(id, deadline, settle)) }
  }

  /**
   * While a batch is being written, everything that is proposed here, or by others to us, in one turn of the event loop goes in one step, and so
   * in one batch. While none is, it goes when the caller's own turn is over: waiting would gather little, and whoever proposes because the last
   * one was committed has the new one leave in one write with the news of the old.
   */
  #scheduleFlush(): void {
    if (this.#flush !== null) return
    if (this.#raft.pendingWrites.length > 0) this.#flush = setImmediate(() => this.#flushQueued())
    else {
      this.#flush = 'soon'
      nextTick(() => this.#flushQueued())
    }
  }

  #flushQueued(): void {
    this.#flush = null
    const proposals = byPriority(this.#queued)
    const forwards = this.#forwards
    const barrier = this.#barrier
    this.#queued = []
    this.#forwards = []
    this.#barrier = null
    if (forwards.length > 0) this.#step({ type: 'forwards', forwards, now: this.#clock.now() })
    if (proposals.length > 0) this.#step({ type: 'propose', proposals, now: this.#clock.now() })
    if (barrier !== null) this.#step({ type: 'read', id: barrier.id, now: this.#clock.now() })
  }

  // The world's side

  #receive(from: ServerId, bytes: Uint8Array): void {
    const message = this.#decode(bytes)
    if (message === null) this.#malformedMessages++
    else if (message.type === 'forward') {
      this.#forwards.push({ from, message })
      this.#scheduleFlush()
    } else this.#step({ type: 'message', from, message, now: this.#clock.now() })
  }

  #decode(bytes: Uint8Array): Message | null {
    try {
      return decodeMessage(bytes)
    } catch (error) {
      if (error instanceof DecodeError) return null
      throw error
    }
  }

  #peer(peer: ServerId, state: PeerState): void {
    if (state === 'connected') {
      this.#step({ type: 'peerConnected', peer, now: this.#clock.now() })
      this.#senders?.reconnected(peer)
    }
    if (state === 'refused') this.#step({ type: 'peerGone', peer, now: this.#clock.now() })
  }

  #step(input: Input): void {
    if (this.#closed !== null) return
    this.#perform(step(this.#raft, input))
  }

  #perform(effects: Effects): void {
    if (effects.persist !== null) this.#times.appended(effects.persist, performance.now())
    this.#writer.add(effects.persist, effects.sendAfterPersist)
    this.#send(effects.send)
    const { log, lastApplied } = this.#raft
    for (const outcome of effects.outcomes) this.#proposals.outcome(outcome, (index) => (index <= lastApplied ? log.term(index) : null))
    for (const outcome of effects.reads) this.#reads.outcome(outcome)
    for (const outcome of effects.transfers) this.#transfers.outcome(outcome)
    for (const outcome of effects.changes) this.#changes.outcome(outcome)
    if (this.#changes.count > 0) this.#advanceChanges()
    if (effects.committed.length > 0) this.#deliver(effects.committed)
    // After the listeners have what was committed.
    if (!this.#isInstalling) this.#reads.applied(lastApplied)
    if (effects.statusChanged) this.#statusChanged()
    this.#performSnapshots(effects)
    this.#clock.arm(nextDeadline(this.#raft))
  }

  #send(envelopes: readonly Envelope[]): void {
    if (this.#closed !== null) return
    const encoder = new StepEncoder()
    for (const { to, message } of envelopes) this.#options.transport.send(to, encoder.encode(message), priorityOf(message))
  }

  /** Callers are answered after the listeners have the entry. */
  #deliver(entries: readonly Entry[]): void {
    const commands: CommittedEntry[] = []
    for (const { index, term, kind, data } of entries) if (kind === 'command') commands.push({ index, term, data })
    if (this.#committedListeners.length === 0 || this.#isInstalling) this.#undelivered.push(...commands)
    else if (commands.length > 0) for (const listener of this.#committedListeners) listener(commands)
    for (const { index, term } of entries) this.#proposals.delivered(index, term)
  }

  #advanceChanges(): void {
    const { commitIndex, log } = this.#raft
    const { index, membership } = committedConfiguration(this.#raft)
    const isJoint = membership.outgoingVoters !== null
    this.#changes.committed({ commitIndex, configurationIndex: index, isJoint, termAt: (at) => log.term(at) })
  }

  /** Whom to connect to: everybody whose address is known. */
  #tellTransport(): void {
    const { configuration, heardConfiguration } = this.#raft
    if (this.#peersOf === configuration && this.#heardPeersOf === heardConfiguration) return
    this.#peersOf = configuration
    this.#heardPeersOf = heardConfiguration
    const addresses = new Map([...(heardConfiguration?.membership.addresses ?? []), ...configuration.addresses])
    addresses.delete(this.#raft.id)
    this.#options.transport.setPeers?.(addresses)
  }

  #statusChanged(): void {
    this.#tellTransport()
    const leader = knownLeader(this.#raft)
    if (leader !== this.#leader) {
      this.#proposals.leaderChanged()
      this.#transfers.leaderChanged(leader)
    }
    this.#leader = leader
    const status = this.status()
    for (const listener of this.#statusListeners) listener(status)
  }

  // Snapshots

  #performSnapshots({ snapshotsTo, snapshotParts }: Effects): void {
    this.#senders?.cancelUnwanted(this.#raft)
    assert(snapshotsTo.length === 0 || this.#senders !== null, 'a follower needs a snapshot, but the log was never compacted')
    for (const peer of snapshotsTo) this.#senders?.start(this.#raft, peer)
    for (const { from, message } of snapshotParts) {
      if (message.type === 'installSnapshot') this.#receiver?.receive(from, message)
      else this.#senders?.answered(from, message)
    }
  }

  #createSenders({ store }: ApplicationSnapshots): SnapshotSenders {
    return new SnapshotSenders({
      store,
      octetsPerSecond: this.#options.snapshotOctetsPerSecond ?? defaultSnapshotOctetsPerSecond,
      now: () => this.#clock.now(),
      send: (to, message) => this.#send([{ to, message }]),
      onStarted: (peer, index) => this.#step({ type: 'snapshotStarted', peer, index, now: this.#clock.now() }),
      onFailed: (peer) => this.#step({ type: 'snapshotFailed', peer, now: this.#clock.now() }),
    })
  }

  #createReceiver(snapshots: ApplicationSnapshots): SnapshotReceiver {
    return new SnapshotReceiver({
      store: snapshots.store,
      now: () => this.#clock.now(),
      isWanted: (index) => index > this.#raft.commitIndex,
      answer: (to, lastIncludedIndex, nextPart) => {
        const { currentTerm: term } = this.#raft
        this.#send([{ to, message: { type: 'installSnapshotResponse', term, lastIncludedIndex, nextPart } }])
      },
      onInstalled: (mark) => this.#snapshotInstalled(snapshots, mark),
      onFailed: (error) => {
        // The application has errors of its own, with the same code.
        if (error instanceof Error && 'code' in error && error.code === 'ERR_STORAGE_DAMAGED') countDrop(this.#raft, 'damaged snapshot')
        else this.#fail(error)
      },
    })
  }

  /** What was committed before and not delivered is in the snapshot. */
  #snapshotInstalled(snapshots: ApplicationSnapshots, mark: SnapshotMark): Promise<void> {
    if (this.#closed !== null) return Promise.resolve()
    this.#isInstalling = true
    this.#undelivered = []
    const configuration = decodeMembership(mark.configuration)
    this.#step({ type: 'snapshotInstalled', index: mark.index, term: mark.term, configuration, now: this.#clock.now() })
    this.#proposals.passedOver(mark)
    return snapshots.onInstalled(mark).then(
      () => this.#deliverWhatWaited(),
      (error: unknown) => this.#fail(error),
    )
  }

  #deliverWhatWaited(): void {
    this.#isInstalling = false
    const entries = this.#undelivered
    if (this.#committedListeners.length > 0) this.#undelivered = []
    if (entries.length > 0) for (const listener of this.#committedListeners) listener(entries)
    this.#reads.applied(this.#raft.lastApplied)
  }

  // Time

  #onTick(now: number): void {
    this.#proposals.expire(now)
    this.#senders?.tick(now)
    this.#reads.expire(now)
    this.#transfers.expire(now)
    this.#changes.expire(now)
    this.#step({ type: 'tick', now })
  }
}

/** A promise of what a tracker settles. */
function settled<T>(start: (settle: (outcome: T | RaftError) => void) => void): Promise<T> {
  return new Promise((resolve, reject) => start((outcome) => (outcome instanceof RaftError ? reject(outcome) : resolve(outcome))))
}

/** What is wrong with a change, whatever the cluster is like; null: nothing. */
function problemOf(change: MembershipChange): string | null {
  if (!isIdentityName(change.server)) return `expected 1 to 64 letters, digits, '.', '_' or '-', got '${change.server}'`
  return hasAddress(change) && !isAddress(change.address) ? `expected host:port, got '${change.address}'` : null
}

function isAlone({ voters }: { readonly voters: readonly ServerId[] }, id: ServerId): boolean {
  return voters.length === 1 && voters[0] === id
}

/** Forwarded proposals wait for a slow connection by their priority, behind everything else but parts of snapshots. */
function priorityOf(message: Message): SendPriority {
  if (message.type === 'installSnapshot') return 'bulk'
  return message.type === 'forward' ? message.priority : null
}

function pickRaftOptions(options: RaftServerOptions): Partial<RaftOptions> {
  const { heartbeatMs, electionTimeoutMs, maxInflightMessages, maxInflightOctets, maxAppendOctets } = options
  const { maxUncommittedOctets, compactionTailOctets } = options
  const windows = { maxInflightMessages, maxInflightOctets, maxAppendOctets, maxUncommittedOctets }
  const given = { heartbeatMs, electionTimeoutMs, ...windows, compactionTailOctets }
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined))
}
