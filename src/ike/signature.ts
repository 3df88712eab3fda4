/**
 * Signatures in AUTH payloads: which scheme for which key, and the two ways to say so (RFC 7296 §3.8, RFC 7427, RFC 8420).
 *
 *   method 1        RSASSA-PKCS1-v1_5 with SHA-1
 *   methods 9–11    ECDSA on P-256, P-384, P-521 with the hash of that size, r ‖ s (RFC 4754)
 *   method 14       length of the AlgorithmIdentifier (1 octet) ‖ AlgorithmIdentifier ‖ signature
 *
 * Method 14 is for peers that have announced hash algorithms (RFC 7427 §4). SHA-1 is never announced and never taken in it. In method 1 it is: a
 * client without RFC 7427, as Windows is, has nothing else for its RSA key, and to forge AUTH one would have to find a collision, with both
 * nonces in it, before the exchange times out.
 */

import type { Bytes } from '../kit/bytes.ts'
import { concat, dataView } from '../kit/bytes.ts'
import type { SignatureHash, SignatureScheme } from '../kit/signatures.ts'
import { Writer, decodedOrNull } from '../kit/wire.ts'
import type { Curve, PublicKey } from '../pki/algorithms.ts'
import { decodeSignatureAlgorithm, encodeSignatureAlgorithm, fitsKey, pssScheme } from '../pki/algorithms.ts'
import { notifyType } from './wire/notify.ts'
import type { Payload } from './wire/payloads.ts'
import { findNotify, notification } from './wire/payloads.ts'
import type { Authentication } from './wire/simple-payloads.ts'
import { authMethod } from './wire/simple-payloads.ts'

/** "Hash Algorithms" of RFC 7427 §7; `identity`: the algorithm hashes by itself (RFC 8420 §3). */
const hashNumber = { sha256: 2, sha384: 3, sha512: 4, identity: 5 } as const
type AnnouncedHash = keyof typeof hashNumber

/** SIGNATURE_HASH_ALGORITHMS: what we verify by method 14. */
export function hashAnnouncement(): Payload {
  const writer = new Writer(8)
  for (const number of Object.values(hashNumber)) writer.u16(number)
  return notification(notifyType.signatureHashAlgorithms, writer.finish())
}

/** The hash algorithms that the payloads of the peer's IKE_SA_INIT message announce; null: it does not know method 14. */
export function announcedHashes(payloads: readonly Payload[]): ReadonlySet<AnnouncedHash> | null {
  const notify = findNotify(payloads, notifyType.signatureHashAlgorithms)
  if (notify === null) return null
  const view = dataView(notify.data)
  const numbers = new Set<number>()
  for (let at = 0; at + 2 <= notify.data.length; at += 2) numbers.add(view.getUint16(at))
  const names = Object.entries(hashNumber).filter(([, number]) => numbers.has(number))
  return new Set(names.map(([name]) => name as AnnouncedHash))
}

/** How to sign for a peer. */
export interface SigningMethod {
  readonly method: number
  readonly scheme: SignatureScheme
}

/** Null: the peer takes nothing that the key can make. `pss`: RSA signs by PSS. */
export function signingMethod(key: PublicKey, announced: ReadonlySet<AnnouncedHash> | null, pss: boolean): SigningMethod | null {
  if (announced === null) return methodWithoutAnnouncement(key)
  const { digitalSignature: method } = authMethod
  if (key.type === 'ed25519') return announced.has('identity') ? { method, scheme: { type: 'ed25519' } } : null
  const hash = hashesFor(key).find((one) => announced.has(one))
  if (hash === undefined) return null
  if (key.type === 'ec') return { method, scheme: { type: 'ecdsa', hash, format: 'der' } }
  return { method, scheme: pss ? pssScheme(hash) : { type: 'rsa-pkcs1', hash } }
}

/** The hash as strong as the key first, then the others. */
function hashesFor(key: Extract<PublicKey, { type: 'rsa' | 'ec' }>): Exclude<AnnouncedHash, 'identity'>[] {
  const all = ['sha256', 'sha384', 'sha512'] as const
  const first = key.type === 'ec' ? curveHash[key.curve] : 'sha256'
  return [first, ...all.filter((hash) => hash !== first)]
}

const curveHash = { 256: 'sha256', 384: 'sha384', 521: 'sha512' } as const
const curveMethod = { 256: authMethod.ecdsa256, 384: authMethod.ecdsa384, 521: authMethod.ecdsa521 } as const

function methodWithoutAnnouncement(key: PublicKey): SigningMethod | null {
  switch (key.type) {
    case 'rsa':
      return { method: authMethod.rsaSignature, scheme: { type: 'rsa-pkcs1', hash: 'sha1' } }
    case 'ec':
      return { method: curveMethod[key.curve], scheme: rawScheme(key.curve) }
    case 'ed25519':
      // RFC 8420 §2 has it in method 14 only.
      return null
  }
}

function rawScheme(curve: Curve): SignatureScheme {
  return { type: 'ecdsa', hash: curveHash[curve], format: 'raw' }
}

/** What goes into the AUTH payload. */
export function encodeSignature({ method, scheme }: SigningMethod, signature: Bytes): Authentication {
  if (method !== authMethod.digitalSignature) return { method, data: signature }
  const identifier = encodeSignatureAlgorithm(scheme)
  return { method, data: concat(Uint8Array.of(identifier.length), identifier, signature) }
}

/** The scheme and the signature of an AUTH payload of a peer with this key; null: we take no such signature from such a key. */
export function decodeSignature(
  auth: Authentication,
  key: PublicKey,
): { readonly scheme: SignatureScheme; readonly signature: Bytes } | null {
  if (auth.method === authMethod.digitalSignature) return decodeDigitalSignature(auth.data, key)
  const expected = methodWithoutAnnouncement(key)
  return expected?.method === auth.method ? { scheme: expected.scheme, signature: auth.data } : null
}

function decodeDigitalSignature(data: Bytes, key: PublicKey): { scheme: SignatureScheme; signature: Bytes } | null {
  const length = data[0] ?? 0
  if (length === 0 || data.length <= 1 + length) return null
  const scheme = decodedOrNull(decodeSignatureAlgorithm, data.subarray(1, 1 + length))
  if (scheme === null || !fitsKey(scheme, key) || hashOf(scheme) === 'sha1') return null
  return { scheme, signature: data.subarray(1 + length) }
}

function hashOf(scheme: SignatureScheme): SignatureHash | null {
  return scheme.type === 'ed25519' ? null : scheme.hash
}
