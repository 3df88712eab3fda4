/** NtPasswordHash of RFC 2759 §8.3: all that an EAP-MSCHAPv2 server has to keep of a password. Whoever knows it can log in as the user. */

import type { Bytes } from '../kit/bytes.ts'
import { dataView } from '../kit/bytes.ts'
import { md4 } from './md4.ts'

export const ntHashOctets = 16

/** MD4 of the password in UTF-16, low octet first. */
export function ntHash(password: string): Bytes {
  const utf16 = new Uint8Array(2 * password.length)
  const view = dataView(utf16)
  for (let i = 0; i < password.length; i++) view.setUint16(2 * i, password.charCodeAt(i), true)
  return md4(utf16)
}
