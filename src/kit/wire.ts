/**
 * Reading and writing octets in network order, each read naming its field.
 *
 * A decode error says where it happened: `IKE header.length: expected 4 octets at offset 24, got 1`. Decoders throw `DecodeError`,
 * and only the codec's caller catches it: a peer's mistake never travels further as an exception.
 */

import type { Bytes } from './bytes.ts'
import { dataView, emptyBytes, equalBytes, fromUtf8, readUint32, toUtf8 } from './bytes.ts'

/** What stands for octets that are not UTF-8. */
const REPLACEMENT = '\ufffd'

/** Octets that do not decode. The message names the structure, the field and the offset. */
export class DecodeError extends Error {
  override readonly name = 'DecodeError'
}

/** What `decode` makes of the octets; null when they do not decode. */
export function decodedOrNull<T>(decode: (octets: Bytes) => T, octets: Bytes): T | null {
  try {
    return decode(octets)
  } catch (error) {
    if (error instanceof DecodeError) return null
    throw error
  }
}

/** Reads one structure from its own octets and no further. */
export class Reader {
  readonly structure: string
  readonly bytes: Bytes
  #offset = 0

  constructor(structure: string, bytes: Bytes) {
    this.structure = structure
    this.bytes = bytes
  }

  get offset(): number {
    return this.#offset
  }

  get remaining(): number {
    return this.bytes.length - this.#offset
  }

  /** Throws a `DecodeError` that names the field. */
  fail(field: string, problem: string): never {
    throw new DecodeError(`${this.structure}.${field}: ${problem}`)
  }

  #take(field: string, length: number): number {
    const at = this.#offset
    if (length > this.bytes.length - at) {
      this.fail(field, `expected ${length} octet${length === 1 ? '' : 's'} at offset ${at}, got ${this.bytes.length - at}`)
    }
    this.#offset = at + length
    return at
  }

  u8(field: string): number {
    return this.bytes[this.#take(field, 1)]!
  }

  u16(field: string): number {
    const at = this.#take(field, 2)
    return (this.bytes[at]! << 8) | this.bytes[at + 1]!
  }

  u32(field: string): number {
    return readUint32(this.bytes, this.#take(field, 4))
  }

  u64(field: string): bigint {
    const at = this.#take(field, 8)
    return (BigInt(readUint32(this.bytes, at)) << 32n) | BigInt(readUint32(this.bytes, at + 4))
  }

  /** Unsigned LEB128 up to 2^53 − 1. Refuses padded encodings, so that every value has exactly one form. */
  varint(field: string): number {
    let value = 0
    let scale = 1
    for (let i = 0; i < 8; i++) {
      const octet = this.u8(field)
      value += (octet & 0x7f) * scale
      if (octet < 0x80) {
        if (octet === 0 && i > 0) this.fail(field, 'expected the shortest form of an integer')
        if (!Number.isSafeInteger(value)) this.fail(field, 'expected an integer below 2^53')
        return value
      }
      scale *= 128
    }
    return this.fail(field, 'expected an integer of at most 8 octets')
  }

  /** A varint of at most `maximum`. */
  count(field: string, maximum: number): number {
    const value = this.varint(field)
    if (value > maximum) this.fail(field, `expected at most ${maximum}, got ${value}`)
    return value
  }

  /** A view, not a copy. */
  octets(field: string, length: number): Bytes {
    const at = this.#take(field, length)
    return this.bytes.subarray(at, at + length)
  }

  /** Passes over so many octets. */
  skip(field: string, length: number): void {
    this.#take(field, length)
  }

  /** Octets behind their length as a varint; a view, not a copy. */
  blob(field: string, maximum: number): Bytes {
    return this.octets(field, this.count(field, maximum))
  }

  /** UTF-8, in at most so many octets behind their number. */
  text(field: string, maximum: number): string {
    const octets = this.blob(field, maximum)
    const text = fromUtf8(octets)
    if (text.includes(REPLACEMENT) && !equalBytes(toUtf8(text), octets)) this.fail(field, 'expected UTF-8')
    return text
  }

  boolean(field: string): boolean {
    const value = this.u8(field)
    if (value > 1) this.fail(field, `expected 0 or 1, got ${value}`)
    return value === 1
  }

  /** All that is left; a view. */
  rest(): Bytes {
    return this.octets('rest', this.remaining)
  }

  /** Throws unless everything was read. */
  end(): void {
    if (this.remaining !== 0) this.fail('end', `expected nothing after offset ${this.#offset}, got ${this.remaining} octets`)
  }
}

/** Memory to write in: a structure is mostly small, and memory for each would take longer to get than the structure to write. */
interface Scratch {
  readonly bytes: Bytes
  readonly view: DataView
}

const SCRATCH_OCTETS = 1024
const MAX_SPARE = 16
const spare: Scratch[] = []

function scratch(octets: number): Scratch {
  const kept = octets <= SCRATCH_OCTETS ? spare.pop() : undefined
  if (kept !== undefined) return kept
  const bytes = new Uint8Array(Math.max(octets, SCRATCH_OCTETS))
  return { bytes, view: dataView(bytes) }
}

function giveBack(used: Scratch): void {
  if (used.bytes.length === SCRATCH_OCTETS && spare.length < MAX_SPARE) spare.push(used)
}

const nothing: Scratch = { bytes: emptyBytes, view: dataView(emptyBytes) }

/** Appends to a buffer that grows. `finish` copies what was written, and the next octet written is the first one again. */
export class Writer {
  #buffer = nothing
  #length = 0
  readonly #capacity: number

  /** `capacity`: octets that will be written, as far as is known. */
  constructor(capacity = 256) {
    this.#capacity = capacity
  }

  get length(): number {
    return this.#length
  }

  /** Makes room. May replace the buffer: call it before naming `#buffer`. */
  #take(length: number): number {
    const at = this.#length
    const end = at + length
    if (end > this.#buffer.bytes.length) this.#grow(end)
    this.#length = end
    return at
  }

  #grow(octets: number): void {
    const former = this.#buffer
    this.#buffer = scratch(Math.max(octets, this.#capacity, 2 * former.bytes.length))
    this.#buffer.bytes.set(former.bytes.subarray(0, this.#length))
    giveBack(former)
  }

  u8(value: number): this {
    const at = this.#take(1)
    this.#buffer.view.setUint8(at, value)
    return this
  }

  u16(value: number): this {
    const at = this.#take(2)
    this.#buffer.view.setUint16(at, value)
    return this
  }

  u32(value: number): this {
    const at = this.#take(4)
    this.#buffer.view.setUint32(at, value)
    return this
  }

  u64(value: bigint): this {
    const at = this.#take(8)
    this.#buffer.view.setBigUint64(at, value)
    return this
  }

  varint(value: number): this {
    if (!Number.isSafeInteger(value) || value < 0) throw new RangeError(`varint: expected an integer from 0 to 2^53 - 1, got ${value}`)
    while (value >= 0x80) {
      this.u8((value % 128) | 0x80)
      value = Math.floor(value / 128)
    }
    return this.u8(value)
  }

  octets(bytes: Bytes): this {
    const at = this.#take(bytes.length)
    this.#buffer.bytes.set(bytes, at)
    return this
  }

  blob(bytes: Bytes): this {
    return this.varint(bytes.length).octets(bytes)
  }

  text(text: string): this {
    return this.blob(toUtf8(text))
  }

  boolean(value: boolean): this {
    return this.u8(value ? 1 : 0)
  }

  /** Overwrites two octets written before, such as a length known only now. */
  patchU16(offset: number, value: number): this {
    if (offset + 2 > this.#length) throw new RangeError(`patchU16: offset ${offset} is beyond ${this.#length}`)
    this.#buffer.view.setUint16(offset, value)
    return this
  }

  patchU32(offset: number, value: number): this {
    if (offset + 4 > this.#length) throw new RangeError(`patchU32: offset ${offset} is beyond ${this.#length}`)
    this.#buffer.view.setUint32(offset, value)
    return this
  }

  /** What was written so far: a view, until the next octet is written. */
  get written(): Bytes {
    return this.#buffer.bytes.subarray(0, this.#length)
  }

  /** A copy of what was written. */
  finish(): Bytes {
    const written = this.#buffer.bytes.slice(0, this.#length)
    giveBack(this.#buffer)
    this.#buffer = nothing
    this.#length = 0
    return written
  }
}
