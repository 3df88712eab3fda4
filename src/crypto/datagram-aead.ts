/**
 * AES-256-GCM on a datagram's own octets: header (associated data, its last 8 octets being the counter that makes the nonce) ‖ text ‖ tag.
 * By OpenSSL's own contexts or by node:crypto, with the same octets.
 */

import { createCipheriv, createDecipheriv } from 'node:crypto'
import { assert } from '../kit/assert.ts'
import type { Bytes } from '../kit/bytes.ts'
import { EvpCipher, MAX_WORK_OCTETS, Workspace } from './evp.ts'

export const DATAGRAM_TAG_OCTETS = 16
const COUNTER_OCTETS = 8
/** In front of the counter: the nonce has 96 bits (RFC 5116 §5.1). */
const NONCE_START = new Uint8Array(4)

export interface DatagramAead {
  /** Encrypts in place behind the header of so many octets, and writes the tag. */
  seal(datagram: Bytes, header: number): void
  /** Decrypts in place; false: not authentic. */
  open(datagram: Bytes, header: number): boolean
  /** The key is not used any more. */
  close(): void
}

/** `key`: 32 octets. */
export function createDatagramAead(key: Bytes, path: 'fast' | 'plain'): DatagramAead {
  return path === 'fast' ? new EvpAead(key) : new NodeAead(key)
}

class EvpAead implements DatagramAead {
  readonly #workspace = new Workspace()
  readonly #cipher: EvpCipher

  constructor(key: Bytes) {
    this.#cipher = new EvpCipher(this.#workspace, 'AES-256-GCM', key, 'encrypt')
  }

  seal(datagram: Bytes, header: number): void {
    const end = datagram.length - DATAGRAM_TAG_OCTETS
    assert(end >= header, 'a datagram has room for header and tag')
    this.#begin(datagram, header, 'encrypt')
    this.#cipher.crypt(header, end)
    this.#cipher.finishSealing()
    this.#workspace.placeTag(end, DATAGRAM_TAG_OCTETS)
    this.#workspace.store(datagram, header, datagram.length)
  }

  open(datagram: Bytes, header: number): boolean {
    const end = datagram.length - DATAGRAM_TAG_OCTETS
    if (end < header || datagram.length > MAX_WORK_OCTETS || this.#cipher.isClosed) return false
    this.#begin(datagram, header, 'decrypt')
    this.#cipher.crypt(header, end)
    this.#workspace.takeTag(end)
    if (!this.#cipher.finishOpening()) return false
    this.#workspace.store(datagram, header, end)
    return true
  }

  close(): void {
    this.#cipher.close()
  }

  #begin(datagram: Bytes, header: number, direction: 'encrypt' | 'decrypt'): void {
    this.#workspace.load(datagram)
    this.#workspace.setIv(NONCE_START, header - COUNTER_OCTETS, header, null)
    this.#cipher.begin(direction)
    this.#cipher.associate(0, header)
  }
}

class NodeAead implements DatagramAead {
  readonly #key: Bytes

  constructor(key: Bytes) {
    this.#key = key
  }

  seal(datagram: Bytes, header: number): void {
    const end = datagram.length - DATAGRAM_TAG_OCTETS
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonceOf(datagram, header), { authTagLength: DATAGRAM_TAG_OCTETS })
    cipher.setAAD(datagram.subarray(0, header))
    datagram.set(cipher.update(datagram.subarray(header, end)), header)
    cipher.final()
    datagram.set(cipher.getAuthTag(), end)
  }

  open(datagram: Bytes, header: number): boolean {
    const end = datagram.length - DATAGRAM_TAG_OCTETS
    if (end < header) return false
    const decipher = createDecipheriv('aes-256-gcm', this.#key, nonceOf(datagram, header), { authTagLength: DATAGRAM_TAG_OCTETS })
    decipher.setAAD(datagram.subarray(0, header))
    decipher.setAuthTag(datagram.subarray(end))
    const text = decipher.update(datagram.subarray(header, end))
    try {
      decipher.final()
    } catch {
      // final() has no other way to say that the tag is wrong.
      return false
    }
    datagram.set(text, header)
    return true
  }

  close(): void {}
}

function nonceOf(datagram: Bytes, header: number): Bytes {
  const nonce = new Uint8Array(NONCE_START.length + COUNTER_OCTETS)
  nonce.set(datagram.subarray(header - COUNTER_OCTETS, header), NONCE_START.length)
  return nonce
}
