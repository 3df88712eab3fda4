/**
 * Certificates and revocation lists for tests, right ones and wrong ones, encoded here and signed by OpenSSL. That the right ones are right,
 * Node's own `X509Certificate` says in test/pki.
 */

import type { KeyObject } from 'node:crypto'
import { generateKeyPairSync } from 'node:crypto'
import { nodeSignatures } from '../../src/crypto/signatures.ts'
import { encodeName, parseName } from '../../src/context/distinguished-name.ts'
import { idType } from '../../src/context/identity.ts'
import type { Identity } from '../../src/context/session-context.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { concat, toUtf8 } from '../../src/kit/bytes.ts'
import { contextTag, derTag, encodeDer, encodeOid } from '../../src/kit/der.ts'
import type { SignatureScheme } from '../../src/kit/signatures.ts'
import { encodeSignatureAlgorithm } from '../../src/pki/algorithms.ts'

export type KeyType = 'rsa' | 'p256' | 'p384' | 'p521' | 'ed25519'

export interface TestKey {
  readonly type: KeyType
  readonly pkcs8: Bytes
  readonly spki: Bytes
}

const keys = new Map<string, TestKey>()

/** A key of this type; the same one for the same name. */
export function testKey(type: KeyType, name = ''): TestKey {
  const known = keys.get(`${type} ${name}`)
  if (known !== undefined) return known
  const { privateKey, publicKey } = generate(type)
  const pkcs8 = new Uint8Array(privateKey.export({ type: 'pkcs8', format: 'der' }))
  const key = { type, pkcs8, spki: new Uint8Array(publicKey.export({ type: 'spki', format: 'der' })) }
  keys.set(`${type} ${name}`, key)
  return key
}

function generate(type: KeyType): { privateKey: KeyObject; publicKey: KeyObject } {
  switch (type) {
    case 'rsa':
      return generateKeyPairSync('rsa', { modulusLength: 2048 })
    case 'ed25519':
      return generateKeyPairSync('ed25519')
    case 'p256':
      return generateKeyPairSync('ec', { namedCurve: 'P-256' })
    case 'p384':
      return generateKeyPairSync('ec', { namedCurve: 'P-384' })
    case 'p521':
      return generateKeyPairSync('ec', { namedCurve: 'P-521' })
  }
}

const schemes: Readonly<Record<KeyType, SignatureScheme>> = {
  rsa: { type: 'rsa-pkcs1', hash: 'sha256' },
  p256: { type: 'ecdsa', hash: 'sha256', format: 'der' },
  p384: { type: 'ecdsa', hash: 'sha384', format: 'der' },
  p521: { type: 'ecdsa', hash: 'sha512', format: 'der' },
  ed25519: { type: 'ed25519' },
}

export interface CertificateOptions {
  /** As written: `CN=alice`. */
  readonly subject: string
  readonly key: TestKey
  /** Missing: it signs itself. */
  readonly issuer?: TestCertificate
  readonly serial?: number
  readonly notBeforeMs?: number
  readonly notAfterMs?: number
  /** Basic constraints: missing is an end entity without the extension; `pathLength` without: no bound. */
  readonly ca?: boolean | { readonly pathLength: number }
  readonly keyUsage?: number
  /** Object identifiers. */
  readonly extendedKeyUsage?: readonly string[]
  readonly alternativeNames?: readonly Identity[]
  readonly crlUri?: string
  /** Of one's own: object identifier, critical, value. */
  readonly extension?: readonly [oid: string, critical: boolean, value: Bytes]
  readonly scheme?: SignatureScheme
}

export interface TestCertificate {
  readonly der: Bytes
  readonly subject: Bytes
  readonly key: TestKey
}

/** What certificates are valid from and to, unless told otherwise: 2020 to 2040. */
export const validity = { fromMs: Date.UTC(2020, 0, 1), toMs: Date.UTC(2040, 0, 1) } as const

let nextSerial = 100

export function makeCertificate(options: CertificateOptions): TestCertificate {
  const { key } = options
  const subject = encodeName(parseName(options.subject)!)
  const issuer = options.issuer ?? { subject, key }
  const scheme = options.scheme ?? schemes[issuer.key.type]
  const algorithm = encodeSignatureAlgorithm(scheme)
  const period = encodeDer(derTag.sequence, time(options.notBeforeMs ?? validity.fromMs), time(options.notAfterMs ?? validity.toMs))
  const tbs = encodeDer(
    derTag.sequence,
    encodeDer(contextTag(0, true), integer(2)),
    integer(options.serial ?? nextSerial++),
    algorithm,
    issuer.subject,
    period,
    subject,
    key.spki,
    encodeDer(contextTag(3, true), encodeDer(derTag.sequence, ...extensionsOf(options))),
  )
  return { der: signed(tbs, algorithm, scheme, issuer.key), subject, key }
}

/** An authority: it signs itself, or `issuer` does. */
export function makeAuthority(subject: string, key: TestKey, options: Partial<CertificateOptions> = {}): TestCertificate {
  return makeCertificate({ subject, key, ca: true, keyUsage: 0b0110_0000, ...options })
}

export interface ListOptions {
  readonly issuer: TestCertificate
  readonly revoked?: readonly number[]
  readonly thisUpdateMs?: number
  /** Null: the list does not say. */
  readonly nextUpdateMs?: number | null
  readonly extension?: readonly [oid: string, critical: boolean, value: Bytes]
}

/** A certificate revocation list, DER. */
export function makeList(options: ListOptions): Bytes {
  const { issuer, revoked = [], nextUpdateMs = validity.toMs, extension } = options
  const scheme = schemes[issuer.key.type]
  const algorithm = encodeSignatureAlgorithm(scheme)
  const entries = revoked.map((serial) => encodeDer(derTag.sequence, integer(serial), time(validity.fromMs)))
  const tbs = encodeDer(
    derTag.sequence,
    integer(1),
    algorithm,
    issuer.subject,
    time(options.thisUpdateMs ?? validity.fromMs),
    ...(nextUpdateMs === null ? [] : [time(nextUpdateMs)]),
    ...(entries.length === 0 ? [] : [encodeDer(derTag.sequence, ...entries)]),
    ...(extension === undefined ? [] : [encodeDer(contextTag(0, true), encodeDer(derTag.sequence, encodeExtension(...extension)))]),
  )
  return signed(tbs, algorithm, scheme, issuer.key)
}

function signed(tbs: Bytes, algorithm: Bytes, scheme: SignatureScheme, key: TestKey): Bytes {
  const signature = nodeSignatures.sign(scheme, key.pkcs8, tbs)
  if (signature === null) throw new Error(`a key of type ${key.type} makes no ${scheme.type} signature`)
  return encodeDer(derTag.sequence, tbs, algorithm, encodeDer(derTag.bitString, Uint8Array.of(0), signature))
}

function extensionsOf(options: CertificateOptions): Bytes[] {
  const { ca, keyUsage, extendedKeyUsage, alternativeNames, crlUri, extension } = options
  const list: Bytes[] = []
  if (ca !== undefined) {
    const isCa = ca === false ? [] : [encodeDer(derTag.boolean, Uint8Array.of(0xff))]
    const pathLength = typeof ca === 'object' ? [integer(ca.pathLength)] : []
    list.push(encodeExtension('2.5.29.19', true, encodeDer(derTag.sequence, ...isCa, ...pathLength)))
  }
  if (keyUsage !== undefined) list.push(encodeExtension('2.5.29.15', true, flags(keyUsage)))
  if (extendedKeyUsage !== undefined) {
    list.push(encodeExtension('2.5.29.37', false, encodeDer(derTag.sequence, ...extendedKeyUsage.map(encodeOid))))
  }
  if (alternativeNames !== undefined && alternativeNames.length > 0) {
    list.push(encodeExtension('2.5.29.17', false, encodeDer(derTag.sequence, ...alternativeNames.map(generalName))))
  }
  if (crlUri !== undefined) {
    const uri = encodeDer(contextTag(6, false), toUtf8(crlUri))
    const point = encodeDer(derTag.sequence, encodeDer(contextTag(0, true), encodeDer(contextTag(0, true), uri)))
    list.push(encodeExtension('2.5.29.31', false, encodeDer(derTag.sequence, point)))
  }
  if (extension !== undefined) list.push(encodeExtension(...extension))
  return list
}

export function encodeExtension(oid: string, critical: boolean, value: Bytes): Bytes {
  const flag = critical ? [encodeDer(derTag.boolean, Uint8Array.of(0xff))] : []
  return encodeDer(derTag.sequence, encodeOid(oid), ...flag, encodeDer(derTag.octetString, value))
}

function generalName({ type, data }: Identity): Bytes {
  if (type === idType.rfc822) return encodeDer(contextTag(1, false), data)
  if (type === idType.fqdn) return encodeDer(contextTag(2, false), data)
  if (type === idType.derAsn1Dn) return encodeDer(contextTag(4, true), data)
  return encodeDer(contextTag(7, false), data)
}

/** From 0 to 2^31 − 1. */
function integer(value: number): Bytes {
  const octets: number[] = [value & 0xff]
  for (let left = value >> 8; left > 0; left >>= 8) octets.unshift(left & 0xff)
  return encodeDer(derTag.integer, octets[0]! >= 0x80 ? concat(Uint8Array.of(0), Uint8Array.from(octets)) : Uint8Array.from(octets))
}

/** Bit 0 of the value is the first of the string. */
function flags(value: number): Bytes {
  let first = 0
  for (let bit = 0; bit < 8; bit++) if ((value & (1 << bit)) !== 0) first |= 0x80 >> bit
  let unused = 0
  while (unused < 7 && (first & (1 << unused)) === 0) unused++
  return encodeDer(derTag.bitString, Uint8Array.of(unused, first))
}

/** UTCTime up to 2049, GeneralizedTime from then on (RFC 5280 §4.1.2.5). */
function time(ms: number): Bytes {
  const digits = new Date(ms).toISOString().replace(/\.\d+/, '').replace(/[-:T]/g, '')
  return ms < Date.UTC(2050, 0, 1) ? encodeDer(derTag.utcTime, toUtf8(digits.slice(2))) : encodeDer(derTag.generalizedTime, toUtf8(digits))
}

export function pem(label: string, der: Bytes): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? []
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`
}
