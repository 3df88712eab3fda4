/**
 * ESP's algorithms over OpenSSL's own contexts (evp.ts): the same packets as node-esp-crypto.ts, which is its twin in the tests, at a
 * fraction of the cost. What is said there of algorithms and initialization vectors holds here.
 */

import { assert } from '../kit/assert.ts'
import type { Bytes } from '../kit/bytes.ts'
import { copyOf } from '../kit/bytes.ts'
import type { EspAlgorithms, EspCipher, EspCrypto } from '../kit/esp-crypto.ts'
import { ESP_HEADER_OCTETS } from '../kit/esp-crypto.ts'
import type { Random } from '../kit/random.ts'
import type { EvpCipherName, EvpDirection, EvpHashName } from './evp.ts'
import { EvpCipher, EvpHmac, MAX_WORK_OCTETS, Workspace } from './evp.ts'
import type { EspLayout, EspMode } from './esp-layout.ts'
import {
  AEAD_ICV_OCTETS,
  ALIGNMENT,
  COUNTER_IV_OCTETS,
  IvPool,
  blockOctetsOf,
  espLayout,
  ivOctetsOf,
  keyOctets,
  writeCounterIv,
} from './esp-layout.ts'

/** Throws `EvpUnavailableError` where OpenSSL cannot be called. */
export function createEvpEspCrypto(random: Random): EspCrypto {
  const workspace = new Workspace()
  const ivs = new IvPool(random)
  return {
    keyOctets,
    cipher(algorithms, key) {
      const layout = espLayout(algorithms)
      if (layout === null || key.length !== keyOctets(algorithms)) return null
      if (layout.integrity === null) return new AeadCipher(workspace, algorithms, layout, key)
      return new SignedCipher(workspace, algorithms, layout, key, ivs)
    },
  }
}

/** AES-GCM-16 (RFC 4106) and ChaCha20-Poly1305 (RFC 7634): one context does both directions. */
class AeadCipher implements EspCipher {
  readonly ivOctets = COUNTER_IV_OCTETS
  readonly icvOctets = AEAD_ICV_OCTETS
  readonly blockOctets = ALIGNMENT
  readonly #workspace: Workspace
  readonly #cipher: EvpCipher
  readonly #salt: Bytes
  readonly #isExtended: boolean

  constructor(workspace: Workspace, algorithms: EspAlgorithms, layout: EspLayout, key: Bytes) {
    this.#workspace = workspace
    this.#isExtended = algorithms.esn === 1
    this.#cipher = new EvpCipher(workspace, cipherName(layout), key.subarray(0, layout.encryptionKey), 'encrypt')
    this.#salt = copyOf(key.subarray(layout.encryptionKey))
  }

  seal(packet: Bytes, sequenceHigh: number): void {
    const payload = ESP_HEADER_OCTETS + COUNTER_IV_OCTETS
    const end = packet.length - AEAD_ICV_OCTETS
    assert(end >= payload, 'a packet has room for what protects it')
    writeCounterIv(packet, sequenceHigh)
    this.#begin(packet, sequenceHigh, 'encrypt')
    this.#cipher.crypt(payload, end)
    this.#cipher.finishSealing()
    this.#workspace.placeTag(end, AEAD_ICV_OCTETS)
    this.#workspace.store(packet, payload, packet.length)
  }

  open(packet: Bytes, sequenceHigh: number): boolean {
    const payload = ESP_HEADER_OCTETS + COUNTER_IV_OCTETS
    const end = packet.length - AEAD_ICV_OCTETS
    if (end < payload + ALIGNMENT || packet.length > MAX_WORK_OCTETS || this.#cipher.isClosed) return false
    this.#begin(packet, sequenceHigh, 'decrypt')
    this.#cipher.crypt(payload, end)
    this.#workspace.takeTag(end)
    if (!this.#cipher.finishOpening()) return false
    this.#workspace.store(packet, payload, end)
    return true
  }

  close(): void {
    this.#cipher.close()
    this.#salt.fill(0)
  }

  /** The associated data are SPI ‖ number, of 32 or of 64 bits (RFC 4106 §5, RFC 7634 §2.1). */
  #begin(packet: Bytes, sequenceHigh: number, direction: EvpDirection): void {
    this.#workspace.load(packet)
    this.#workspace.setIv(this.#salt, ESP_HEADER_OCTETS, ESP_HEADER_OCTETS + COUNTER_IV_OCTETS, null)
    this.#cipher.begin(direction)
    if (!this.#isExtended) return this.#cipher.associate(0, ESP_HEADER_OCTETS)
    this.#workspace.setExtra(0, SPI_OCTETS, sequenceHigh, ESP_HEADER_OCTETS)
    this.#cipher.associateExtra()
  }
}

const SPI_OCTETS = 4

/**
 * AES-CBC (RFC 3602), AES-CTR (RFC 3686), 3DES-CBC (RFC 2451) or NULL (RFC 2410), with HMAC-SHA2 (RFC 4868) or HMAC-SHA1-96 (RFC 2404) over
 * everything before the ICV, and behind it, unsent, the upper half of an extended number (RFC 4303 §2.2.1).
 */
class SignedCipher implements EspCipher {
  readonly ivOctets: number
  readonly icvOctets: number
  readonly blockOctets: number
  readonly #workspace: Workspace
  readonly #isExtended: boolean
  readonly #mode: EspMode
  /** Null: nothing is encrypted. */
  readonly #encrypt: EvpCipher | null
  /** The key schedule to decrypt is another one in CBC, and the same in CTR, which only ever encrypts. */
  readonly #decrypt: EvpCipher | null
  readonly #hmac: EvpHmac
  readonly #salt: Bytes
  readonly #ivs: IvPool

  constructor(workspace: Workspace, algorithms: EspAlgorithms, layout: EspLayout, key: Bytes, ivs: IvPool) {
    const { mode, integrity } = layout
    assert(integrity !== null, 'what is no AEAD has integrity of its own')
    this.#workspace = workspace
    this.#isExtended = algorithms.esn === 1
    this.#mode = mode
    this.ivOctets = ivOctetsOf(mode)
    this.blockOctets = blockOctetsOf(mode)
    this.icvOctets = integrity.icv
    const cipher = (direction: EvpDirection): EvpCipher =>
      new EvpCipher(workspace, cipherName(layout), key.subarray(0, layout.encryptionKey), direction)
    this.#encrypt = mode === 'null' ? null : cipher('encrypt')
    this.#decrypt = isCbc(mode) ? cipher('decrypt') : this.#encrypt
    this.#hmac = new EvpHmac(workspace, hashNames[integrity.hash], key.subarray(layout.encryptionKey + layout.salt))
    this.#salt = copyOf(key.subarray(layout.encryptionKey, layout.encryptionKey + layout.salt))
    this.#ivs = ivs
  }

  seal(packet: Bytes, sequenceHigh: number): void {
    const payload = ESP_HEADER_OCTETS + this.ivOctets
    const end = packet.length - this.icvOctets
    assert(end >= payload, 'a packet has room for what protects it')
    if (isCbc(this.#mode)) packet.set(this.#ivs.next(this.ivOctets), ESP_HEADER_OCTETS)
    else if (this.#mode === 'ctr') writeCounterIv(packet, sequenceHigh)
    this.#workspace.load(packet)
    if (this.#encrypt !== null) this.#crypt(this.#encrypt, 'encrypt', payload, end)
    this.#sign(end, sequenceHigh)
    this.#workspace.placeTag(end, this.icvOctets)
    this.#workspace.store(packet, payload, packet.length)
  }

  open(packet: Bytes, sequenceHigh: number): boolean {
    const payload = ESP_HEADER_OCTETS + this.ivOctets
    const end = packet.length - this.icvOctets
    if (end < payload + this.blockOctets || packet.length > MAX_WORK_OCTETS || this.#hmac.isClosed) return false
    if (isCbc(this.#mode) && (end - payload) % this.blockOctets !== 0) return false
    this.#workspace.load(packet)
    this.#sign(end, sequenceHigh)
    if (!this.#workspace.isTagAt(end, this.icvOctets)) return false
    if (this.#decrypt === null) return true
    this.#crypt(this.#decrypt, isCbc(this.#mode) ? 'decrypt' : 'encrypt', payload, end)
    this.#workspace.store(packet, payload, end)
    return true
  }

  close(): void {
    for (const part of [this.#encrypt, this.#decrypt, this.#hmac]) part?.close()
    this.#salt.fill(0)
  }

  #sign(end: number, sequenceHigh: number): void {
    if (this.#isExtended) this.#workspace.setExtra(0, 0, sequenceHigh, 0)
    this.#hmac.sign(0, end, this.#isExtended)
  }

  /** The counter block of CTR is nonce ‖ IV ‖ 1 (RFC 3686 §4). */
  #crypt(cipher: EvpCipher, direction: EvpDirection, from: number, to: number): void {
    this.#workspace.setIv(this.#salt, ESP_HEADER_OCTETS, ESP_HEADER_OCTETS + this.ivOctets, this.#mode === 'ctr' ? 1 : null)
    cipher.begin(direction)
    cipher.crypt(from, to)
  }
}

const hashNames = { sha1: 'SHA1', sha256: 'SHA256', sha384: 'SHA384', sha512: 'SHA512' } as const satisfies Record<string, EvpHashName>

function isCbc(mode: EspMode): boolean {
  return mode === 'aes-cbc' || mode === '3des-cbc'
}

function cipherName({ mode, encryptionKey }: EspLayout): EvpCipherName {
  assert(mode !== 'null', 'NULL encrypts nothing')
  if (mode === 'chacha20') return 'ChaCha20-Poly1305'
  if (mode === '3des-cbc') return 'DES-EDE3-CBC'
  const aesMode = { gcm: 'GCM', 'aes-cbc': 'CBC', ctr: 'CTR' } as const
  return `AES-${(8 * encryptionKey) as 128 | 192 | 256}-${aesMode[mode]}`
}
