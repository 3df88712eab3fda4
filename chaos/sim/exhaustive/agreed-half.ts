/** The agreed state after all that is committed, under the simulator's checker of S5. */

import type { Grant } from '../../../src/context/grants.ts'
import { RATE_SCALE, SPAN_TICKS, limitAt } from '../../../src/context/grants.ts'
import type { Bytes } from '../../../src/kit/bytes.ts'
import type { CheckpointRecord } from '../../../src/session/checkpoint.ts'
import type { State } from '../../../src/session/state.ts'
import { decodeCommand } from '../../../src/session/commands.ts'
import { sessionView } from '../../../src/session/view.ts'
import { StaleOwner } from '../checkers/stale-owner.ts'
import { Violation } from '../checkers/violation.ts'
import type { ApplyHook } from '../hook.ts'
import type { Instance } from './machine.ts'
import type { Setup } from './setup.ts'
import { meaning, rawText, recordsOf } from './state-text.ts'
import type { Vocabulary } from './vocabulary.ts'

export interface AgreedSummary {
  /** Numbers of the incarnations that are up, and their gateways. */
  readonly up: readonly { readonly number: number; readonly gateway: string }[]
  /** Those that have ended and are kept. */
  readonly ended: readonly number[]
  readonly owner: number
  readonly isOwnerUp: boolean
  readonly epoch: number
  readonly takeovers: number
  readonly transfers: number
  /** Limits of the Child SA of the walk. */
  readonly ceiling: number
  readonly horizon: number
  readonly floor: number
  /** The next Message ID that is expected of the client. */
  readonly expectedRequest: number
  /** As text. */
  readonly meaning: string
}

interface Limits {
  readonly ceiling: number
  readonly floor: number
}

export interface AgreedOptions {
  readonly setup: Setup
  readonly vocabulary: Vocabulary
  readonly hook: ApplyHook | null
}

export class AgreedHalf implements Instance<Bytes, AgreedSummary> {
  readonly #o: AgreedOptions
  readonly #checker: StaleOwner

  constructor(options: AgreedOptions) {
    this.#o = options
    this.#checker = new StaleOwner(options.hook)
    for (const command of options.setup.commands) this.#checker.committed(command)
  }

  get state(): State {
    return this.#checker.state
  }

  records(): readonly CheckpointRecord[] {
    return recordsOf(this.state)
  }

  react(command: Bytes): readonly number[] {
    const before = this.#limits()
    const result = this.#checker.committed(command)
    const isTransfer = decodeCommand(command).type === 'transfer'
    this.#judgeLimits(isTransfer && before !== null ? { ...before, ceiling: 0 } : before)
    return [this.#o.vocabulary.effects.id({ type: 'result', result })]
  }

  fingerprint(): string {
    return rawText(this.state, this.#o.setup.session)
  }

  summary(): AgreedSummary {
    const { session, spiIn } = this.#o.setup
    const view = sessionView(this.state, session)!
    const child = view.children.find((one) => one.spiIn === spiIn)
    const { tick } = this.state.incarnations.get(view.owner)!
    return {
      up: this.state.incarnations.up().map(({ number, gateway }) => ({ number, gateway })),
      ended: [...this.state.incarnations.all()].filter(({ up }) => !up).map(({ number }) => number),
      owner: view.owner,
      isOwnerUp: view.ownerUp,
      epoch: view.epoch,
      takeovers: view.takeovers,
      transfers: view.transfers,
      ceiling: child === undefined ? Infinity : limitAt(child.ceiling, tick, child.maximum),
      horizon: child === undefined ? Infinity : limitAt(child.horizon, tick, child.maximum),
      floor: child?.floor ?? 0,
      expectedRequest: view.ikes[0]!.expectedRequest,
      meaning: meaning(this.state, session),
    }
  }

  #limits(): Limits | null {
    const { session, spiIn } = this.#o.setup
    const view = sessionView(this.state, session)
    const child = view?.children.find((one) => one.spiIn === spiIn)
    if (view === null || child === undefined) return null
    const { tick } = this.state.incarnations.get(view.owner)!
    return { ceiling: limitAt(child.ceiling, tick, child.maximum), floor: child.floor }
  }

  /** B1: what a takeover burns has a bound, for a limit grows for SPAN and no longer. Floors only rise, and ceilings but for a transfer, which is exact. */
  #judgeLimits(before: Limits | null): void {
    const after = this.#limits()
    if (before !== null && after !== null) {
      if (after.ceiling < before.ceiling) throw new Violation('S1', `the ceiling went from ${before.ceiling} back to ${after.ceiling}`)
      if (after.floor < before.floor) throw new Violation('S2', `the floor went from ${before.floor} back to ${after.floor}`)
    }
    const { session } = this.#o.setup
    const view = sessionView(this.state, session)
    const { tick } = this.state.incarnations.get(view?.owner ?? 0) ?? { tick: 0 }
    for (const { ceiling, horizon, maximum } of view?.children ?? []) {
      for (const grant of [ceiling, horizon]) {
        const limit = limitAt(grant, tick, maximum)
        if (limit > grownFully(grant)) throw new Violation('B1', `a limit of ${grant.base} has grown to ${limit}, beyond its span`)
      }
    }
  }
}

/** Where its growth ends. */
function grownFully({ base, rate }: Grant): number {
  return base + Math.floor((rate * SPAN_TICKS) / RATE_SCALE)
}
