/**
 * S1 to S4 and S6 as the simulator's checkers judge them (chaos/sim/checkers), but what they have seen is a value: it is a part of the state of
 * the walk, and has a number.
 */

import type { Bytes } from '../../../src/kit/bytes.ts'
import { dataView, toHex } from '../../../src/kit/bytes.ts'
import { Violation } from '../checkers/violation.ts'
import type { AgreedSummary } from './agreed-half.ts'
import { Interner } from './canonical.ts'

/** What the outside has seen. */
export interface Seen {
  /** SPIs and numbers of ESP packets that gateways sent, sorted. */
  readonly sent: readonly string[]
  /** Where the last one went; empty: there was none. */
  readonly place: string
  /** Numbers of the client's that were accepted, sorted. */
  readonly accepted: readonly number[]
  /** IKE messages of gateways: what names each, and its octets; sorted. */
  readonly messages: readonly string[]
}

const nothing: Seen = { sent: [], place: '', accepted: [], messages: [] }
const IV_OFFSET = 32
const MESSAGE_ID_OFFSET = 20

export class Monitors {
  readonly #seen = new Interner<Seen>()
  readonly #address: string
  readonly #spiOut: number

  /** `address`: the client's; `spiOut`: of the Child SA of the walk. */
  constructor(address: string, spiOut: number) {
    this.#address = address
    this.#spiOut = spiOut
    this.#seen.id(nothing)
  }

  get(seen: number): Seen {
    return this.#seen.get(seen)
  }

  /** A gateway sends an ESP packet. */
  sent(
    seen: number,
    gateway: string,
    { spi, number, to }: { readonly spi: number; readonly number: number; readonly to: string },
    agreed: AgreedSummary,
  ): number {
    const before = this.get(seen)
    const name = `${spi}/${number}`
    if (before.sent.includes(name)) throw new Violation('S1', `${gateway} sent sequence number ${number} again`)
    if (spi === this.#spiOut && number >= agreed.ceiling)
      throw new Violation('S1', `${gateway} sent number ${number}, and the agreed ceiling is ${agreed.ceiling}`)
    return this.#seen.id({ ...before, sent: [...before.sent, name].sort(), place: to })
  }

  /** A gateway delivers the client's packet with this number. */
  accepted(
    seen: number,
    gateway: string,
    { number, source }: { readonly number: number; readonly source: string },
    agreed: AgreedSummary,
  ): number {
    const before = this.get(seen)
    if (source !== this.#address) throw new Violation('S6', `${gateway} delivered a packet with source ${source}`)
    if (before.accepted.includes(number)) throw new Violation('S2', `${gateway} accepted number ${number}, which was accepted before`)
    if (number > agreed.horizon)
      throw new Violation('S2', `${gateway} accepted number ${number}, and the agreed horizon is ${agreed.horizon}`)
    return this.#seen.id({ ...before, accepted: sorted([...before.accepted, number]) })
  }

  /** A gateway sends an IKE message: a response. */
  message(seen: number, gateway: string, octets: Bytes, agreed: AgreedSummary): number {
    const before = this.get(seen)
    const messageId = dataView(octets).getUint32(MESSAGE_ID_OFFSET)
    if (messageId >= agreed.expectedRequest)
      throw new Violation('S4', `${gateway} answered request ${messageId}, and the agreed state has yet to have it`)
    const name = `${messageId}/${toHex(octets.subarray(IV_OFFSET, IV_OFFSET + 8))}`
    const text = `${name}/${toHex(octets)}`
    for (const other of before.messages) {
      if (other === text) return seen
      if (other.startsWith(`${name}/`)) throw new Violation('S1', `${gateway} used an IKE initialization vector for another message`)
      if (other.startsWith(`${messageId}/`)) throw new Violation('S3', `${gateway} sent another response ${messageId} than was sent before`)
    }
    return this.#seen.id({ ...before, messages: [...before.messages, text].sort() })
  }
}

function sorted(numbers: readonly number[]): readonly number[] {
  return numbers.toSorted((a, b) => a - b)
}
