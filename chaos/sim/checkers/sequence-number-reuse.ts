/** S1: no sequence number, nonce or IV is used twice with one key, by whichever gateway. Looks at every datagram that any gateway sends. */

import type { Bytes } from '../../../src/kit/bytes.ts'
import { dataView, toHex } from '../../../src/kit/bytes.ts'
import { Violation } from './violation.ts'

const IKE_HEADER_OCTETS = 28
const SK_PAYLOAD = 46

export class SequenceNumberReuse {
  readonly #sent = new Set<string>()
  readonly #ivs = new Map<string, string>()
  packets = 0

  esp(from: string, datagram: Bytes): void {
    const view = dataView(datagram)
    const key = `${view.getUint32(0)}/${view.getUint32(4)}`
    if (this.#sent.has(key))
      throw new Violation('S1', `${from} sent sequence number ${view.getUint32(4)} of SPI ${view.getUint32(0).toString(16)} again`)
    this.#sent.add(key)
    this.packets += 1
  }

  /** An IKE message without non-ESP marker. The same octets again are a retransmission; the same IV in others is a reuse. */
  ike(from: string, message: Bytes): void {
    if (message[16] !== SK_PAYLOAD) return
    const iv = toHex(message.subarray(IKE_HEADER_OCTETS + 4, IKE_HEADER_OCTETS + 12))
    const key = `${toHex(message.subarray(0, 16))}/${iv}`
    const octets = toHex(message)
    const known = this.#ivs.get(key)
    if (known !== undefined && known !== octets)
      throw new Violation('S1', `${from} used the IKE initialization vector ${iv} for another message`)
    this.#ivs.set(key, octets)
  }
}
