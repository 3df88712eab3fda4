/**
 * Whole messages: in the clear (IKE_SA_INIT) and encrypted (everything else).
 *
 * The Encrypted payload (RFC 7296 §3.14; RFC 5282 for AEAD):
 *
 *                      1                   2                   3
 *  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * | Next Payload  |C|  RESERVED   |         Payload Length        |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |                     Initialization Vector                     |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ~                    Encrypted IKE Payloads                     ~
 * +               +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * |               |             Padding (0-255 octets)            |
 * +-+-+-+-+-+-+-+-+                               +-+-+-+-+-+-+-+-+
 * |                                               |  Pad Length   |
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 * ~                    Integrity Checksum Data                    ~
 * +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
 *
 * The checksum of a cipher without a tag covers the message from the header to the pad length; the associated data of an AEAD are the
 * header and everything up to the IV.
 *
 * IVs come from 8 octets that the cluster never uses twice (`IkeEnvironment.nextIv`). An AEAD or AES-CTR takes them as they are. CBC (3DES's
 * vectors have 8 octets, too) wants an unpredictable IV, and we want one that any gateway can compute again: the first octets of
 * prf(SK_e, "evpc cbc iv" ‖ those 8).
 *
 * A message may also come in Encrypted Fragment payloads, one a datagram: fragment.ts.
 */

import type { Bytes } from '../../kit/bytes.ts'
import { concat, emptyBytes, equalConstantTime, toUtf8 } from '../../kit/bytes.ts'
import type { EncryptionSizes, IkeCrypto } from '../../kit/ike-crypto.ts'
import { DecodeError, Reader, Writer } from '../../kit/wire.ts'
import { assert } from '../../kit/assert.ts'
import type { IkeSuite } from '../../context/session-context.ts'
import type { IkeHeader } from './header.ts'
import { headerOctets, ikeHeader, ikeVersion, maximumMessageOctets } from './header.ts'
import type { Payload, PayloadChain } from './payloads.ts'
import { decodePayloads, encodePayloads, payloadType } from './payloads.ts'
import type { Fragment, WholeMessage } from './fragment.ts'
import { fragmentHeadOctets, fragmentNumbers, maximumFragments } from './fragment.ts'

/** What the sender of a message decides about its header. */
export interface MessageHead {
  readonly initiatorSpi: bigint
  readonly responderSpi: bigint
  readonly exchange: number
  readonly flags: number
  readonly messageId: number
}

export interface Message extends PayloadChain {
  readonly header: IkeHeader
}

/** SK_e and SK_a of one direction; `skA` is empty for AEAD. */
export interface DirectionKeys {
  readonly skE: Bytes
  readonly skA: Bytes
}

/** Octets of IV seed that each encrypted message takes. */
export const ivSeedOctets = 8

/** Decodes a message in the clear; an Encrypted payload in it stays as it is. Throws `DecodeError`. */
export function decodeMessage(datagram: Bytes): Message {
  const reader = new Reader('IKE message', datagram)
  if (datagram.length > maximumMessageOctets) reader.fail('length', `expected at most ${maximumMessageOctets}, got ${datagram.length}`)
  const header = ikeHeader.decode(new Reader('IKE header', reader.octets('header', Math.min(headerOctets, datagram.length))))
  if (header.length !== datagram.length) reader.fail('length', `expected ${datagram.length}, the octets received, got ${header.length}`)
  return { header, ...decodePayloads(reader, header.nextPayload) }
}

/** A message in the clear. */
export function encodeMessage(head: MessageHead, payloads: readonly Payload[]): Bytes {
  const { first, bytes } = encodePayloads(payloads)
  return concat(encodeHeader(head, first, headerOctets + bytes.length), bytes)
}

function encodeHeader(head: MessageHead, nextPayload: number, length: number): Bytes {
  assert(length <= maximumMessageOctets, `an IKE message has ${length} octets, at most ${maximumMessageOctets} fit`)
  const writer = new Writer(headerOctets)
  ikeHeader.encode(writer, { ...head, nextPayload, version: ikeVersion, length })
  return writer.finish()
}

/** An encrypted message. `ivSeed`: 8 octets that were never used with these keys. */
export function sealMessage(
  crypto: IkeCrypto,
  suite: IkeSuite,
  keys: DirectionKeys,
  head: MessageHead,
  payloads: readonly Payload[],
  ivSeed: Bytes,
): Bytes {
  const inner = encodePayloads(payloads)
  return sealBody(crypto, suite, keys, head, { type: payloadType.encrypted, first: inner.first, numbers: emptyBytes }, inner.bytes, ivSeed)
}

/**
 * The same in datagrams of at most `maximumOctets` (of the IKE message) if it doesn't fit into one: in fragments then (RFC 7383 §2.5), each
 * with an IV of its own. Null: always in one.
 */
export function sealDatagrams(
  crypto: IkeCrypto,
  suite: IkeSuite,
  keys: DirectionKeys,
  head: MessageHead,
  payloads: readonly Payload[],
  nextIv: () => Bytes,
  maximumOctets: number | null,
): Bytes[] {
  const inner = encodePayloads(payloads)
  const whole = { type: payloadType.encrypted, first: inner.first, numbers: emptyBytes }
  const isOne = maximumOctets === null || inner.bytes.length <= roomFor(crypto, suite, maximumOctets, 0)
  if (isOne) return [sealBody(crypto, suite, keys, head, whole, inner.bytes, nextIv())]
  const room = Math.max(roomFor(crypto, suite, maximumOctets, fragmentHeadOctets), Math.ceil(inner.bytes.length / maximumFragments))
  const total = Math.ceil(inner.bytes.length / room)
  return Array.from({ length: total }, (_, i) => {
    // "For the very first fragment ... the Next Payload ... MUST be set to the type of the first payload ... For the rest ... zero" (§2.5.1).
    const body = {
      type: payloadType.encryptedFragment,
      first: i === 0 ? inner.first : payloadType.none,
      numbers: encodeNumbers(i + 1, total),
    }
    return sealBody(crypto, suite, keys, head, body, inner.bytes.subarray(i * room, (i + 1) * room), nextIv())
  })
}

/** Octets of payloads that fit into an encrypted message of so many, with `numbers` octets before the IV; at least 1. */
function roomFor(crypto: IkeCrypto, suite: IkeSuite, octets: number, numbers: number): number {
  const { sizes, icv } = suiteSizes(crypto, suite)
  const padded = octets - headerOctets - 4 - numbers - sizes.iv - icv
  return Math.max(1, padded - (padded % sizes.block) - 1)
}

function encodeNumbers(number: number, total: number): Bytes {
  const writer = new Writer(fragmentHeadOctets)
  fragmentNumbers.encode(writer, { number, total })
  return writer.finish()
}

interface Body {
  /** The payload's type, that of the first payload inside, and what stands before the IV. */
  readonly type: number
  readonly first: number
  readonly numbers: Bytes
}

function sealBody(
  crypto: IkeCrypto,
  suite: IkeSuite,
  keys: DirectionKeys,
  head: MessageHead,
  body: Body,
  inner: Bytes,
  ivSeed: Bytes,
): Bytes {
  assert(ivSeed.length === ivSeedOctets, `an IV seed has ${ivSeedOctets} octets, got ${ivSeed.length}`)
  const { sizes, icv } = suiteSizes(crypto, suite)
  const plaintext = pad(inner, sizes.block)
  const iv = sizes.block === 1 ? ivSeed : cbcIv(crypto, suite.prf, keys.skE, ivSeed).slice(0, sizes.iv)
  const payloadLength = 4 + body.numbers.length + iv.length + plaintext.length + icv
  const prefix = concat(encodeHeader(head, body.type, headerOctets + payloadLength), skHeader(body.first, payloadLength), body.numbers)
  const ciphertext = crypto.encrypt(suite.encr, keys.skE, iv, plaintext, prefix)
  const message = concat(prefix, iv, ciphertext)
  return sizes.tag > 0 ? message : concat(message, crypto.integrity(suite.integ, keys.skA, message))
}

/** What `openMessage` found. `forged`: not authentic, or not a message at all: it never happened. `malformed`: authentic, but does not decode. */
export type Opened =
  | { readonly type: 'message'; readonly message: Message }
  | { readonly type: 'fragment'; readonly fragment: Fragment }
  | { readonly type: 'malformed'; readonly problem: string }
  | { readonly type: 'forged'; readonly problem: string }

/** Checks and decrypts an encrypted message. Never throws for what a peer sent. */
export function openMessage(crypto: IkeCrypto, suite: IkeSuite, keys: DirectionKeys, datagram: Bytes): Opened {
  const outer = attempt(() => decodeMessage(datagram))
  if (typeof outer === 'string') return { type: 'forged', problem: outer }
  const sk = outer.payloads.at(-1)
  if (sk?.type === 'encryptedFragment')
    return openFragment(crypto, suite, keys, datagram, { header: outer.header, first: sk.first, body: sk.body })
  if (sk?.type !== 'encrypted') return { type: 'forged', problem: 'the message is not encrypted' }
  const plaintext = decryptBody(crypto, suite, keys, datagram, sk.body)
  if (plaintext === null) return { type: 'forged', problem: 'wrong integrity checksum' }
  const inner = attempt(() => unpad(plaintext))
  return typeof inner === 'string' ? { type: 'malformed', problem: inner } : openWhole({ header: outer.header, first: sk.first, inner })
}

/** The payloads of a message whose encryption is off it. */
export function openWhole({ header, first, inner }: WholeMessage): Opened {
  const chain = attempt(() => decodePayloads(new Reader('encrypted payloads', inner), first))
  if (typeof chain === 'string') return { type: 'malformed', problem: chain }
  return { type: 'message', message: { header, ...chain } }
}

/** RFC 7383 §2.6: whatever is wrong with a fragment, it is "silently discarded". */
function openFragment(
  crypto: IkeCrypto,
  suite: IkeSuite,
  keys: DirectionKeys,
  datagram: Bytes,
  { header, first, body }: { readonly header: IkeHeader; readonly first: number; readonly body: Bytes },
): Opened {
  const numbers = attempt(() => fragmentNumbers.decode(new Reader('Encrypted Fragment', body)))
  if (typeof numbers === 'string') return { type: 'forged', problem: numbers }
  const plaintext = decryptBody(crypto, suite, keys, datagram, body.subarray(fragmentHeadOctets))
  if (plaintext === null) return { type: 'forged', problem: 'wrong integrity checksum' }
  const inner = attempt(() => unpad(plaintext))
  return typeof inner === 'string'
    ? { type: 'forged', problem: inner }
    : { type: 'fragment', fragment: { header, first, ...numbers, inner } }
}

function attempt<T>(decode: () => T): T | string {
  try {
    return decode()
  } catch (error) {
    if (error instanceof DecodeError) return error.message
    throw error
  }
}

function decryptBody(crypto: IkeCrypto, suite: IkeSuite, keys: DirectionKeys, datagram: Bytes, body: Bytes): Bytes | null {
  const { sizes, icv } = suiteSizes(crypto, suite)
  if (body.length < sizes.iv + icv + 1) return null
  const iv = body.subarray(0, sizes.iv)
  if (sizes.tag > 0) {
    const aad = datagram.subarray(0, datagram.length - body.length)
    return crypto.decrypt(suite.encr, keys.skE, iv, body.subarray(sizes.iv), aad)
  }
  const covered = datagram.subarray(0, datagram.length - icv)
  const expected = crypto.integrity(suite.integ, keys.skA, covered)
  if (!equalConstantTime(expected, datagram.subarray(datagram.length - icv))) return null
  return crypto.decrypt(suite.encr, keys.skE, iv, body.subarray(sizes.iv, body.length - icv), new Uint8Array(0))
}

function unpad(plaintext: Bytes): Bytes {
  // An empty plaintext fails the same way: it has no pad length.
  const padLength = plaintext.at(-1) ?? 0
  if (padLength + 1 > plaintext.length)
    new Reader('encrypted payloads', plaintext).fail('padLength', `expected less than ${plaintext.length}, got ${padLength}`)
  return plaintext.subarray(0, plaintext.length - 1 - padLength)
}

/** Pads to the block and appends the pad length; at least that octet (RFC 7296 §3.14). */
function pad(bytes: Bytes, block: number): Bytes {
  const padLength = (block - ((bytes.length + 1) % block)) % block
  const padded = new Uint8Array(bytes.length + padLength + 1)
  padded.set(bytes)
  padded[padded.length - 1] = padLength
  return padded
}

function skHeader(first: number, length: number): Bytes {
  return new Writer(4).u8(first).u8(0).u16(length).finish()
}

function cbcIv(crypto: IkeCrypto, prf: number, skE: Bytes, ivSeed: Bytes): Bytes {
  return crypto.prf(prf, skE, concat(toUtf8('evpc cbc iv'), ivSeed))
}

function suiteSizes(crypto: IkeCrypto, suite: IkeSuite): { sizes: EncryptionSizes; icv: number } {
  const sizes = crypto.encryptionSizes(suite.encr, suite.keyBits)
  assert(sizes !== null, `encryption algorithm ${suite.encr} with ${suite.keyBits} bits was negotiated but is not supported`)
  if (sizes.tag > 0) return { sizes, icv: sizes.tag }
  const integrity = crypto.integritySizes(suite.integ)
  assert(integrity !== null, `integrity algorithm ${suite.integ} was negotiated but is not supported`)
  return { sizes, icv: integrity.icv }
}
