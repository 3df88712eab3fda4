/**
 * Seals session secrets with XChaCha20-Poly1305: its 192-bit nonces may be random for as long as a cluster lives.
 *
 * A blob is key id (4 octets: the first of the SHA-256 of the key) ‖ nonce (24) ‖ ciphertext ‖ tag (16). The associated data is
 * version ‖ length of the cluster's name ‖ the name ‖ field, so that a blob opens in its cluster and field only. While one key takes the place of
 * another several open, and one seals.
 */

import { xchacha20poly1305 } from '@noble/ciphers/chacha.js'
import { hkdf } from '@noble/hashes/hkdf.js'
import { sha256 } from '@noble/hashes/sha2.js'
import type { Bytes } from '../kit/bytes.ts'
import { concat, dataView, toUtf8 } from '../kit/bytes.ts'
import type { Random } from '../kit/random.ts'
import type { Sealer, SealingKeyId } from '../kit/sealer.ts'
import { sealedUnder } from '../kit/sealer.ts'

const version = 1
const keyIdOctets = 4
const nonceOctets = 24
const tagOctets = 16

/** Octets that sealing adds to a secret. */
export const sealingOverhead = keyIdOctets + nonceOctets + tagOctets

/** The name of a sealing key: it says which key a blob needs, and nothing about the key. */
export function sealingKeyId(key: Bytes): SealingKeyId {
  return dataView(sha256(key)).getUint32(0)
}

/** Seals with the first of `keys` (32 octets each) and opens with any. */
export function createSealer(options: { readonly keys: readonly Bytes[]; readonly cluster: string; readonly random: Random }): Sealer {
  const { keys, cluster, random } = options
  const first = keys[0]
  if (first === undefined) throw new RangeError('createSealer: expected at least one key, got none')
  for (const key of keys) if (key.length !== 32) throw new RangeError(`createSealer: expected a key of 32 octets, got ${key.length}`)
  const byId = new Map(keys.map((key) => [sealingKeyId(key), key]))
  const firstId = sha256(first).slice(0, keyIdOctets)
  const prefix = associatedDataPrefix(cluster)

  return {
    seal(field, plaintext) {
      const nonce = random.bytes(nonceOctets)
      const sealed = xchacha20poly1305(first, nonce, concat(prefix, toUtf8(field))).encrypt(plaintext)
      return concat(firstId, nonce, sealed)
    },
    open(field, blob) {
      if (blob.length < sealingOverhead) return null
      const key = byId.get(sealedUnder(blob))
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

export interface SealingKeysOptions {
  /** 32 octets each, in the order of their file. */
  readonly keys: readonly Bytes[]
  readonly cluster: string
  readonly random: Random
  /** The key that the cluster has agreed on; `noSealingKey`: none yet. */
  readonly agreed: () => SealingKeyId
}

/**
 * The sealing keys that a gateway has. The one that is agreed on seals, from the moment on at which it is. While none is, or it is not here, it is the one that
 * came first when they were read first: where that stands in a file that is read again does not matter.
 */
export class SealingKeys implements Sealer {
  readonly #options: SealingKeysOptions
  #known: ReadonlyMap<SealingKeyId, Known>
  #first: SealingKeyId

  constructor(options: SealingKeysOptions) {
    this.#options = options
    this.#known = this.#learn(options.keys)
    this.#first = sealingKeyId(options.keys[0]!)
  }

  /** The one that seals, then the others in the order of their file. */
  get ids(): readonly SealingKeyId[] {
    return [this.present, ...[...this.#known.keys()].filter((id) => id !== this.present)]
  }

  /** The one that seals. */
  get present(): SealingKeyId {
    const agreed = this.#options.agreed()
    return this.#known.has(agreed) ? agreed : this.#first
  }

  has(id: SealingKeyId): boolean {
    return this.#known.has(id)
  }

  /** Others take their place. */
  replace(keys: readonly Bytes[]): void {
    this.#known = this.#learn(keys)
    if (!this.has(this.#first)) this.#first = sealingKeyId(keys[0]!)
  }

  /** For a sealer elsewhere: the one that seals first. */
  get keys(): readonly Bytes[] {
    return this.ids.map((id) => this.#known.get(id)!.key)
  }

  /** One of each key, the present one's first: equal on all gateways, and not to be guessed. */
  get steeringKeys(): readonly Bytes[] {
    return this.ids.map((id) => this.#known.get(id)!.steeringKey)
  }

  seal(field: string, plaintext: Bytes): Bytes {
    return this.#known.get(this.present)!.sealer.seal(field, plaintext)
  }

  open(field: string, blob: Bytes): Bytes | null {
    return this.#known.get(sealedUnder(blob))?.sealer.open(field, blob) ?? null
  }

  #learn(keys: readonly Bytes[]): ReadonlyMap<SealingKeyId, Known> {
    const { cluster, random } = this.#options
    if (keys.length === 0) throw new RangeError('SealingKeys: expected at least one key, got none')
    return new Map(
      keys.map((key) => {
        const steeringKey = hkdf(sha256, key, undefined, toUtf8('evpc steering'), 32)
        return [sealingKeyId(key), { key, sealer: createSealer({ keys: [key], cluster, random }), steeringKey }]
      }),
    )
  }
}

interface Known {
  readonly key: Bytes
  readonly sealer: Sealer
  readonly steeringKey: Bytes
}

function associatedDataPrefix(cluster: string): Bytes {
  const name = toUtf8(cluster)
  if (name.length > 255) throw new RangeError(`createSealer: expected a cluster name of at most 255 octets, got ${name.length}`)
  return concat(Uint8Array.of(version, name.length), name)
}
