/** S3: for each IKE SA, direction and Message ID there is one message, octet for octet, whoever sends it and however often. */

import type { Bytes } from '../../../src/kit/bytes.ts'
import { dataView, toHex } from '../../../src/kit/bytes.ts'
import { Violation } from './violation.ts'

const RESPONSE = 0x20

export class ExchangeAgreement {
  readonly #messages = new Map<string, { octets: string; from: string }>()
  messages = 0

  /** An IKE message of a gateway, without non-ESP marker. Answers without a responder SPI belong to no IKE SA. */
  ike(from: string, message: Bytes): void {
    const spis = toHex(message.subarray(0, 16))
    if (spis.endsWith('0000000000000000')) return
    const isInit = message[18] === 34
    const flags = message[19]!
    const key = `${isInit ? spis.slice(0, 16) : spis}/${flags & RESPONSE ? 'response' : 'request'}/${dataView(message).getUint32(20)}`
    const octets = toHex(message)
    const known = this.#messages.get(key)
    if (known !== undefined && known.octets !== octets)
      throw new Violation('S3', `${from} and ${known.from} sent different messages for ${key}`)
    if (known === undefined) this.#messages.set(key, { octets, from })
    this.messages += 1
  }
}
