/**
 * Seals session secrets with XChaCha20-Poly1305: its 192-bit nonces may be random for as long as a cluster lives.
 *
 * A blob is key id (4 octets: the first of the SHA-256 of the key) ‖ nonce (24) ‖ ciphertext ‖ tag (16). The associated data is
 * version ‖ length of the cluster's name ‖ the name ‖ field, so that a blob opens in its cluster and field only. During a rotation several
 * keys open; the first seals.
 */

import { xchacha20poly1305 } from '@noble/ciphers/chacha.js'
import { sha256 } from '@noble/hashes/sha2.js'
import type { Bytes } from '../kit/bytes.ts'
import { concat, toHex, toUtf8 } from '../kit/bytes.ts'
import type { Random } from '../kit/random.ts'
import type { Sealer } from '../kit/sealer.ts'

const version = 1
const keyIdOctets = 4
const nonceOctets = 24
const tagOctets = 16

/** Octets that sealing adds to a secret. */
export const sealingOverhead = keyIdOctets + nonceOctets + tagOctets

/** The name of a sealing key: it says which key a blob needs, and nothing about the key. */
export function sealingKeyId(key: Bytes): Bytes {
  return sha256(key).slice(0, keyIdOctets)
}

/** Seals with the first of `keys` (32 octets each) and opens with any. */
export function createSealer(options: { readonly keys: readonly Bytes[]; readonly cluster: string; readonly random: Random }): Sealer {
  const { keys, cluster, random } = options
  const first = keys[0]
  if (first === undefined) throw new RangeError('createSealer: expected at least one key, got none')
  for (const key of keys) if (key.length !== 32) throw new RangeError(`createSealer: expected a key of 32 octets, got ${key.length}`)
  const byId = new Map(keys.map((key) => [toHex(sealingKeyId(key)), key]))
  const firstId = sealingKeyId(first)
  const prefix = associatedDataPrefix(cluster)

  return {
    seal(field, plaintext) {
      const nonce = random.bytes(nonceOctets)
      const sealed = xchacha20poly1305(first, nonce, concat(prefix, toUtf8(field))).encrypt(plaintext)
      return concat(firstId, nonce, sealed)
    },
    open(field, blob) {
      if (blob.length < sealingOverhead) return null
      const key = byId.get(toHex(blob.subarray(0, keyIdOctets)))
      if (key === undefined) return null
      const nonce = blob.subarray(keyIdOctets, keyIdOctets + nonceOctets)
      try {
        return xchacha20poly1305(key, nonce, concat(prefix, toUtf8(field))).decrypt(blob.subarray(keyIdOctets + nonceOctets))
      } catch {
        // The library's way to say that the tag is wrong.
        return null
      }
    },
  }
}

function associatedDataPrefix(cluster: string): Bytes {
  const name = toUtf8(cluster)
  if (name.length > 255) throw new RangeError(`createSealer: expected a cluster name of at most 255 octets, got ${name.length}`)
  return concat(Uint8Array.of(version, name.length), name)
}
