/** The parts of a cluster, each an automaton: a control core and a packet core a gateway, and the agreed state. */

import { RATE_SCALE } from '../../../src/context/grants.ts'
import { formatAddress } from '../../../src/context/address.ts'
import type { Bytes } from '../../../src/kit/bytes.ts'
import { apply } from '../../../src/session/apply.ts'
import type { Command } from '../../../src/session/commands.ts'
import { decodeCommand, encodeCommand } from '../../../src/session/commands.ts'
import type { ChildState, SessionView } from '../../../src/session/view.ts'
import { sessionView } from '../../../src/session/view.ts'
import type { ApplyHook } from '../hook.ts'
import type { AgreedSummary } from './agreed-half.ts'
import { AgreedHalf } from './agreed-half.ts'
import type { ControlSummary } from './control-half.ts'
import { ControlHalf } from './control-half.ts'
import type { Instance } from './machine.ts'
import { Machine } from './machine.ts'
import type { PacketSummary } from './packet-half.ts'
import { PacketHalf } from './packet-half.ts'
import type { Scope } from './scope.ts'
import type { Setup } from './setup.ts'
import { FOUNDER_INCARNATION, setUp } from './setup.ts'
import { stateOf } from './state-text.ts'
import type { ControlInput, PacketInput } from './vocabulary.ts'
import { Vocabulary } from './vocabulary.ts'
import type { CheckpointRecord } from '../../../src/session/checkpoint.ts'

const names = ['a', 'b', 'c']

export class Parts {
  readonly vocabulary = new Vocabulary()
  readonly setup: Setup
  /** The session's first owner first. */
  readonly gateways: readonly string[]
  /** Commands that all gateways apply before the walk begins. */
  readonly prelude: readonly Bytes[]
  readonly controls: readonly Machine<ControlInput, ControlSummary>[]
  readonly packets: readonly Machine<PacketInput, PacketSummary>[]
  readonly agreed: Machine<Bytes, AgreedSummary>
  readonly #hook: ApplyHook | null
  readonly #records = new Map<number, readonly CheckpointRecord[]>()

  constructor(scope: Scope, hook: ApplyHook | null) {
    this.#hook = hook
    this.setup = setUp(scope.request)
    const ids = names.slice(0, scope.gateways)
    const first = this.#preludeOf(scope, ids)
    this.gateways = [first.owner, ...ids.filter((id) => id !== first.owner)]
    this.prelude = this.#preludeOf(scope, this.gateways).commands
    const { vocabulary } = this
    this.controls = this.gateways.map(
      (_, index) =>
        new Machine(
          () => this.control(index),
          (input) => vocabulary.control.get(input),
        ),
    )
    this.packets = this.gateways.map(
      (_, index) =>
        new Machine(
          () => this.packet(index),
          (input) => vocabulary.packets.get(input),
        ),
    )
    this.agreed = new Machine(
      () => this.state(),
      (command) => vocabulary.commands.get(command),
    )
  }

  get address(): string {
    return formatAddress(this.setup.address)
  }

  // ---- parts as they are before anything has happened

  control(index: number): Instance<ControlInput, ControlSummary> {
    return this.#controlOf(this.gateways, index)
  }

  packet(index: number): Instance<PacketInput, PacketSummary> {
    return new PacketHalf(this.gateways[index]!, this.setup, this.vocabulary)
  }

  state(): Instance<Bytes, AgreedSummary> {
    return new AgreedHalf({ setup: this.setup, vocabulary: this.vocabulary, hook: this.#hook })
  }

  #controlOf(gateways: readonly string[], index: number): ControlHalf {
    const { setup, vocabulary } = this
    const snapshot = (agreed: number): readonly CheckpointRecord[] => this.#recordsOf(agreed)
    return new ControlHalf({ self: gateways[index]!, gateways, index, setup, vocabulary, hook: this.#hook, snapshot })
  }

  #recordsOf(agreed: number): readonly CheckpointRecord[] {
    const known = this.#records.get(agreed)
    if (known !== undefined) return known
    const records = (this.agreed.instanceOf(agreed) as AgreedHalf).records()
    this.#records.set(agreed, records)
    return records
  }

  /** Everybody comes up, the founder goes down, and the session's heir is granted what the scope says. */
  #preludeOf(scope: Scope, gateways: readonly string[]): { readonly owner: string; readonly commands: readonly Bytes[] } {
    const { vocabulary, setup } = this
    const commands: Bytes[] = []
    for (const [index] of gateways.entries()) {
      for (const number of this.#controlOf(gateways, index).react({ type: 'start' })) {
        const effect = vocabulary.effects.get(number)
        if (effect.type === 'propose') commands.push(vocabulary.commands.get(effect.command))
      }
    }
    commands.push(encodeCommand({ type: 'gateway-down', incarnation: FOUNDER_INCARNATION }))
    const state = stateOf(setup.records)
    for (const octets of commands) apply(state, decodeCommand(octets))
    const heir = sessionView(state, setup.session)!
    commands.push(encodeCommand(grantOf(scope, heir)))
    return { owner: heir.gateway, commands }
  }
}

/** The heir's tick, so that it is not that of whoever comes next. */
const FIRST_TICK = 4

function grantOf(scope: Scope, { session, owner, epoch, children }: SessionView): Command {
  const [{ spiIn, ceiling }] = children as [ChildState]
  const child = {
    spiIn,
    ceiling: { wanted: ceiling.base, rate: RATE_SCALE * scope.rateOut },
    horizon: { wanted: scope.horizon, rate: RATE_SCALE * scope.rateIn, shrink: false },
  }
  const grants = [{ session, epoch, serial: 1, packetsPerSecond: 0, remote: null, children: [child] }]
  return { type: 'advance', incarnation: owner, tick: FIRST_TICK, grants, renewals: [] }
}
