/**
 * ESP's algorithms over OpenSSL through node:crypto: AES-GCM-16 (RFC 4106), ChaCha20-Poly1305 (RFC 7634), AES-CBC (RFC 3602), AES-CTR
 * (RFC 3686), 3DES-CBC (RFC 2451) and NULL (RFC 2410) with HMAC-SHA2 (RFC 4868) or HMAC-SHA1-96 (RFC 2404).
 *
 * The explicit IV of GCM, CTR and ChaCha20-Poly1305 is the sequence number as 64 bits: used once, because the number is (RFC 4106 §3.1
 * asks for uniqueness only). CBC wants IVs that can't be foreseen: random octets, passed in.
 *
 * Of an extended number only the lower half is sent; the upper one is authenticated all the same: in an AEAD's associated data between SPI and
 * lower half (RFC 4106 §5), behind everything else with HMAC (RFC 4303 §2.2.1).
 */

import type { KeyObject } from 'node:crypto'
import { createCipheriv, createDecipheriv, createHmac, createSecretKey, timingSafeEqual } from 'node:crypto'
import type { Bytes } from '../kit/bytes.ts'
import type { EspAlgorithms, EspCipher, EspCrypto } from '../kit/esp-crypto.ts'
import { ESP_HEADER_OCTETS } from '../kit/esp-crypto.ts'
import type { Random } from '../kit/random.ts'
import type { EspIntegrity, EspLayout } from './esp-layout.ts'
import {
  AEAD_ICV_OCTETS,
  AES_BLOCK,
  ALIGNMENT,
  COUNTER_IV_OCTETS,
  IvPool,
  NONCE_OCTETS,
  SALT_OCTETS,
  blockOctetsOf,
  espLayout,
  ivOctetsOf,
  keyOctets,
  writeCounterIv,
  writeUint32,
} from './esp-layout.ts'

export function createEspCrypto(random: Random): EspCrypto {
  const ivs = new IvPool(random)
  return {
    keyOctets,
    cipher(algorithms, key) {
      const layout = espLayout(algorithms)
      if (layout === null || key.length !== keyOctets(algorithms)) return null
      if (layout.integrity === null) return new AeadCipher(algorithms, layout, key)
      const integrityKey = key.subarray(layout.encryptionKey + layout.salt)
      const authenticator = new Authenticator(layout.integrity, integrityKey, algorithms.esn === 1)
      if (layout.mode === 'null') return new NullCipher(authenticator)
      if (layout.mode === 'ctr') return new CtrCipher(key.subarray(0, layout.encryptionKey + SALT_OCTETS), authenticator)
      return new CbcCipher(layout, key.subarray(0, layout.encryptionKey), authenticator, ivs)
    },
  }
}

class AeadCipher implements EspCipher {
  readonly ivOctets = COUNTER_IV_OCTETS
  readonly icvOctets = AEAD_ICV_OCTETS
  readonly blockOctets = ALIGNMENT
  readonly #name: string
  readonly #key: KeyObject
  readonly #nonce = new Uint8Array(NONCE_OCTETS)
  /** SPI ‖ upper half ‖ lower half; null: the numbers have 32 bits. */
  readonly #extended: Bytes | null

  constructor(algorithms: EspAlgorithms, layout: EspLayout, key: Bytes) {
    this.#name = layout.mode === 'gcm' ? `aes-${8 * layout.encryptionKey}-gcm` : 'chacha20-poly1305'
    this.#extended = algorithms.esn === 1 ? new Uint8Array(12) : null
    this.#key = createSecretKey(key.subarray(0, layout.encryptionKey))
    this.#nonce.set(key.subarray(layout.encryptionKey))
  }

  seal(packet: Bytes, sequenceHigh: number): void {
    writeCounterIv(packet, sequenceHigh)
    const payload = ESP_HEADER_OCTETS + COUNTER_IV_OCTETS
    const end = packet.length - AEAD_ICV_OCTETS
    this.#nonce.set(packet.subarray(ESP_HEADER_OCTETS, payload), SALT_OCTETS)
    const cipher = createCipheriv(this.#name as 'aes-128-gcm', this.#key, this.#nonce, { authTagLength: AEAD_ICV_OCTETS })
    cipher.setAAD(this.#associated(packet, sequenceHigh), { plaintextLength: end - payload })
    packet.set(cipher.update(packet.subarray(payload, end)), payload)
    cipher.final()
    packet.set(cipher.getAuthTag(), end)
  }

  open(packet: Bytes, sequenceHigh: number): boolean {
    const payload = ESP_HEADER_OCTETS + COUNTER_IV_OCTETS
    const end = packet.length - AEAD_ICV_OCTETS
    if (end < payload + ALIGNMENT) return false
    this.#nonce.set(packet.subarray(ESP_HEADER_OCTETS, payload), SALT_OCTETS)
    const decipher = createDecipheriv(this.#name as 'aes-128-gcm', this.#key, this.#nonce, { authTagLength: AEAD_ICV_OCTETS })
    decipher.setAAD(this.#associated(packet, sequenceHigh), { plaintextLength: end - payload })
    decipher.setAuthTag(packet.subarray(end))
    const plaintext = decipher.update(packet.subarray(payload, end))
    try {
      decipher.final()
    } catch {
      // OpenSSL's way to say that the ICV is wrong.
      return false
    }
    packet.set(plaintext, payload)
    return true
  }

  /** The key is node's: it goes with the last reference. */
  close(): void {}

  #associated(packet: Bytes, sequenceHigh: number): Bytes {
    if (this.#extended === null) return packet.subarray(0, ESP_HEADER_OCTETS)
    this.#extended.set(packet.subarray(0, 4))
    writeUint32(this.#extended, 4, sequenceHigh)
    this.#extended.set(packet.subarray(4, ESP_HEADER_OCTETS), 8)
    return this.#extended
  }
}

/** HMAC over everything before the ICV (RFC 4303 §2.8), with the upper half of an extended number behind it. */
class Authenticator {
  readonly icvOctets: number
  readonly #hash: string
  readonly #key: KeyObject
  /** The upper half; null: the numbers have 32 bits. */
  readonly #extended: Bytes | null

  constructor(integrity: EspIntegrity, key: Bytes, isExtended: boolean) {
    this.#extended = isExtended ? new Uint8Array(4) : null
    this.icvOctets = integrity.icv
    this.#hash = integrity.hash
    this.#key = createSecretKey(key)
  }

  icv(packet: Bytes, sequenceHigh: number): Bytes {
    const hmac = createHmac(this.#hash, this.#key).update(packet.subarray(0, packet.length - this.icvOctets))
    if (this.#extended !== null) {
      writeUint32(this.#extended, 0, sequenceHigh)
      hmac.update(this.#extended)
    }
    return hmac.digest().subarray(0, this.icvOctets)
  }

  write(packet: Bytes, sequenceHigh: number): void {
    packet.set(this.icv(packet, sequenceHigh), packet.length - this.icvOctets)
  }

  check(packet: Bytes, sequenceHigh: number): boolean {
    return timingSafeEqual(this.icv(packet, sequenceHigh), packet.subarray(packet.length - this.icvOctets))
  }
}

/** AES or 3DES. */
class CbcCipher implements EspCipher {
  readonly ivOctets: number
  readonly icvOctets: number
  readonly blockOctets: number
  readonly #name: string
  readonly #key: KeyObject
  readonly #authenticator: Authenticator
  readonly #ivs: IvPool

  constructor(layout: EspLayout, key: Bytes, authenticator: Authenticator, ivs: IvPool) {
    this.#name = layout.mode === '3des-cbc' ? 'des-ede3-cbc' : `aes-${key.length * 8}-cbc`
    this.ivOctets = ivOctetsOf(layout.mode)
    this.blockOctets = blockOctetsOf(layout.mode)
    this.#key = createSecretKey(key)
    this.#authenticator = authenticator
    this.#ivs = ivs
    this.icvOctets = authenticator.icvOctets
  }

  seal(packet: Bytes, sequenceHigh: number): void {
    const payload = ESP_HEADER_OCTETS + this.ivOctets
    const iv = this.#ivs.next(this.ivOctets)
    packet.set(iv, ESP_HEADER_OCTETS)
    const cipher = createCipheriv(this.#name, this.#key, iv).setAutoPadding(false)
    packet.set(cipher.update(packet.subarray(payload, packet.length - this.icvOctets)), payload)
    cipher.final()
    this.#authenticator.write(packet, sequenceHigh)
  }

  open(packet: Bytes, sequenceHigh: number): boolean {
    const payload = ESP_HEADER_OCTETS + this.ivOctets
    const end = packet.length - this.icvOctets
    if (end < payload + this.blockOctets || (end - payload) % this.blockOctets !== 0) return false
    if (!this.#authenticator.check(packet, sequenceHigh)) return false
    const decipher = createDecipheriv(this.#name, this.#key, packet.subarray(ESP_HEADER_OCTETS, payload)).setAutoPadding(false)
    packet.set(decipher.update(packet.subarray(payload, end)), payload)
    decipher.final()
    return true
  }

  close(): void {}
}

/** RFC 2410: the identity; what it carries is authenticated only. */
class NullCipher implements EspCipher {
  readonly ivOctets = 0
  readonly icvOctets: number
  readonly blockOctets = ALIGNMENT
  readonly #authenticator: Authenticator

  constructor(authenticator: Authenticator) {
    this.#authenticator = authenticator
    this.icvOctets = authenticator.icvOctets
  }

  seal(packet: Bytes, sequenceHigh: number): void {
    this.#authenticator.write(packet, sequenceHigh)
  }

  open(packet: Bytes, sequenceHigh: number): boolean {
    if (packet.length - this.icvOctets < ESP_HEADER_OCTETS + ALIGNMENT) return false
    return this.#authenticator.check(packet, sequenceHigh)
  }

  close(): void {}
}

/** RFC 3686: counter block = nonce (the key's last 4 octets) ‖ IV ‖ 1. */
class CtrCipher implements EspCipher {
  readonly ivOctets = COUNTER_IV_OCTETS
  readonly icvOctets: number
  readonly blockOctets = ALIGNMENT
  readonly #name: string
  readonly #key: KeyObject
  readonly #block = new Uint8Array(AES_BLOCK)
  readonly #authenticator: Authenticator

  constructor(key: Bytes, authenticator: Authenticator) {
    const keyOctets = key.length - SALT_OCTETS
    this.#name = `aes-${keyOctets * 8}-ctr`
    this.#key = createSecretKey(key.subarray(0, keyOctets))
    this.#block.set(key.subarray(keyOctets))
    this.#block[AES_BLOCK - 1] = 1
    this.#authenticator = authenticator
    this.icvOctets = authenticator.icvOctets
  }

  seal(packet: Bytes, sequenceHigh: number): void {
    writeCounterIv(packet, sequenceHigh)
    this.#crypt(packet)
    this.#authenticator.write(packet, sequenceHigh)
  }

  open(packet: Bytes, sequenceHigh: number): boolean {
    if (packet.length - this.icvOctets < ESP_HEADER_OCTETS + COUNTER_IV_OCTETS + ALIGNMENT) return false
    if (!this.#authenticator.check(packet, sequenceHigh)) return false
    this.#crypt(packet)
    return true
  }

  close(): void {}

  /** Both ways the same. */
  #crypt(packet: Bytes): void {
    const payload = ESP_HEADER_OCTETS + COUNTER_IV_OCTETS
    this.#block.set(packet.subarray(ESP_HEADER_OCTETS, payload), SALT_OCTETS)
    const cipher = createCipheriv(this.#name, this.#key, this.#block)
    packet.set(cipher.update(packet.subarray(payload, packet.length - this.icvOctets)), payload)
  }
}
