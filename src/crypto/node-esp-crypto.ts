/**
 * ESP's algorithms over OpenSSL through node:crypto: AES-GCM-16 (RFC 4106), ChaCha20-Poly1305 (RFC 7634), AES-CBC (RFC 3602) and AES-CTR
 * (RFC 3686) with HMAC-SHA2 (RFC 4868).
 *
 * The explicit IV of GCM, CTR and ChaCha20-Poly1305 is the sequence number as 64 bits: used once, because the number is (RFC 4106 §3.1
 * asks for uniqueness only). CBC wants IVs that can't be foreseen: random octets, passed in.
 */

import type { KeyObject } from 'node:crypto'
import { createCipheriv, createDecipheriv, createHmac, createSecretKey, timingSafeEqual } from 'node:crypto'
import type { Bytes } from '../kit/bytes.ts'
import type { EspAlgorithms, EspCipher, EspCrypto } from '../kit/esp-crypto.ts'
import { ESP_HEADER_OCTETS } from '../kit/esp-crypto.ts'
import { encryptionAlgorithm } from '../kit/ike-crypto.ts'
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
  espLayout,
  keyOctets,
  writeCounterIv,
} from './esp-layout.ts'

export function createEspCrypto(random: Random): EspCrypto {
  const ivs = new IvPool(random)
  return {
    keyOctets,
    cipher(algorithms, key) {
      const layout = espLayout(algorithms)
      if (layout === null || key.length !== keyOctets(algorithms)) return null
      if (layout.integrity === null) return new AeadCipher(algorithms, layout, key)
      const authenticator = new Authenticator(layout.integrity, key.subarray(layout.encryptionKey + layout.salt))
      if (algorithms.encr === encryptionAlgorithm.aesCbc) return new CbcCipher(key.subarray(0, layout.encryptionKey), authenticator, ivs)
      return new CtrCipher(key.subarray(0, layout.encryptionKey + SALT_OCTETS), authenticator)
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

  constructor(algorithms: EspAlgorithms, layout: EspLayout, key: Bytes) {
    this.#name = algorithms.encr === encryptionAlgorithm.aesGcm16 ? `aes-${algorithms.keyBits}-gcm` : 'chacha20-poly1305'
    this.#key = createSecretKey(key.subarray(0, layout.encryptionKey))
    this.#nonce.set(key.subarray(layout.encryptionKey))
  }

  seal(packet: Bytes, sequenceHigh: number): void {
    writeCounterIv(packet, sequenceHigh)
    const payload = ESP_HEADER_OCTETS + COUNTER_IV_OCTETS
    const end = packet.length - AEAD_ICV_OCTETS
    this.#nonce.set(packet.subarray(ESP_HEADER_OCTETS, payload), SALT_OCTETS)
    const cipher = createCipheriv(this.#name as 'aes-128-gcm', this.#key, this.#nonce, { authTagLength: AEAD_ICV_OCTETS })
    cipher.setAAD(packet.subarray(0, ESP_HEADER_OCTETS), { plaintextLength: end - payload })
    packet.set(cipher.update(packet.subarray(payload, end)), payload)
    cipher.final()
    packet.set(cipher.getAuthTag(), end)
  }

  open(packet: Bytes): boolean {
    const payload = ESP_HEADER_OCTETS + COUNTER_IV_OCTETS
    const end = packet.length - AEAD_ICV_OCTETS
    if (end < payload + ALIGNMENT) return false
    this.#nonce.set(packet.subarray(ESP_HEADER_OCTETS, payload), SALT_OCTETS)
    const decipher = createDecipheriv(this.#name as 'aes-128-gcm', this.#key, this.#nonce, { authTagLength: AEAD_ICV_OCTETS })
    decipher.setAAD(packet.subarray(0, ESP_HEADER_OCTETS), { plaintextLength: end - payload })
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
}

/** HMAC over everything before the ICV (RFC 4303 §2.8); extended numbers add their upper half (RFC 4304 §2.2.1 is for later). */
class Authenticator {
  readonly icvOctets: number
  readonly #hash: string
  readonly #key: KeyObject

  constructor(integrity: EspIntegrity, key: Bytes) {
    this.icvOctets = integrity.icv
    this.#hash = integrity.hash
    this.#key = createSecretKey(key)
  }

  icv(packet: Bytes): Bytes {
    const signed = packet.subarray(0, packet.length - this.icvOctets)
    return createHmac(this.#hash, this.#key).update(signed).digest().subarray(0, this.icvOctets)
  }

  write(packet: Bytes): void {
    packet.set(this.icv(packet), packet.length - this.icvOctets)
  }

  check(packet: Bytes): boolean {
    return timingSafeEqual(this.icv(packet), packet.subarray(packet.length - this.icvOctets))
  }
}

class CbcCipher implements EspCipher {
  readonly ivOctets = AES_BLOCK
  readonly icvOctets: number
  readonly blockOctets = AES_BLOCK
  readonly #name: string
  readonly #key: KeyObject
  readonly #authenticator: Authenticator
  readonly #ivs: IvPool

  constructor(key: Bytes, authenticator: Authenticator, ivs: IvPool) {
    this.#name = `aes-${key.length * 8}-cbc`
    this.#key = createSecretKey(key)
    this.#authenticator = authenticator
    this.#ivs = ivs
    this.icvOctets = authenticator.icvOctets
  }

  seal(packet: Bytes): void {
    const payload = ESP_HEADER_OCTETS + AES_BLOCK
    const iv = this.#ivs.next()
    packet.set(iv, ESP_HEADER_OCTETS)
    const cipher = createCipheriv(this.#name, this.#key, iv).setAutoPadding(false)
    packet.set(cipher.update(packet.subarray(payload, packet.length - this.icvOctets)), payload)
    cipher.final()
    this.#authenticator.write(packet)
  }

  open(packet: Bytes): boolean {
    const payload = ESP_HEADER_OCTETS + AES_BLOCK
    const end = packet.length - this.icvOctets
    if (end < payload + AES_BLOCK || (end - payload) % AES_BLOCK !== 0) return false
    if (!this.#authenticator.check(packet)) return false
    const decipher = createDecipheriv(this.#name, this.#key, packet.subarray(ESP_HEADER_OCTETS, payload)).setAutoPadding(false)
    packet.set(decipher.update(packet.subarray(payload, end)), payload)
    decipher.final()
    return true
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
    this.#authenticator.write(packet)
  }

  open(packet: Bytes): boolean {
    if (packet.length - this.icvOctets < ESP_HEADER_OCTETS + COUNTER_IV_OCTETS + ALIGNMENT) return false
    if (!this.#authenticator.check(packet)) return false
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
