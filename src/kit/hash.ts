/**
 * 32-bit mixing for tables and for choosing owners. Not cryptographic: whoever can choose the input can make it collide.
 */

import type { Bytes } from './bytes.ts'

/** The finalizer of MurmurHash3: every bit of the input changes every bit of the output. */
export function mix32(value: number): number {
  let h = value | 0
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}

/** Mixes a further value into a hash. */
export function mixInto(hash: number, value: number): number {
  return mix32(Math.imul(hash ^ 0x9e3779b9, 0x85ebca6b) + value)
}

/** FNV-1a of so many octets, all unless told, then mixed. */
export function hashBytes(bytes: Bytes, from = 0, length = bytes.length - from): number {
  let h = 0x811c9dc5
  for (let i = from; i < from + length; i++) h = Math.imul(h ^ bytes[i]!, 0x01000193)
  return mix32(h)
}

/** The hash of a string's UTF-16 code units. */
export function hashText(text: string): number {
  const hash = new TextHash()
  hash.addText(text)
  return hash.value
}

/** `hashText` of a string that is never put together. */
export class TextHash {
  #h = 0x811c9dc5

  add(code: number): void {
    this.#h = Math.imul(this.#h ^ code, 0x01000193)
  }

  addText(text: string): void {
    for (let i = 0; i < text.length; i++) this.add(text.charCodeAt(i))
  }

  get value(): number {
    return mix32(this.#h)
  }
}
