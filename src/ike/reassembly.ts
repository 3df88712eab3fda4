/**
 * One message on its way in fragments (RFC 7383 §2.6). It lives in memory only: who takes the session over knows nothing of it, and the
 * peer, whose message is not answered, sends all fragments again.
 */

import type { Bytes } from '../kit/bytes.ts'
import { concat, copyOf } from '../kit/bytes.ts'
import type { Fragment, WholeMessage } from './wire/fragment.ts'
import { maximumMessageOctets } from './wire/header.ts'

/** The fragments of one message; they may come in any order, and more than once. */
export class Reassembly {
  #total = 0
  readonly #parts = new Map<number, Fragment>()
  #octets = 0

  /** Octets that are kept. */
  get octets(): number {
    return this.#octets
  }

  /** Adds an authentic fragment. The message, if it was the last one missing; `kept`; or `ignored`: known already, of an older way to split it, or too much. */
  add(fragment: Fragment): WholeMessage | 'kept' | 'ignored' {
    const { number, total, inner } = fragment
    // "If the Total Fragments field ... is greater ... discard all received fragments and start over": the peer tries smaller ones (§2.5.2).
    if (total > this.#total) this.#restart(total)
    if (total < this.#total || this.#parts.has(number)) return 'ignored'
    if (this.#octets + inner.length > maximumMessageOctets) return 'ignored'
    // A copy: a view would keep the whole datagram.
    this.#parts.set(number, { ...fragment, inner: copyOf(inner) })
    this.#octets += inner.length
    return this.#parts.size === total ? this.#whole() : 'kept'
  }

  #restart(total: number): void {
    this.#total = total
    this.#parts.clear()
    this.#octets = 0
  }

  #whole(): WholeMessage {
    const { header, first } = this.#parts.get(1)!
    const inner: Bytes[] = []
    for (let number = 1; number <= this.#total; number++) inner.push(this.#parts.get(number)!.inner)
    return { header, first, inner: concat(...inner) }
  }
}
