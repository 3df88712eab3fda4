/**
 * X.509 certificates (RFC 5280 §4.1), decoded into what IKE asks of them.
 *
 *   Certificate    ::= SEQUENCE { tbsCertificate, signatureAlgorithm, signature BIT STRING }
 *   TBSCertificate ::= SEQUENCE { [0] version, serialNumber, signature, issuer, validity, subject, subjectPublicKeyInfo,
 *                                 [1] issuerUniqueID, [2] subjectUniqueID, [3] extensions }
 *
 * An extension that is critical and unknown makes the certificate useless (§4.2), not undecodable: `unknownCritical` names it.
 */

import type { Bytes } from '../kit/bytes.ts'
import { equalBytes } from '../kit/bytes.ts'
import type { DerValue } from '../kit/der.ts'
import { DerReader, contextTag, derTag } from '../kit/der.ts'
import type { SignatureScheme } from '../kit/signatures.ts'
import { nameKey } from '../context/distinguished-name.ts'
import { idType } from '../context/identity.ts'
import type { Identity } from '../context/session-context.ts'
import type { PublicKey } from './algorithms.ts'
import { decodePublicKey, decodeSignatureAlgorithm } from './algorithms.ts'
import { decodeSigned } from './signed.ts'

/** Names are DER. All octets are copies. */
export interface Certificate {
  readonly der: Bytes
  /** What the signature covers. */
  readonly tbs: Bytes
  readonly serial: Bytes
  readonly issuer: Bytes
  readonly subject: Bytes
  /** The two as `nameKey` makes them: to be compared. */
  readonly issuerKey: string
  readonly subjectKey: string
  /** Wall-clock ms; both inclusive. */
  readonly notBeforeMs: number
  readonly notAfterMs: number
  readonly spki: Bytes
  /** Null: of a kind that is not supported. */
  readonly key: PublicKey | null
  /** Null: one that is not supported. */
  readonly scheme: SignatureScheme | null
  readonly signature: Bytes
  /** `pathLength`: how many further authorities may stand below; null: any number. The whole is null where the extension is missing. */
  readonly basicConstraints: { readonly ca: boolean; readonly pathLength: number | null } | null
  /** Bits of `keyUsageBit`; null where the extension is missing. */
  readonly keyUsage: number | null
  /** Object identifiers in dots; null where the extension is missing. */
  readonly extendedKeyUsage: readonly string[] | null
  /** Names, mail addresses, IP addresses and distinguished names of SubjectAltName. */
  readonly alternativeNames: readonly Identity[]
  readonly subjectKeyId: Bytes | null
  readonly authorityKeyId: Bytes | null
  /** Whether it says where to ask about its revocation (CRL distribution points, OCSP). */
  readonly hasRevocationUri: boolean
  /** The first extension, in dots, that is critical and that we don't process; null: none. */
  readonly unknownCritical: string | null
}

/** Bits of `Certificate.keyUsage` (§4.2.1.3). */
export const keyUsageBit = { digitalSignature: 1, nonRepudiation: 2, keyCertSign: 1 << 5, crlSign: 1 << 6 } as const

/** Object identifiers of `Certificate.extendedKeyUsage` (§4.2.1.12; RFC 4945 §5.1.3.12). */
export const keyPurpose = {
  any: '2.5.29.37.0',
  serverAuth: '1.3.6.1.5.5.7.3.1',
  clientAuth: '1.3.6.1.5.5.7.3.2',
  ipsecIke: '1.3.6.1.5.5.7.3.17',
  ikeIntermediate: '1.3.6.1.5.5.8.2.2',
} as const

/** Larger ones are refused: nobody's are. */
export const maximumCertificateOctets = 16_384
const maximumExtensions = 64
const maximumNames = 256
const maximumPurposes = 64
/** "Certificate users MUST be able to handle serialNumber values up to 20 octets" (§4.1.2.2), and a sign. */
export const maximumSerialOctets = 21

/** Throws `DecodeError`. */
export function decodeCertificate(octets: Bytes): Certificate {
  const { der, tbs, algorithm, signature } = decodeSigned('certificate', 'certificate', octets, maximumCertificateOctets)
  const reader = new DerReader('certificate', tbs.content)
  const isVersion3 = decodeVersion(reader.optional('version', contextTag(0, true))) === 2
  const serial = reader.integer('serial')
  if (serial.length > maximumSerialOctets) reader.fail('serial', `expected at most ${maximumSerialOctets} octets, got ${serial.length}`)
  const innerAlgorithm = reader.value('signature', derTag.sequence).whole
  // "This field MUST contain the same algorithm identifier as the signatureAlgorithm field" (§4.1.2.3).
  if (!equalBytes(innerAlgorithm, algorithm)) reader.fail('signature', 'expected the algorithm of the outer field')
  const issuer = reader.value('issuer', derTag.sequence).whole
  const validity = reader.inside('validity')
  const notBeforeMs = validity.time('notBefore')
  const notAfterMs = validity.time('notAfter')
  validity.end()
  const subject = reader.value('subject', derTag.sequence).whole
  const spki = reader.value('subjectPublicKeyInfo', derTag.sequence).whole
  for (const n of [1, 2]) reader.optional('uniqueId', contextTag(n, false))
  const extensions = reader.optional('extensions', contextTag(3, true))
  reader.end()
  if (extensions !== null && !isVersion3) reader.fail('version', 'expected 3, which has extensions')
  const key = decodePublicKey(spki)
  const scheme = decodeSignatureAlgorithm(algorithm)
  const names = { issuer, subject, issuerKey: nameKey(issuer), subjectKey: nameKey(subject) }
  const basis = { der, tbs: tbs.whole, serial, ...names, notBeforeMs, notAfterMs, spki, key, scheme, signature }
  return { ...basis, ...decodeExtensions(extensions?.content ?? null) }
}

/** Counted from 0, as it is written. */
function decodeVersion(version: DerValue | null): number {
  if (version === null) return 0
  const reader = new DerReader('version', version.content)
  const number = reader.small('version', 2)
  reader.end()
  return number
}

type Extensions = Pick<
  Certificate,
  | 'basicConstraints'
  | 'keyUsage'
  | 'extendedKeyUsage'
  | 'alternativeNames'
  | 'subjectKeyId'
  | 'authorityKeyId'
  | 'hasRevocationUri'
  | 'unknownCritical'
>

type Decode = (reader: DerReader) => Changes
type Changes = { -readonly [K in keyof Extensions]?: Extensions[K] }

const noExtensions: Extensions = {
  basicConstraints: null,
  keyUsage: null,
  extendedKeyUsage: null,
  alternativeNames: [],
  subjectKeyId: null,
  authorityKeyId: null,
  hasRevocationUri: false,
  unknownCritical: null,
}

/**
 * By object identifier. Certificate policies need nothing of us: no policy is asked for, so none can be missing (§6.1.1 with
 * initial-explicit-policy unset). Name constraints and policy constraints are not in here: where they are critical, as they should be, they
 * make the certificate useless.
 */
const known: ReadonlyMap<string, Decode> = new Map<string, Decode>([
  ['2.5.29.14', (reader): Changes => ({ subjectKeyId: reader.value('keyIdentifier', derTag.octetString).content })],
  ['2.5.29.15', (reader): Changes => ({ keyUsage: reader.flags('keyUsage') })],
  ['2.5.29.17', (reader): Changes => ({ alternativeNames: decodeGeneralNames(reader.inside('names')) })],
  ['2.5.29.18', passOver],
  ['2.5.29.19', decodeBasicConstraints],
  ['2.5.29.31', (reader): Changes => ({ ...passOver(reader), hasRevocationUri: true })],
  ['2.5.29.32', passOver],
  ['2.5.29.35', decodeAuthorityKeyId],
  ['2.5.29.37', decodePurposes],
  ['1.3.6.1.5.5.7.1.1', decodeInformationAccess],
])

function decodeExtensions(content: Bytes | null): Extensions {
  if (content === null) return noExtensions
  const top = new DerReader('extensions', content)
  const reader = top.inside('list')
  top.end()
  const seen = new Set<string>()
  let extensions = noExtensions
  while (!reader.isAtEnd) {
    const extension = reader.inside('extension')
    const type = extension.oid('type')
    // "A certificate MUST NOT include more than one instance of a particular extension" (§4.2).
    if (seen.has(type) || seen.size === maximumExtensions) reader.fail('type', `${type} comes twice, or there are too many`)
    seen.add(type)
    const critical = extension.flag('critical')
    const value = extension.value('value', derTag.octetString).content
    extension.end()
    const decode = known.get(type)
    if (decode !== undefined) extensions = { ...extensions, ...decodeValue(type, value, decode) }
    else if (critical) extensions = { ...extensions, unknownCritical: extensions.unknownCritical ?? type }
  }
  return extensions
}

/** "an OCTET STRING ... containing the DER encoding of an ASN.1 value" (§4.2): one, and nothing behind it. */
function decodeValue(type: string, value: Bytes, decode: Decode): Changes {
  const reader = new DerReader(`extension ${type}`, value)
  const changes = decode(reader)
  reader.end()
  return changes
}

function passOver(reader: DerReader): Changes {
  reader.any('value')
  return {}
}

function decodeBasicConstraints(reader: DerReader): Changes {
  const constraints = reader.inside('constraints')
  const ca = constraints.flag('cA')
  const pathLength = constraints.isAtEnd ? null : constraints.small('pathLength', 255)
  constraints.end()
  return { basicConstraints: { ca, pathLength } }
}

function decodePurposes(reader: DerReader): Changes {
  const list = reader.inside('purposes')
  const purposes: string[] = []
  while (!list.isAtEnd) {
    if (purposes.length === maximumPurposes) list.fail('purposes', `expected at most ${maximumPurposes}`)
    purposes.push(list.oid('purpose'))
  }
  return { extendedKeyUsage: purposes }
}

function decodeAuthorityKeyId(reader: DerReader): Changes {
  return { authorityKeyId: reader.inside('identifier').optional('keyIdentifier', contextTag(0, false))?.content ?? null }
}

/** AuthorityInfoAccess (§4.2.2.1): whether there is an OCSP responder. */
function decodeInformationAccess(reader: DerReader): Changes {
  const list = reader.inside('descriptions')
  for (let count = 0; !list.isAtEnd && count < maximumNames; count++) {
    if (list.inside('description').oid('method') === '1.3.6.1.5.5.7.48.1') return { hasRevocationUri: true }
  }
  return {}
}

/** Those that IKE identities can be (§4.2.1.6); the others are passed over. */
function decodeGeneralNames(list: DerReader): Identity[] {
  const names: Identity[] = []
  for (let count = 0; !list.isAtEnd; count++) {
    if (count === maximumNames) list.fail('names', `expected at most ${maximumNames}`)
    const { tag, content } = list.any('name')
    if (tag === contextTag(1, false)) names.push({ type: idType.rfc822, data: content })
    else if (tag === contextTag(2, false)) names.push({ type: idType.fqdn, data: content })
    else if (tag === contextTag(4, true)) names.push({ type: idType.derAsn1Dn, data: content })
    else if (tag === contextTag(7, false) && content.length === 4) names.push({ type: idType.ipv4, data: content })
    else if (tag === contextTag(7, false) && content.length === 16) names.push({ type: idType.ipv6, data: content })
  }
  return names
}
