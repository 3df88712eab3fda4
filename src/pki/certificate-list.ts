/**
 * Certificate revocation lists (RFC 5280 §5.1): complete ones, of the authority that issued the certificates. Delta lists and indirect ones say
 * so in critical extensions and are refused.
 *
 *   CertificateList ::= SEQUENCE { tbsCertList, signatureAlgorithm, signature BIT STRING }
 *   TBSCertList     ::= SEQUENCE { version, signature, issuer, thisUpdate, nextUpdate OPTIONAL, revokedCertificates OPTIONAL, [0] extensions }
 */

import type { Bytes } from '../kit/bytes.ts'
import { equalBytes } from '../kit/bytes.ts'
import { DerReader, contextTag, derTag } from '../kit/der.ts'
import type { SignatureScheme } from '../kit/signatures.ts'
import { decodeSignatureAlgorithm } from './algorithms.ts'
import { maximumSerialOctets } from './certificate.ts'
import { decodeSigned } from './signed.ts'

export interface CertificateList {
  readonly tbs: Bytes
  readonly issuer: Bytes
  /** Wall-clock ms. */
  readonly thisUpdateMs: number
  /** When the next one is there; null: it does not say, against §5.1.2.5. */
  readonly nextUpdateMs: number | null
  /** Serial numbers, see `serialKey`. */
  readonly revoked: ReadonlySet<string>
  /** Null: one that is not supported. */
  readonly scheme: SignatureScheme | null
  readonly signature: Bytes
}

/** Octets of a list: some 27,000 revoked certificates. */
export const maximumListOctets = 1 << 20

/** A serial number as a member of `CertificateList.revoked`. */
export function serialKey(serial: Bytes): string {
  let key = ''
  for (const octet of serial) key += String.fromCharCode(octet)
  return key
}

/** Throws `DecodeError`. */
export function decodeCertificateList(octets: Bytes): CertificateList {
  const { tbs, algorithm, signature } = decodeSigned('revocation list', 'list', octets, maximumListOctets)
  const reader = new DerReader('revocation list', tbs.content)
  if (reader.optional('version', derTag.integer)?.content[0] === 0) reader.fail('version', 'expected 2, or none')
  if (!equalBytes(reader.value('signature', derTag.sequence).whole, algorithm)) {
    reader.fail('signature', 'expected the algorithm of the outer field')
  }
  const issuer = reader.value('issuer', derTag.sequence).whole
  const thisUpdateMs = reader.time('thisUpdate')
  const nextUpdateMs = isTimeNext(reader) ? reader.time('nextUpdate') : null
  const entries = reader.optional('revokedCertificates', derTag.sequence)
  const extensions = reader.optional('extensions', contextTag(0, true))
  reader.end()
  if (extensions !== null) {
    const top = new DerReader('revocation list', extensions.content)
    refuseCritical(top.inside('extensions'))
    top.end()
  }
  const revoked = entries === null ? new Set<string>() : decodeEntries(entries.content)
  const scheme = decodeSignatureAlgorithm(algorithm)
  return { tbs: tbs.whole, issuer, thisUpdateMs, nextUpdateMs, revoked, scheme, signature }
}

function isTimeNext(reader: DerReader): boolean {
  return reader.nextTag === derTag.utcTime || reader.nextTag === derTag.generalizedTime
}

function decodeEntries(content: Bytes): Set<string> {
  const reader = new DerReader('revoked certificates', content)
  const revoked = new Set<string>()
  while (!reader.isAtEnd) {
    const { content: fields } = reader.value('entry', derTag.sequence)
    const plain = plainSerial(fields)
    if (plain !== null) {
      revoked.add(serialKey(plain))
      continue
    }
    const entry = new DerReader('revoked certificate', fields)
    const serial = entry.integer('serial')
    if (serial.length > maximumSerialOctets) entry.fail('serial', `expected at most ${maximumSerialOctets} octets, got ${serial.length}`)
    revoked.add(serialKey(serial))
    entry.time('revocationDate')
    const extensions = entry.optional('extensions', derTag.sequence)
    entry.end()
    // A certificate of another issuer says so in a critical extension (§5.3.3).
    if (extensions !== null) refuseCritical(new DerReader('revoked certificate', extensions.content))
  }
  return revoked
}

/**
 * The serial number of an entry as nearly all are: a positive integer and a UTCTime, nothing else. Null: the entry has to be read like the
 * rest. A list has thousands of them, and meanwhile nothing else is done.
 */
function plainSerial(fields: Bytes): Bytes | null {
  const length = fields[1] ?? 0
  const isPlain =
    fields[0] === derTag.integer && length >= 1 && length <= maximumSerialOctets && fields.length === 2 + length + UTC_TIME_OCTETS
  if (!isPlain || fields[2 + length] !== derTag.utcTime || fields[3 + length] !== UTC_TIME_OCTETS - 2) return null
  const first = fields[2]!
  const isShortest = first < 0x80 && (first !== 0 || length === 1 || fields[3]! >= 0x80)
  return isShortest ? fields.subarray(2, 2 + length) : null
}

/** `YYMMDDHHMMSSZ` with tag and length. */
const UTC_TIME_OCTETS = 15

/** "If a CRL contains a critical extension that the application cannot process, then the application MUST NOT use that CRL" (§5.2). */
function refuseCritical(list: DerReader): void {
  while (!list.isAtEnd) {
    const extension = list.inside('extension')
    const type = extension.oid('type')
    if (extension.flag('critical')) list.fail('extension', `${type} is critical and not supported`)
    extension.value('value', derTag.octetString)
    extension.end()
  }
}
