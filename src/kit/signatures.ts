/**
 * Digital signatures, as an interface: cores get it passed in, src/crypto implements it. Keys are DER: SubjectPublicKeyInfo (RFC 5280 §4.1) and
 * PKCS #8 (RFC 5958).
 */

import type { Bytes } from './bytes.ts'

export type SignatureHash = 'sha1' | 'sha256' | 'sha384' | 'sha512'

/** How a signature is made. `data` is hashed as part of it. */
export type SignatureScheme =
  /** RSASSA-PKCS1-v1_5 (RFC 8017 §8.2). */
  | { readonly type: 'rsa-pkcs1'; readonly hash: SignatureHash }
  /** RSASSA-PSS (RFC 8017 §8.1), MGF1 with the same hash. */
  | { readonly type: 'rsa-pss'; readonly hash: SignatureHash; readonly saltOctets: number }
  /** `der`: a SEQUENCE of r and s, as in certificates; `raw`: r ‖ s, each as long as the curve's order (RFC 4754 §3). */
  | { readonly type: 'ecdsa'; readonly hash: SignatureHash; readonly format: 'der' | 'raw' }
  /** RFC 8032, pure: there is no hash before it. */
  | { readonly type: 'ed25519' }

export interface SignatureCrypto {
  /** Whether the signature of `data` was made with that key. False too for a key or a signature that is none. */
  verifySignature(scheme: SignatureScheme, spki: Bytes, data: Bytes, signature: Bytes): boolean
  /** Null: the key can't make such a signature, or is none. */
  sign(scheme: SignatureScheme, pkcs8: Bytes, data: Bytes): Bytes | null
}
