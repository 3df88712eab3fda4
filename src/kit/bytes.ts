/**
 * Octet strings. `Bytes` is a `Uint8Array`; functions say whether they return a view or a copy.
 */

export type Bytes = Uint8Array

export const emptyBytes: Bytes = new Uint8Array(0)

/** A new array with all parts one after the other. */
export function concat(...parts: readonly Bytes[]): Bytes {
  let length = 0
  for (const part of parts) length += part.length
  const all = new Uint8Array(length)
  let offset = 0
  for (const part of parts) {
    all.set(part, offset)
    offset += part.length
  }
  return all
}

/** A copy in memory of its own. Not `slice`: where the octets came from a socket, it would give another view of the same memory. */
export function copyOf(bytes: Bytes): Bytes {
  return new Uint8Array(bytes)
}

/** A view of all from `offset` on. Of a Buffer `subarray` makes another Buffer, and views of that again: each takes several times as long to make. */
export function viewFrom(bytes: Bytes, offset: number): Bytes {
  return new Uint8Array(bytes.buffer, bytes.byteOffset + offset, bytes.length - offset)
}

/** Whether both hold the same octets. Takes a time that depends on the contents: not for secrets, see `equalConstantTime`. */
export function equalBytes(a: Bytes, b: Bytes): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}

/** Whether both hold the same octets, in a time that depends on the lengths only. */
export function equalConstantTime(a: Bytes, b: Bytes): boolean {
  if (a.length !== b.length) return false
  let difference = 0
  for (let i = 0; i < a.length; i++) difference |= a[i]! ^ b[i]!
  return difference === 0
}

/** Lexicographic order: negative, zero or positive. */
export function compareBytes(a: Bytes, b: Bytes): number {
  const length = Math.min(a.length, b.length)
  for (let i = 0; i < length; i++) {
    const difference = a[i]! - b[i]!
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

export const hexDigits = '0123456789abcdef'

/** Lowercase hexadecimal digits, two an octet. */
export function toHex(bytes: Bytes): string {
  let text = ''
  for (const octet of bytes) text += hexDigits[octet >> 4]! + hexDigits[octet & 15]!
  return text
}

/** The octets of an even number of hexadecimal digits, or null when it is something else. */
export function fromHex(text: string): Bytes | null {
  if (text.length % 2 !== 0 || !/^[0-9a-fA-F]*$/.test(text)) return null
  const bytes = new Uint8Array(text.length / 2)
  for (let i = 0; i < bytes.length; i++) bytes[i] = Number.parseInt(text.slice(2 * i, 2 * i + 2), 16)
  return bytes
}

/** UTF-8 octets of a string. Lone surrogates become U+FFFD. */
export function toUtf8(text: string): Bytes {
  const bytes: number[] = []
  for (const character of text) {
    let point = character.codePointAt(0)!
    if (point >= 0xd800 && point <= 0xdfff) point = 0xfffd
    if (point < 0x80) bytes.push(point)
    else if (point < 0x800) bytes.push(0xc0 | (point >> 6), 0x80 | (point & 63))
    else if (point < 0x10000) bytes.push(0xe0 | (point >> 12), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63))
    else bytes.push(0xf0 | (point >> 18), 0x80 | ((point >> 12) & 63), 0x80 | ((point >> 6) & 63), 0x80 | (point & 63))
  }
  return Uint8Array.from(bytes)
}

/** The string of UTF-8 octets; each octet that is not part of a well-formed sequence becomes U+FFFD. */
export function fromUtf8(bytes: Bytes): string {
  let text = ''
  let at = 0
  while (at < bytes.length) {
    const first = bytes[at]!
    const length =
      first < 0x80 ? 1 : first >= 0xc2 && first < 0xe0 ? 2 : first >= 0xe0 && first < 0xf0 ? 3 : first >= 0xf0 && first < 0xf5 ? 4 : 0
    let point = length === 1 ? first : first & (0xff >> (length + 1))
    let whole = length > 0 && at + length <= bytes.length
    for (let i = 1; whole && i < length; i++) {
      const next = bytes[at + i]!
      whole = (next & 0xc0) === 0x80
      point = (point << 6) | (next & 63)
    }
    const minimum = length === 4 ? 0x10000 : length === 3 ? 0x800 : 0
    if (whole && point >= minimum && point <= 0x10ffff && !(point >= 0xd800 && point <= 0xdfff)) {
      text += String.fromCodePoint(point)
      at += length
    } else {
      text += '\ufffd'
      at += 1
    }
  }
  return text
}

/** A view for reading and writing integers in `bytes` itself. */
export function dataView(bytes: Bytes): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** 32 bits in network order. A `DataView` for each packet or structure would cost more than all that is read through it. */
export function readUint32(bytes: Bytes, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
}
