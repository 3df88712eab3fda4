/**
 * The payloads with a few fields before their data: Key Exchange (RFC 7296 §3.4), Identification (§3.5) and Authentication (§3.8).
 *
 *                      1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |   Diffie-Hellman Group Num    |           RESERVED            |   KE: then the public value
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |   ID Type     |                 RESERVED                      |   IDi, IDr: then the identity
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * | Auth Method   |                RESERVED                       |   AUTH: then the authentication data
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */

import type { Bytes } from '../../kit/bytes.ts'
import type { Reader } from '../../kit/wire.ts'
import { Writer } from '../../kit/wire.ts'
import type { Identity } from '../../context/session-context.ts'

export interface KeyExchangeValue {
  readonly group: number
  readonly publicValue: Bytes
}

export const keyExchangePayload = {
  decode(reader: Reader): KeyExchangeValue {
    const group = reader.u16('group')
    reader.u16('reserved')
    return { group, publicValue: reader.rest() }
  },
  encode(writer: Writer, { group, publicValue }: KeyExchangeValue): void {
    writer.u16(group).u16(0).octets(publicValue)
  },
}

/** `reserved` as it came: AUTH covers the body with it (§2.15). */
export interface Identification {
  readonly identity: Identity
  readonly reserved: Bytes
}

export const identificationPayload = {
  decode(reader: Reader): Identification {
    const type = reader.u8('type')
    const reserved = reader.octets('reserved', 3)
    return { identity: { type, data: reader.rest() }, reserved }
  },
  encode(writer: Writer, { identity, reserved }: Identification): void {
    writer.u8(identity.type).octets(reserved).octets(identity.data)
  },
}

export function identification(identity: Identity): Identification {
  return { identity, reserved: new Uint8Array(3) }
}

/** The payload's body behind the generic header: IDi' or IDr' of §2.15. */
export function identificationBody(id: Identification): Bytes {
  const writer = new Writer(64)
  identificationPayload.encode(writer, id)
  return writer.finish()
}

export const authMethod = {
  rsaSignature: 1,
  sharedKeyMic: 2,
  ecdsa256: 9,
  ecdsa384: 10,
  ecdsa521: 11,
  digitalSignature: 14,
} as const

export interface Authentication {
  readonly method: number
  readonly data: Bytes
}

export const authenticationPayload = {
  decode(reader: Reader): Authentication {
    const method = reader.u8('method')
    reader.octets('reserved', 3)
    return { method, data: reader.rest() }
  },
  encode(writer: Writer, { method, data }: Authentication): void {
    writer.u8(method).u8(0).u16(0).octets(data)
  },
}
