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
/** The trailer ends on a multiple of 4 octets (RFC 4303 §2.4). */
export const ALIGNMENT = 4

export interface EspIntegrity {
  readonly hash: 'sha256' | 'sha384' | 'sha512'
  readonly key: number
  readonly icv: number
}

/** RFC 4868 §2.3, by transform ID. */
const integrities = new Map<number, EspIntegrity>([
  [12, { hash: 'sha256', key: 32, icv: 16 }],
  [13, { hash: 'sha384', key: 48, icv: 24 }],
  [14, { hash: 'sha512', key: 64, icv: 32 }],
])

export interface EspLayout {
  readonly encryptionKey: number
  readonly salt: number
  readonly integrity: EspIntegrity | null
}

export function espLayout({ encr, keyBits, integ }: EspAlgorithms): EspLayout | null {
  const isAes = keyBits === 128 || keyBits === 192 || keyBits === 256
  const integrity = integrities.get(integ) ?? null
  switch (encr) {
    case encryptionAlgorithm.aesGcm16:
      return isAes && integ === 0 ? { encryptionKey: keyBits / 8, salt: SALT_OCTETS, integrity: null } : null
    case encryptionAlgorithm.chacha20Poly1305:
      return keyBits === 0 && integ === 0 ? { encryptionKey: 32, salt: SALT_OCTETS, integrity: null } : null
    case encryptionAlgorithm.aesCbc:
      return isAes && integrity !== null ? { encryptionKey: keyBits / 8, salt: 0, integrity } : null
    case encryptionAlgorithm.aesCtr:
      return isAes && integrity !== null ? { encryptionKey: keyBits / 8, salt: SALT_OCTETS, integrity } : null
    default:
      return null
  }
}

/** Octets of key material for one direction; null: not supported. */
export function keyOctets(algorithms: EspAlgorithms): number | null {
  const layout = espLayout(algorithms)
  return layout === null ? null : layout.encryptionKey + layout.salt + (layout.integrity?.key ?? 0)
}

/** Writes the sequence number as the 64-bit explicit IV. */
export function writeCounterIv(packet: Bytes, sequenceHigh: number): void {
  for (let i = 0; i < 4; i++) packet[ESP_HEADER_OCTETS + i] = sequenceHigh >>> (24 - 8 * i)
  packet.copyWithin(ESP_HEADER_OCTETS + 4, 4, 8)
}

/** Random IVs drawn many at a time: a draw costs more than a packet's encryption. */
export class IvPool {
  readonly #random: Random
  #pool: Bytes = new Uint8Array(0)
  #at = 0

  constructor(random: Random) {
    this.#random = random
  }

  next(): Bytes {
    if (this.#at === this.#pool.length) {
      this.#pool = this.#random.bytes(256 * AES_BLOCK)
      this.#at = 0
    }
    this.#at += AES_BLOCK
    return this.#pool.subarray(this.#at - AES_BLOCK, this.#at)
  }
}
