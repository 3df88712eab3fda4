/**
 * Whether the client is who it says (RFC 7296 §2.15), in the way that its connection asks for.
 */

import { equalConstantTime } from '../kit/bytes.ts'
import type { Bytes } from '../kit/bytes.ts'
import type { CertificateName, HalfOpen } from '../context/session-context.ts'
import type { Certificate } from '../pki/certificate.ts'
import type { PathProblem } from '../pki/path.ts'
import { findPath } from '../pki/path.ts'
import type { PkiCrypto } from '../pki/trust.ts'
import { keyIdOf, trustOf } from '../pki/trust.ts'
import { certificatesOf, isNamedBy } from './certificates.ts'
import type { Parties } from './connection-choice.ts'
import { chooseSecret } from './connection-choice.ts'
import type { AuthenticatedClient } from './establish.ts'
import type { Request } from './exchange.ts'
import { authOctets, sharedKeyAuth } from './key-schedule.ts'
import { decodeSignature } from './signature.ts'
import type { Authentication, Identification } from './wire/simple-payloads.ts'
import { identificationBody } from './wire/simple-payloads.ts'

/** What the client sends about itself. */
export interface Claim {
  readonly idI: Identification
  readonly auth: Authentication
}

/** Why a client is not who it says: counted by these names, and never told to it. */
export type ProofProblem =
  | 'no-secret'
  | 'wrong-secret'
  | 'no-certificate'
  | 'not-in-certificate'
  | 'signature-method'
  | 'wrong-signature'
  | PathProblem

/** The client, or what is wrong. */
export function verifyClient(request: Request, halfOpen: HalfOpen, parties: Parties, claim: Claim): AuthenticatedClient | ProofProblem {
  switch (parties.connection.remote.auth) {
    case 'psk':
      return verifySharedKey(request, halfOpen, parties, claim)
    case 'pubkey':
      return verifyCertificate(request, halfOpen, parties, claim)
    // EAP proves it in rounds of its own (eap/), so none of its connections is chosen for a client with AUTH.
    case 'eap-mschapv2':
      return 'no-secret'
  }
}

function verifySharedKey(request: Request, halfOpen: HalfOpen, parties: Parties, claim: Claim): AuthenticatedClient | ProofProblem {
  const { env, sa } = request
  const { connection, client, own } = parties
  const secret = chooseSecret(env, own, client)
  if (secret === null) return 'no-secret'
  const expected = sharedKeyAuth(env.crypto, sa.suite.prf, secret.secret, signedOctets(request, halfOpen, claim))
  if (!equalConstantTime(expected, claim.auth.data)) return 'wrong-secret'
  return { connection, identity: client, personal: secret.personal, credential: null }
}

/** What the client's AUTH covers. */
function signedOctets({ env, sa, keys }: Request, halfOpen: HalfOpen, { idI }: Claim): Bytes {
  const side = { message: halfOpen.initRequest, peerNonce: halfOpen.nr, skP: keys.skPi, idBody: identificationBody(idI) }
  return authOctets(env.crypto, sa.suite.prf, side)
}

/** Its name first, which costs nothing; then its signature, so that only who has the key makes us look at the rest. */
function verifyCertificate(request: Request, halfOpen: HalfOpen, parties: Parties, claim: Claim): AuthenticatedClient | ProofProblem {
  const { env, message } = request
  const { connection, client } = parties
  const chain = certificatesOf(message.payloads)
  const [certificate] = chain
  if (certificate === undefined) return 'no-certificate'
  if (!isNamedBy(certificate, client)) return 'not-in-certificate'
  if (certificate.key === null) return 'unsupported-key'
  const signed = decodeSignature(claim.auth, certificate.key)
  if (signed === null) return 'signature-method'
  const octets = signedOctets(request, halfOpen, claim)
  if (!env.crypto.verifySignature(signed.scheme, certificate.spki, octets, signed.signature)) return 'wrong-signature'
  const { revocation, cacerts } = connection.remote
  const rules = { nowMs: env.nowMs, purpose: 'client', revocation, authorities: cacerts } as const
  const result = findPath(env.crypto, trustOf(env.crypto, env.vpn.authorities), chain, rules)
  if (!result.ok) return result.problem
  const credential = { type: 'certificate', chain: namesOf(env.crypto, result.path) } as const
  return { connection, identity: client, personal: true, credential }
}

/** Each certificate of a path but the anchor, by its issuer's key and its serial number. */
function namesOf(crypto: PkiCrypto, path: readonly Certificate[]): CertificateName[] {
  return path.slice(0, -1).map(({ serial }, i) => ({ issuer: keyIdOf(crypto, path[i + 1]!.spki), serial: serial.slice() }))
}
