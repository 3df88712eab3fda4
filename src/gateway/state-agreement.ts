/**
 * Whether the replicated state is the same on all gateways: each tells the others the hash of its history after every so many commands
 * (session/history.ts). Equal histories have equal hashes, so a gateway that a majority contradicts holds a state that nobody agreed on,
 * and must stop. Where no majority agrees on anything else, nobody can tell who is wrong, and it is only counted.
 */

import { HASHED_COMMANDS } from '../session/history.ts'
import type { State } from '../session/state.ts'
import type { ControlMessage } from './control-message.ts'
import type { Counters } from './counters.ts'
import { majorityOf } from './failure-detector.ts'

export interface AgreementOptions {
  /** The present members, this gateway among them. */
  readonly gateways: () => readonly string[]
  readonly self: string
  readonly state: State
  readonly counters: Counters
  readonly send: (gateway: string, message: ControlMessage) => void
  /** A majority has applied `applied` commands to another effect than this gateway. */
  readonly diverged: (applied: number) => void
}

/** Told again so often: a message may be lost. */
const REPEAT_MS = 1000
/** Of each other gateway so many hashes are kept: one may be far ahead. */
const KEPT = 8

export class StateAgreement {
  readonly #o: AgreementOptions
  /** What others said that their hash was, by how many commands they had applied. */
  readonly #told = new Map<string, Map<number, number>>()
  #comparedTo = 0
  #sentAtMs = -Infinity
  #sentApplied = 0

  constructor(options: AgreementOptions) {
    this.#o = options
  }

  /** What another gateway said. */
  heard(gateway: string, applied: number, hash: number): void {
    if (applied % HASHED_COMMANDS !== 0 || !this.#o.gateways().includes(gateway)) return
    const told = this.#told.get(gateway) ?? new Map<number, number>()
    this.#told.set(gateway, told)
    told.set(applied, hash)
    if (told.size > KEPT) told.delete(Math.min(...told.keys()))
    this.#compare(applied)
  }

  tick(nowMs: number): void {
    const applied = [...this.#o.state.hashes.keys()].at(-1) ?? 0
    if (applied === 0 || (applied === this.#sentApplied && nowMs - this.#sentAtMs < REPEAT_MS)) return
    for (; this.#comparedTo < applied; this.#comparedTo += HASHED_COMMANDS) this.#compare(this.#comparedTo + HASHED_COMMANDS)
    this.#sentAtMs = nowMs
    this.#sentApplied = applied
    const hash = this.#o.state.hashes.get(applied)!
    for (const gateway of this.#o.gateways()) if (gateway !== this.#o.self) this.#o.send(gateway, { type: 'state-hash', applied, hash })
  }

  /** The state was replaced. */
  restored(): void {
    this.#comparedTo = Math.floor(this.#o.state.applied / HASHED_COMMANDS) * HASHED_COMMANDS
  }

  #compare(applied: number): void {
    const own = this.#o.state.hashes.get(applied)
    if (own === undefined) return
    const gateways = this.#o.gateways()
    for (const gateway of this.#told.keys()) if (!gateways.includes(gateway)) this.#told.delete(gateway)
    const others = [...this.#told.values()].flatMap((told) => told.get(applied) ?? []).filter((hash) => hash !== own)
    if (others.length === 0) return
    this.#o.counters.add('state-hash-differs', 1)
    const majority = majorityOf(gateways)
    const isContradicted = others.some((hash) => others.filter((other) => other === hash).length >= majority)
    if (isContradicted) this.#o.diverged(applied)
  }
}
