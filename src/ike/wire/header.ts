/**
 * The IKE header (RFC 7296 §3.1).
 *
 *                      1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |                       IKE SA Initiator's SPI                  |
 * |                                                               |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |                       IKE SA Responder's SPI                  |
 * |                                                               |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |  Next Payload | MjVer | MnVer | Exchange Type |     Flags     |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |                          Message ID                           |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |                            Length                             |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 */

import type { Bytes } from '../../kit/bytes.ts'
import { dataView } from '../../kit/bytes.ts'
import type { Reader, Writer } from '../../kit/wire.ts'

export const headerOctets = 28
/** Major version 2, minor version 0. */
export const ikeVersion = 0x20
/** Longest message that we take or make: what one UDP datagram can hold. */
export const maximumMessageOctets = 65_507

export const exchangeType = {
  ikeSaInit: 34,
  ikeAuth: 35,
  createChildSa: 36,
  informational: 37,
} as const

export const headerFlag = {
  /** The sender is the original initiator of this IKE SA. */
  initiator: 0x08,
  /** The sender could speak a higher major version. */
  version: 0x10,
  response: 0x20,
} as const

export interface IkeHeader {
  readonly initiatorSpi: bigint
  readonly responderSpi: bigint
  readonly nextPayload: number
  /** Major version in the high four bits, minor in the low. */
  readonly version: number
  readonly exchange: number
  readonly flags: number
  readonly messageId: number
  /** Octets of the whole message. */
  readonly length: number
}

export const ikeHeader = {
  decode(reader: Reader): IkeHeader {
    return {
      initiatorSpi: reader.u64('initiatorSpi'),
      responderSpi: reader.u64('responderSpi'),
      nextPayload: reader.u8('nextPayload'),
      version: reader.u8('version'),
      exchange: reader.u8('exchange'),
      flags: reader.u8('flags'),
      messageId: reader.u32('messageId'),
      length: reader.u32('length'),
    }
  },
  encode(writer: Writer, header: IkeHeader): void {
    writer.u64(header.initiatorSpi).u64(header.responderSpi).u8(header.nextPayload).u8(header.version)
    writer.u8(header.exchange).u8(header.flags).u32(header.messageId).u32(header.length)
  },
}

/** The header of what may be an IKE message, without an exception and without looking further; null when there are not even 28 octets. */
export function peekHeader(datagram: Bytes): IkeHeader | null {
  if (datagram.length < headerOctets) return null
  const view = dataView(datagram)
  return {
    initiatorSpi: view.getBigUint64(0),
    responderSpi: view.getBigUint64(8),
    nextPayload: view.getUint8(16),
    version: view.getUint8(17),
    exchange: view.getUint8(18),
    flags: view.getUint8(19),
    messageId: view.getUint32(20),
    length: view.getUint32(24),
  }
}

export function isResponse(header: IkeHeader): boolean {
  return (header.flags & headerFlag.response) !== 0
}

/** Whether the sender is the IKE SA's original initiator. */
export function isFromInitiator(header: IkeHeader): boolean {
  return (header.flags & headerFlag.initiator) !== 0
}

/** The SPI that the receiver of the message chose. */
export function receiverSpi(header: IkeHeader): bigint {
  return isFromInitiator(header) ? header.responderSpi : header.initiatorSpi
}
