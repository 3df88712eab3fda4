/**
 * Whom the cluster trusts: the authorities of the VPN configuration with their revocation lists, decoded once for each configuration.
 *
 * Only an authority that signed its own certificate is a trust anchor, as with strongSwan; the others help to build paths, and their
 * revocation lists count. So the root's list can take an intermediate authority's trust away.
 */

import type { Bytes } from '../kit/bytes.ts'
import { equalBytes } from '../kit/bytes.ts'
import type { SignatureCrypto } from '../kit/signatures.ts'
import { decodedOrNull } from '../kit/wire.ts'
import { nameKey } from '../context/distinguished-name.ts'
import type { AuthorityConfiguration } from '../context/vpn-configuration.ts'
import { fitsKey } from './algorithms.ts'
import type { Certificate } from './certificate.ts'
import { decodeCertificate, keyUsageBit } from './certificate.ts'
import type { CertificateList } from './certificate-list.ts'
import { decodeCertificateList, serialKey } from './certificate-list.ts'

/** What decoding and verifying takes. */
export interface PkiCrypto extends SignatureCrypto {
  sha1(data: Bytes): Bytes
  sha256(data: Bytes): Bytes
}

export interface Authority {
  readonly name: string
  readonly certificate: Certificate
  readonly isAnchor: boolean
  /** What names its key in a session's context. */
  readonly keyId: Bytes
  /** What names it in CERTREQ: SHA-1 of its SubjectPublicKeyInfo (RFC 7296 §3.7). */
  readonly requestHash: Bytes
  /** That verify with its key; the one that says the most recent last. */
  readonly lists: readonly CertificateList[]
}

export type Trust = readonly Authority[]

/** Octets of SHA-256 of a key's SubjectPublicKeyInfo: enough to tell the keys of one configuration apart, in each session's context. */
export const keyIdOctets = 8

export function keyIdOf(crypto: PkiCrypto, spki: Bytes): Bytes {
  return crypto.sha256(spki).slice(0, keyIdOctets)
}

const trusts = new WeakMap<readonly AuthorityConfiguration[], Trust>()

/** The authorities of a configuration. What does not decode or verify is left out: `evpc check` says so before. */
export function trustOf(crypto: PkiCrypto, authorities: readonly AuthorityConfiguration[]): Trust {
  const known = trusts.get(authorities)
  if (known !== undefined) return known
  const trust = authorities.flatMap((authority) => decodeAuthority(crypto, authority) ?? [])
  trusts.set(authorities, trust)
  return trust
}

function decodeAuthority(crypto: PkiCrypto, { name, certificate: der, crls }: AuthorityConfiguration): Authority | null {
  const certificate = decodedOrNull(decodeCertificate, der)
  if (certificate === null) return null
  const lists = crls.flatMap((one) => decodedOrNull(decodeCertificateList, one) ?? []).filter((list) => isListOf(crypto, certificate, list))
  lists.sort((a, b) => a.thisUpdateMs - b.thisUpdateMs)
  return {
    name,
    certificate,
    isAnchor: isSignedBy(crypto, certificate, certificate),
    keyId: keyIdOf(crypto, certificate.spki),
    requestHash: crypto.sha1(certificate.spki),
    lists,
  }
}

/** Whether `issuer` issued the certificate: name and signature. What `issuer` may do is not looked at. */
export function isSignedBy(crypto: SignatureCrypto, certificate: Certificate, issuer: Certificate): boolean {
  return mayHaveSigned(certificate, issuer) && verifies(crypto, certificate, issuer)
}

/** All that can be said without a verification: names, and key identifiers where both certificates have them (RFC 5280 §4.2.1.1). */
export function mayHaveSigned(certificate: Certificate, issuer: Certificate): boolean {
  const { authorityKeyId } = certificate
  const { subjectKeyId } = issuer
  if (authorityKeyId !== null && subjectKeyId !== null && !equalBytes(authorityKeyId, subjectKeyId)) return false
  return certificate.issuerKey === issuer.subjectKey
}

type Signed = Pick<Certificate, 'tbs' | 'scheme' | 'signature'>

/** SHA-1 is too weak for what somebody else has signed for us. */
export function verifies(crypto: SignatureCrypto, { tbs, scheme, signature }: Signed, { key, spki }: Certificate): boolean {
  if (scheme === null || key === null || !fitsKey(scheme, key)) return false
  if (scheme.type !== 'ed25519' && scheme.hash === 'sha1') return false
  return crypto.verifySignature(scheme, spki, tbs, signature)
}

/** Whether the authority issued the revocation list, and may (RFC 5280 §6.3.3 (f)). */
export function isListOf(crypto: SignatureCrypto, authority: Certificate, list: CertificateList): boolean {
  const { keyUsage } = authority
  if (keyUsage !== null && (keyUsage & keyUsageBit.crlSign) === 0) return false
  return nameKey(list.issuer) === authority.subjectKey && verifies(crypto, list, authority)
}

/** `unknown`: no list is there, or the newest ought to have a successor by now. */
export type RevocationStatus = 'good' | 'revoked' | 'unknown'

/** What an authority's lists say of a serial number. A list that is too old still says for certain who is revoked. */
export function revocationStatus(authority: Authority, serial: Bytes, nowMs: number): RevocationStatus {
  const newest = authority.lists.at(-1)
  if (newest === undefined) return 'unknown'
  if (newest.revoked.has(serialKey(serial))) return 'revoked'
  return newest.nextUpdateMs !== null && nowMs <= newest.nextUpdateMs ? 'good' : 'unknown'
}
