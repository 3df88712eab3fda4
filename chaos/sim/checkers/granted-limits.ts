/**
 * S1 and S2 at their root: nobody sends a number that the log has not granted to anyone, and nobody accepts one above the horizon that is
 * agreed. Judged against the whole committed log, of which every gateway has applied a prefix. Within a tenure and over takeovers ceilings
 * only rise, and a horizon is lowered only after its owner has stopped there, so this holds for stale owners, too.
 */

import { limitAt } from '../../../src/context/grants.ts'
import { decodeSessionContext } from '../../../src/context/session-context-codec.ts'
import { sequenceOf, spiOf } from '../../../src/esp/packet.ts'
import type { Bytes } from '../../../src/kit/bytes.ts'
import type { Command } from '../../../src/session/commands.ts'
import type { State } from '../../../src/session/state.ts'
import { ownership, sessionBySpi } from '../../../src/session/view.ts'
import { Violation } from './violation.ts'

export class GrantedLimits {
  readonly #state: State
  /** The client's SPI → ours, of every Child SA that there ever was. */
  readonly #spiIn = new Map<number, number>()
  /** The ESP packets that clients sent, by their mark. */
  readonly #sent = new Map<string, { readonly spiIn: number; readonly sequence: number }>()

  /** `state`: after all that is committed. */
  constructor(state: State) {
    this.#state = state
  }

  committed(command: Command): void {
    if (command.type !== 'commit-exchange' || command.context === null) return
    for (const { spiIn, spiOut } of decodeSessionContext(command.context).children) this.#spiIn.set(spiOut, spiIn)
  }

  /** A gateway sends an ESP packet. */
  espSent(from: string, datagram: Bytes): void {
    const spiIn = this.#spiIn.get(spiOf(datagram))
    const child = spiIn === undefined ? null : this.#limits(spiIn)
    if (child === null) return
    const sequence = sequenceOf(datagram)
    if (sequence >= child.ceiling) throw new Violation('S1', `${from} sent number ${sequence}, and the agreed ceiling is ${child.ceiling}`)
  }

  /** A client sends an ESP packet whose inner packet has this mark. */
  fromClient(mark: string, datagram: Bytes): void {
    this.#sent.set(mark, { spiIn: spiOf(datagram), sequence: sequenceOf(datagram) })
  }

  /** The ESP packet that the mark was sent in. */
  sentAs(mark: string): { readonly spiIn: number; readonly sequence: number } | null {
    return this.#sent.get(mark) ?? null
  }

  /** A gateway accepts it. */
  accepted(from: string, mark: string): void {
    const sent = this.#sent.get(mark)
    const child = sent === undefined ? null : this.#limits(sent.spiIn)
    if (sent === undefined || child === null) return
    if (sent.sequence > child.horizon)
      throw new Violation('S2', `${from} accepted number ${sent.sequence}, and the agreed horizon is ${child.horizon}`)
  }

  #limits(spiIn: number): { ceiling: number; horizon: number } | null {
    const session = sessionBySpi(this.#state, spiIn)
    const owner = session === null ? null : ownership(this.#state, session)
    if (owner === null) return null
    const { children, incarnations } = this.#state
    const row = children.find(spiIn)
    const { tick } = incarnations.get(owner.owner)!
    return {
      ceiling: limitAt(children.ceiling(row), tick, children.maximum(row)),
      horizon: limitAt(children.horizon(row), tick, children.maximum(row)),
    }
  }
}
