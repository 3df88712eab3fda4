/**
 * How the built-in client and the gateway prove to one another who they are (RFC 7296 §2.15): each by the pre-shared key or by a certificate.
 */

import type { Bytes } from '../kit/bytes.ts'
import { equalConstantTime } from '../kit/bytes.ts'
import type { IkeCrypto } from '../kit/ike-crypto.ts'
import { decodedOrNull } from '../kit/wire.ts'
import type { Identity } from '../context/session-context.ts'
import type { AuthorityConfiguration } from '../context/vpn-configuration.ts'
import { decodeCertificate } from '../pki/certificate.ts'
import { findPath } from '../pki/path.ts'
import { trustOf } from '../pki/trust.ts'
import { certificatesOf, isNamedBy } from './certificates.ts'
import { sharedKeyAuth } from './key-schedule.ts'
import { announcedHashes, decodeSignature, encodeSignature, signingMethod } from './signature.ts'
import type { Payload } from './wire/payloads.ts'
import type { Authentication } from './wire/simple-payloads.ts'
import { authMethod } from './wire/simple-payloads.ts'

/** A certificate of the client's. */
export interface ClientCertificate {
  /** DER, the client's own first. */
  readonly chain: readonly Bytes[]
  /** PKCS #8. */
  readonly key: Bytes
  /** RSA signs by PSS. */
  readonly pss?: boolean
  /** The gateway's announcement of hash algorithms is passed over, and none made: as clients do that don't know RFC 7427. */
  readonly legacy?: boolean
}

/** Whose certificates the client takes from a gateway. */
export interface GatewayTrust {
  readonly authorities: readonly AuthorityConfiguration[]
  /** Wall-clock ms. */
  readonly nowMs: number
}

interface Options {
  readonly crypto: IkeCrypto
  readonly secret: Bytes
  readonly certificate?: ClientCertificate | null
  readonly trust?: GatewayTrust | null
}

/** Whether either side signs, in ways that have to be announced. */
export function signs({ certificate, trust }: Options): boolean {
  const isSigning = (certificate ?? null) !== null || (trust ?? null) !== null
  return isSigning && certificate?.legacy !== true
}

/** Our AUTH over `octets`; null: our key can't sign in a way that the gateway takes. `received`: the gateway's IKE_SA_INIT payloads. */
export function clientProof(options: Options, prf: number, received: readonly Payload[], octets: Bytes): Authentication | null {
  const { crypto, certificate = null } = options
  if (certificate === null) return { method: authMethod.sharedKeyMic, data: sharedKeyAuth(crypto, prf, options.secret, octets) }
  const key = decodedOrNull(decodeCertificate, certificate.chain[0]!)?.key ?? null
  const announced = certificate.legacy === true ? null : announcedHashes(received)
  const signing = key === null ? null : signingMethod(key, announced, certificate.pss === true)
  const signature = signing === null ? null : crypto.sign(signing.scheme, certificate.key, octets)
  return signing === null || signature === null ? null : encodeSignature(signing, signature)
}

/** What the gateway says about itself. */
export interface GatewayClaim {
  readonly identity: Identity
  readonly auth: Authentication
  /** Of its answer to IKE_AUTH. */
  readonly payloads: readonly Payload[]
}

export function isGatewayProved(options: Options, prf: number, { identity, auth, payloads }: GatewayClaim, octets: Bytes): boolean {
  const { crypto, secret, trust = null } = options
  if (trust === null)
    return auth.method === authMethod.sharedKeyMic && equalConstantTime(sharedKeyAuth(crypto, prf, secret, octets), auth.data)
  const chain = certificatesOf(payloads)
  const [certificate] = chain
  if (certificate === undefined || certificate.key === null || !isNamedBy(certificate, identity)) return false
  const signed = decodeSignature(auth, certificate.key)
  if (signed === null || !crypto.verifySignature(signed.scheme, certificate.spki, octets, signed.signature)) return false
  const rules = { nowMs: trust.nowMs, purpose: 'server', revocation: 'relaxed', authorities: [] } as const
  return findPath(crypto, trustOf(crypto, trust.authorities), chain, rules).ok
}
