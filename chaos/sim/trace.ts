/** What happened, a line an event: kept as a rolling hash, so that two runs of a seed are compared at once, and printed for who wants to read it. */

import { crc32 } from 'node:zlib'
import type { Bytes } from '../../src/kit/bytes.ts'

export class Trace {
  readonly #print: ((line: string) => void) | null
  #hash = 0
  lines = 0

  constructor(print: ((line: string) => void) | null = null) {
    this.#print = print
  }

  /** `what` without the time. */
  line(nowMs: number, what: string): void {
    const line = `${Math.round(nowMs * 1000)} ${what}\n`
    this.lines++
    this.#hash = crc32(line, this.#hash)
    this.#print?.(line)
  }

  /** A line that stands for octets that moved. */
  octets(nowMs: number, what: string, octets: Bytes): void {
    this.line(nowMs, `${what} ${octets.length} ${crc32(octets)}`)
  }

  get fingerprint(): string {
    return this.#hash.toString(16).padStart(8, '0')
  }
}
