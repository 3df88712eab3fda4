/**
 * A way through the walk, done once more on cores that live through all of it, none made anew, nothing looked up; under the simulator's own
 * checkers. What is done must be what the walk says is done, effect by effect and state by state: else cores that tell the same of themselves
 * were not the same.
 */

import { ExchangeAgreement } from '../checkers/exchange-agreement.ts'
import { ReplayAcceptance } from '../checkers/replay-acceptance.ts'
import { SequenceNumberReuse } from '../checkers/sequence-number-reuse.ts'
import { canonical } from './canonical.ts'
import type { Instance } from './machine.ts'
import type { Parts } from './parts.ts'
import type { Taken } from './world.ts'

export class Confirmation {
  readonly #parts: Parts
  readonly #controls: Instance<unknown, unknown>[]
  readonly #packets: Instance<unknown, unknown>[]
  readonly #agreed: Instance<unknown, unknown>
  readonly #sequenceNumbers = new SequenceNumberReuse()
  readonly #replays = new ReplayAcceptance()
  readonly #exchanges = new ExchangeAgreement()

  constructor(parts: Parts) {
    this.#parts = parts
    this.#controls = parts.gateways.map((_, index) => parts.control(index))
    this.#packets = parts.gateways.map((_, index) => parts.packet(index))
    this.#agreed = parts.state()
  }

  /** Throws where it differs, and what a checker throws. */
  take({ part, gateway, input, reaction }: Taken): void {
    const { vocabulary, controls, packets, agreed } = this.#parts
    const [instance, machine, value] =
      part === 'control'
        ? [this.#controls[gateway]!, controls[gateway]!, vocabulary.control.get(input)]
        : part === 'packets'
          ? [this.#packets[gateway]!, packets[gateway]!, vocabulary.packets.get(input)]
          : [this.#agreed, agreed, vocabulary.commands.get(input)]
    let effects: readonly number[]
    try {
      effects = instance.react(value)
    } catch (error) {
      if (reaction.error !== null) return
      throw error
    }
    if (reaction.error !== null) throw new Error(`${part} ${gateway}: the walk saw "${reaction.error.message}", and a live core goes on`)
    if (effects.join() !== reaction.effects.join()) {
      const texts = [effects, reaction.effects].map((list) => list.map((effect) => canonical(vocabulary.effects.get(effect))).join())
      throw new Error(`${part} ${gateway}: told ${canonical(value)}, a live core does ${texts[0]}, and not ${texts[1]}`)
    }
    if (machine.find(instance.fingerprint()) !== reaction.next) {
      const walked = machine.instanceOf(reaction.next).fingerprint()
      throw new Error(`${part} ${gateway}: told ${canonical(value)}, a live core comes to ${instance.fingerprint()}, and not to ${walked}`)
    }
    for (const effect of effects) this.#judge(gateway, effect)
  }

  #judge(gateway: number, number: number): void {
    const { vocabulary, gateways } = this.#parts
    const effect = vocabulary.effects.get(number)
    const self = gateways[gateway]!
    if (effect.type === 'esp') this.#sequenceNumbers.esp(self, effect.octets)
    if (effect.type === 'inner') this.#replays.delivered(self, String(effect.number))
    if (effect.type !== 'ike') return
    this.#sequenceNumbers.ike(self, effect.octets)
    // No IKE_SA_INIT is walked.
    this.#exchanges.ike(self, effect.octets, null)
  }
}
