/**
 * How key material and packets of ESP's algorithms are laid out, for both implementations (node-esp-crypto.ts, evp-esp-crypto.ts).
 */

import type { Bytes } from '../kit/bytes.ts'
import type { EspAlgorithms } from '../kit/esp-crypto.ts'
import { ESP_HEADER_OCTETS } from '../kit/esp-crypto.ts'
import { encryptionAlgorithm } from '../kit/ike-crypto.ts'
import type { Random } from '../kit/random.ts'

export const SALT_OCTETS = 4
export const COUNTER_IV_OCTETS = 8
export const AEAD_ICV_OCTETS = 16
export const NONCE_OCTETS = SALT_OCTETS + COUNTER_IV_OCTETS
export const AES_BLOCK = 16
export const TRIPLE_DES_BLOCK = 8
/** The trailer ends on a multiple of 4 octets (RFC 4303 §2.4). */
export const ALIGNMENT = 4

export interface EspIntegrity {
  readonly hash: 'sha1' | 'sha256' | 'sha384' | 'sha512'
  readonly key: number
  readonly icv: number
}

/** RFC 2404 and RFC 4868 §2.3, by transform ID. */
const integrities = new Map<number, EspIntegrity>([
  [2, { hash: 'sha1', key: 20, icv: 12 }],
  [12, { hash: 'sha256', key: 32, icv: 16 }],
  [13, { hash: 'sha384', key: 48, icv: 24 }],
  [14, { hash: 'sha512', key: 64, icv: 32 }],
])

/** `null`: what is sent in the clear is authenticated all the same (RFC 2410). */
export type EspMode = 'gcm' | 'chacha20' | 'aes-cbc' | '3des-cbc' | 'ctr' | 'null'

export interface EspLayout {
  readonly mode: EspMode
  readonly encryptionKey: number
  readonly salt: number
  readonly integrity: EspIntegrity | null
}

export function espLayout({ encr, keyBits, integ }: EspAlgorithms): EspLayout | null {
  const mode = modes.get(encr)
  if (mode === undefined) return null
  const key = encryptionKeyOf(mode, keyBits)
  const isAead = mode === 'gcm' || mode === 'chacha20'
  const integrity = integrities.get(integ) ?? null
  if (key === null || (isAead ? integ !== 0 : integrity === null)) return null
  return { mode, encryptionKey: key, salt: isAead || mode === 'ctr' ? SALT_OCTETS : 0, integrity: isAead ? null : integrity }
}

const modes = new Map<number, EspMode>([
  [encryptionAlgorithm.aesGcm16, 'gcm'],
  [encryptionAlgorithm.chacha20Poly1305, 'chacha20'],
  [encryptionAlgorithm.aesCbc, 'aes-cbc'],
  [encryptionAlgorithm.aesCtr, 'ctr'],
  [encryptionAlgorithm.tripleDes, '3des-cbc'],
  [encryptionAlgorithm.null, 'null'],
])

/** Null: the algorithm has no such key. */
function encryptionKeyOf(mode: EspMode, keyBits: number): number | null {
  if (mode === 'gcm' || mode === 'aes-cbc' || mode === 'ctr') return [128, 192, 256].includes(keyBits) ? keyBits / 8 : null
  if (keyBits !== 0) return null
  return mode === 'chacha20' ? 32 : mode === '3des-cbc' ? 24 : 0
}

/** Octets of the explicit initialization vector. */
export function ivOctetsOf(mode: EspMode): number {
  return mode === 'aes-cbc' ? AES_BLOCK : mode === '3des-cbc' ? TRIPLE_DES_BLOCK : mode === 'null' ? 0 : COUNTER_IV_OCTETS
}

/** What payload, padding and trailer are a multiple of. */
export function blockOctetsOf(mode: EspMode): number {
  return mode === 'aes-cbc' ? AES_BLOCK : mode === '3des-cbc' ? TRIPLE_DES_BLOCK : ALIGNMENT
}

/** Octets of key material for one direction; null: not supported. */
export function keyOctets(algorithms: EspAlgorithms): number | null {
  const layout = espLayout(algorithms)
  return layout === null ? null : layout.encryptionKey + layout.salt + (layout.integrity?.key ?? 0)
}

/** Writes the sequence number as the 64-bit explicit IV. */
export function writeCounterIv(packet: Bytes, sequenceHigh: number): void {
  writeUint32(packet, ESP_HEADER_OCTETS, sequenceHigh)
  packet.copyWithin(ESP_HEADER_OCTETS + 4, 4, 8)
}

export function writeUint32(octets: Bytes, at: number, value: number): void {
  for (let i = 0; i < 4; i++) octets[at + i] = value >>> (24 - 8 * i)
}

/** Random IVs drawn many at a time: a draw costs more than a packet's encryption. */
export class IvPool {
  readonly #random: Random
  #pool: Bytes = new Uint8Array(0)
  #at = 0

  constructor(random: Random) {
    this.#random = random
  }

  /** The next `octets` of AES's block. Each vector is drawn anew. */
  next(octets: number): Bytes {
    if (this.#at === this.#pool.length) {
      this.#pool = this.#random.bytes(256 * AES_BLOCK)
      this.#at = 0
    }
    this.#at += AES_BLOCK
    return this.#pool.subarray(this.#at - AES_BLOCK, this.#at - AES_BLOCK + octets)
  }
}
