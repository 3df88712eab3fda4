/**
 * An agreed log as gateways see it, without the group that makes it: proposals get lost, committed late, or committed although the proposer
 * was told nothing; every member applies a prefix at its own pace; without a leader nothing is committed.
 */

import type { Bytes } from '../../src/kit/bytes.ts'
import type { SeededRandom } from '../../src/kit/random.ts'
import type { LogRole } from '../../src/store/replicated-log.ts'
import type { Scheduler } from './scheduler.ts'

export interface LogMember {
  readonly id: string
  /** Commands in order, from the one on after the index that it joined with. */
  deliver(commands: readonly SimCommand[]): void
  failed(serial: number, dropped: boolean): void
  role(role: LogRole, term: number, leader: string | null): void
}

export interface SimCommand {
  readonly index: number
  readonly client: bigint
  readonly serial: number
  readonly octets: Bytes
}

export interface LogFaults {
  /** Chance that a proposal is lost and its proposer told so, lost and told nothing, or committed twice. */
  readonly drop: number
  readonly silence: number
  readonly repeat: number
  /** Delay of a commit and of each member's delivery: mean, in ms, exponentially distributed. */
  readonly commitMs: number
  readonly deliveryMs: number
  /** Chance that a member lags behind for `lagMs`. */
  readonly lag: number
  readonly lagMs: number
  readonly electionMs: number
}

interface MemberState {
  readonly member: LogMember
  delivered: number
  lagUntilMs: number
  pumping: boolean
}

export class SimLog {
  readonly commands: SimCommand[] = []
  readonly #members = new Map<string, MemberState>()
  readonly #seen = new Set<string>()
  readonly #scheduler: Scheduler
  readonly #random: SeededRandom
  readonly #size: number
  faults: LogFaults
  /** Called for every command as it is committed. */
  onCommit: (command: SimCommand) => void = () => undefined
  #leader: string | null = null
  #term = 0

  constructor(scheduler: Scheduler, random: SeededRandom, size: number, faults: LogFaults) {
    this.#scheduler = scheduler
    this.#random = random
    this.#size = size
    this.faults = faults
  }

  get leader(): string | null {
    return this.#leader
  }

  /** The member has what was committed up to `index`. */
  join(member: LogMember, index: number): void {
    this.#members.set(member.id, { member, delivered: index, lagUntilMs: 0, pumping: false })
    this.#pump(member.id)
    this.#elect()
    this.#tellRole(member)
  }

  leave(id: string): void {
    this.#members.delete(id)
    if (this.#leader !== id) return
    this.#leader = null
    for (const { member } of this.#members.values()) this.#tellRole(member)
    this.#scheduler.after(this.#random.fraction() * this.faults.electionMs, () => this.#elect())
  }

  append(from: string, client: bigint, serial: number, octets: Bytes): void {
    const { drop, silence, repeat, commitMs } = this.faults
    const draw = this.#random.fraction()
    if (draw < drop) return this.#scheduler.after(this.#exponential(commitMs), () => this.#members.get(from)?.member.failed(serial, true))
    if (draw < drop + silence) return this.#tellUnknown(from, serial)
    const copies = draw < drop + silence + repeat ? 2 : 1
    for (let i = 0; i < copies; i++)
      this.#scheduler.after(this.#exponential(commitMs * (1 + 10 * i)), () => this.#commit(from, { client, serial, octets }))
  }

  #commit(from: string, command: Omit<SimCommand, 'index'>): void {
    if (this.#leader === null || this.#members.size <= this.#size / 2) return this.#tellUnknown(from, command.serial)
    const key = `${command.client}/${command.serial}`
    if (this.#seen.has(key)) return
    this.#seen.add(key)
    const committed = { ...command, index: this.commands.length + 1 }
    this.commands.push(committed)
    this.onCommit(committed)
    for (const id of this.#members.keys()) this.#pump(id)
  }

  #tellUnknown(from: string, serial: number): void {
    this.#scheduler.after(50, () => this.#members.get(from)?.member.failed(serial, false))
  }

  /** Delivers what is committed to a member, some time later, in one or several pieces. */
  #pump(id: string): void {
    const state = this.#members.get(id)
    if (state === undefined || state.pumping || state.delivered === this.commands.length) return
    state.pumping = true
    if (this.#random.fraction() < this.faults.lag) state.lagUntilMs = this.#scheduler.nowMs + this.#random.fraction() * this.faults.lagMs
    const delayMs = Math.max(this.#exponential(this.faults.deliveryMs), state.lagUntilMs - this.#scheduler.nowMs)
    this.#scheduler.after(delayMs, () => {
      if (this.#members.get(id) !== state) return
      state.pumping = false
      const upTo = this.#random.fraction() < 0.2 ? state.delivered + 1 : this.commands.length
      const commands = this.commands.slice(state.delivered, upTo)
      state.delivered = upTo
      state.member.deliver(commands)
      this.#pump(id)
    })
  }

  #elect(): void {
    if (this.#leader !== null || this.#members.size <= this.#size / 2) return
    const ids = [...this.#members.keys()]
    this.#leader = ids[this.#random.uint32() % ids.length]!
    this.#term += 1
    for (const { member } of this.#members.values()) this.#tellRole(member)
  }

  #tellRole(member: LogMember): void {
    member.role(this.#leader === member.id ? 'leader' : 'follower', this.#term, this.#leader)
  }

  #exponential(meanMs: number): number {
    return -Math.log(1 - this.#random.fraction()) * meanMs
  }
}
