/**
 * The client's end of one Child SA (RFC 4303): its counter outbound, its anti-replay window inbound.
 */

import { rangeContains } from '../context/address.ts'
import { maximumSequence } from '../context/grants.ts'
import type { TrafficSelector } from '../context/session-context.ts'
import { highOf } from '../esp/extended-sequence.ts'
import { encapsulate, innerPacket, numberOf } from '../esp/packet.ts'
import type { EspDrop } from '../esp/packet.ts'
import { ReplayWindow } from '../esp/replay-window.ts'
import type { ClientChild } from '../ike/initiator-rekey.ts'
import { assert } from '../kit/assert.ts'
import type { Bytes } from '../kit/bytes.ts'
import { dataView } from '../kit/bytes.ts'
import type { EspCipher, EspCrypto } from '../kit/esp-crypto.ts'
import { ESP_HEADER_OCTETS } from '../kit/esp-crypto.ts'
import { SequenceHistory } from './sequence-history.ts'

/** Why a packet of the gateway was not delivered. */
export type TunnelDrop = 'esp-short' | 'esp-replayed' | 'esp-not-authentic' | 'inner-selectors' | EspDrop

export class Tunnel {
  readonly sa: ClientChild
  readonly #out: EspCipher
  readonly #in: EspCipher
  readonly #window = new ReplayWindow(0, { highest: 0, seen: null })
  readonly #history = new SequenceHistory()
  #nextSequence = 1
  /** Packets are still accepted until then (monotonic ms), once its successor has taken over. */
  endsAtMs = Infinity

  constructor(crypto: EspCrypto, sa: ClientChild) {
    this.sa = sa
    const out = crypto.cipher(sa.suite, sa.keyOut)
    const inbound = crypto.cipher(sa.suite, sa.keyIn)
    assert(out !== null, `ESP transform ${sa.suite.encr} was offered and is not supported`)
    assert(inbound !== null, `ESP transform ${sa.suite.encr} was offered and is not supported`)
    this.#out = out
    this.#in = inbound
  }

  /** The ESP packet for an inner packet; null when the sequence numbers are used up (RFC 4303 §3.3.3: they must not cycle). */
  seal(inner: Bytes): Bytes | null {
    if (this.#nextSequence > maximumSequence(this.sa.suite.esn)) return null
    return encapsulate(this.#out, this.sa.spiOut, this.#nextSequence++, inner)
  }

  /** Notes the number of a packet of the gateway; whether it had been seen before. */
  see(packet: Bytes): boolean {
    return this.#history.see(this.#numberOf(packet))
  }

  /** The inner packet, a view into `packet`, which is decrypted in place; or why there is none. */
  open(packet: Bytes): Bytes | TunnelDrop {
    if (packet.length < ESP_HEADER_OCTETS + this.#in.ivOctets + this.#in.icvOctets) return 'esp-short'
    const sequence = this.#numberOf(packet)
    // "The receiver … verifies that the packet contains a Sequence Number that does not duplicate" first, and slides the window only after the ICV (RFC 4303 §3.4.3).
    if (!this.#window.mayAccept(sequence)) return 'esp-replayed'
    if (!this.#in.open(packet, highOf(sequence))) return 'esp-not-authentic'
    this.#window.accept(sequence)
    const inner = innerPacket(this.#in, packet)
    if (typeof inner === 'string') return inner
    return this.#isSelected(inner) ? inner : 'inner-selectors'
  }

  /** Leaves numbers out, up to `next`: legal (RFC 4303 §3.3.3), and how a test comes to the end of 32 bits. */
  skipTo(next: number): void {
    assert(next >= this.#nextSequence, `numbers only go up: next is ${this.#nextSequence}, not ${next}`)
    this.#nextSequence = next
  }

  #numberOf(packet: Bytes): number {
    return numberOf(packet, this.sa.suite.esn, this.#window.highest)
  }

  /** From the gateway's side of the selectors to ours, by addresses. */
  #isSelected(inner: Bytes): boolean {
    const [source, destination] = addressesOf(inner)
    return holds(this.sa.remoteTs, source) && holds(this.sa.localTs, destination)
  }
}

function addressesOf(inner: Bytes): readonly [Bytes, Bytes] {
  return dataView(inner).getUint8(0) >> 4 === 4
    ? [inner.subarray(12, 16), inner.subarray(16, 20)]
    : [inner.subarray(8, 24), inner.subarray(24, 40)]
}

function holds(selectors: readonly TrafficSelector[], address: Bytes): boolean {
  return selectors.some((selector) => rangeContains(selector, address))
}
