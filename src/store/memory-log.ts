/**
 * A replicated log within one process, without Raft: what the simulator and tests run on. Nothing happens by itself: each `turn` does one
 * thing that a seeded generator picks, so that delays, losses, copies and every member's own pace replay from the seed.
 */

import { assert } from '../kit/assert.ts'
import type { Bytes } from '../kit/bytes.ts'
import { CodedError } from '../kit/errors.ts'
import type { Random } from '../kit/random.ts'
import { randomBelow } from '../kit/random.ts'
import { Deduplicator } from './deduplicator.ts'
import type { CommandId, CommittedCommand, LogMark, LogStatus } from './replicated-log.ts'
import { MemoryLog } from './memory-member.ts'

export interface MemoryFaults {
  /** Of 1,000 appends so many are dropped, and said to be. */
  readonly droppedPerMille: number
  /** … have an outcome that nobody knows; half of them are committed all the same, later. */
  readonly unknownPerMille: number
  /** … stand in the log twice. */
  readonly copiedPerMille: number
}

export const noFaults: MemoryFaults = { droppedPerMille: 0, unknownPerMille: 0, copiedPerMille: 0 }

export interface MemoryClusterOptions {
  readonly members: readonly string[]
  readonly random: Random
  readonly faults?: MemoryFaults
}

/** An append on its way to the log. */
interface Append {
  readonly id: CommandId
  readonly command: Bytes
  /** Null for a copy, and for one whose caller was told that nobody knows. */
  readonly settle: ((outcome: AppendOutcome) => void) | null
}

/** `position`: it is in the log, and delivered when a member has delivered so many commands. */
export type AppendOutcome = { readonly position: number } | { readonly error: CodedError }

/** The most commands that one delivery brings. */
const maxDelivery = 16

export class MemoryCluster {
  readonly #random: Random
  readonly #members = new Map<string, MemoryLog>()
  readonly #deduplicator = new Deduplicator()
  readonly #commands: CommittedCommand[] = []
  readonly #paused = new Set<string>()
  #faults: MemoryFaults
  #appends: Append[] = []
  #leader: string | null
  #term = 1

  constructor(options: MemoryClusterOptions) {
    this.#random = options.random
    this.#faults = options.faults ?? noFaults
    this.#leader = options.members[0] ?? null
    for (const id of options.members) this.#members.set(id, new MemoryLog(id, this))
  }

  /** The log as `id` sees it. */
  log(id: string): MemoryLog {
    const member = this.#members.get(id)
    assert(member !== undefined, `no member ${id}`)
    return member
  }

  /** Every command that is committed; the one of index i is at i − 1. */
  get commands(): readonly CommittedCommand[] {
    return this.#commands
  }

  /** As after a crash: the old log of `id` is closed, the new one delivers everything after `from`, or from the first command on. */
  restart(id: string, from: LogMark | null = null): MemoryLog {
    void this.log(id).close()
    const member = new MemoryLog(id, this, from)
    this.#members.set(id, member)
    return member
  }

  /** Without a leader, appends are dropped. */
  elect(leader: string | null): void {
    this.#leader = leader
    this.#term++
    for (const member of this.#members.values()) member.statusChanged()
  }

  /** A paused member is delivered nothing. */
  pause(id: string): void {
    this.#paused.add(id)
  }

  resume(id: string): void {
    this.#paused.delete(id)
  }

  setFaults(faults: MemoryFaults): void {
    this.#faults = faults
  }

  /** Commits an append or delivers to a member; returns whether there was anything to do. */
  turn(): boolean {
    const behind = [...this.#members.values()].filter((member) => !this.#paused.has(member.id) && member.delivered < this.#commands.length)
    const choices = behind.length + (this.#appends.length > 0 ? 1 : 0)
    if (choices === 0) return false
    const choice = randomBelow(this.#random, choices)
    const member = behind[choice]
    if (member === undefined) this.#commitOne()
    else this.#deliver(member)
    return true
  }

  /** Takes turns until nothing is left to do. */
  settle(): void {
    while (this.turn());
  }

  /** For the members. */
  append(append: Append): void {
    if (this.#leader === null) append.settle?.({ error: new CodedError('ERR_PROPOSAL_DROPPED', 'no leader is known at the moment') })
    else this.#appends.push(append)
  }

  statusOf(id: string): LogStatus {
    const isLeader = id === this.#leader
    const members = [...this.#members.values()].map((member) => ({
      id: member.id,
      address: member.id,
      role: 'voter' as const,
      state: member.id === this.#leader ? ('leader' as const) : isLeader ? ('replicating' as const) : ('unknown' as const),
      matchIndex: isLeader ? member.delivered : null,
    }))
    return {
      role: isLeader ? 'leader' : 'follower',
      term: this.#term,
      leader: this.#leader,
      commitIndex: this.#commands.length,
      standing: 'member',
      voterSets: [[...this.#members.keys()]],
      configurationIndex: 0,
      members,
    }
  }

  #deliver(member: MemoryLog): void {
    const end = Math.min(this.#commands.length, member.delivered + 1 + randomBelow(this.#random, maxDelivery))
    member.deliver(this.#commands.slice(member.delivered, end))
  }

  #commitOne(): void {
    const at = randomBelow(this.#random, this.#appends.length)
    const [append] = this.#appends.splice(at, 1)
    assert(append !== undefined, `no append at ${at}`)
    const draw = append.settle === null ? 1000 : randomBelow(this.#random, 1000)
    const { droppedPerMille, unknownPerMille } = this.#faults
    if (draw < droppedPerMille) append.settle?.({ error: new CodedError('ERR_PROPOSAL_DROPPED') })
    else if (draw < droppedPerMille + unknownPerMille) this.#loseOutcome(append)
    else this.#commit(append)
  }

  #loseOutcome(append: Append): void {
    append.settle?.({ error: new CodedError('ERR_OUTCOME_UNKNOWN') })
    if (randomBelow(this.#random, 2) === 0) this.#appends.push({ ...append, settle: null })
  }

  #commit(append: Append): void {
    const { id, command } = append
    if (this.#deduplicator.accept(id) === 'fresh') this.#commands.push({ index: this.#commands.length + 1, id, command })
    if (append.settle !== null && randomBelow(this.#random, 1000) < this.#faults.copiedPerMille)
      this.#appends.push({ ...append, settle: null })
    append.settle?.({ position: this.#commands.length })
  }
}
