/**
 * The Distinguished Encoding Rules of ASN.1 (X.690 §8, §10): what certificates, revocation lists, names and algorithm identifiers are made of.
 *
 *   tag (1 octet) | length (1 octet below 128, else 0x80 + n and n octets) | content
 *
 * One form for each value: indefinite and padded lengths, and tags of several octets (none occurs in what we read) are errors. Nothing
 * here recurses: who reads a structure opens each constructed value itself, so a peer does not choose how deep we go.
 */

import type { Bytes } from './bytes.ts'
import { concat, fromUtf8, toUtf8 } from './bytes.ts'
import { Reader, Writer } from './wire.ts'

export const derTag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  oid: 0x06,
  enumerated: 0x0a,
  utf8String: 0x0c,
  printableString: 0x13,
  teletexString: 0x14,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  universalString: 0x1c,
  bmpString: 0x1e,
  sequence: 0x30,
  set: 0x31,
} as const

/** Context-specific tags: `[n]`, with the content in place of the value's own tag, or with further values in it. */
export function contextTag(n: number, constructed: boolean): number {
  return 0x80 | (constructed ? 0x20 : 0) | n
}

/** One value; views. */
export interface DerValue {
  readonly tag: number
  readonly content: Bytes
  /** With tag and length. */
  readonly whole: Bytes
}

/** Reads the values of one constructed value, or of a whole encoding, one after the other. Throws `DecodeError`s that name the field. */
export class DerReader {
  readonly #reader: Reader

  constructor(structure: string, bytes: Bytes) {
    this.#reader = new Reader(structure, bytes)
  }

  get isAtEnd(): boolean {
    return this.#reader.remaining === 0
  }

  /** The tag of the next value; null: there is none. */
  get nextTag(): number | null {
    return this.#reader.bytes[this.#reader.offset] ?? null
  }

  /** The next value, of any tag. */
  any(field: string): DerValue {
    const reader = this.#reader
    const start = reader.offset
    const tag = reader.u8(field)
    if ((tag & 0x1f) === 0x1f) reader.fail(field, 'expected a tag of one octet')
    const length = this.#length(field)
    const content = reader.octets(field, length)
    return { tag, content, whole: reader.bytes.subarray(start, reader.offset) }
  }

  /** At most 2^24 − 1, which is more than we ever take. */
  #length(field: string): number {
    const reader = this.#reader
    const first = reader.u8(field)
    if (first < 0x80) return first
    const count = first & 0x7f
    if (count < 1 || count > 3) reader.fail(field, `expected a definite length of at most 3 octets, got ${count}`)
    let length = 0
    for (let i = 0; i < count; i++) length = length * 256 + reader.u8(field)
    const shortest = count === 1 ? 0x80 : 256 ** (count - 1)
    if (length < shortest) reader.fail(field, 'expected the shortest form of a length')
    return length
  }

  /** The next value, whose tag must be this one. */
  value(field: string, tag: number): DerValue {
    const value = this.any(field)
    if (value.tag !== tag) this.#reader.fail(field, `expected tag ${hex(tag)}, got ${hex(value.tag)}`)
    return value
  }

  /** The next value if it has this tag, else null, and nothing is read. */
  optional(field: string, tag: number): DerValue | null {
    return this.nextTag === tag ? this.value(field, tag) : null
  }

  /** A reader of the values inside the next one. */
  inside(field: string, tag: number = derTag.sequence): DerReader {
    return new DerReader(`${this.#reader.structure}.${field}`, this.value(field, tag).content)
  }

  oid(field: string): string {
    return this.#oid(field, this.value(field, derTag.oid).content)
  }

  /** Object identifiers in dots, of arcs below 2^53. */
  #oid(field: string, content: Bytes): string {
    const arcs: number[] = []
    let arc = 0
    let isPartial = false
    for (const octet of content) {
      if (!isPartial && octet === 0x80) this.#reader.fail(field, 'expected the shortest form of an arc')
      arc = arc * 128 + (octet & 0x7f)
      if (!Number.isSafeInteger(arc)) this.#reader.fail(field, 'expected arcs below 2^53')
      isPartial = octet >= 0x80
      if (isPartial) continue
      arcs.push(arc)
      arc = 0
    }
    const [first] = arcs
    if (isPartial || first === undefined) return this.#reader.fail(field, 'expected an object identifier')
    const root = Math.min(2, Math.floor(first / 40))
    return [root, first - 40 * root, ...arcs.slice(1)].join('.')
  }

  /** The octets of an integer: two's complement, in its shortest form. */
  integer(field: string): Bytes {
    const { content } = this.value(field, derTag.integer)
    const [first, second] = content
    if (first === undefined) this.#reader.fail(field, 'expected an integer')
    const isPadded = second !== undefined && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80))
    if (isPadded) this.#reader.fail(field, 'expected the shortest form of an integer')
    return content
  }

  /** An integer from 0 to `maximum`, below 2^31. */
  small(field: string, maximum: number): number {
    const octets = this.integer(field)
    let value = 0
    for (const octet of octets.subarray(0, 5)) value = value * 256 + octet
    if (octets.length > 5 || octets[0]! >= 0x80 || value > maximum) this.#reader.fail(field, `expected an integer from 0 to ${maximum}`)
    return value
  }

  /** A BOOLEAN that is FALSE when it is left out: DER then has no FALSE in so many words, but some encoders write it. */
  flag(field: string): boolean {
    const value = this.optional(field, derTag.boolean)
    if (value === null) return false
    const [octet] = value.content
    if (value.content.length !== 1 || (octet !== 0 && octet !== 0xff)) this.#reader.fail(field, 'expected a boolean')
    return octet === 0xff
  }

  /** The octets of a BIT STRING that is made of whole ones. */
  bits(field: string): Bytes {
    const { content } = this.value(field, derTag.bitString)
    if (content[0] !== 0) this.#reader.fail(field, 'expected a bit string without unused bits')
    return content.subarray(1)
  }

  /** The flags of a BIT STRING, bit 0 the first; at most 32. */
  flags(field: string): number {
    const { content } = this.value(field, derTag.bitString)
    const unused = content[0] ?? 8
    if (unused > 7 || (unused > 0 && content.length < 2)) this.#reader.fail(field, 'expected a bit string')
    let flags = 0
    for (let bit = 0; bit < Math.min(32, 8 * (content.length - 1) - unused); bit++) {
      if ((content[1 + (bit >> 3)]! & (0x80 >> (bit & 7))) !== 0) flags |= 1 << bit
    }
    return flags >>> 0
  }

  /** UTCTime or GeneralizedTime as RFC 5280 §4.1.2.5 wants them, as wall-clock ms. */
  time(field: string): number {
    const { tag, content } = this.any(field)
    if (tag !== derTag.utcTime && tag !== derTag.generalizedTime) this.#reader.fail(field, 'expected a time')
    const parsed = /^(\d\d|\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(fromUtf8(content))
    const [year, month, day, hour, minute, second] = (parsed ?? []).slice(1).map(Number)
    const isOfItsKind = parsed?.[1]!.length === (tag === derTag.utcTime ? 2 : 4)
    if (year === undefined || !isOfItsKind) return this.#reader.fail(field, 'expected a time in seconds, in UTC')
    const fullYear = tag === derTag.generalizedTime ? year : year < 50 ? 2000 + year : 1900 + year
    return utcMs(fullYear, [month!, day!, hour!, minute!, second!]) ?? this.#reader.fail(field, 'expected a date that there is')
  }

  fail(field: string, problem: string): never {
    return this.#reader.fail(field, problem)
  }

  /** Throws unless everything was read. */
  end(): void {
    this.#reader.end()
  }
}

/** Null: there is no such day or hour. */
function utcMs(year: number, [month, day, hour, minute, second]: readonly number[]): number | null {
  const date = new Date(0)
  date.setUTCFullYear(year, month! - 1, day)
  date.setUTCHours(hour!, minute, second)
  const isThat = date.getUTCMonth() === month! - 1 && date.getUTCDate() === day && date.getUTCHours() === hour
  return isThat && date.getUTCMinutes() === minute && date.getUTCSeconds() === second ? date.getTime() : null
}

/** One value with these octets, or these values one after the other, in it. */
export function encodeDer(tag: number, ...content: readonly Bytes[]): Bytes {
  const body = concat(...content)
  const writer = new Writer(body.length + 5).u8(tag)
  const { length } = body
  if (length < 0x80) writer.u8(length)
  else if (length < 0x100) writer.u8(0x81).u8(length)
  else if (length < 0x10000) writer.u8(0x82).u16(length)
  else
    writer
      .u8(0x83)
      .u8(length >> 16)
      .u16(length & 0xffff)
  return writer.octets(body).finish()
}

/** An object identifier from its dots. */
export function encodeOid(dots: string): Bytes {
  const [root, second, ...rest] = dots.split('.').map(Number)
  const octets: number[] = []
  for (const arc of [40 * root! + second!, ...rest]) {
    const digits = [arc % 128]
    for (let left = Math.floor(arc / 128); left > 0; left = Math.floor(left / 128)) digits.unshift(0x80 | (left % 128))
    octets.push(...digits)
  }
  return encodeDer(derTag.oid, Uint8Array.from(octets))
}

/** A UTF8String, or one of the older types whose characters are all ASCII. */
export function encodeDerText(tag: number, text: string): Bytes {
  return encodeDer(tag, toUtf8(text))
}

function hex(tag: number): string {
  return `0x${tag.toString(16).padStart(2, '0')}`
}
