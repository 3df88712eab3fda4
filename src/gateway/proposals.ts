/**
 * Proposals of this process: numbered, repeated with the same octets while their outcome is unknown, matched with what was applied.
 *
 * A timeout is never an outcome. A proposal that matters ends only when its command is applied here. One that is out of date soon (ticks,
 * grants, accusations) is given up as soon as its append fails: whether it commits later must not matter to its proposer, and doesn't, for
 * `apply` refuses what is stale.
 */

import type { Bytes } from '../kit/bytes.ts'
import type { ProposalPriority } from '../context/proposal-priority.ts'
import type { Command } from '../session/commands.ts'
import { encodeCommand } from '../session/commands.ts'
import type { Result } from '../session/results.ts'
import type { Now } from './clock.ts'
import { priorityOf } from './command-priority.ts'

/**
 * Why an append ended without its command: `dropped`: this append put it into no log; `unknown`: perhaps it did; `expired`: it came too late to
 * be delivered ever, this copy and every other.
 */
export type AppendFailure = 'dropped' | 'unknown' | 'expired'

export interface ProposalOptions {
  /**
   * True: append until it is applied. False, for what is out of date by then, such as ticks: give up as soon as an append fails, though it
   * may commit later. `while-unknown`: give up only when it certainly is not in the log, for the proposer has to know.
   */
  readonly repeat: boolean | 'while-unknown'
  /** Called once, with the result and the time at which it was applied here. */
  readonly applied?: (result: Result, now: Now) => void
  /** Called once instead when it is given up. */
  readonly givenUp?: () => void
}

interface Pending {
  readonly octets: Bytes
  readonly priority: ProposalPriority
  readonly options: ProposalOptions
  attempts: number
  /** When to append again; Infinity while an append is under way. */
  retryAtMs: number
  /** Of an append under this serial nobody knows the outcome: it may still be committed, whatever becomes of later ones. */
  isUncertain: boolean
  /** The log certainly does not hold it, nor ever will under this serial. */
  isDropped: boolean
}

/** Beyond this many at once, proposals that needn't be repeated are given up at once. */
export const MAX_PENDING = 4096
const FIRST_RETRY_MS = 20
const MAX_RETRY_MS = 500

export class Proposals {
  readonly #append: (serial: number, octets: Bytes, priority: ProposalPriority) => void
  readonly #pending = new Map<number, Pending>()
  #serial = 0

  /** `append` starts an append; its failure comes back through `failed`. */
  constructor(append: (serial: number, octets: Bytes, priority: ProposalPriority) => void) {
    this.#append = append
  }

  get pendingCount(): number {
    return this.#pending.size
  }

  propose(command: Command, options: ProposalOptions): void {
    if (this.#pending.size >= MAX_PENDING && options.repeat !== true) {
      options.givenUp?.()
      return
    }
    this.#start({
      octets: encodeCommand(command),
      priority: priorityOf(command),
      options,
      attempts: 0,
      retryAtMs: Infinity,
      isUncertain: false,
      isDropped: false,
    })
  }

  /** A command of this process was applied. */
  applied(serial: number, result: Result, now: Now): void {
    const pending = this.#pending.get(serial)
    if (pending === undefined) return
    this.#pending.delete(serial)
    pending.options.applied?.(result, now)
  }

  /** The log could not say that the command is committed. Returns whether it is appended again under this serial. */
  failed(serial: number, failure: AppendFailure, nowMs: number): boolean {
    const pending = this.#pending.get(serial)
    if (pending === undefined) return false
    if (failure === 'unknown') pending.isUncertain = true
    const isDropped = failure === 'expired' || (failure === 'dropped' && !pending.isUncertain)
    const { repeat } = pending.options
    if (repeat === false || (repeat === 'while-unknown' && isDropped)) {
      this.#pending.delete(serial)
      pending.options.givenUp?.()
      return false
    }
    pending.isDropped = isDropped
    pending.retryAtMs = nowMs + Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(pending.attempts, 10))
    return !isDropped
  }

  /** The state was replaced: nobody can tell any more whether what was proposed is in it. Only who wants to know is told. */
  forget(): void {
    const pending = [...this.#pending.values()]
    this.#pending.clear()
    for (const { options } of pending) options.givenUp?.()
  }

  tick(nowMs: number): void {
    for (const [serial, pending] of [...this.#pending].filter(([, { retryAtMs }]) => retryAtMs <= nowMs)) {
      if (pending.isDropped) {
        this.#pending.delete(serial)
        this.#start(pending)
      } else {
        this.#appendAgain(serial, pending)
      }
    }
  }

  /** What is to become of what it has proposed, in the order of the serials. */
  inspect(): unknown {
    return [...this.#pending.values()].map(({ octets, options, isUncertain, isDropped, retryAtMs }) => {
      return [octets, options.repeat, isUncertain, isDropped, retryAtMs === Infinity]
    })
  }

  /** Under a fresh serial: the log remembers serials only so far back, so an old one might wait for ever. */
  #start(pending: Pending): void {
    this.#serial += 1
    pending.isUncertain = false
    pending.isDropped = false
    this.#pending.set(this.#serial, pending)
    this.#appendAgain(this.#serial, pending)
  }

  #appendAgain(serial: number, pending: Pending): void {
    pending.retryAtMs = Infinity
    pending.attempts += 1
    this.#append(serial, pending.octets, pending.priority)
  }
}
