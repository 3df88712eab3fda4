/**
 * What a checkpoint is on disk, octet for octet. LevelDB is not trusted to return what was put, so every record carries a checksum, and the
 * root knows how many records there are and the sum of their checksums: one that is missing, stale or too many shows.
 *
 *     0x00          version u8 | cluster | server | writes | mark? u8 [index | term | configuration | position] | count | sum | CRC-32 u32 of all before
 *     0x01 key      CRC-32 u32 of key and value | value
 */

import { crc32 } from 'node:zlib'
import type { Bytes } from '../kit/bytes.ts'
import { concat, copyOf, dataView, viewFrom } from '../kit/bytes.ts'
import { Reader, Writer } from '../kit/wire.ts'

/** The place in the log that a checkpoint reflects. `configuration` and `position` are opaque, at most 1 MiB each. */
export interface Mark {
  readonly index: number
  readonly term: number
  readonly configuration: Bytes
  readonly position: Bytes
}

export interface Root {
  readonly cluster: string
  readonly server: string
  /** How many checkpoints were written into this generation. */
  readonly writes: number
  readonly mark: Mark | null
  readonly count: number
  /** Of the records' checksums, modulo 2^48. */
  readonly sum: number
}

export const MAX_POSITION_OCTETS = 2 ** 20
export const MAX_KEY_OCTETS = 64
export const MAX_VALUE_OCTETS = 16 * 2 ** 20
const SUM_MODULUS = 2 ** 48
const ROOT_VERSION = 2
const CHECKSUM_OCTETS = 4

export const rootKey: Bytes = Uint8Array.of(0)
/** All records sort between these. */
export const firstRecordKey: Bytes = Uint8Array.of(1)
export const endRecordKey: Bytes = Uint8Array.of(2)

export function storedKey(key: Bytes): Bytes {
  return concat(firstRecordKey, key)
}

export function sealRecord(key: Bytes, value: Bytes): { readonly stored: Bytes; readonly checksum: number } {
  const checksum = crc32(value, crc32(key))
  const stored = new Uint8Array(CHECKSUM_OCTETS + value.length)
  dataView(stored).setUint32(0, checksum)
  stored.set(value, CHECKSUM_OCTETS)
  return { stored, checksum }
}

/** The value, a view, and its checksum; null when it is not what was put for this key. */
export function openRecord(key: Bytes, stored: Bytes): { readonly value: Bytes; readonly checksum: number } | null {
  if (stored.length < CHECKSUM_OCTETS) return null
  const value = viewFrom(stored, CHECKSUM_OCTETS)
  const checksum = crc32(value, crc32(key))
  return dataView(stored).getUint32(0) === checksum ? { value, checksum } : null
}

/** Count and sum of the records, as they come and go. */
export class Tally {
  count: number
  sum: number

  constructor({ count, sum }: { readonly count: number; readonly sum: number } = { count: 0, sum: 0 }) {
    this.count = count
    this.sum = sum
  }

  add(checksum: number): void {
    this.count += 1
    this.sum = (this.sum + checksum) % SUM_MODULUS
  }

  remove(checksum: number): void {
    this.count -= 1
    this.sum = (this.sum + SUM_MODULUS - checksum) % SUM_MODULUS
  }

  /** What is wrong with the records' number and sum, or null. */
  differsFrom(root: Pick<Root, 'count' | 'sum'>): string | null {
    if (this.count !== root.count) return `expected ${root.count} records, got ${this.count}`
    return this.sum === root.sum ? null : `a record is not the one that was written last: the sum of the checksums is wrong`
  }
}

export function encodeRoot(root: Root): Bytes {
  const w = new Writer(512 + (root.mark?.position.length ?? 0))
  w.u8(ROOT_VERSION).text(root.cluster).text(root.server).varint(root.writes)
  w.boolean(root.mark !== null)
  if (root.mark !== null) encodeMark(w, root.mark)
  w.varint(root.count).varint(root.sum)
  return w.u32(crc32(w.written)).finish()
}

/** Throws `DecodeError`. */
export function decodeRoot(bytes: Bytes): Root {
  const r = new Reader('root record', bytes)
  const version = r.u8('version')
  if (version !== ROOT_VERSION) r.fail('version', `expected ${ROOT_VERSION}, got ${version}`)
  const root: Root = {
    cluster: r.text('cluster', 256),
    server: r.text('server', 256),
    writes: r.varint('writes'),
    mark: r.boolean('hasMark') ? decodeMark(r) : null,
    count: r.varint('count'),
    sum: r.varint('sum'),
  }
  const expected = crc32(bytes.subarray(0, r.offset))
  if (r.u32('checksum') !== expected) r.fail('checksum', 'wrong')
  r.end()
  return root
}

function encodeMark(w: Writer, { index, term, configuration, position }: Mark): void {
  w.varint(index).varint(term).blob(configuration).blob(position)
}

function decodeMark(r: Reader): Mark {
  const [index, term] = [r.varint('index'), r.varint('term')]
  const configuration = copyOf(r.blob('configuration', MAX_POSITION_OCTETS))
  return { index, term, configuration, position: copyOf(r.blob('position', MAX_POSITION_OCTETS)) }
}
