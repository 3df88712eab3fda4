/**
 * S3: for each IKE SA, direction and Message ID there is one message, octet for octet, whoever sends it and however often. An IKE_SA_INIT that
 * comes from several places, because its sender moved while it repeated it, begins an IKE SA for each of them: gateways know it again by address,
 * port and octets, more than RFC 7296 §2.1 asks for. Its sender goes on with the one whose answer it hears first.
 */

import type { Bytes } from '../../../src/kit/bytes.ts'
import { dataView, toHex } from '../../../src/kit/bytes.ts'
import type { Endpoint } from '../../../src/context/session-context.ts'
import { endpointName } from '../whereabouts.ts'
import { Violation } from './violation.ts'

const RESPONSE = 0x20

export class ExchangeAgreement {
  readonly #messages = new Map<string, { octets: string; from: string }>()
  messages = 0

  /** An IKE message of a gateway to `remote` (null: it is no IKE_SA_INIT), without non-ESP marker. Answers without a responder SPI belong to no IKE SA. */
  ike(from: string, message: Bytes, remote: Endpoint | null): void {
    const spis = toHex(message.subarray(0, 16))
    if (spis.endsWith('0000000000000000')) return
    const isInit = message[18] === 34
    const flags = message[19]!
    const key = `${isInit ? `${spis.slice(0, 16)} at ${remote === null ? '' : endpointName(remote)}` : spis}/${flags & RESPONSE ? 'response' : 'request'}/${dataView(message).getUint32(20)}`
    const octets = toHex(message)
    const known = this.#messages.get(key)
    if (known !== undefined && known.octets !== octets)
      throw new Violation('S3', `${from} and ${known.from} sent different messages for ${key}`)
    if (known === undefined) this.#messages.set(key, { octets, from })
    this.messages += 1
  }
}
