/**
 * Reading and writing octets in network order. Each read names its field, so that an error says where it happened:
 * `AppendEntries.term: expected 1 octet at offset 2, got 0`.
 */

/** Octets that do not decode. Only the codec's caller catches it, and counts a drop. */
export class DecodeError extends Error {
  override readonly name = 'DecodeError'
}

export class Reader {
  readonly #structure: string
  readonly #bytes: Uint8Array
  #offset = 0

  constructor(structure: string, bytes: Uint8Array) {
    this.#structure = structure
    this.#bytes = bytes
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset
  }

  fail(field: string, problem: string): never {
    throw new DecodeError(`${this.#structure}.${field}: ${problem}`)
  }

  /** A view, not a copy. */
  octets(field: string, length: number): Uint8Array {
    const at = this.#take(field, length)
    return this.#bytes.subarray(at, at + length)
  }

  /** Returns where they begin. Integers are read in place: a view for each would cost more than all else. */
  #take(field: string, length: number): number {
    const at = this.#offset
    if (length > this.remaining) {
      this.fail(field, `expected ${length} octet${length === 1 ? '' : 's'} at offset ${at}, got ${this.remaining}`)
    }
    this.#offset = at + length
    return at
  }

  u8(field: string): number {
    return this.#bytes[this.#take(field, 1)]!
  }

  u32(field: string): number {
    const at = this.#take(field, 4)
    const bytes = this.#bytes
    return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
  }

  /** Unsigned LEB128 in its shortest form, up to 2^53 − 1. */
  varint(field: string): number {
    let value = 0
    let scale = 1
    for (let i = 0; i < 8; i++) {
      const octet = this.u8(field)
      value += (octet & 0x7f) * scale
      if (octet < 0x80) return this.#checked(field, value, octet === 0 && i > 0)
      scale *= 128
    }
    return this.fail(field, 'expected an integer of at most 8 octets')
  }

  #checked(field: string, value: number, padded: boolean): number {
    if (padded) this.fail(field, 'expected the shortest form of an integer')
    if (!Number.isSafeInteger(value)) this.fail(field, 'expected an integer below 2^53')
    return value
  }

  /** How many of something follow, at most `maximum`. */
  count(field: string, maximum: number): number {
    const count = this.varint(field)
    if (count > maximum) this.fail(field, `expected at most ${maximum}, got ${count}`)
    return count
  }

  /** Octets behind their length, at most `maximum`; a view. */
  blob(field: string, maximum: number): Uint8Array {
    const length = this.varint(field)
    if (length > maximum) this.fail(field, `expected at most ${maximum} octets, got ${length}`)
    return this.octets(field, length)
  }

  /** Printable ASCII behind its length. */
  text(field: string, maximum: number): string {
    const octets = this.blob(field, maximum)
    for (const octet of octets) if (octet < 0x20 || octet > 0x7e) this.fail(field, 'expected printable ASCII')
    return String.fromCharCode(...octets)
  }

  boolean(field: string): boolean {
    const value = this.u8(field)
    if (value > 1) this.fail(field, `expected 0 or 1, got ${value}`)
    return value === 1
  }

  end(): void {
    if (this.remaining !== 0) this.fail('end', `expected nothing at offset ${this.#offset}, got ${this.remaining} octets`)
  }
}

/** Appends to a buffer that grows. */
export class Writer {
  #bytes: Uint8Array
  #length = 0

  /** Octets to begin with, or how many. */
  constructor(beginning: number | Uint8Array = 64) {
    this.#bytes = typeof beginning === 'number' ? new Uint8Array(beginning) : beginning
  }

  #take(length: number): number {
    const at = this.#length
    if (at + length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(at + length, 2 * this.#bytes.length))
      grown.set(this.#bytes.subarray(0, at))
      this.#bytes = grown
    }
    this.#length = at + length
    return at
  }

  u8(value: number): this {
    const at = this.#take(1)
    this.#bytes[at] = value
    return this
  }

  u32(value: number): this {
    const at = this.#take(4)
    for (let i = 0; i < 4; i++) this.#bytes[at + i] = value >>> (24 - 8 * i)
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

  octets(bytes: Uint8Array): this {
    const at = this.#take(bytes.length)
    this.#bytes.set(bytes, at)
    return this
  }

  blob(bytes: Uint8Array): this {
    return this.varint(bytes.length).octets(bytes)
  }

  /** Printable ASCII behind its length. */
  text(text: string): this {
    return this.blob(Uint8Array.from(text, (character) => character.charCodeAt(0)))
  }

  boolean(value: boolean): this {
    return this.u8(value ? 1 : 0)
  }

  /** What was written; a view, the writer is done. */
  finish(): Uint8Array {
    return this.#length === this.#bytes.length ? this.#bytes : this.#bytes.subarray(0, this.#length)
  }
}
