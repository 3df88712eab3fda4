/**
 * The OpenSSL that the node binary holds, called directly (EVP_EncryptInit(3), HMAC(3)): one context with its key schedule for each key
 * and direction, where node:crypto makes a new one for every packet.
 *
 * This is the only file of the cryptography with raw memory. OpenSSL never sees memory of JavaScript's heap: a packet is copied into a
 * workspace of fixed size that this file allocates, worked on there, and copied back. Whoever names a range of the packet names it by
 * offsets, and every range is checked against what was loaded before a pointer is made of it. Contexts are of one thread, as the workspace.
 *
 * Symbols are looked for at the first use: a node that is linked to a libcrypto of its own choosing, or without koffi, has none.
 */

import { createRequire } from 'node:module'
import type * as koffiModule from 'koffi'
import { AssertionError, assert } from '../kit/assert.ts'
import type { Bytes } from '../kit/bytes.ts'

/** OpenSSL cannot be called here. The plain path (node-esp-crypto.ts) goes on working. */
export class EvpUnavailableError extends Error {
  override readonly name = 'EvpUnavailableError'
}

/** The largest packet that the workspace holds. */
export const MAX_WORK_OCTETS = 65_536

const KEY_AT = 0
const KEY_OCTETS = 64
const IV_AT = KEY_AT + KEY_OCTETS
const IV_OCTETS = 16
const LENGTH_AT = IV_AT + IV_OCTETS
const TAG_AT = LENGTH_AT + 16
const TAG_OCTETS = 64
const EXTRA_AT = TAG_AT + TAG_OCTETS
const EXTRA_OCTETS = 16
const PACKET_AT = 256
/** An update never writes more than its input and one block (EVP_EncryptUpdate(3)). */
const SLACK_OCTETS = 64
const WORKSPACE_OCTETS = PACKET_AT + MAX_WORK_OCTETS + SLACK_OCTETS
/** Of ranges that start before this the pointers are made once; later ones are rare. */
const POINTERS = 64

const AEAD_TAG_OCTETS = 16
const EVP_CTRL_AEAD_GET_TAG = 0x10
const EVP_CTRL_AEAD_SET_TAG = 0x11

export type EvpCipherName =
  | `AES-${128 | 192 | 256}-${'GCM' | 'CBC' | 'CTR'}`
  /** RFC 8439, with nonces of 96 bits. */
  | 'ChaCha20-Poly1305'
  | 'DES-EDE3-CBC'
export type EvpDirection = 'encrypt' | 'decrypt'
export type EvpHashName = 'SHA1' | 'SHA256' | 'SHA384' | 'SHA512'

/** The packet that is being worked on. One packet at a time: `load` forgets the one before. */
export class Workspace {
  readonly #memory: Uint8Array
  readonly #packet: Uint8Array
  #length = 0
  #extraLength = 0

  constructor() {
    this.#memory = library().memory
    this.#packet = this.#memory.subarray(PACKET_AT, PACKET_AT + MAX_WORK_OCTETS)
  }

  get length(): number {
    return this.#length
  }

  /** Copies a packet in. */
  load(packet: Bytes): void {
    assert(packet instanceof Uint8Array, 'a packet is octets')
    checkRange(0, packet.length, MAX_WORK_OCTETS)
    this.#packet.set(packet, 0)
    this.#length = packet.length
  }

  /** Copies the octets from `from` to `to` back to where they were loaded from. */
  store(packet: Bytes, from: number, to: number): void {
    checkRange(from, to, this.#length)
    assert(packet.length === this.#length, 'a packet is stored where it was loaded from')
    packet.set(this.#packet.subarray(from, to), from)
  }

  /** The initialization vector of the next operation: the loaded packet's own octets behind `salt`, then `tail`. */
  setIv(salt: Bytes, from: number, to: number, tail: number | null): void {
    checkRange(from, to, this.#length)
    const length = salt.length + to - from + (tail === null ? 0 : 4)
    checkRange(0, length, IV_OCTETS)
    this.#memory.set(salt, IV_AT)
    this.#memory.copyWithin(IV_AT + salt.length, PACKET_AT + from, PACKET_AT + to)
    if (tail === null) return
    const at = IV_AT + salt.length + to - from
    for (let i = 0; i < 4; i++) this.#memory[at + i] = tail >>> (24 - 8 * i)
  }

  /**
   * Octets beside the packet, for `associateExtra` and `signExtra`: the packet's own from `from` to `to`, then `value` as 32 bits, then the packet's
   * own from `to` to `end`.
   */
  setExtra(from: number, to: number, value: number, end: number): void {
    checkRange(from, to, this.#length)
    checkRange(to, end, this.#length)
    checkRange(0, end - from + 4, EXTRA_OCTETS)
    const at = EXTRA_AT + to - from
    this.#memory.copyWithin(EXTRA_AT, PACKET_AT + from, PACKET_AT + to)
    for (let i = 0; i < 4; i++) this.#memory[at + i] = value >>> (24 - 8 * i)
    this.#memory.copyWithin(at + 4, PACKET_AT + to, PACKET_AT + end)
    this.#extraLength = end - from + 4
  }

  get extraLength(): number {
    return this.#extraLength
  }

  /** Writes the tag of the last operation at `at`. */
  placeTag(at: number, octets: number): void {
    checkRange(at, at + octets, this.#length)
    checkRange(0, octets, TAG_OCTETS)
    this.#memory.copyWithin(PACKET_AT + at, TAG_AT, TAG_AT + octets)
  }

  /** Whether the tag of the last operation is what stands at `at`, in a time that depends on nothing else. */
  isTagAt(at: number, octets: number): boolean {
    checkRange(at, at + octets, this.#length)
    checkRange(1, octets, TAG_OCTETS)
    let difference = 0
    for (let i = 0; i < octets; i++) difference |= this.#memory[TAG_AT + i]! ^ this.#memory[PACKET_AT + at + i]!
    return difference === 0
  }

  /** The tag that the packet has at `at` becomes the one that `EvpCipher.finishOpening` compares with. */
  takeTag(at: number): void {
    checkRange(at, at + AEAD_TAG_OCTETS, this.#length)
    this.#memory.copyWithin(TAG_AT, PACKET_AT + at, PACKET_AT + at + AEAD_TAG_OCTETS)
  }
}

/** A cipher with its key. Works on what is loaded in `workspace`, with the vector that was set there. */
export class EvpCipher {
  #context: bigint | null
  readonly #workspace: Workspace

  constructor(workspace: Workspace, name: EvpCipherName, key: Bytes, direction: EvpDirection) {
    const { calls, memory } = library()
    const wanted = name === 'ChaCha20-Poly1305' ? 32 : name === 'DES-EDE3-CBC' ? 24 : Number(name.slice(4, 7)) / 8
    assert(key.length === wanted, `${name}: a key of ${wanted} octets, got ${key.length}`)
    const cipher = fetched(name, () => calls.EVP_CIPHER_fetch(null, name, null))
    this.#workspace = workspace
    this.#context = pointer(calls.EVP_CIPHER_CTX_new())
    live += 1
    memory.set(key, KEY_AT)
    const encrypt = direction === 'encrypt' ? 1 : 0
    const ready = calls.EVP_CipherInit_ex(this.#context, cipher, null, pointerAt(KEY_AT), null, encrypt) as number
    memory.fill(0, KEY_AT, KEY_AT + KEY_OCTETS)
    // Whole blocks come and go: the padding is ESP's own.
    const padded = calls.EVP_CIPHER_CTX_set_padding(this.#context, 0) as number
    if (ready !== 1 || padded !== 1) this.close()
    assert(ready === 1 && padded === 1, `${name}: OpenSSL took no key`)
  }

  /** Begins a packet with the initialization vector of the workspace. The other direction than the constructor's: not with CBC, whose key schedules differ. */
  begin(direction: EvpDirection): void {
    const encrypt = direction === 'encrypt' ? 1 : 0
    mustBeOne('EVP_CipherInit_ex', library().calls.EVP_CipherInit_ex(this.#open(), null, null, null, pointerAt(IV_AT), encrypt))
  }

  /** Associated data: the octets from `from` to `to`. */
  associate(from: number, to: number): void {
    checkRange(from, to, this.#workspace.length)
    this.#update(null, packetPointer(from), to - from)
  }

  /** Associated data: what `Workspace.setExtra` put together. */
  associateExtra(): void {
    this.#update(null, pointerAt(EXTRA_AT), this.#workspace.extraLength)
  }

  /** Encrypts or decrypts the octets from `from` to `to` in place. */
  crypt(from: number, to: number): void {
    checkRange(from, to, this.#workspace.length)
    this.#update(packetPointer(from), packetPointer(from), to - from)
    assert(library().lengths[LENGTH_AT / 4] === to - from, 'OpenSSL writes as many octets as it reads')
  }

  /** Ends a packet that was encrypted; the tag is then the workspace's. Only for AEAD. */
  finishSealing(): void {
    const { calls } = library()
    mustBeOne('EVP_CipherFinal_ex', calls.EVP_CipherFinal_ex(this.#open(), packetPointer(0), pointerAt(LENGTH_AT)))
    mustBeOne('EVP_CIPHER_CTX_ctrl', calls.EVP_CIPHER_CTX_ctrl(this.#open(), EVP_CTRL_AEAD_GET_TAG, AEAD_TAG_OCTETS, pointerAt(TAG_AT)))
  }

  /** Ends a packet that was decrypted: whether the tag that was taken is right. Only for AEAD. */
  finishOpening(): boolean {
    const { calls } = library()
    mustBeOne('EVP_CIPHER_CTX_ctrl', calls.EVP_CIPHER_CTX_ctrl(this.#open(), EVP_CTRL_AEAD_SET_TAG, AEAD_TAG_OCTETS, pointerAt(TAG_AT)))
    return calls.EVP_CipherFinal_ex(this.#open(), packetPointer(0), pointerAt(LENGTH_AT)) === 1
  }

  get isClosed(): boolean {
    return this.#context === null
  }

  /** Frees the context; OpenSSL wipes its key. Nothing works afterwards; closing twice is closing once. */
  close(): void {
    if (this.#context === null) return
    library().calls.EVP_CIPHER_CTX_free(this.#context)
    this.#context = null
    live -= 1
  }

  #update(out: bigint | null, input: bigint, octets: number): void {
    const { calls } = library()
    mustBeOne('EVP_CipherUpdate', calls.EVP_CipherUpdate(this.#open(), out, pointerAt(LENGTH_AT), input, octets))
  }

  #open(): bigint {
    assert(this.#context !== null, 'the cipher is open')
    return this.#context
  }
}

/** HMAC with its key. */
export class EvpHmac {
  #context: bigint | null
  readonly #workspace: Workspace

  constructor(workspace: Workspace, hash: EvpHashName, key: Bytes) {
    const { calls, memory } = library()
    assert(key.length > 0, `${hash}: a key`)
    assert(key.length <= KEY_OCTETS, `${hash}: a key of at most ${KEY_OCTETS} octets, got ${key.length}`)
    const digest = fetched(hash, () => calls.EVP_MD_fetch(null, hash, null))
    this.#workspace = workspace
    this.#context = pointer(calls.HMAC_CTX_new())
    live += 1
    memory.set(key, KEY_AT)
    const ready = calls.HMAC_Init_ex(this.#context, pointerAt(KEY_AT), key.length, digest, null) as number
    memory.fill(0, KEY_AT, KEY_AT + KEY_OCTETS)
    if (ready !== 1) this.close()
    assert(ready === 1, `HMAC ${hash}: OpenSSL took no key`)
  }

  /** The tag of the workspace becomes that of the octets from `from` to `to`, with `extra` followed by those of `Workspace.setExtra`. */
  sign(from: number, to: number, extra = false): void {
    checkRange(from, to, this.#workspace.length)
    const { calls, lengths } = library()
    const context = this.#context
    assert(context !== null, 'the HMAC is open')
    mustBeOne('HMAC_Init_ex', calls.HMAC_Init_ex(context, null, 0, null, null))
    mustBeOne('HMAC_Update', calls.HMAC_Update(context, packetPointer(from), to - from))
    if (extra) mustBeOne('HMAC_Update', calls.HMAC_Update(context, pointerAt(EXTRA_AT), this.#workspace.extraLength))
    mustBeOne('HMAC_Final', calls.HMAC_Final(context, pointerAt(TAG_AT), pointerAt(LENGTH_AT)))
    assert(lengths[LENGTH_AT / 4]! <= TAG_OCTETS, 'a tag has its room')
  }

  get isClosed(): boolean {
    return this.#context === null
  }

  close(): void {
    if (this.#context === null) return
    library().calls.HMAC_CTX_free(this.#context)
    this.#context = null
    live -= 1
  }
}

let live = 0

/** Contexts of this thread that were made and not closed. */
export function liveContexts(): number {
  return live
}

/* ---- checks ---- */

/** On the way of every packet: the message is made only when there is something to say. */
function checkRange(from: number, to: number, length: number): void {
  if (Number.isInteger(from) && Number.isInteger(to) && from >= 0 && from <= to && to <= length) return
  throw new AssertionError(`expected a range within ${length} octets, got ${from} to ${to}`)
}

/** What OpenSSL answers when nothing is wrong. Anything else here would be our fault or its own, never a peer's. */
function mustBeOne(call: string, result: unknown): void {
  if (result !== 1) throw new AssertionError(`${call}: expected 1, got ${String(result)}`)
}

function pointer(value: unknown): bigint {
  assert(typeof value === 'bigint', 'OpenSSL has memory')
  return value
}

function pointerAt(offset: number): bigint {
  return library().pointers[offset]!
}

/** Of a checked offset into the packet. */
function packetPointer(offset: number): bigint {
  const { base, packetPointers } = library()
  return packetPointers[offset] ?? base + BigInt(PACKET_AT + offset)
}

const algorithms = new Map<string, bigint>()

/** Algorithms are looked up once a thread and kept. */
function fetched(name: string, fetch: () => unknown): bigint {
  const known = algorithms.get(name)
  if (known !== undefined) return known
  const algorithm = fetch()
  if (typeof algorithm !== 'bigint') throw new EvpUnavailableError(`this OpenSSL has no ${name}`)
  algorithms.set(name, algorithm)
  return algorithm
}

/* ---- loading ---- */

const prototypes = {
  EVP_CIPHER_fetch: 'void *EVP_CIPHER_fetch(void *context, const char *name, void *properties)',
  EVP_MD_fetch: 'void *EVP_MD_fetch(void *context, const char *name, void *properties)',
  EVP_CIPHER_CTX_new: 'void *EVP_CIPHER_CTX_new()',
  EVP_CIPHER_CTX_free: 'void EVP_CIPHER_CTX_free(void *context)',
  EVP_CIPHER_CTX_set_padding: 'int EVP_CIPHER_CTX_set_padding(void *context, int padding)',
  EVP_CIPHER_CTX_ctrl: 'int EVP_CIPHER_CTX_ctrl(void *context, int type, int argument, void *pointer)',
  EVP_CipherInit_ex: 'int EVP_CipherInit_ex(void *context, void *cipher, void *engine, void *key, void *iv, int encrypt)',
  EVP_CipherUpdate: 'int EVP_CipherUpdate(void *context, void *out, void *outLength, void *in, int inLength)',
  EVP_CipherFinal_ex: 'int EVP_CipherFinal_ex(void *context, void *out, void *outLength)',
  HMAC_CTX_new: 'void *HMAC_CTX_new()',
  HMAC_CTX_free: 'void HMAC_CTX_free(void *context)',
  HMAC_Init_ex: 'int HMAC_Init_ex(void *context, void *key, int length, void *digest, void *engine)',
  HMAC_Update: 'int HMAC_Update(void *context, void *data, size_t length)',
  HMAC_Final: 'int HMAC_Final(void *context, void *out, void *outLength)',
} as const

type Koffi = typeof koffiModule
type Call = ReturnType<ReturnType<Koffi['load']>['func']>

interface Library {
  readonly calls: { readonly [name in keyof typeof prototypes]: Call }
  readonly memory: Uint8Array
  /** The same memory, for the lengths that OpenSSL writes. */
  readonly lengths: Int32Array
  readonly base: bigint
  readonly pointers: readonly bigint[]
  readonly packetPointers: readonly bigint[]
}

let loaded: Library | null = null

function library(): Library {
  loaded ??= load()
  return loaded
}

function load(): Library {
  if (process.platform !== 'linux') throw new EvpUnavailableError(`OpenSSL is called on Linux only, this is ${process.platform}`)
  try {
    const koffi = createRequire(import.meta.url)('koffi') as Koffi
    const binary = koffi.load(null)
    const calls = Object.entries(prototypes).map(([name, prototype]) => [name, binary.func(prototype)] as const)
    const memory: unknown = koffi.alloc('uint8_t', WORKSPACE_OCTETS)
    const base = koffi.address(memory)
    const octets = koffi.view(memory, WORKSPACE_OCTETS)
    return {
      calls: Object.fromEntries(calls) as Library['calls'],
      memory: new Uint8Array(octets).fill(0),
      lengths: new Int32Array(octets),
      base,
      pointers: Array.from({ length: PACKET_AT }, (_, i) => base + BigInt(i)),
      packetPointers: Array.from({ length: POINTERS }, (_, i) => base + BigInt(PACKET_AT + i)),
    }
  } catch (cause) {
    throw new EvpUnavailableError('this node binary exports no OpenSSL, or koffi is not installed', { cause })
  }
}
