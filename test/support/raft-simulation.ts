/**
 * A cluster of Raft cores in one deterministic loop: a seed draws the cluster's size and every delay, loss, copy, partition and crash. Disks
 * complete batches late and in order, or hang; processes freeze; a crash loses what was not written, or only its acknowledgement. First faults,
 * then healing, and then the cluster must make progress.
 */

import assert from 'node:assert/strict'
import { decodeMessage, encodeMessage } from '../../raft/codec.ts'
import type { Effects, HardState, Persist } from '../../raft/effects.ts'
import { mergePersists } from '../../raft/effects.ts'
import type { Entry } from '../../raft/entry.ts'
import { RaftLog } from '../../raft/log.ts'
import type { Envelope, ServerId } from '../../raft/message.ts'
import type { Input } from '../../raft/raft.ts'
import { createRaft, step } from '../../raft/raft.ts'
import type { Raft } from '../../raft/state.ts'
import { randomBelow, SeededRandom } from '../../src/kit/random.ts'
import { RaftCheckers } from './raft-checkers.ts'

interface Batch {
  readonly persist: Persist
  readonly sends: Envelope[]
  doneAt: number
}

interface Server {
  readonly id: ServerId
  raft: Raft | null
  hardState: HardState
  /** On disk. */
  entries: Entry[]
  writing: Batch | null
  next: Batch | null
  /** Its disk hangs until then. */
  stalledUntil: number
  /** The process does not run until then; its clock stands still, and packets wait. */
  frozenUntil: number
  /** Own clocks differ, and start anew with the process. */
  startedAt: number
  boots: number
  lastApplied: number
}

interface Packet {
  readonly at: number
  readonly from: ServerId
  readonly to: ServerId
  readonly bytes: Uint8Array
}

const stepMs = 2

export class RaftSimulation {
  readonly checkers = new RaftCheckers()
  readonly servers = new Map<ServerId, Server>()
  readonly #random: SeededRandom
  readonly #ids: ServerId[]
  readonly #quorum: number
  readonly #faults: { readonly lossPercent: number; readonly copyPercent: number; readonly maxDelayMs: number; readonly maxWriteMs: number }
  #packets: Packet[] = []
  /** Directed. */
  #cut = new Set<string>()
  #isHealed = false
  #proposalId = 0
  now = 0

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
      if (marker !== null && [...this.servers.values()].every(({ lastApplied }) => lastApplied >= marker!)) return
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
      this.#step(server, { type: 'tick', now: this.#clock(server) })
      if (this.#chance(20)) this.#propose(server)
    }
  }

  #isFrozen(server: Server): boolean {
    return server.frozenUntil > this.now
  }

  #clock(server: Server): number {
    return this.now - server.startedAt
  }

  #boot(server: Server): void {
    server.boots++
    server.startedAt = this.now
    server.lastApplied = 0
    server.raft = createRaft({
      id: server.id,
      configuration: { voters: this.#ids, outgoingVoters: null, learners: [] },
      random: this.#random.fork(),
      hardState: server.hardState,
      log: new RaftLog(server.entries),
      now: 0,
      options: { heartbeatMs: 20, electionTimeoutMs: 100, maxInflightMessages: 4, maxAppendOctets: 200, maxUncommittedOctets: 2000 },
    })
    for (const peer of this.#ids) if (peer !== server.id) this.#step(server, { type: 'peerConnected', peer, now: 0 })
  }

  #propose(server: Server): void {
    if (server.raft === null) return
    const id = server.boots * 2 ** 32 + ++this.#proposalId
    const data = Uint8Array.from(`${server.id}/${id}`, (character) => character.charCodeAt(0))
    this.#step(server, { type: 'propose', proposals: [{ id, kind: 'command', data }], now: this.#clock(server) })
  }

  #step(server: Server, input: Input): void {
    if (server.raft === null) return
    const effects = step(server.raft, input)
    this.checkers.afterStep(server.raft, effects, (entry) => this.#durableCount(entry), this.#quorum)
    for (const entry of effects.committed) {
      assert.equal(entry.index, server.lastApplied + 1, `${server.id} skips or repeats`)
      server.lastApplied = entry.index
    }
    this.#perform(server, effects)
  }

  #durableCount(entry: Entry): number {
    return [...this.servers.values()].filter(({ entries }) => entries[entry.index - 1]?.term === entry.term).length
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
    if (this.#chance(5)) this.#partition()
    if (this.#chance(15)) this.#cut.clear()
    if (this.#chance(3)) this.#falseAlarm()
  }

  /** What was being written may be on disk or not; what waited is not. The others may notice. */
  #crash(server: Server): void {
    if (server.writing !== null && this.#chance(500)) write(server, server.writing.persist)
    server.raft = null
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
  const hardState = { currentTerm: 0, votedFor: null }
  return {
    id,
    raft: null,
    hardState,
    entries: [],
    writing: null,
    next: null,
    stalledUntil: 0,
    frozenUntil: 0,
    startedAt: 0,
    boots: 0,
    lastApplied: 0,
  }
}

function write(server: Server, persist: Persist): void {
  server.hardState = persist.hardState ?? server.hardState
  const first = persist.entries[0]?.index
  if (first === undefined) return
  assert.ok(first <= server.entries.length + 1, `${server.id} writes entry ${first} after ${server.entries.length}`)
  server.entries = [...server.entries.slice(0, first - 1), ...persist.entries]
}

function describe({ id, raft, lastApplied }: Server): unknown {
  return { id, phase: raft?.phase.type, term: raft?.currentTerm, last: raft?.log.lastIndex, commit: raft?.commitIndex, lastApplied }
}
