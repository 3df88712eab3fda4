/**
 * How entries are stored: consecutive ones together in a record under the index of the first, since a record of its own would cost LevelDB more
 * than what is in it.
 *
 *     `e` index u64    entry, entry, …; each: checksum u32 = CRC-32 of the encoded entry, started with the predecessor's
 *                      | length varint | encoded entry
 *
 * A record is never changed. When entries are replaced from within a record on, a new one begins there: what the old one holds from the next
 * record's first index on is void. When the log is compacted to within a record, so is what it holds before the log's first index.
 */

import type { Entry } from './entry.ts'
import { decodeEntry, maxEntryOctets } from './entry.ts'
import type { Checksum, StoredMeta } from './stored-records.ts'
import { DecodeError, Reader, Writer } from './wire.ts'

export interface EntryRecord {
  readonly firstIndex: number
  readonly value: Uint8Array
}

/** A record takes no more entries when it holds so many octets. */
const fullOctets = 32 * 1024
const checksumOctets = 4
const maxLengthOctets = 4

/** `checksums`: of each entry, at the same place. */
export function encodeRecords(entries: readonly Entry[], checksums: readonly number[]): EntryRecord[] {
  const records: EntryRecord[] = []
  for (let from = 0; from < entries.length;) {
    const { end, octets } = recordEnd(entries, from)
    const writer = new Writer(octets)
    for (let i = from; i < end; i++) writer.u32(checksums[i]!).blob(entries[i]!.encoded)
    records.push({ firstIndex: entries[from]!.index, value: writer.finish() })
    from = end
  }
  return records
}

/** `octets`: what the entries up to there take at most. */
function recordEnd(entries: readonly Entry[], from: number): { readonly end: number; readonly octets: number } {
  let [end, octets] = [from, 0]
  while (end < entries.length && octets < fullOctets) octets += checksumOctets + maxLengthOctets + entries[end++]!.encoded.length
  return { end, octets }
}

/** Checks records one after the other, from the one that holds the log's first index on. */
export class ChainVerifier {
  readonly #checksum: Checksum
  readonly #meta: StoredMeta
  readonly entries: Entry[] = []
  /** Of each entry, at the same place. */
  readonly checksums: number[] = []
  /** Of each record. */
  readonly firstIndexes: number[] = []
  #last: { readonly index: number; readonly term: number; readonly checksum: number }

  constructor(meta: StoredMeta, checksum: Checksum) {
    this.#meta = meta
    this.#checksum = checksum
    this.#last = { index: meta.firstIndex - 1, term: meta.baseTerm, checksum: meta.baseChecksum }
  }

  /** What is wrong with the next record, or null. `end`: the first index of the one after it, Infinity if there is none. */
  add({ firstIndex, value }: EntryRecord, end: number): string | null {
    const expected = this.#last.index + 1
    if (firstIndex > expected) return `entry ${expected}: missing, the next record begins with entry ${firstIndex}`
    this.firstIndexes.push(firstIndex)
    // Plain octets from here on, also where a subclass came in.
    const reader = new Reader('record', new Uint8Array(value.buffer, value.byteOffset, value.byteLength))
    for (let index = firstIndex; reader.remaining > 0 && index < end; index++) {
      const stored = readStored(reader)
      if (stored === null) return `entry ${index}: does not decode`
      const damage = index < this.#meta.firstIndex ? null : this.#addEntry(index, stored)
      if (damage !== null) return damage
    }
    return null
  }

  #addEntry(index: number, { checksum, encoded }: StoredEntry): string | null {
    const chained = this.#checksum(encoded, this.#last.checksum)
    if (checksum !== chained) return `entry ${index}: wrong checksum, or not the successor of entry ${index - 1}`
    const entry = decodeOrNull(() => decodeEntry(encoded))
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

interface StoredEntry {
  readonly checksum: number
  readonly encoded: Uint8Array
}

function readStored(reader: Reader): StoredEntry | null {
  return decodeOrNull(() => ({ checksum: reader.u32('checksum'), encoded: reader.blob('entry', maxEntryOctets) }))
}

function decodeOrNull<T>(decode: () => T): T | null {
  try {
    return decode()
  } catch (error) {
    if (error instanceof DecodeError) return null
    throw error
  }
}
