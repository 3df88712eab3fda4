/**
 * A checkpoint on its way to another server: a stream of octets that is cut into chunks anywhere.
 *
 *     version u8 | index | term
 *     of each record, in the order of the keys: key | stored value (checkpoint-records.ts: with its checksum)
 *     an empty key | count | sum
 */

import type { Bytes } from '../kit/bytes.ts'
import { concat, copyOf, emptyBytes } from '../kit/bytes.ts'
import { DecodeError, Reader, Writer } from '../kit/wire.ts'
import type { Mark } from './checkpoint-records.ts'
import { MAX_KEY_OCTETS, MAX_VALUE_OCTETS, openRecord, Tally } from './checkpoint-records.ts'

/** Heartbeats wait while a chunk is on its way on a slow connection. */
export const CHUNK_OCTETS = 32 * 1024
const STREAM_VERSION = 1
/** An integer takes at most so many octets. */
const VARINT_OCTETS = 8

export function encodeStreamHead(mark: Mark): Bytes {
  return new Writer(32).u8(STREAM_VERSION).varint(mark.index).varint(mark.term).finish()
}

export function encodeStreamRecord(key: Bytes, stored: Bytes): Bytes {
  return new Writer(key.length + stored.length + 8).blob(key).blob(stored).finish()
}

export function encodeStreamEnd({ count, sum }: Tally): Bytes {
  return new Writer(32).blob(emptyBytes).varint(count).varint(sum).finish()
}

export interface StreamRecord {
  readonly key: Bytes
  readonly stored: Bytes
}

/** Takes a stream apart as it comes, and checks it. Throws `DecodeError` for anything that is not what was sent. */
export class StreamParser {
  readonly #mark: Mark
  readonly tally = new Tally()
  #rest: Bytes = emptyBytes
  #hasHead = false
  #isComplete = false
  #lastKey: Bytes = emptyBytes

  constructor(mark: Mark) {
    this.#mark = mark
  }

  /** The records that are complete now; views that live as long as the chunk. */
  add(chunk: Bytes): StreamRecord[] {
    const bytes = this.#rest.length === 0 ? chunk : concat(this.#rest, chunk)
    const records: StreamRecord[] = []
    let at = 0
    for (;;) {
      const used = this.#item(bytes.subarray(at), records)
      if (used === 0) break
      at += used
    }
    this.#rest = copyOf(bytes.subarray(at))
    return records
  }

  /** Throws unless all was there. */
  finish(): void {
    if (!this.#isComplete) throw new DecodeError('snapshot: it ends too early')
    if (this.#rest.length > 0) throw new DecodeError(`snapshot: ${this.#rest.length} octets stand behind its end`)
  }

  /** Reads the next item; returns its length, or 0 when it is not complete. */
  #item(bytes: Bytes, records: StreamRecord[]): number {
    if (this.#isComplete || bytes.length === 0) return 0
    const r = new Reader('snapshot', bytes)
    if (!this.#hasHead) return this.#head(r)
    if (r.remaining < VARINT_OCTETS && bytes[0] !== 0) return 0
    const keyLength = r.count('key', MAX_KEY_OCTETS)
    if (keyLength === 0) return this.#end(r)
    if (r.remaining < keyLength + VARINT_OCTETS) return 0
    const key = r.octets('key', keyLength)
    const storedLength = r.count('value', MAX_VALUE_OCTETS)
    if (r.remaining < storedLength) return 0
    const stored = r.octets('value', storedLength)
    this.#check(r, key, stored)
    records.push({ key, stored })
    return r.offset
  }

  #head(r: Reader): number {
    const version = r.u8('version')
    if (version !== STREAM_VERSION) r.fail('version', `expected ${STREAM_VERSION}, got ${version}`)
    if (r.remaining < 2 * VARINT_OCTETS && !isWhole(r.bytes.subarray(1), 2)) return 0
    const [index, term] = [r.varint('index'), r.varint('term')]
    if (index !== this.#mark.index || term !== this.#mark.term)
      r.fail('index', `expected ${this.#mark.index} of term ${this.#mark.term}, got ${index} of term ${term}`)
    this.#hasHead = true
    return r.offset
  }

  #check(r: Reader, key: Bytes, stored: Bytes): void {
    if (compare(this.#lastKey, key) >= 0) r.fail('key', 'expected the keys in order')
    const record = openRecord(key, stored)
    if (record === null) return r.fail('value', 'wrong checksum')
    this.tally.add(record.checksum)
    this.#lastKey = copyOf(key)
  }

  #end(r: Reader): number {
    if (!isWhole(r.bytes.subarray(1), 2)) return 0
    const problem = this.tally.differsFrom({ count: r.varint('count'), sum: r.varint('sum') })
    if (problem !== null) r.fail('end', problem)
    this.#isComplete = true
    return r.offset
  }
}

/** Whether `count` whole varints stand here. */
function isWhole(bytes: Bytes, count: number): boolean {
  let found = 0
  for (const octet of bytes.subarray(0, count * VARINT_OCTETS)) if (octet < 0x80 && ++found === count) return true
  return bytes.length >= count * VARINT_OCTETS
}

function compare(a: Bytes, b: Bytes): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) if (a[i] !== b[i]) return a[i]! - b[i]!
  return a.length - b.length
}
