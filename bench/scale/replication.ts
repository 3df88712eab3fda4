/**
 * What a log costs on the wire: real Raft cores, up to five of which vote, and links that deliver after a millisecond of simulated time, to and from
 * disks that do, too. Counted is every message as it is encoded, without TLS and TCP around it.
 */

import { createRaft, step } from '../../raft/raft.ts'
import { encodeMessage } from '../../raft/codec.ts'
import type { Effects } from '../../raft/effects.ts'
import { RaftLog } from '../../raft/log.ts'
import type { Envelope, ServerId } from '../../raft/message.ts'
import type { Raft } from '../../raft/state.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { SeededRandom } from '../../src/kit/random.ts'

const VOTERS = 5
const LINK_MS = 1
const DISK_MS = 1
const TICK_MS = 10
const ELECTION_LIMIT_MS = 10_000

/** A command of a gateway's, `atMs` after the beginning. */
export interface Proposed {
  readonly atMs: number
  readonly gateway: number
  readonly octets: Bytes
}

export interface Replicated {
  readonly commands: number
  readonly logOctets: number
  readonly messages: number
  readonly wireOctets: number
  /** Ascending: from each proposal until every gateway had applied it, in ms. */
  readonly everywhereMs: readonly number[]
}

interface Server {
  readonly id: ServerId
  readonly raft: Raft
  applied: number
}

export class ReplicationWorld {
  readonly #servers: readonly Server[]
  /** What happens at each ms. */
  readonly #agenda = new Map<number, (() => void)[]>()
  #nowMs = 0
  #messages = 0
  #wireOctets = 0
  /** The serial number of a command → when it was proposed, and how many have yet to apply it. */
  readonly #under = new Map<number, { readonly atMs: number; left: number }>()
  readonly #everywhereMs: number[] = []
  #serial = 0

  /** With a leader. */
  constructor(gateways: number, seed: number) {
    const random = new SeededRandom(seed)
    const ids = Array.from({ length: gateways }, (_, i) => `sg${i + 1}`)
    const configuration = { voters: ids.slice(0, VOTERS), outgoingVoters: null, learners: ids.slice(VOTERS) }
    this.#servers = ids.map((id) => {
      const log = new RaftLog([])
      const hardState = { currentTerm: 0, votedFor: null }
      return { id, applied: 0, raft: createRaft({ id, configuration, random, hardState, log, now: 0 }) }
    })
    while (!this.#servers.some(({ raft }) => raft.phase.type === 'leader') || this.#isBehind) {
      if (this.#nowMs > ELECTION_LIMIT_MS) throw new Error(`no leader among ${gateways} servers within ${ELECTION_LIMIT_MS} ms`)
      this.#millisecond()
    }
  }

  get #isBehind(): boolean {
    return this.#servers.some(({ raft }) => raft.lastApplied < 1)
  }

  /** Proposes them at their times, and goes on until all of them are applied everywhere; at least for so long. */
  run(proposed: readonly Proposed[], durationMs: number): Replicated {
    const [beganMs, messages, wireOctets] = [this.#nowMs, this.#messages, this.#wireOctets]
    for (const { atMs, gateway, octets } of proposed) this.#at(beganMs + 1 + atMs, () => this.#propose(this.#servers[gateway]!, octets))
    while (this.#nowMs < beganMs + durationMs) this.#millisecond()
    const spent = { messages: this.#messages - messages, wireOctets: this.#wireOctets - wireOctets }
    for (const endMs = this.#nowMs + 1000; this.#under.size > 0 && this.#nowMs < endMs;) this.#millisecond()
    if (this.#under.size > 0) throw new Error(`${this.#under.size} commands were not applied everywhere`)
    const logOctets = proposed.reduce((sum, { octets }) => sum + octets.length, 0)
    return { commands: proposed.length, logOctets, ...spent, everywhereMs: this.#everywhereMs.splice(0).sort((a, b) => a - b) }
  }

  #millisecond(): void {
    this.#nowMs += 1
    const due = this.#agenda.get(this.#nowMs) ?? []
    this.#agenda.delete(this.#nowMs)
    for (const happen of due) happen()
    if (this.#nowMs % TICK_MS === 0) for (const server of this.#servers) this.#step(server, { type: 'tick' })
  }

  #at(atMs: number, happen: () => void): void {
    const list = this.#agenda.get(atMs)
    if (list === undefined) this.#agenda.set(atMs, [happen])
    else list.push(happen)
  }

  #propose(server: Server, data: Bytes): void {
    this.#serial += 1
    this.#under.set(this.#serial, { atMs: this.#nowMs, left: this.#servers.length })
    // Which one it is, its own octets need not say: the entry holds the serial beside them, as a command's envelope does.
    const entry = new Uint8Array(SERIAL_OCTETS + data.length)
    new DataView(entry.buffer).setUint32(0, this.#serial)
    entry.set(data, SERIAL_OCTETS)
    this.#step(server, { type: 'propose', proposals: [{ id: this.#serial, kind: 'command', priority: 0, data: entry }] })
  }

  #step(server: Server, input: DistributiveOmit<Parameters<typeof step>[1], 'now'>): void {
    const effects = step(server.raft, { ...input, now: this.#nowMs })
    this.#perform(server, effects)
  }

  #perform(server: Server, { persist, send, sendAfterPersist, committed, outcomes }: Effects): void {
    for (const outcome of outcomes) if (outcome.type === 'dropped') throw new Error(`a proposal was dropped: ${outcome.reason}`)
    for (const envelope of send) this.#send(server.id, envelope, LINK_MS)
    const afterMs = persist === null ? 0 : DISK_MS
    for (const envelope of sendAfterPersist) this.#send(server.id, envelope, afterMs + LINK_MS)
    if (persist !== null) this.#at(this.#nowMs + DISK_MS, () => this.#step(server, { type: 'persisted', sequence: persist.sequence }))
    for (const { kind, data } of committed) if (kind === 'command') this.#applied(data)
  }

  #applied(data: Bytes): void {
    const serial = new DataView(data.buffer, data.byteOffset).getUint32(0)
    const one = this.#under.get(serial)
    if (one === undefined) return
    one.left -= 1
    if (one.left > 0) return
    this.#under.delete(serial)
    this.#everywhereMs.push(this.#nowMs - one.atMs)
  }

  #send(from: ServerId, { to, message }: Envelope, afterMs: number): void {
    this.#messages += 1
    this.#wireOctets += encodeMessage(message).length
    const receiver = this.#servers.find(({ id }) => id === to)!
    this.#at(this.#nowMs + afterMs, () => this.#step(receiver, { type: 'message', from, message }))
  }
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never
const SERIAL_OCTETS = 4
