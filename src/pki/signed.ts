/** What certificates and revocation lists have in common: something signed, the algorithm, and the signature (RFC 5280 §4.1, §5.1). */

import type { Bytes } from '../kit/bytes.ts'
import { DerReader, derTag } from '../kit/der.ts'
import type { DerValue } from '../kit/der.ts'

export interface Signed {
  /** A copy of all octets. */
  readonly der: Bytes
  /** What is signed. */
  readonly tbs: DerValue
  /** The algorithm's identifier, in DER. */
  readonly algorithm: Bytes
  readonly signature: Bytes
}

/** `what` and its `field` are for errors. Throws `DecodeError`. */
export function decodeSigned(what: string, field: string, octets: Bytes, maximumOctets: number): Signed {
  const der = new Uint8Array(octets)
  const top = new DerReader(what, der)
  if (der.length > maximumOctets) top.fail('length', `expected at most ${maximumOctets} octets, got ${der.length}`)
  const outer = top.inside(field)
  top.end()
  const tbs = outer.value('tbs', derTag.sequence)
  const algorithm = outer.value('signatureAlgorithm', derTag.sequence).whole
  const signature = outer.bits('signature')
  outer.end()
  return { der, tbs, algorithm, signature }
}
