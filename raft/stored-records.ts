/**
 * What is stored, octet for octet. LevelDB is not trusted to return what was put, so every record carries a checksum, and every log entry's
 * checksum goes on from its predecessor's: a missing, stale or foreign entry breaks the chain.
 *
 *     `m`              version u8 | boot | firstIndex | baseTerm | base checksum u32 | lastIndex | last checksum u32
 *                      | currentTerm | votedFor | cluster | server | rejoining u8 | nonces: count, each u32
 *                      | peers: count, each id | boot | nonce u32 | configuration at the base, empty if none | CRC-32 u32 of all before
 *     `e` index u64    checksum u32 = CRC-32 of the encoded entry, started with the predecessor's | encoded entry
 */

import type { HardState, Life, Lives } from './effects.ts'
import type { Entry } from './entry.ts'
import { decodeEntry } from './entry.ts'
import type { Membership } from './membership.ts'
import { decodeMembership, encodeMembership, maxConfigurationOctets } from './membership.ts'
import { DecodeError, Reader, Writer } from './wire.ts'

export interface StoredMeta {
  readonly lives: Lives
  readonly firstIndex: number
  /** Term and checksum of the entry before the first. */
  readonly baseTerm: number
  readonly baseChecksum: number
  /** In force at the base; null: that of the first boot. */
  readonly baseConfiguration: Membership | null
  readonly lastIndex: number
  readonly lastChecksum: number
  readonly hardState: HardState
  readonly cluster: string
  readonly server: string
}

/** A CRC-32 that goes on from `seed`. Passed in: the shell has a fast one. */
export type Checksum = (octets: Uint8Array, seed: number) => number

export const storedVersion = 2
/** Peers, and lives. */
const maxListed = 255

export const metaKey = Uint8Array.of(0x6d)
const entryKeyPrefix = 0x65
const entryKeyOctets = 9
const checksumOctets = 4

/** Big-endian, so that keys sort as indexes do. */
export function entryKey(index: number): Uint8Array {
  return new Writer(entryKeyOctets)
    .u8(entryKeyPrefix)
    .u32(Math.floor(index / 2 ** 32))
    .u32(index % 2 ** 32)
    .finish()
}

export function encodeMeta(meta: StoredMeta, checksum: Checksum): Uint8Array {
  const writer = new Writer(256)
    .u8(storedVersion)
    .varint(meta.lives.bootCounter)
    .varint(meta.firstIndex)
    .varint(meta.baseTerm)
    .u32(meta.baseChecksum)
  writer.varint(meta.lastIndex).u32(meta.lastChecksum).varint(meta.hardState.currentTerm)
  writer
    .text(meta.hardState.votedFor ?? '')
    .text(meta.cluster)
    .text(meta.server)
  encodeLives(writer, meta.lives)
  writer.blob(meta.baseConfiguration === null ? new Uint8Array(0) : encodeMembership(meta.baseConfiguration))
  return writer.u32(checksum(writer.finish(), 0)).finish()
}

function encodeLives(writer: Writer, { nonces, isRejoining, peers }: Lives): void {
  writer.boolean(isRejoining).varint(nonces.length)
  for (const nonce of nonces) writer.u32(nonce)
  writer.varint(peers.size)
  for (const [id, { bootCounter, nonce }] of peers) writer.text(id).varint(bootCounter).u32(nonce)
}

function decodeLives(reader: Reader, bootCounter: number): Lives {
  const isRejoining = reader.boolean('rejoining')
  const nonces = Array.from({ length: boundedCount(reader, 'nonces') }, () => reader.u32('nonce'))
  const peers = new Map<string, Life>()
  const count = boundedCount(reader, 'peers')
  for (let i = 0; i < count; i++) {
    peers.set(reader.text('peer', 64), { bootCounter: reader.varint('peer boot'), nonce: reader.u32('peer nonce') })
  }
  return { bootCounter, nonces, isRejoining, peers }
}

function boundedCount(reader: Reader, field: string): number {
  const count = reader.varint(field)
  if (count > maxListed) reader.fail(field, `expected at most ${maxListed}, got ${count}`)
  return count
}

/** Throws `DecodeError`. */
export function decodeMeta(bytes: Uint8Array, checksum: Checksum): StoredMeta {
  const reader = new Reader('meta record', bytes)
  const version = reader.u8('version')
  if (version !== storedVersion) reader.fail('version', `expected ${storedVersion}, got ${version}`)
  const [bootCounter, firstIndex, baseTerm, baseChecksum] = [
    reader.varint('boot'),
    reader.varint('firstIndex'),
    reader.varint('baseTerm'),
    reader.u32('base'),
  ]
  const [lastIndex, lastChecksum, currentTerm] = [reader.varint('lastIndex'), reader.u32('lastChecksum'), reader.varint('currentTerm')]
  const [votedFor, cluster, server] = [reader.text('votedFor', 64), reader.text('cluster', 64), reader.text('server', 64)]
  const lives = decodeLives(reader, bootCounter)
  const configuration = reader.blob('configuration', maxConfigurationOctets)
  const expected = checksum(bytes.subarray(0, bytes.length - reader.remaining), 0)
  if (reader.u32('checksum') !== expected) reader.fail('checksum', 'wrong')
  reader.end()
  const hardState = { currentTerm, votedFor: votedFor === '' ? null : votedFor }
  const baseConfiguration = configuration.length === 0 ? null : decodeMembership(configuration)
  return { lives, firstIndex, baseTerm, baseChecksum, baseConfiguration, lastIndex, lastChecksum, hardState, cluster, server }
}

/** Keys and values of the entries of one batch, all in one piece of memory: one for each would cost more than the copying. */
export class EntryRecords {
  readonly #bytes: Uint8Array
  readonly #view: DataView
  #used = 0

  constructor(entries: readonly Entry[]) {
    const length = entries.reduce((sum, { encoded }) => sum + entryKeyOctets + checksumOctets + encoded.length, 0)
    this.#bytes = new Uint8Array(length)
    this.#view = new DataView(this.#bytes.buffer)
  }

  key({ index }: Entry): Uint8Array {
    const at = this.#take(entryKeyOctets)
    this.#view.setUint8(at, entryKeyPrefix)
    this.#view.setUint32(at + 1, Math.floor(index / 2 ** 32))
    this.#view.setUint32(at + 5, index % 2 ** 32)
    return this.#bytes.subarray(at, this.#used)
  }

  record({ encoded }: Entry, chained: number): Uint8Array {
    const at = this.#take(checksumOctets + encoded.length)
    this.#view.setUint32(at, chained)
    this.#bytes.set(encoded, at + checksumOctets)
    return this.#bytes.subarray(at, this.#used)
  }

  #take(length: number): number {
    const at = this.#used
    this.#used += length
    return at
  }
}

/** Checks records one after the other, from the first index on. */
export class ChainVerifier {
  readonly #checksum: Checksum
  readonly #meta: StoredMeta
  readonly entries: Entry[] = []
  /** Of each entry, at the same place. */
  readonly checksums: number[] = []
  #last: { readonly index: number; readonly term: number; readonly checksum: number }

  constructor(meta: StoredMeta, checksum: Checksum) {
    this.#meta = meta
    this.#checksum = checksum
    this.#last = { index: meta.firstIndex - 1, term: meta.baseTerm, checksum: meta.baseChecksum }
  }

  /** What is wrong with the next record, or null. */
  add(value: Uint8Array): string | null {
    const index = this.#last.index + 1
    if (value.length < 4) return `entry ${index}: expected a checksum, got ${value.length} octets`
    const encoded = new Uint8Array(value.buffer, value.byteOffset + 4, value.byteLength - 4)
    const chained = this.#checksum(encoded, this.#last.checksum)
    if (new Reader('entry', value).u32('checksum') !== chained)
      return `entry ${index}: wrong checksum, or not the successor of entry ${index - 1}`
    const entry = decodeOrNull(encoded)
    if (entry === null) return `entry ${index}: does not decode`
    if (entry.index !== index) return `entry ${index}: holds index ${entry.index}`
    if (entry.term < this.#last.term) return `entry ${index}: term ${entry.term} after term ${this.#last.term}`
    this.entries.push(entry)
    this.checksums.push(chained)
    this.#last = { index, term: entry.term, checksum: chained }
    return null
  }

  /** What is wrong with the whole, or null. */
  finish(): string | null {
    const { lastIndex, lastChecksum, hardState } = this.#meta
    if (this.#last.index !== lastIndex) return `entries end at index ${this.#last.index}, expected ${lastIndex}`
    if (this.#last.checksum !== lastChecksum) return `entry ${lastIndex}: not the one that was written last`
    if (this.#last.term > hardState.currentTerm)
      return `entry ${lastIndex}: term ${this.#last.term} is beyond the current term ${hardState.currentTerm}`
    return null
  }
}

function decodeOrNull(encoded: Uint8Array): Entry | null {
  try {
    return decodeEntry(encoded)
  } catch (error) {
    if (error instanceof DecodeError) return null
    throw error
  }
}
