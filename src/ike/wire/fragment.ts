/**
 * The Encrypted Fragment payload (RFC 7383 §2.5), the only one of its message:
 *
 *                      1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * | Next Payload  |C|  RESERVED   |         Payload Length        |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |        Fragment Number        |        Total Fragments        |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |                     Initialization Vector                     |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ~     Encrypted content, padding, checksum: as in message.ts    ~
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *
 * What is split is the octets of the encrypted payloads, before encryption and without padding: each fragment is encrypted and authentic by
 * itself, and reassembly (../reassembly.ts) never keeps what is not.
 */

import type { Bytes } from '../../kit/bytes.ts'
import type { Reader, Writer } from '../../kit/wire.ts'
import type { IkeHeader } from './header.ts'

/** A message in more fragments is not taken, and none is made: with the least size of a datagram (576) that is 30 KB, a long chain of certificates. */
export const maximumFragments = 64

export const fragmentHeadOctets = 4

/** An authentic fragment. */
export interface Fragment {
  readonly header: IkeHeader
  /** 1 to `total`. */
  readonly number: number
  readonly total: number
  /** The type of the message's first payload; means something in fragment 1 only. */
  readonly first: number
  /** Its part of the payloads' octets. */
  readonly inner: Bytes
}

/** An authentic message with its encryption off it. */
export interface WholeMessage {
  readonly header: IkeHeader
  /** The type of the first payload. */
  readonly first: number
  /** The payloads' octets. */
  readonly inner: Bytes
}

/** "check that the Fragment Number and the Total Fragments fields have non-zero values; ... that the Fragment Number field is less than or equal to the Total Fragments field" (§2.6). */
export const fragmentNumbers = {
  decode(reader: Reader): { readonly number: number; readonly total: number } {
    const number = reader.u16('fragmentNumber')
    const total = reader.u16('totalFragments')
    if (total === 0 || total > maximumFragments) reader.fail('totalFragments', `expected 1 to ${maximumFragments}, got ${total}`)
    if (number === 0 || number > total) reader.fail('fragmentNumber', `expected 1 to ${total}, got ${number}`)
    return { number, total }
  },
  encode(writer: Writer, { number, total }: { readonly number: number; readonly total: number }): void {
    writer.u16(number).u16(total)
  },
}
