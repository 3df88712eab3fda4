/** A TCP stream of numbers of 4 octets, from 0 on: whatever the tunnel does below, what comes is what was written. Pure. */

export const NUMBER_OCTETS = 4

export function encodeNumber(number: number): Uint8Array {
  const bytes = new Uint8Array(NUMBER_OCTETS)
  new DataView(bytes.buffer).setUint32(0, number)
  return bytes
}

export class StreamCheck {
  /** The number that has to come next. */
  next = 0
  /** The first number that was another one; null: none. */
  wrong: { readonly expected: number; readonly got: number } | null = null
  #rest = new Uint8Array(0)

  feed(chunk: Uint8Array): void {
    const bytes = new Uint8Array(this.#rest.length + chunk.length)
    bytes.set(this.#rest)
    bytes.set(chunk, this.#rest.length)
    const view = new DataView(bytes.buffer)
    let at = 0
    for (; at + NUMBER_OCTETS <= bytes.length; at += NUMBER_OCTETS) {
      const got = view.getUint32(at)
      if (got !== this.next) this.wrong ??= { expected: this.next, got }
      this.next = got + 1
    }
    this.#rest = bytes.slice(at)
  }
}
