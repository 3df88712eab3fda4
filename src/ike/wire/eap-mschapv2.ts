/**
 * The type data of EAP-MSCHAPv2 packets (draft-kamath-pppext-eap-mschapv2-02 §2).
 *
 *  0                   1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |    OpCode     |  MS-CHAPv2-ID |           MS-Length           |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |  Value-Size   |  Challenge, 16 octets …   | Name …            |   Challenge
 * |  Value-Size   |  Peer-Challenge, 16; Reserved, 8; NT-Response, 24; Flags, 1 | Name …   |   Response
 * |  Message …                                                    |   Success, Failure: requests
 *
 * A peer acknowledges success and failure by the OpCode alone.
 */

import type { Bytes } from '../../kit/bytes.ts'
import { fromHex, fromUtf8, toHex, toUtf8 } from '../../kit/bytes.ts'
import type { Reader } from '../../kit/wire.ts'
import { Writer } from '../../kit/wire.ts'

export const opCode = { challenge: 1, response: 2, success: 3, failure: 4, changePassword: 7 } as const

export const challengeOctets = 16
export const ntResponseOctets = 24
const responseValueOctets = 49
const headerOctets = 4
/** The longest name that we take, of user or server (RFC 2759 §4: "0 to (theoretically) 256"). */
export const maximumNameOctets = 255

export type MsChapV2Packet =
  | { readonly type: 'challenge'; readonly id: number; readonly challenge: Bytes; readonly name: Bytes }
  | { readonly type: 'response'; readonly id: number; readonly peerChallenge: Bytes; readonly ntResponse: Bytes; readonly name: Bytes }
  /** `message` as in RFC 2759 §5 and §6. */
  | { readonly type: 'success' | 'failure'; readonly id: number; readonly message: Bytes }
  /** What a peer answers to them. */
  | { readonly type: 'acknowledgement'; readonly opCode: number }
  /** Kept as octets. */
  | { readonly type: 'unknown'; readonly opCode: number; readonly body: Bytes }

export const msChapV2 = {
  decode(reader: Reader): MsChapV2Packet {
    const op = reader.u8('opCode')
    if (reader.remaining === 0) return { type: 'acknowledgement', opCode: op }
    if (op < opCode.challenge || op > opCode.failure) return { type: 'unknown', opCode: op, body: reader.rest() }
    const id = reader.u8('id')
    const length = reader.u16('length')
    if (length !== reader.remaining + headerOctets) reader.fail('length', `expected ${reader.remaining + headerOctets}, got ${length}`)
    if (op === opCode.challenge) return { type: 'challenge', id, ...readChallenge(reader) }
    if (op === opCode.response) return { type: 'response', id, ...readResponse(reader) }
    return { type: op === opCode.success ? 'success' : 'failure', id, message: reader.rest() }
  },
  encode(packet: MsChapV2Packet): Bytes {
    switch (packet.type) {
      case 'acknowledgement':
        return Uint8Array.of(packet.opCode)
      case 'unknown':
        return new Writer(64).u8(packet.opCode).octets(packet.body).finish()
      default: {
        const value = encodeValue(packet)
        return new Writer(64)
          .u8(opCode[packet.type])
          .u8(packet.id)
          .u16(headerOctets + value.length)
          .octets(value)
          .finish()
      }
    }
  },
}

function readChallenge(reader: Reader): { challenge: Bytes; name: Bytes } {
  readValueSize(reader, challengeOctets)
  return { challenge: reader.octets('challenge', challengeOctets), name: readName(reader) }
}

function readResponse(reader: Reader): { peerChallenge: Bytes; ntResponse: Bytes; name: Bytes } {
  readValueSize(reader, responseValueOctets)
  const peerChallenge = reader.octets('peerChallenge', challengeOctets)
  // Peers in the field don't all send zeros here.
  reader.octets('reserved', 8)
  const ntResponse = reader.octets('ntResponse', ntResponseOctets)
  reader.u8('flags')
  return { peerChallenge, ntResponse, name: readName(reader) }
}

function readValueSize(reader: Reader, expected: number): void {
  const size = reader.u8('valueSize')
  if (size !== expected) reader.fail('valueSize', `expected ${expected}, got ${size}`)
}

function readName(reader: Reader): Bytes {
  if (reader.remaining > maximumNameOctets) reader.fail('name', `expected at most ${maximumNameOctets} octets, got ${reader.remaining}`)
  return reader.rest()
}

function encodeValue(packet: Exclude<MsChapV2Packet, { type: 'acknowledgement' | 'unknown' }>): Bytes {
  const writer = new Writer(128)
  switch (packet.type) {
    case 'challenge':
      return writer.u8(challengeOctets).octets(packet.challenge).octets(packet.name).finish()
    case 'response':
      return writer
        .u8(responseValueOctets)
        .octets(packet.peerChallenge)
        .octets(new Uint8Array(8))
        .octets(packet.ntResponse)
        .u8(0)
        .octets(packet.name)
        .finish()
    case 'success':
    case 'failure':
      return packet.message
  }
}

/** What the message of a failure says (RFC 2759 §6). */
export interface MsChapV2Failure {
  readonly error: number
  /** "R=1": the peer may try again, with `challenge`. */
  readonly mayRetry: boolean
  readonly challenge: Bytes
}

/** "E=eeeeeeeeee R=r C=cccccccccccccccccccccccccccccccc V=vvvvvvvvvv M=<msg>"; version 3 of the password changing protocol is MS-CHAPv2's. */
export function failureMessage({ error, mayRetry, challenge }: MsChapV2Failure, text: string): Bytes {
  return toUtf8(`E=${error} R=${mayRetry ? 1 : 0} C=${toHex(challenge).toUpperCase()} V=3 M=${text}`)
}

/** Null: it is not such a message. */
export function parseFailureMessage(message: Bytes): MsChapV2Failure | null {
  const parts = /^E=(\d{1,10}) R=([01]) C=([0-9A-Fa-f]{32})(?: |$)/.exec(fromUtf8(message))
  if (parts === null) return null
  return { error: Number(parts[1]), mayRetry: parts[2] === '1', challenge: fromHex(parts[3]!)! }
}
