/**
 * Single DES of one block (FIPS 46-3), which MS-CHAPv2 makes its responses with (RFC 2759 §8.6) and nothing else here uses. The OpenSSL inside
 * Node has it no more, but triple DES with one key three times is the same.
 */

import { createCipheriv } from 'node:crypto'
import type { Bytes } from '../kit/bytes.ts'
import { concat } from '../kit/bytes.ts'

/** `key` and `block` of 8 octets; the key's parity bits mean nothing. */
export function desEncrypt(key: Bytes, block: Bytes): Bytes {
  const cipher = createCipheriv('des-ede3', concat(key, key, key), null)
  cipher.setAutoPadding(false)
  return concat(cipher.update(block), cipher.final())
}
