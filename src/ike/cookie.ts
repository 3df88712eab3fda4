/**
 * Stateless cookies against floods of IKE_SA_INIT (RFC 7296 §2.6).
 *
 *   Cookie = <VersionIDofSecret> | Hash(Ni | IPi | SPIi | <secret>)
 *
 * The secrets are the cluster's, so that any gateway checks the cookies of any other. Two generations are valid. We key an HMAC instead of
 * appending the secret.
 */

import type { Bytes } from '../kit/bytes.ts'
import { concat, equalConstantTime } from '../kit/bytes.ts'
import type { IkeCrypto } from '../kit/ike-crypto.ts'
import { prfAlgorithm } from '../kit/ike-crypto.ts'
import { Writer } from '../kit/wire.ts'
import type { Endpoint } from '../context/session-context.ts'

export interface CookieSecret {
  /** 0 to 255: the octet before the hash. */
  readonly version: number
  readonly secret: Bytes
}

export interface CookieOptions {
  /** Whether an IKE_SA_INIT without a valid cookie is answered with one: there are many half-open sessions. */
  readonly required: boolean
  /** The present secret first. There are some also while no cookie is required: a long answer goes only to whom it is sure to reach. */
  readonly secrets: readonly CookieSecret[]
}

interface CookieInput {
  readonly ni: Bytes
  readonly initiatorSpi: bigint
  readonly remote: Endpoint
}

export function makeCookie(crypto: IkeCrypto, secret: CookieSecret, input: CookieInput): Bytes {
  const spi = new Writer(8).u64(input.initiatorSpi).finish()
  const hash = crypto.prf(prfAlgorithm.hmacSha256, secret.secret, concat(input.ni, input.remote.address, spi))
  return concat(Uint8Array.of(secret.version), hash)
}

export function isValidCookie(crypto: IkeCrypto, secrets: readonly CookieSecret[], input: CookieInput, cookie: Bytes): boolean {
  // While the key changes that they are made from, two have the same version.
  return secrets.some((secret) => secret.version === cookie[0] && equalConstantTime(makeCookie(crypto, secret, input), cookie))
}
