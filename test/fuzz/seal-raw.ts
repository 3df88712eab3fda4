/** Encrypted messages with octets inside that no encoder makes. */

import type { IkeSuite } from '../../src/context/session-context.ts'
import { ikeHeader, ikeVersion } from '../../src/ike/wire/header.ts'
import type { DirectionKeys, MessageHead } from '../../src/ike/wire/message.ts'
import { payloadType } from '../../src/ike/wire/payloads.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { concat, emptyBytes } from '../../src/kit/bytes.ts'
import type { IkeCrypto } from '../../src/kit/ike-crypto.ts'
import { Writer } from '../../src/kit/wire.ts'
import type { Chain } from './chain.ts'

/** `padLength`: what the last octet says, true or not; null: the truth. `fragment`: number and total, if it is one. Authentic always. */
export function sealRaw(
  crypto: IkeCrypto,
  suite: IkeSuite,
  keys: DirectionKeys,
  head: MessageHead,
  { first, octets }: Chain,
  padLength: number | null = null,
  fragment: readonly [number: number, total: number] | null = null,
): Bytes {
  const sizes = crypto.encryptionSizes(suite.encr, suite.keyBits)!
  const icv = sizes.tag > 0 ? sizes.tag : crypto.integritySizes(suite.integ)!.icv
  const padding = (sizes.block - ((octets.length + 1) % sizes.block)) % sizes.block
  const plaintext = concat(octets, new Uint8Array(padding), Uint8Array.of(padLength ?? padding))
  const numbers = fragment === null ? emptyBytes : new Writer(4).u16(fragment[0]).u16(fragment[1]).finish()
  const length = 4 + numbers.length + sizes.iv + plaintext.length + icv
  const header = new Writer(32)
  ikeHeader.encode(header, {
    ...head,
    nextPayload: fragment === null ? payloadType.encrypted : payloadType.encryptedFragment,
    version: ikeVersion,
    length: 28 + length,
  })
  const prefix = header.u8(first).u8(0).u16(length).octets(numbers).finish()
  const iv = new Uint8Array(sizes.iv).fill(head.messageId)
  const message = concat(prefix, iv, crypto.encrypt(suite.encr, keys.skE, iv, plaintext, prefix))
  return sizes.tag > 0 ? message : concat(message, crypto.integrity(suite.integ, keys.skA, message))
}
