/**
 * The cryptography that IKEv2 needs, as an interface: cores get it passed in, src/crypto implements it.
 *
 * Algorithms are named by their transform IDs (RFC 7296 §3.3.2 and the IANA registry). All functions are synchronous and keep no state.
 */

import type { Bytes } from './bytes.ts'
import type { SignatureCrypto } from './signatures.ts'

/** Sizes of an encryption algorithm, in octets. */
export interface EncryptionSizes {
  /** Without the salt. */
  readonly key: number
  /** Part of the keying material behind the key; the nonce is salt ‖ IV (RFC 5282 §4). */
  readonly salt: number
  /** The explicit IV in each message. */
  readonly iv: number
  /** The plaintext's length is a multiple of this. */
  readonly block: number
  /** The authentication tag of an AEAD; 0: an integrity algorithm is needed. */
  readonly tag: number
}

/** Sizes of an integrity algorithm, in octets. */
export interface IntegritySizes {
  readonly key: number
  readonly icv: number
}

/** Our half of a Diffie–Hellman exchange. */
export interface KeyExchange {
  /** As in the KE payload (RFC 7296 §3.4; RFC 5903 §7; RFC 8031 §3). */
  readonly publicValue: Bytes
  /** A secret: from it `IkeCrypto.keyExchange` makes the same half again, in another process, too. */
  readonly privateValue: Bytes
  /** g^ir as it goes into SKEYSEED; null when the peer's public value is not acceptable (RFC 6989; RFC 8031 §4). */
  sharedSecret(peerPublicValue: Bytes): Bytes | null
}

export interface IkeCrypto extends SignatureCrypto {
  /** Null when the algorithm or key length is not supported. */
  encryptionSizes(encr: number, keyBits: number): EncryptionSizes | null
  integritySizes(integ: number): IntegritySizes | null
  /** Output length of the PRF, which is its preferred key length too; null when it is not supported. */
  prfLength(prf: number): number | null
  /** Length of a group's public value; null when it is not supported. */
  publicValueLength(ke: number): number | null

  prf(prf: number, key: Bytes, data: Bytes): Bytes
  /** RFC 7296 §2.13. */
  prfPlus(prf: number, key: Bytes, seed: Bytes, length: number): Bytes
  /** The truncated ICV. */
  integrity(integ: number, key: Bytes, data: Bytes): Bytes
  /** `key` with its salt. AEAD: ciphertext ‖ tag; `aad` is for AEAD only. The plaintext is already padded. */
  encrypt(encr: number, key: Bytes, iv: Bytes, plaintext: Bytes, aad: Bytes): Bytes
  /** The padded plaintext; null when the tag is wrong or the length impossible. Of a cipher without a tag, check the ICV first. */
  decrypt(encr: number, key: Bytes, iv: Bytes, ciphertext: Bytes, aad: Bytes): Bytes | null
  /** A fresh half; or, with `privateValue`, the one that had it. */
  keyExchange(ke: number, privateValue?: Bytes): KeyExchange
  sha1(data: Bytes): Bytes
  sha256(data: Bytes): Bytes
  /** For EAP-MSCHAPv2 only, as `desEncrypt` is (RFC 2759): neither is good for anything else. */
  md4(data: Bytes): Bytes
  /** One block of DES; key and block have 8 octets. */
  desEncrypt(key: Bytes, block: Bytes): Bytes
}

/** Transform type 1: encryption. */
export const encryptionAlgorithm = { tripleDes: 3, null: 11, aesCbc: 12, aesCtr: 13, aesGcm16: 20, chacha20Poly1305: 28 } as const
/** Transform type 2: pseudorandom function. */
export const prfAlgorithm = { hmacSha1: 2, hmacSha256: 5, hmacSha384: 6, hmacSha512: 7 } as const
/** Transform type 3: integrity. */
export const integrityAlgorithm = { none: 0, hmacSha1_96: 2, hmacSha256_128: 12, hmacSha384_192: 13, hmacSha512_256: 14 } as const
/** Transform type 4: key exchange method. */
export const keyExchangeMethod = {
  none: 0,
  modp1024: 2,
  modp1536: 5,
  modp2048: 14,
  modp3072: 15,
  modp4096: 16,
  ecp256: 19,
  ecp384: 20,
  ecp521: 21,
  x25519: 31,
} as const
