/**
 * What protects the mesh's datagrams: one direction between two gateways, under one key of one connection's life.
 *
 *      0       1               5                       13
 *     +-------+---------------+-----------------------+----------------+----------+
 *     |version| key id (u32)  |     counter (u64)     |  ciphertext    | tag (16) |
 *     +-------+---------------+-----------------------+----------------+----------+
 *
 * AES-256-GCM; the first 13 octets are the associated data. The nonce is the counter in 96 bits. It never repeats: a key comes from the
 * TLS exporter of one Raft connection (RFC 8446 §7.5), is used by the side that dialled, in that direction only, and the counter starts
 * at 1 and only rises. A receiver takes each counter once, inside a window, after the tag was right (RFC 4303 §3.4.3 does the same).
 */

import { createCipheriv, createDecipheriv } from 'node:crypto'
import { assert } from '../kit/assert.ts'
import type { Bytes } from '../kit/bytes.ts'
import { dataView } from '../kit/bytes.ts'
import { CodedError } from '../kit/errors.ts'

export const MESH_KEY_LABEL = 'EXPORTER-evpc-mesh'
export const MESH_HEADER_OCTETS = 13
export const MESH_OVERHEAD_OCTETS = MESH_HEADER_OCTETS + 16

const MESH_VERSION = 1
const KEY_ID_OCTETS = 4
const KEY_OCTETS = 32
const TAG_OCTETS = 16
const NONCE_OCTETS = 12
/** Far below the counter's 2^64 and a number's 2^53; at a million datagrams a second it takes nine years. */
const MAX_COUNTER = 2 ** 48
/** How far behind the highest a datagram may arrive: reordering between two gateways stays far below. */
const WINDOW_DATAGRAMS = 4096

export interface MeshKey {
  readonly keyId: number
  /** 32 octets. */
  readonly key: Bytes
}

/** The key of the direction from the dialling to the answering side of a Raft connection, from that connection's TLS exporter. */
export function deriveMeshKey(exportKey: (label: string, context: Bytes, length: number) => Bytes): MeshKey {
  const exported = exportKey(MESH_KEY_LABEL, new Uint8Array(0), KEY_ID_OCTETS + KEY_OCTETS)
  assert(exported.length === KEY_ID_OCTETS + KEY_OCTETS, `mesh key: expected 36 octets of the exporter, got ${exported.length}`)
  return { keyId: dataView(exported).getUint32(0), key: exported.slice(KEY_ID_OCTETS) }
}

/** The key id in a datagram's header, or null when it isn't a datagram of the mesh. */
export function meshKeyId(datagram: Bytes): number | null {
  if (datagram.length < MESH_OVERHEAD_OCTETS || datagram[0] !== MESH_VERSION) return null
  return dataView(datagram).getUint32(1)
}

export class MeshSealer {
  readonly keyId: number
  readonly #key: Bytes
  /** Invariant: no datagram was ever sealed under this key with a counter above this. */
  #counter = 0

  constructor(key: MeshKey) {
    checkKey(key)
    this.keyId = key.keyId
    this.#key = key.key
  }

  /** The datagram that carries `message`. */
  seal(message: Bytes): Bytes {
    assert(this.#counter < MAX_COUNTER, `mesh key ${this.keyId}: used up after ${this.#counter} datagrams`)
    this.#counter += 1
    const header = new Uint8Array(MESH_HEADER_OCTETS)
    const view = dataView(header)
    view.setUint8(0, MESH_VERSION)
    view.setUint32(1, this.keyId)
    view.setBigUint64(5, BigInt(this.#counter))
    const cipher = createCipheriv('aes-256-gcm', this.#key, nonceOf(header), { authTagLength: TAG_OCTETS })
    cipher.setAAD(header)
    return Buffer.concat([header, cipher.update(message), cipher.final(), cipher.getAuthTag()])
  }
}

export type MeshRefusal = 'mesh-malformed' | 'mesh-replayed' | 'mesh-tampered'

export class MeshOpener {
  readonly keyId: number
  readonly #key: Bytes
  readonly #window = new CounterWindow(WINDOW_DATAGRAMS)

  constructor(key: MeshKey) {
    checkKey(key)
    this.keyId = key.keyId
    this.#key = key.key
  }

  /** The message of a datagram with this key id, or why it is refused. A replay costs no cryptography. */
  open(datagram: Bytes): Bytes | MeshRefusal {
    if (meshKeyId(datagram) !== this.keyId) return 'mesh-malformed'
    const counter = Number(dataView(datagram).getBigUint64(5))
    if (counter < 1 || counter > MAX_COUNTER) return 'mesh-malformed'
    if (!this.#window.isFresh(counter)) return 'mesh-replayed'
    const message = this.#decrypt(datagram)
    if (message === null) return 'mesh-tampered'
    this.#window.accept(counter)
    return message
  }

  #decrypt(datagram: Bytes): Bytes | null {
    const end = datagram.length - TAG_OCTETS
    const header = datagram.subarray(0, MESH_HEADER_OCTETS)
    const decipher = createDecipheriv('aes-256-gcm', this.#key, nonceOf(header), { authTagLength: TAG_OCTETS })
    decipher.setAAD(header)
    decipher.setAuthTag(datagram.subarray(end))
    const message = decipher.update(datagram.subarray(MESH_HEADER_OCTETS, end))
    try {
      decipher.final()
      return message
    } catch {
      // final() has no other way to say that the tag is wrong.
      return null
    }
  }
}

/** Which counters were accepted: all below `highest − size` count as accepted. A ring of bits, cleared as the highest advances. */
export class CounterWindow {
  readonly #size: number
  readonly #accepted: Uint8Array
  #highest = 0

  constructor(size: number) {
    this.#size = size
    this.#accepted = new Uint8Array(size)
  }

  isFresh(counter: number): boolean {
    if (counter > this.#highest) return true
    return counter > this.#highest - this.#size && this.#accepted[counter % this.#size] === 0
  }

  /** Only for a fresh counter whose datagram is authentic. */
  accept(counter: number): void {
    const skipped = Math.min(counter - this.#highest, this.#size)
    for (let i = 0; i < skipped; i++) this.#accepted[(counter - i) % this.#size] = 0
    this.#accepted[counter % this.#size] = 1
    this.#highest = Math.max(this.#highest, counter)
  }
}

function nonceOf(header: Bytes): Bytes {
  const nonce = new Uint8Array(NONCE_OCTETS)
  nonce.set(header.subarray(5), 4)
  return nonce
}

function checkKey(key: MeshKey): void {
  if (key.key.length !== KEY_OCTETS)
    throw new CodedError('ERR_VALIDATION', `mesh key: expected ${KEY_OCTETS} octets, got ${key.key.length}`)
  if (!Number.isInteger(key.keyId) || key.keyId < 0 || key.keyId > 0xffff_ffff) {
    throw new CodedError('ERR_VALIDATION', `mesh key id: expected 32 bits, got ${key.keyId}`)
  }
}
