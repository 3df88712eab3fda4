/**
 * From a peer's certificate to a trust anchor (RFC 5280 §6.1; RFC 4945 §5.1 for what IKE asks of certificates).
 *
 * The path is searched depth first: authorities of the configuration before the peer's own intermediate certificates. A peer chooses what
 * it sends, so the search has bounds: certificates in a path, and signatures verified in all.
 */

import { equalBytes } from '../kit/bytes.ts'
import type { Revocation } from '../context/vpn-configuration.ts'
import type { Certificate } from './certificate.ts'
import { keyPurpose, keyUsageBit } from './certificate.ts'
import type { Authority, PkiCrypto, Trust } from './trust.ts'
import { mayHaveSigned, revocationStatus, verifies } from './trust.ts'

/** Certificates in a path, the anchor's included. */
export const maximumPathLength = 6
/** Signatures verified for one peer. */
const maximumVerifications = 12

export interface PathRules {
  /** Wall-clock ms. */
  readonly nowMs: number
  readonly purpose: 'client' | 'server'
  readonly revocation: Revocation
  /** Names of authorities one of which must be in the path; empty: any anchor does. */
  readonly authorities: readonly string[]
}

/** Why a certificate is not trusted; of several paths, what was wrong with the longest. */
export type PathProblem =
  | 'unsupported-key'
  | 'critical-extension'
  | 'key-usage'
  | 'not-yet-valid'
  | 'expired'
  | 'unknown-authority'
  | 'wrong-authority'
  | 'signature'
  | 'no-authority'
  | 'path-length'
  | 'revoked'
  | 'revocation-unknown'

/** The certificate first, the anchor last. */
export type PathResult =
  | { readonly ok: true; readonly path: readonly Certificate[] }
  | { readonly ok: false; readonly problem: PathProblem }

interface Search {
  readonly crypto: PkiCrypto
  readonly trust: Trust
  readonly rules: PathRules
  readonly sent: readonly Certificate[]
  verifications: number
  problem: PathProblem
  depth: number
}

/** `chain`: the peer's certificate first, then whatever else it sent, in any order. */
export function findPath(crypto: PkiCrypto, trust: Trust, chain: readonly Certificate[], rules: PathRules): PathResult {
  const [first, ...sent] = chain
  const problem = first === undefined ? 'unsupported-key' : (endEntityProblem(first, rules) ?? validityProblem(first, rules.nowMs))
  if (first === undefined || problem !== null) return { ok: false, problem: problem ?? 'unsupported-key' }
  const search: Search = { crypto, trust, rules, sent, verifications: 0, problem: 'unknown-authority', depth: 0 }
  const path = extend(search, [first], [])
  return path === null ? { ok: false, problem: search.problem } : { ok: true, path }
}

/** The whole path that goes on from this one; null: there is none. `authorities` are those of the configuration that are in it. */
function extend(search: Search, path: readonly Certificate[], authorities: readonly Authority[]): readonly Certificate[] | null {
  for (const { certificate, authority } of issuers(search, path)) {
    if (search.verifications === maximumVerifications) return null
    search.verifications += 1
    const longer = [...path, certificate]
    const problem = linkProblem(search, longer, authority)
    if (problem !== null) {
      note(search, longer.length, problem)
      continue
    }
    const passed = authority === null ? authorities : [...authorities, authority]
    const found = authority?.isAnchor === true ? anchored(search, longer, passed) : extend(search, longer, passed)
    if (found !== null) return found
  }
  return null
}

/** Who may have issued the last certificate of the path: those of the configuration first. */
function issuers({ trust, sent }: Search, path: readonly Certificate[]): { certificate: Certificate; authority: Authority | null }[] {
  const last = path.at(-1)!
  const known = trust.map((authority) => ({ certificate: authority.certificate, authority }))
  const isKnown = (one: Certificate): boolean => trust.some(({ certificate }) => equalBytes(certificate.der, one.der))
  const others = sent.filter((one) => !isKnown(one)).map((certificate) => ({ certificate, authority: null }))
  const isNew = (one: Certificate): boolean => path.every(({ der }) => !equalBytes(der, one.der))
  return [...known, ...others].filter(({ certificate }) => isNew(certificate) && mayHaveSigned(last, certificate))
}

/** What is wrong with the last certificate of the path as the issuer of the one before, or with what it says of that one. */
function linkProblem({ crypto, rules }: Search, path: readonly Certificate[], authority: Authority | null): PathProblem | null {
  const issuer = path.at(-1)!
  const issued = path.at(-2)!
  if (path.length > maximumPathLength) return 'path-length'
  const problem = authorityProblem(issuer) ?? validityProblem(issuer, rules.nowMs)
  if (problem !== null) return problem
  const { pathLength } = issuer.basicConstraints!
  // "the maximum number of non-self-issued intermediate certificates that may follow" (RFC 5280 §4.2.1.9).
  const below = path.slice(1, -1).filter((one) => one.issuerKey !== one.subjectKey).length
  if (pathLength !== null && below > pathLength) return 'path-length'
  if (!verifies(crypto, issued, issuer)) return 'signature'
  return revocationProblem(issued, authority, rules)
}

function revocationProblem(issued: Certificate, authority: Authority | null, { revocation, nowMs }: PathRules): PathProblem | null {
  const status = authority === null ? 'unknown' : revocationStatus(authority, issued.serial, nowMs)
  if (status === 'revoked') return 'revoked'
  const mustBeKnown = revocation === 'strict' || (revocation === 'ifuri' && issued.hasRevocationUri)
  return status === 'unknown' && mustBeKnown ? 'revocation-unknown' : null
}

function anchored(search: Search, path: readonly Certificate[], authorities: readonly Authority[]): readonly Certificate[] | null {
  const { authorities: wanted } = search.rules
  if (wanted.length === 0 || authorities.some(({ name }) => wanted.includes(name))) return path
  note(search, path.length, 'wrong-authority')
  return null
}

function note(search: Search, depth: number, problem: PathProblem): void {
  if (depth < search.depth) return
  search.depth = depth
  search.problem = problem
}

function validityProblem({ notBeforeMs, notAfterMs }: Certificate, nowMs: number): PathProblem | null {
  if (nowMs < notBeforeMs) return 'not-yet-valid'
  return nowMs > notAfterMs ? 'expired' : null
}

function authorityProblem({ key, unknownCritical, basicConstraints, keyUsage }: Certificate): PathProblem | null {
  if (key === null) return 'unsupported-key'
  if (unknownCritical !== null) return 'critical-extension'
  if (basicConstraints?.ca !== true) return 'no-authority'
  return keyUsage !== null && (keyUsage & keyUsageBit.keyCertSign) === 0 ? 'no-authority' : null
}

/** RFC 4945 §5.1.3.2: a key usage, where there is one, must allow signatures. */
function endEntityProblem({ key, unknownCritical, keyUsage, extendedKeyUsage }: Certificate, { purpose }: PathRules): PathProblem | null {
  if (key === null) return 'unsupported-key'
  if (unknownCritical !== null) return 'critical-extension'
  const { digitalSignature, nonRepudiation } = keyUsageBit
  if (keyUsage !== null && (keyUsage & (digitalSignature | nonRepudiation)) === 0) return 'key-usage'
  if (extendedKeyUsage === null) return null
  return extendedKeyUsage.some((one) => purposes[purpose].includes(one)) ? null : 'key-usage'
}

/**
 * RFC 4945 §5.1.3.12 takes a certificate with extended key usages only for id-kp-ipsecIKE and anyExtendedKeyUsage. What real authorities issue has
 * the usage of TLS, for the side that the peer is on, or the older iKEIntermediate: that is taken, too. So the certificate of a mere web
 * server opens no tunnel.
 */
const purposes: Readonly<Record<PathRules['purpose'], readonly string[]>> = {
  client: [keyPurpose.any, keyPurpose.ipsecIke, keyPurpose.ikeIntermediate, keyPurpose.clientAuth],
  server: [keyPurpose.any, keyPurpose.ipsecIke, keyPurpose.ikeIntermediate, keyPurpose.serverAuth],
}
