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

import type { DatagramAead } from '../crypto/datagram-aead.ts'
import { DATAGRAM_TAG_OCTETS, createDatagramAead } from '../crypto/datagram-aead.ts'
import { assert } from '../kit/assert.ts'
import type { Bytes } from '../kit/bytes.ts'
import { copyOf, dataView } from '../kit/bytes.ts'
import { CodedError } from '../kit/errors.ts'

export const MESH_KEY_LABEL = 'EXPORTER-evpc-mesh'
export const MESH_HEADER_OCTETS = 13
export const MESH_OVERHEAD_OCTETS = MESH_HEADER_OCTETS + DATAGRAM_TAG_OCTETS

const MESH_VERSION = 1
const KEY_ID_OCTETS = 4
const KEY_OCTETS = 32
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
  readonly #aead: DatagramAead
  /** Invariant: no datagram was ever sealed under this key with a counter above this. */
  #counter = 0

  constructor(key: MeshKey, path: 'fast' | 'plain' = 'plain') {
    checkKey(key)
    this.keyId = key.keyId
    this.#aead = createDatagramAead(key.key, path)
  }

  /** The datagram that carries `message`. */
  seal(message: Bytes): Bytes {
    assert(this.#counter < MAX_COUNTER, `mesh key ${this.keyId}: used up after ${this.#counter} datagrams`)
    this.#counter += 1
    const datagram = new Uint8Array(MESH_OVERHEAD_OCTETS + message.length)
    const view = dataView(datagram)
    view.setUint8(0, MESH_VERSION)
    view.setUint32(1, this.keyId)
    view.setBigUint64(5, BigInt(this.#counter))
    datagram.set(message, MESH_HEADER_OCTETS)
    this.#aead.seal(datagram, MESH_HEADER_OCTETS)
    return datagram
  }

  /** Another key has taken its place. */
  close(): void {
    this.#aead.close()
  }
}

export type MeshRefusal = 'mesh-malformed' | 'mesh-replayed' | 'mesh-tampered'

export class MeshOpener {
  readonly keyId: number
  readonly #aead: DatagramAead
  readonly #window = new CounterWindow(WINDOW_DATAGRAMS)

  constructor(key: MeshKey, path: 'fast' | 'plain' = 'plain') {
    checkKey(key)
    this.keyId = key.keyId
    this.#aead = createDatagramAead(key.key, path)
  }

  /** The message of a datagram with this key id, or why it is refused. A replay costs no cryptography. */
  open(datagram: Bytes): Bytes | MeshRefusal {
    if (meshKeyId(datagram) !== this.keyId) return 'mesh-malformed'
    const counter = Number(dataView(datagram).getBigUint64(5))
    if (counter < 1 || counter > MAX_COUNTER) return 'mesh-malformed'
    if (!this.#window.isFresh(counter)) return 'mesh-replayed'
    const opened = copyOf(datagram)
    if (!this.#aead.open(opened, MESH_HEADER_OCTETS)) return 'mesh-tampered'
    this.#window.accept(counter)
    return opened.subarray(MESH_HEADER_OCTETS, opened.length - DATAGRAM_TAG_OCTETS)
  }

  close(): void {
    this.#aead.close()
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

function checkKey(key: MeshKey): void {
  if (key.key.length !== KEY_OCTETS)
    throw new CodedError('ERR_VALIDATION', `mesh key: expected ${KEY_OCTETS} octets, got ${key.key.length}`)
  if (!Number.isInteger(key.keyId) || key.keyId < 0 || key.keyId > 0xffff_ffff) {
    throw new CodedError('ERR_VALIDATION', `mesh key id: expected 32 bits, got ${key.keyId}`)
  }
}
