/**
 * A cluster of Raft cores in one deterministic loop: a seed draws the cluster's size and every delay, loss, copy, partition and crash. Disks
 * complete batches late and in order, or hang; processes freeze; a crash loses what was not written, or only its acknowledgement; a minority's
 * disks are found damaged, are wiped, or get an older copy back. The application checkpoints what was applied, the log is compacted, and
 * followers that were left behind get snapshots. First faults, then healing, and then the cluster must make progress.
 */

import assert from 'node:assert/strict'
import { decodeMessage, encodeMessage } from '../../raft/codec.ts'
import type { Effects, HardState, Lives, Persist } from '../../raft/effects.ts'
import { mergePersists } from '../../raft/effects.ts'
import type { Entry } from '../../raft/entry.ts'
import type { LogBase } from '../../raft/log.ts'
import { emptyBase } from '../../raft/log.ts'
import type { Envelope, InstallSnapshot, ServerId } from '../../raft/message.ts'
import type { Input } from '../../raft/raft.ts'
import { createRaft, step } from '../../raft/raft.ts'
import { joinLog } from '../../raft/start.ts'
import type { Raft } from '../../raft/state.ts'
import { randomBelow, SeededRandom } from '../../src/kit/random.ts'
import { RaftCheckers } from './raft-checkers.ts'

interface Batch {
  readonly persist: Persist
  readonly sends: Envelope[]
  doneAt: number
}

/** What a server's disk holds; never changed in place, so that an older one can be put back. */
interface Disk {
  readonly hardState: HardState
  readonly lives: Lives
  readonly base: LogBase
  readonly entries: readonly Entry[]
  /** The application's checkpoint: the last entry whose effects it holds. */
  readonly checkpoint: LogBase
}

interface Server {
  readonly id: ServerId
  raft: Raft | null
  disk: Disk
  /** As it was some time ago. */
  copy: Disk
  /** What it held when its disk lost it, until it is a member again: until then nobody may lean on it. */
  lost: Disk | null
  /** A snapshot that it takes over. */
  installing: { readonly mark: LogBase; readonly doneAt: number } | null
  writing: Batch | null
  next: Batch | null
  /** Its disk hangs until then. */
  stalledUntil: number
  /** The process does not run until then; its clock stands still, and packets wait. */
  frozenUntil: number
  /** Own clocks differ, and start anew with the process. */
  startedAt: number
  lastApplied: number
  /** Reads without an outcome: how many entries were committed when each began. */
  readonly reads: Map<number, number>
}

interface Packet {
  readonly at: number
  readonly from: ServerId
  readonly to: ServerId
  readonly bytes: Uint8Array
}

const stepMs = 2
const resendSnapshotMs = 300
const emptyDisk: Disk = {
  hardState: { currentTerm: 0, votedFor: null },
  lives: { bootCounter: 0, nonces: [], isRejoining: false, peers: new Map() },
  base: emptyBase,
  entries: [],
  checkpoint: emptyBase,
}

export class RaftSimulation {
  readonly checkers = new RaftCheckers()
  readonly servers = new Map<ServerId, Server>()
  readonly #random: SeededRandom
  readonly #ids: ServerId[]
  readonly #quorum: number
  /** Snapshots that leaders send: until they are taken over or given up. */
  #sending: { readonly from: ServerId; readonly to: ServerId; readonly mark: LogBase; nextAt: number; left: number }[] = []
  readonly #faults: { readonly lossPercent: number; readonly copyPercent: number; readonly maxDelayMs: number; readonly maxWriteMs: number }
  #packets: Packet[] = []
  /** Directed. */
  #cut = new Set<string>()
  #isHealed = false
  /** Servers of which a read was confirmed since all was healed and applied. */
  #haveRead: Set<ServerId> | null = null
  #proposalId = 0
  now = 0
  /** What came of reads, and of transfers of leadership whose outcome was told. */
  readonly counts = {
    confirmedReads: 0,
    droppedReads: 0,
    transfersOfLeadership: 0,
    compactions: 0,
    snapshots: 0,
    amnesias: 0,
    rejoined: 0,
  }

  constructor(seed: number) {
    this.#random = new SeededRandom(seed)
    this.#ids = ['a', 'b', 'c', 'd', 'e'].slice(0, [1, 2, 3, 3, 3, 4, 5, 5][this.#below(8)])
    this.#quorum = Math.floor(this.#ids.length / 2) + 1
    this.#faults = {
      lossPercent: [0, 1, 5, 20][this.#below(4)]!,
      copyPercent: [0, 1, 20][this.#below(3)]!,
      maxDelayMs: [2, 10, 50, 200][this.#below(4)]!,
      maxWriteMs: [2, 10, 60][this.#below(3)]!,
    }
    for (const id of this.#ids) this.servers.set(id, newServer(id))
    for (const server of this.servers.values()) this.#boot(server)
  }

  /** Faults for so long. */
  runWithFaults(ms: number): void {
    for (const end = this.now + ms; this.now < end;) {
      this.#injectFaults()
      this.#turn()
    }
  }

  /** Heals everything, and demands a leader and that a new proposal is applied by all within so long. */
  runUntilProgress(ms: number): void {
    this.#heal()
    const end = this.now + ms
    let marker: number | null = null
    while (this.now < end) {
      this.#turn()
      const leader = [...this.servers.values()].find(({ raft }) => raft?.phase.type === 'leader' && raft.commitIndex === raft.log.lastIndex)
      if (marker === null && leader !== undefined) {
        this.#propose(leader)
        marker = leader.raft!.log.lastIndex
      }
      if (marker === null || ![...this.servers.values()].every(({ lastApplied }) => lastApplied >= marker!)) continue
      if (this.#readEverywhere()) return
    }
    assert.fail(`no progress within ${ms} ms after healing: ${JSON.stringify([...this.servers.values()].map(describe))}`)
  }

  #below(bound: number): number {
    return randomBelow(this.#random, bound)
  }

  #chance(perMille: number): boolean {
    return this.#below(1000) < perMille
  }

  #turn(): void {
    this.now += stepMs
    // Whoever wakes reads before it knows what it slept through.
    for (const server of this.servers.values()) if (server.frozenUntil > this.now - stepMs && !this.#isFrozen(server)) this.#read(server)
    const isDue = ({ at, to }: Packet): boolean => at <= this.now && !this.#isFrozen(this.servers.get(to)!)
    const due = this.#packets.filter(isDue)
    this.#packets = this.#packets.filter((packet) => !isDue(packet))
    for (const packet of due) this.#deliver(packet)
    for (const server of this.servers.values()) {
      if (this.#isFrozen(server)) {
        server.startedAt += stepMs
        continue
      }
      this.#completeWrite(server)
      this.#completeInstalling(server)
      this.#step(server, { type: 'tick', now: this.#clock(server) })
      if (this.#chance(20)) this.#propose(server)
      if (this.#chance(10)) this.#checkpoint(server)
      this.#noteRejoined(server)
      if (this.#chance(20)) this.#read(server)
    }
    this.#sendSnapshots()
  }

  /** The application's state reaches its disk; then the log may forget. */
  #checkpoint(server: Server): void {
    const { raft } = server
    if (raft === null || server.installing !== null || server.lastApplied <= server.disk.checkpoint.index) return
    const checkpoint = { index: server.lastApplied, term: raft.log.term(server.lastApplied)! }
    server.disk = { ...server.disk, checkpoint }
    if (this.#chance(500)) this.#step(server, { type: 'compact', index: checkpoint.index, now: this.#clock(server) })
  }

  #noteRejoined(server: Server): void {
    if (server.lost === null || server.raft?.standing.type !== 'member' || server.disk.lives.isRejoining) return
    if (server.disk.lives.bootCounter <= server.lost.lives.bootCounter) return
    server.lost = null
    this.counts.rejoined++
  }

  #isFrozen(server: Server): boolean {
    return server.frozenUntil > this.now
  }

  #clock(server: Server): number {
    return this.now - server.startedAt
  }

  #boot(server: Server): void {
    const lives = { ...server.disk.lives, bootCounter: server.disk.lives.bootCounter + 1 }
    server.disk = { ...server.disk, lives }
    server.startedAt = this.now
    server.lastApplied = server.disk.checkpoint.index
    server.reads.clear()
    server.raft = createRaft({
      id: server.id,
      configuration: { voters: this.#ids, outgoingVoters: null, learners: [] },
      random: this.#random.fork(),
      ...joinLog(server.disk, server.disk.checkpoint),
      lives: { ...lives, nonce: this.#random.uint32() },
      now: 0,
      options: {
        heartbeatMs: 20,
        electionTimeoutMs: 100,
        maxInflightMessages: 4,
        maxAppendOctets: 200,
        maxUncommittedOctets: 2000,
        compactionTailOctets: 100,
      },
    })
    for (const peer of this.#ids) if (peer !== server.id) this.#step(server, { type: 'peerConnected', peer, now: 0 })
  }

  #propose(server: Server): void {
    if (server.raft === null) return
    const id = server.raft.lives.own.bootCounter * 2 ** 32 + ++this.#proposalId
    const data = Uint8Array.from(`${server.id}/${id}`, (character) => character.charCodeAt(0))
    this.#step(server, { type: 'propose', proposals: [{ id, kind: 'command', priority: 1, data }], now: this.#clock(server) })
  }

  #read(server: Server): void {
    if (server.raft === null) return
    const id = server.raft.lives.own.bootCounter * 2 ** 32 + ++this.#proposalId
    server.reads.set(id, this.checkers.committed.length)
    this.#step(server, { type: 'read', id, now: this.#clock(server) })
  }

  /** "What was committed when the read began" is what it must see (thesis §6.4), whoever confirmed it. */
  #checkReads(server: Server, effects: Effects): void {
    for (const outcome of effects.reads) {
      const committed = server.reads.get(outcome.id)
      assert.ok(committed !== undefined, `${server.id} hears of read ${outcome.id}, which has ended`)
      server.reads.delete(outcome.id)
      if (outcome.type === 'confirmed')
        assert.ok(outcome.index >= committed, `stale read: ${server.id} reads at ${outcome.index} of ${committed}`)
      if (outcome.type === 'confirmed') this.#haveRead?.add(server.id)
      this.counts[outcome.type === 'confirmed' ? 'confirmedReads' : 'droppedReads']++
    }
  }

  /** Lets all read; true once all have, since this was called first. */
  #readEverywhere(): boolean {
    this.#haveRead ??= new Set()
    for (const server of this.servers.values()) if (server.reads.size === 0) this.#read(server)
    return this.#haveRead.size === this.servers.size
  }

  #step(server: Server, input: Input): void {
    if (server.raft === null) return
    const effects = step(server.raft, input)
    this.checkers.afterStep(server.raft, effects, (entry) => this.#durableCount(entry), this.#quorum)
    for (const entry of effects.committed) {
      assert.equal(entry.index, server.lastApplied + 1, `${server.id} skips or repeats`)
      server.lastApplied = entry.index
    }
    this.#checkReads(server, effects)
    this.counts.transfersOfLeadership +=
      effects.statusChanged && server.raft.phase.type === 'candidate' && server.raft.phase.leadershipTransfer ? 1 : 0
    this.#perform(server, effects)
  }

  #durableCount(entry: Entry): number {
    return [...this.servers.values()].filter(({ disk, lost }) => holds(disk, entry) || (lost !== null && holds(lost, entry))).length
  }

  #perform(server: Server, effects: Effects): void {
    if (effects.persist !== null) {
      const persist = server.next === null ? effects.persist : mergePersists(server.next.persist, effects.persist)
      server.next = { persist, sends: server.next?.sends ?? [], doneAt: 0 }
    }
    const last = server.next ?? server.writing
    if (last === null) this.#send(server.id, effects.sendAfterPersist)
    else last.sends.push(...effects.sendAfterPersist)
    this.#startWrite(server)
    this.#send(server.id, effects.send)
    if (effects.persist?.compactTo) this.counts.compactions++
    for (const to of effects.snapshotsTo) this.#startSnapshot(server, to)
    for (const { message } of effects.snapshotParts) if (message.type === 'installSnapshot') this.#takeSnapshot(server, message)
  }

  // Snapshots: one part, which holds nothing, for here the application's state is its place in the log

  #startSnapshot(server: Server, to: ServerId): void {
    const mark = server.disk.checkpoint
    this.#sending = this.#sending.filter((other) => other.from !== server.id || other.to !== to)
    this.#sending.push({ from: server.id, to, mark, nextAt: this.now, left: 1 + this.#below(6) })
    this.#step(server, { type: 'snapshotStarted', peer: to, index: mark.index, now: this.#clock(server) })
  }

  #sendSnapshots(): void {
    this.#sending = this.#sending.filter(({ from, to }) => {
      const phase = this.servers.get(from)!.raft?.phase
      return phase?.type === 'leader' && phase.progress.get(to)?.state === 'snapshotting'
    })
    for (const sending of this.#sending) {
      const server = this.servers.get(sending.from)!
      if (sending.nextAt > this.now || this.#isFrozen(server)) continue
      sending.nextAt = this.now + resendSnapshotMs
      sending.left--
      if (sending.left < 0) this.#step(server, { type: 'snapshotFailed', peer: sending.to, now: this.#clock(server) })
      else this.#sendSnapshot(server, sending.to, sending.mark)
    }
  }

  #sendSnapshot(server: Server, to: ServerId, { index: lastIncludedIndex, term: lastIncludedTerm }: LogBase): void {
    const term = server.raft!.currentTerm
    const part = { part: 0, isLast: true, data: new Uint8Array(0) }
    this.#send(server.id, [{ to, message: { type: 'installSnapshot', term, lastIncludedIndex, lastIncludedTerm, ...part } }])
  }

  #takeSnapshot(server: Server, { lastIncludedIndex: index, lastIncludedTerm: term }: InstallSnapshot): void {
    server.installing ??= { mark: { index, term }, doneAt: this.now + this.#below(50) }
  }

  #completeInstalling(server: Server): void {
    const { installing } = server
    if (installing === null || installing.doneAt > this.now || server.stalledUntil > this.now) return
    server.installing = null
    const { mark } = installing
    server.disk = { ...server.disk, checkpoint: mark }
    // A crash may come before the log on disk begins anew.
    if (!this.#isHealed && this.#chance(200)) return this.#crash(server)
    server.lastApplied = mark.index
    this.counts.snapshots++
    this.checkers.onInstalled(server.id, mark)
    this.#step(server, { type: 'snapshotInstalled', index: mark.index, term: mark.term, now: this.#clock(server) })
  }

  #startWrite(server: Server): void {
    if (server.writing !== null || server.next === null) return
    server.writing = server.next
    server.next = null
    server.writing.doneAt = this.now + 1 + this.#below(this.#faults.maxWriteMs)
  }

  #completeWrite(server: Server): void {
    const batch = server.writing
    if (batch === null || batch.doneAt > this.now || server.stalledUntil > this.now) return
    write(server, batch.persist)
    server.writing = null
    this.#startWrite(server)
    this.#send(server.id, batch.sends)
    this.#step(server, { type: 'persisted', sequence: batch.persist.sequence, now: this.#clock(server) })
  }

  // The network

  #send(from: ServerId, envelopes: readonly Envelope[]): void {
    for (const envelope of envelopes) {
      const { to, message } = envelope
      this.checkers.onSent(from, envelope)
      if (!this.#isHealed && this.#chance(10 * this.#faults.lossPercent)) continue
      const copies = !this.#isHealed && this.#chance(10 * this.#faults.copyPercent) ? 2 : 1
      for (let i = 0; i < copies; i++) {
        const at = this.now + 1 + this.#below(this.#isHealed ? 4 : this.#faults.maxDelayMs)
        this.#packets.push({ at, from, to, bytes: encodeMessage(message) })
      }
    }
  }

  #deliver({ from, to, bytes }: Packet): void {
    if (this.#cut.has(`${from}>${to}`)) return
    const server = this.servers.get(to)!
    this.#step(server, { type: 'message', from, message: decodeMessage(bytes), now: this.#clock(server) })
  }

  // Faults

  #injectFaults(): void {
    for (const server of this.servers.values()) {
      if (server.raft !== null && this.#chance(2)) this.#crash(server)
      else if (server.raft === null && this.#chance(20)) this.#boot(server)
      if (this.#chance(1)) server.stalledUntil = this.now + this.#below(500)
      if (this.#chance(1)) server.frozenUntil = this.now + this.#below(800)
    }
    if (this.#chance(4)) this.#copyDisk(this.#pick())
    if (this.#chance(3)) this.#loseDisk(this.#pick())
    if (this.#chance(5)) this.#partition()
    if (this.#chance(15)) this.#cut.clear()
    if (this.#chance(3)) this.#falseAlarm()
    if (this.#chance(15)) this.#transferLeadership()
  }

  #copyDisk(server: Server): void {
    server.copy = server.disk
  }

  /** A server that is down loses what its disk held. Never more of them at a time than a majority can do without. */
  #loseDisk(server: Server): void {
    const amnesiacs = [...this.servers.values()].filter(({ lost, disk }) => lost !== null || disk.lives.isRejoining).length
    if (server.raft !== null || server.lost !== null || amnesiacs + 1 > this.#ids.length - this.#quorum) return
    this.counts.amnesias++
    server.lost = server.disk
    const { checkpoint } = server.disk
    const rejoining = { ...emptyDisk, lives: { ...emptyDisk.lives, isRejoining: true } }
    // Found damaged, with the application's state or without it; or, for others to find out, wiped or with an older copy put back.
    const isOlderLife = server.copy.lives.bootCounter < server.disk.lives.bootCounter
    const damages = [{ ...rejoining, checkpoint }, rejoining, ...(this.#isLifeKnown(server) ? [emptyDisk] : [])]
    if (this.#isLifeKnown(server) && isOlderLife) damages.push(server.copy)
    server.disk = damages[this.#below(damages.length)]!
  }

  /** Whether all others have its last life on their disks: what only a server knows that is down later, nobody finds out. */
  #isLifeKnown({ id, disk }: Server): boolean {
    const { bootCounter } = disk.lives
    const [nonce] = disk.lives.nonces.slice(-1)
    const isKnownTo = (lives: Lives): boolean => lives.peers.get(id)?.bootCounter === bootCounter && lives.peers.get(id)?.nonce === nonce
    return [...this.servers.values()].every((other) => other.id === id || isKnownTo(other.disk.lives))
  }

  /** What was being written may be on disk or not; what waited is not. The others may notice. */
  #crash(server: Server): void {
    if (server.writing !== null && this.#chance(500)) write(server, server.writing.persist)
    server.raft = null
    server.installing = null
    server.writing = null
    server.next = null
    for (const other of this.servers.values()) {
      if (!this.#isFrozen(other) && this.#chance(500)) this.#step(other, { type: 'peerGone', peer: server.id, now: this.#clock(other) })
    }
  }

  #partition(): void {
    this.#cut.clear()
    for (const from of this.#ids) for (const to of this.#ids) if (from !== to && this.#chance(300)) this.#cut.add(`${from}>${to}`)
  }

  /** Asked for at any server, for any other. */
  #transferLeadership(): void {
    const [server, target] = [this.#pick(), this.#pick()]
    const id = server.disk.lives.bootCounter * 2 ** 32 + ++this.#proposalId
    if (!this.#isFrozen(server)) this.#step(server, { type: 'transferLeadership', id, to: target.id, now: this.#clock(server) })
  }

  #falseAlarm(): void {
    const [server, peer] = [this.#pick(), this.#pick()]
    if (!this.#isFrozen(server)) this.#step(server, { type: 'peerGone', peer: peer.id, now: this.#clock(server) })
  }

  #pick(): Server {
    return this.servers.get(this.#ids[this.#below(this.#ids.length)]!)!
  }

  #heal(): void {
    this.#isHealed = true
    this.#cut.clear()
    for (const server of this.servers.values()) {
      server.stalledUntil = 0
      server.frozenUntil = 0
      if (server.raft === null) this.#boot(server)
    }
  }
}

function newServer(id: ServerId): Server {
  return {
    id,
    raft: null,
    disk: emptyDisk,
    copy: emptyDisk,
    lost: null,
    installing: null,
    writing: null,
    next: null,
    stalledUntil: 0,
    frozenUntil: 0,
    startedAt: 0,
    lastApplied: 0,
    reads: new Map(),
  }
}

/** Entries up to the base were committed and applied, and are held by the application. */
function holds({ base, entries, checkpoint }: Disk, entry: Entry): boolean {
  if (entry.index <= Math.max(base.index, checkpoint.index)) return true
  return entries[entry.index - base.index - 1]?.term === entry.term
}

function write(server: Server, persist: Persist): void {
  const { disk } = server
  const hardState = persist.hardState ?? disk.hardState
  const lives = persist.lives ?? disk.lives
  const [base, held] = persist.reset === null ? [disk.base, disk.entries] : [persist.reset, []]
  const first = persist.entries[0]?.index ?? base.index + held.length + 1
  assert.ok(first > base.index, `${server.id} writes entry ${first} after base ${base.index}`)
  assert.ok(first <= base.index + held.length + 1, `${server.id} writes entry ${first} after ${base.index + held.length}`)
  const kept = persist.entries.length === 0 ? held : held.slice(0, first - base.index - 1)
  const entries = [...kept, ...persist.entries]
  const newBase = persist.compactTo ?? base
  server.disk = { ...disk, hardState, lives, base: newBase, entries: entries.slice(newBase.index - base.index) }
}

function describe({ id, raft, lastApplied, lost }: Server): unknown {
  const place = { phase: raft?.phase.type, term: raft?.currentTerm, last: raft?.log.lastIndex, commit: raft?.commitIndex, lastApplied }
  return { id, ...place, standing: raft?.standing.type, lost: lost !== null }
}
