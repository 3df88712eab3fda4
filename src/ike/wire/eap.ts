/**
 * EAP packets (RFC 3748 §4) in the EAP payload (RFC 7296 §3.16).
 *
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |     Code      |  Identifier   |            Length             |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |     Type      |  Type-Data ...
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-
 *
 * Requests and responses have a type; success and failure have neither type nor data. Of a code that we don't know everything behind the length
 * stays octets.
 */

import type { Bytes } from '../../kit/bytes.ts'
import { emptyBytes } from '../../kit/bytes.ts'
import type { Reader, Writer } from '../../kit/wire.ts'

export const eapCode = { request: 1, response: 2, success: 3, failure: 4 } as const

export const eapType = {
  identity: 1,
  notification: 2,
  /** "the desired authentication Types" follow (§5.3.1). */
  nak: 3,
  msChapV2: 26,
  /** Vendor-Id and Vendor-Type follow; in a response it may be a Nak (§5.3.2, §5.7). */
  expanded: 254,
} as const

const headerOctets = 4

export interface EapPacket {
  readonly code: number
  readonly identifier: number
  /** Of a request or response; else 0. */
  readonly eapType: number
  readonly data: Bytes
}

function hasType(code: number): boolean {
  return code === eapCode.request || code === eapCode.response
}

export const eapPacket = {
  /** "The Length field ... MUST be four less than the Payload Length of the encapsulating payload" (RFC 7296 §3.16). */
  decode(reader: Reader): EapPacket {
    const code = reader.u8('code')
    const identifier = reader.u8('identifier')
    const length = reader.u16('length')
    if (length !== reader.remaining + headerOctets) {
      reader.fail('length', `expected ${reader.remaining + headerOctets}, the octets of the payload, got ${length}`)
    }
    const packet = { code, identifier, eapType: hasType(code) ? reader.u8('type') : 0, data: reader.rest() }
    const isResult = code === eapCode.success || code === eapCode.failure
    if (isResult && packet.data.length > 0) reader.fail('length', `expected 4 of a success or failure, got ${length}`)
    return packet
  },
  encode(writer: Writer, { code, identifier, eapType: type, data }: EapPacket): void {
    writer.u8(code).u8(identifier)
    writer.u16(headerOctets + (hasType(code) ? 1 : 0) + data.length)
    if (hasType(code)) writer.u8(type)
    writer.octets(data)
  },
}

/** Success or failure: the end of EAP, under the identifier of the response that it answers (§4.2). */
export function eapResult(code: typeof eapCode.success | typeof eapCode.failure, identifier: number): EapPacket {
  return { code, identifier, eapType: 0, data: emptyBytes }
}
