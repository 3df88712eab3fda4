/**
 * AlgorithmIdentifiers of signatures and of public keys (RFC 3279, 4055, 5480, 8410): as DER, and as what our cryptography does with them.
 *
 * What is not in here is not supported: a certificate with such a key or signature is never trusted.
 */

import type { Bytes } from '../kit/bytes.ts'
import { equalBytes } from '../kit/bytes.ts'
import { DerReader, contextTag, derTag, encodeDer, encodeOid } from '../kit/der.ts'
import type { SignatureHash, SignatureScheme } from '../kit/signatures.ts'

const oid = {
  rsaEncryption: '1.2.840.113549.1.1.1',
  rsassaPss: '1.2.840.113549.1.1.10',
  mgf1: '1.2.840.113549.1.1.8',
  ecPublicKey: '1.2.840.10045.2.1',
  ed25519: '1.3.101.112',
} as const

interface HashIdentifiers {
  readonly hash: SignatureHash
  readonly octets: number
  readonly oid: string
  readonly rsa: string
  readonly ecdsa: string
}

const hashes: readonly HashIdentifiers[] = [
  { hash: 'sha1', octets: 20, oid: '1.3.14.3.2.26', rsa: '1.2.840.113549.1.1.5', ecdsa: '1.2.840.10045.4.1' },
  { hash: 'sha256', octets: 32, oid: '2.16.840.1.101.3.4.2.1', rsa: '1.2.840.113549.1.1.11', ecdsa: '1.2.840.10045.4.3.2' },
  { hash: 'sha384', octets: 48, oid: '2.16.840.1.101.3.4.2.2', rsa: '1.2.840.113549.1.1.12', ecdsa: '1.2.840.10045.4.3.3' },
  { hash: 'sha512', octets: 64, oid: '2.16.840.1.101.3.4.2.3', rsa: '1.2.840.113549.1.1.13', ecdsa: '1.2.840.10045.4.3.4' },
]

function identifiersOf(hash: SignatureHash): HashIdentifiers {
  return hashes.find((one) => one.hash === hash)!
}

/** PSS with a salt as long as the hash, which is what everybody makes. */
export function pssScheme(hash: SignatureHash): SignatureScheme {
  return { type: 'rsa-pss', hash, saltOctets: identifiersOf(hash).octets }
}

/** The scheme that an AlgorithmIdentifier names; null: one that is not supported. Throws `DecodeError`. */
export function decodeSignatureAlgorithm(der: Bytes): SignatureScheme | null {
  const top = new DerReader('signature algorithm', der)
  const reader = top.inside('identifier')
  top.end()
  const algorithm = reader.oid('algorithm')
  if (algorithm === oid.rsassaPss) return decodePss(reader)
  const parameters = reader.isAtEnd ? null : reader.any('parameters')
  reader.end()
  const rsa = hashes.find((one) => one.rsa === algorithm)
  // "the parameters MUST be NULL. Implementations MUST accept the parameters being absent as well as present" (RFC 4055 §5).
  if (rsa !== undefined) return parameters === null || isNull(parameters) ? { type: 'rsa-pkcs1', hash: rsa.hash } : null
  if (parameters !== null) return null
  const ecdsa = hashes.find((one) => one.ecdsa === algorithm)
  if (ecdsa !== undefined) return { type: 'ecdsa', hash: ecdsa.hash, format: 'der' }
  return algorithm === oid.ed25519 ? { type: 'ed25519' } : null
}

function isNull({ tag, content }: { readonly tag: number; readonly content: Bytes }): boolean {
  return tag === derTag.null && content.length === 0
}

/** RSASSA-PSS-params (RFC 4055 §3.1): what is left out is SHA-1, MGF1 with SHA-1, 20 octets of salt, trailer 1. */
function decodePss(reader: DerReader): SignatureScheme | null {
  const parameters = reader.inside('parameters')
  reader.end()
  const hash = decodeHash(optionalInside(parameters, 'hashAlgorithm', 0))
  const mgfField = optionalInside(parameters, 'maskGenAlgorithm', 1)
  const mgf = mgfField?.inside('mgf') ?? null
  mgfField?.end()
  const salt = optionalInside(parameters, 'saltLength', 2)
  const saltOctets = salt === null ? 20 : salt.small('octets', 255)
  salt?.end()
  const trailerField = optionalInside(parameters, 'trailerField', 3)
  const trailer = trailerField?.small('trailer', 255) ?? 1
  trailerField?.end()
  parameters.end()
  const isMgf1 = mgf === null || mgf.oid('algorithm') === oid.mgf1
  const mgfHash = decodeHash(isMgf1 ? mgf : null)
  if (hash === null || !isMgf1 || mgfHash !== hash || trailer !== 1) return null
  return { type: 'rsa-pss', hash, saltOctets }
}

function optionalInside(reader: DerReader, field: string, n: number): DerReader | null {
  const tag = contextTag(n, true)
  const value = reader.optional(field, tag)
  return value === null ? null : new DerReader(field, value.content)
}

/**
 * The hash that an AlgorithmIdentifier in the reader names, with NULL as its parameters or none (RFC 4055 §2.1); without a reader, SHA-1. Null: one
 * that is not supported.
 */
function decodeHash(reader: DerReader | null): SignatureHash | null {
  if (reader === null) return 'sha1'
  const identifier = reader.inside('hash')
  const algorithm = identifier.oid('algorithm')
  identifier.optional('parameters', derTag.null)
  identifier.end()
  reader.end()
  return hashes.find((one) => one.oid === algorithm)?.hash ?? null
}

/** As RFC 7427, Appendix A has them. */
export function encodeSignatureAlgorithm(scheme: SignatureScheme): Bytes {
  const nothing = encodeDer(derTag.null)
  switch (scheme.type) {
    case 'rsa-pkcs1':
      return encodeDer(derTag.sequence, encodeOid(identifiersOf(scheme.hash).rsa), nothing)
    case 'ecdsa':
      return encodeDer(derTag.sequence, encodeOid(identifiersOf(scheme.hash).ecdsa))
    case 'ed25519':
      return encodeDer(derTag.sequence, encodeOid(oid.ed25519))
    case 'rsa-pss': {
      const hash = encodeDer(derTag.sequence, encodeOid(identifiersOf(scheme.hash).oid), nothing)
      const mgf = encodeDer(derTag.sequence, encodeOid(oid.mgf1), hash)
      const { saltOctets } = scheme
      const salt = encodeDer(derTag.integer, Uint8Array.from(saltOctets < 0x80 ? [saltOctets] : [0, saltOctets]))
      const parameters = [hash, mgf, salt].map((content, n) => encodeDer(contextTag(n, true), content))
      return encodeDer(derTag.sequence, encodeOid(oid.rsassaPss), encodeDer(derTag.sequence, ...parameters))
    }
  }
}

/** What a public key can do. `bits`: of an RSA modulus. */
export type PublicKey =
  | { readonly type: 'rsa'; readonly bits: number }
  | { readonly type: 'ec'; readonly curve: Curve }
  | { readonly type: 'ed25519' }

export type Curve = 256 | 384 | 521

const curves: readonly { readonly curve: Curve; readonly oid: string; readonly pointOctets: number }[] = [
  { curve: 256, oid: '1.2.840.10045.3.1.7', pointOctets: 65 },
  { curve: 384, oid: '1.3.132.0.34', pointOctets: 97 },
  { curve: 521, oid: '1.3.132.0.35', pointOctets: 133 },
]

/** Smaller keys can be broken, larger ones let a peer choose what a verification costs us. */
const rsaBits = { minimum: 2048, maximum: 8192 } as const

/** The kind of key in a SubjectPublicKeyInfo; null: one that is not supported. Throws `DecodeError`. */
export function decodePublicKey(spki: Bytes): PublicKey | null {
  const top = new DerReader('public key', spki)
  const reader = top.inside('info')
  top.end()
  const identifier = reader.inside('algorithm')
  const bits = reader.bits('key')
  reader.end()
  const algorithm = identifier.oid('algorithm')
  if (algorithm === oid.rsaEncryption) {
    identifier.optional('parameters', derTag.null)
    identifier.end()
    return decodeRsaKey(bits)
  }
  if (algorithm === oid.ed25519) {
    // "the parameters MUST be absent" (RFC 8410 §3).
    identifier.end()
    return bits.length === 32 ? { type: 'ed25519' } : null
  }
  if (algorithm !== oid.ecPublicKey) return null
  const parameters = identifier.any('curve')
  identifier.end()
  const known = curves.find((one) => equalBytes(encodeOid(one.oid), parameters.whole))
  // RFC 5480 §2.2: uncompressed points, which everybody has.
  return known !== undefined && bits.length === known.pointOctets && bits[0] === 4 ? { type: 'ec', curve: known.curve } : null
}

function decodeRsaKey(der: Bytes): PublicKey | null {
  const top = new DerReader('RSA key', der)
  const reader = top.inside('key')
  top.end()
  const modulus = reader.integer('modulus')
  const exponent = reader.integer('exponent')
  reader.end()
  const leading = modulus[0] === 0 ? 1 : 0
  const bits = 8 * (modulus.length - leading) - (Math.clz32(modulus[leading] ?? 0) - 24)
  // "positive integers" (RFC 8017 §3.1). With an exponent of 1 anybody can sign.
  const isPositive = modulus[0]! < 0x80 && exponent[0]! < 0x80
  const isOdd = (exponent.at(-1)! & 1) === 1 && (exponent.length > 1 || exponent[0] !== 1)
  // An exponent of more than 32 bits makes a verification cost what a signature does; nobody has one.
  const isShort = exponent.length <= 4 || (exponent.length === 5 && exponent[0] === 0)
  if (bits < rsaBits.minimum || bits > rsaBits.maximum || !isPositive || !isOdd || !isShort) return null
  return { type: 'rsa', bits }
}

/** Whether a key can have made a signature of the scheme. */
export function fitsKey(scheme: SignatureScheme, key: PublicKey): boolean {
  switch (scheme.type) {
    case 'rsa-pkcs1':
    case 'rsa-pss':
      return key.type === 'rsa'
    case 'ecdsa':
      return key.type === 'ec'
    case 'ed25519':
      return key.type === 'ed25519'
  }
}
