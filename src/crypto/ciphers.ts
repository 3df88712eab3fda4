/**
 * The encryption transforms of IKEv2 and ESP over OpenSSL: AES touches secrets nowhere else (constant time).
 *
 * AES-CBC RFC 3602, AES-CTR RFC 3686 and RFC 5930, AES-GCM-16 RFC 5282, ChaCha20-Poly1305 RFC 7634. 3DES-CBC (RFC 2451) is there for clients
 * that have nothing better; NULL (RFC 2410) only tells ESP's sizes.
 */

import { createCipheriv, createDecipheriv } from 'node:crypto'
import type { CipherGCM, DecipherGCM } from 'node:crypto'
import type { Bytes } from '../kit/bytes.ts'
import { concat } from '../kit/bytes.ts'
import type { EncryptionSizes } from '../kit/ike-crypto.ts'
import { encryptionAlgorithm } from '../kit/ike-crypto.ts'

/** Null when we do not have the algorithm with that key length. ChaCha20-Poly1305, 3DES and NULL have one: 0, no attribute. */
export function encryptionSizes(encr: number, keyBits: number): EncryptionSizes | null {
  const aesKey = keyBits === 128 || keyBits === 192 || keyBits === 256
  if (encr === encryptionAlgorithm.aesCbc && aesKey) return { key: keyBits / 8, salt: 0, iv: 16, block: 16, tag: 0 }
  if (encr === encryptionAlgorithm.aesCtr && aesKey) return { key: keyBits / 8, salt: 4, iv: 8, block: 1, tag: 0 }
  if (encr === encryptionAlgorithm.aesGcm16 && aesKey) return { key: keyBits / 8, salt: 4, iv: 8, block: 1, tag: 16 }
  if (encr === encryptionAlgorithm.chacha20Poly1305 && keyBits === 0) return { key: 32, salt: 4, iv: 8, block: 1, tag: 16 }
  if (encr === encryptionAlgorithm.tripleDes && keyBits === 0) return { key: 24, salt: 0, iv: 8, block: 8, tag: 0 }
  if (encr === encryptionAlgorithm.null && keyBits === 0) return { key: 0, salt: 0, iv: 0, block: 1, tag: 0 }
  return null
}

/** `key` with its salt; see `IkeCrypto.encrypt`. */
export function encrypt(encr: number, key: Bytes, iv: Bytes, plaintext: Bytes, aad: Bytes): Bytes {
  if (isCbc(encr)) {
    const cipher = createCipheriv(cbcName(encr, key), key, iv).setAutoPadding(false)
    return concat(cipher.update(plaintext), cipher.final())
  }
  if (encr === encryptionAlgorithm.aesCtr) return applyCtr(key, iv, plaintext)
  const cipher = aeadCipher(encr, key, iv)
  cipher.setAAD(aad, { plaintextLength: plaintext.length })
  return concat(cipher.update(plaintext), cipher.final(), cipher.getAuthTag())
}

/** Null when the tag is wrong or the length impossible; see `IkeCrypto.decrypt`. */
export function decrypt(encr: number, key: Bytes, iv: Bytes, ciphertext: Bytes, aad: Bytes): Bytes | null {
  if (isCbc(encr)) return decryptCbc(encr, key, iv, ciphertext)
  if (encr === encryptionAlgorithm.aesCtr) return applyCtr(key, iv, ciphertext)
  return decryptAead(encr, key, iv, ciphertext, aad)
}

/** The same both ways. The counter block is nonce ‖ IV ‖ 1, the nonce being what we call the salt (RFC 3686 §4). */
function applyCtr(keyWithSalt: Bytes, iv: Bytes, text: Bytes): Bytes {
  const { key, nonce } = splitSalt(keyWithSalt, iv)
  const cipher = createCipheriv(`aes-${key.length * 8}-ctr`, key, concat(nonce, Uint8Array.of(0, 0, 0, 1)))
  return concat(cipher.update(text), cipher.final())
}

function isCbc(encr: number): boolean {
  return encr === encryptionAlgorithm.aesCbc || encr === encryptionAlgorithm.tripleDes
}

function cbcName(encr: number, key: Bytes): string {
  return encr === encryptionAlgorithm.tripleDes ? 'des-ede3-cbc' : `aes-${key.length * 8}-cbc`
}

function decryptCbc(encr: number, key: Bytes, iv: Bytes, ciphertext: Bytes): Bytes | null {
  if (ciphertext.length === 0 || ciphertext.length % iv.length !== 0) return null
  const decipher = createDecipheriv(cbcName(encr, key), key, iv).setAutoPadding(false)
  return concat(decipher.update(ciphertext), decipher.final())
}

function decryptAead(encr: number, key: Bytes, iv: Bytes, ciphertext: Bytes, aad: Bytes): Bytes | null {
  const length = ciphertext.length - 16
  if (length < 0) return null
  const decipher = aeadDecipher(encr, key, iv)
  decipher.setAAD(aad, { plaintextLength: length })
  decipher.setAuthTag(ciphertext.subarray(length))
  const plaintext = decipher.update(ciphertext.subarray(0, length))
  try {
    return concat(plaintext, decipher.final())
  } catch {
    // OpenSSL's way to say that the tag is wrong.
    return null
  }
}

/** The nonce is salt ‖ IV (RFC 5282 §4, RFC 7634 §2). */
function splitSalt(key: Bytes, iv: Bytes): { key: Bytes; nonce: Bytes } {
  const length = key.length - 4
  return { key: key.subarray(0, length), nonce: concat(key.subarray(length), iv) }
}

function aeadCipher(encr: number, keyWithSalt: Bytes, iv: Bytes): CipherGCM {
  const { key, nonce } = splitSalt(keyWithSalt, iv)
  if (encr === encryptionAlgorithm.chacha20Poly1305) return createCipheriv('chacha20-poly1305', key, nonce, { authTagLength: 16 })
  return createCipheriv(gcmName(key), key, nonce)
}

function aeadDecipher(encr: number, keyWithSalt: Bytes, iv: Bytes): DecipherGCM {
  const { key, nonce } = splitSalt(keyWithSalt, iv)
  if (encr === encryptionAlgorithm.chacha20Poly1305) return createDecipheriv('chacha20-poly1305', key, nonce, { authTagLength: 16 })
  return createDecipheriv(gcmName(key), key, nonce)
}

function gcmName(key: Bytes): 'aes-128-gcm' | 'aes-192-gcm' | 'aes-256-gcm' {
  return key.length === 16 ? 'aes-128-gcm' : key.length === 24 ? 'aes-192-gcm' : 'aes-256-gcm'
}
