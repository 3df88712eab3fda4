/**
 * ESP's algorithms over OpenSSL's own contexts (evp.ts): the same packets as node-esp-crypto.ts, which is its twin in the tests, at a
 * fraction of the cost. What is said there of algorithms and initialization vectors holds here.
 */

import { assert } from '../kit/assert.ts'
import type { Bytes } from '../kit/bytes.ts'
import { copyOf } from '../kit/bytes.ts'
import type { EspAlgorithms, EspCipher, EspCrypto } from '../kit/esp-crypto.ts'
import { ESP_HEADER_OCTETS } from '../kit/esp-crypto.ts'
import { encryptionAlgorithm } from '../kit/ike-crypto.ts'
import type { Random } from '../kit/random.ts'
import type { EvpCipherName, EvpDirection, EvpHashName } from './evp.ts'
import { EvpCipher, EvpHmac, MAX_WORK_OCTETS, Workspace } from './evp.ts'
import type { EspLayout } from './esp-layout.ts'
import { AEAD_ICV_OCTETS, AES_BLOCK, ALIGNMENT, COUNTER_IV_OCTETS, IvPool, espLayout, keyOctets, writeCounterIv } from './esp-layout.ts'

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

  constructor(workspace: Workspace, algorithms: EspAlgorithms, layout: EspLayout, key: Bytes) {
    const isGcm = algorithms.encr === encryptionAlgorithm.aesGcm16
    const name = isGcm ? aesName(layout, 'GCM') : 'ChaCha20-Poly1305'
    this.#workspace = workspace
    this.#cipher = new EvpCipher(workspace, name, key.subarray(0, layout.encryptionKey), 'encrypt')
    this.#salt = copyOf(key.subarray(layout.encryptionKey))
  }

  seal(packet: Bytes, sequenceHigh: number): void {
    const payload = ESP_HEADER_OCTETS + COUNTER_IV_OCTETS
    const end = packet.length - AEAD_ICV_OCTETS
    assert(end >= payload, 'a packet has room for what protects it')
    writeCounterIv(packet, sequenceHigh)
    this.#begin(packet, 'encrypt')
    this.#cipher.crypt(payload, end)
    this.#cipher.finishSealing()
    this.#workspace.placeTag(end, AEAD_ICV_OCTETS)
    this.#workspace.store(packet, payload, packet.length)
  }

  open(packet: Bytes): boolean {
    const payload = ESP_HEADER_OCTETS + COUNTER_IV_OCTETS
    const end = packet.length - AEAD_ICV_OCTETS
    if (end < payload + ALIGNMENT || packet.length > MAX_WORK_OCTETS || this.#cipher.isClosed) return false
    this.#begin(packet, 'decrypt')
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

  #begin(packet: Bytes, direction: EvpDirection): void {
    this.#workspace.load(packet)
    this.#workspace.setIv(this.#salt, ESP_HEADER_OCTETS, ESP_HEADER_OCTETS + COUNTER_IV_OCTETS, null)
    this.#cipher.begin(direction)
    this.#cipher.associate(0, ESP_HEADER_OCTETS)
  }
}

/** AES-CBC (RFC 3602) or AES-CTR (RFC 3686) with HMAC-SHA2 (RFC 4868) over everything before the ICV. */
class SignedCipher implements EspCipher {
  readonly ivOctets: number
  readonly icvOctets: number
  readonly blockOctets: number
  readonly #workspace: Workspace
  readonly #isCbc: boolean
  readonly #encrypt: EvpCipher
  /** The key schedule to decrypt is another one in CBC, and the same in CTR, which only ever encrypts. */
  readonly #decrypt: EvpCipher
  readonly #hmac: EvpHmac
  readonly #salt: Bytes
  readonly #ivs: IvPool

  constructor(workspace: Workspace, algorithms: EspAlgorithms, layout: EspLayout, key: Bytes, ivs: IvPool) {
    const { integrity } = layout
    assert(integrity !== null, 'what is no AEAD has integrity of its own')
    this.#workspace = workspace
    this.#isCbc = algorithms.encr === encryptionAlgorithm.aesCbc
    this.ivOctets = this.#isCbc ? AES_BLOCK : COUNTER_IV_OCTETS
    this.blockOctets = this.#isCbc ? AES_BLOCK : ALIGNMENT
    this.icvOctets = integrity.icv
    const cipherKey = key.subarray(0, layout.encryptionKey)
    const name = aesName(layout, this.#isCbc ? 'CBC' : 'CTR')
    this.#encrypt = new EvpCipher(workspace, name, cipherKey, 'encrypt')
    this.#decrypt = this.#isCbc ? new EvpCipher(workspace, name, cipherKey, 'decrypt') : this.#encrypt
    this.#hmac = new EvpHmac(workspace, hashNames[integrity.hash], key.subarray(layout.encryptionKey + layout.salt))
    this.#salt = copyOf(key.subarray(layout.encryptionKey, layout.encryptionKey + layout.salt))
    this.#ivs = ivs
  }

  seal(packet: Bytes, sequenceHigh: number): void {
    const payload = ESP_HEADER_OCTETS + this.ivOctets
    const end = packet.length - this.icvOctets
    assert(end >= payload, 'a packet has room for what protects it')
    if (this.#isCbc) packet.set(this.#ivs.next(), ESP_HEADER_OCTETS)
    else writeCounterIv(packet, sequenceHigh)
    this.#workspace.load(packet)
    this.#crypt(this.#encrypt, 'encrypt', payload, end)
    this.#hmac.sign(0, end)
    this.#workspace.placeTag(end, this.icvOctets)
    this.#workspace.store(packet, payload, packet.length)
  }

  open(packet: Bytes): boolean {
    const payload = ESP_HEADER_OCTETS + this.ivOctets
    const end = packet.length - this.icvOctets
    if (end < payload + this.blockOctets || packet.length > MAX_WORK_OCTETS || this.#encrypt.isClosed) return false
    if (this.#isCbc && (end - payload) % AES_BLOCK !== 0) return false
    this.#workspace.load(packet)
    this.#hmac.sign(0, end)
    if (!this.#workspace.isTagAt(end, this.icvOctets)) return false
    this.#crypt(this.#decrypt, this.#isCbc ? 'decrypt' : 'encrypt', payload, end)
    this.#workspace.store(packet, payload, end)
    return true
  }

  close(): void {
    for (const part of [this.#encrypt, this.#decrypt, this.#hmac]) part.close()
    this.#salt.fill(0)
  }

  /** The counter block of CTR is nonce ‖ IV ‖ 1 (RFC 3686 §4). */
  #crypt(cipher: EvpCipher, direction: EvpDirection, from: number, to: number): void {
    this.#workspace.setIv(this.#salt, ESP_HEADER_OCTETS, ESP_HEADER_OCTETS + this.ivOctets, this.#isCbc ? null : 1)
    cipher.begin(direction)
    cipher.crypt(from, to)
  }
}

const hashNames = { sha256: 'SHA256', sha384: 'SHA384', sha512: 'SHA512' } as const satisfies Record<string, EvpHashName>

function aesName(layout: EspLayout, mode: 'GCM' | 'CBC' | 'CTR'): EvpCipherName {
  return `AES-${(8 * layout.encryptionKey) as 128 | 192 | 256}-${mode}`
}
