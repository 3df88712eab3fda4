/** Looks for secrets in what a program says: in whole or in part, as they are, in hexadecimal, in base64, and as lists of numbers. */

import type { Bytes } from '../../src/kit/bytes.ts'
import { toHex } from '../../src/kit/bytes.ts'

/** So many octets of a secret in a row are no chance. A multiple of 3: base64 of them is part of the base64 of all. */
const WINDOW_OCTETS = 9

export interface Secret {
  readonly name: string
  readonly octets: Bytes
}

/** The names of those secrets of which `said` (its octets as latin1) has something, and how. */
export function leaksIn(said: string, secrets: readonly Secret[]): readonly string[] {
  const lower = said.toLowerCase()
  // As JSON has arrays, and typed arrays: {"0":1,"1":2}.
  const numbers = said.replaceAll(/"\d+":|\s/g, '')
  const leaks = new Set<string>()
  for (const { name, octets } of secrets) {
    for (let at = 0; at + WINDOW_OCTETS <= octets.length; at++) {
      const window = octets.subarray(at, at + WINDOW_OCTETS)
      const base64 = Buffer.from(window).toString('base64')
      if (lower.includes(toHex(window))) leaks.add(`${name} in hexadecimal`)
      if (said.includes(base64) || said.includes(base64.replaceAll('+', '-').replaceAll('/', '_'))) leaks.add(`${name} in base64`)
      if (said.includes(Buffer.from(window).toString('latin1'))) leaks.add(`${name} as it is`)
      if (numbers.includes(window.join())) leaks.add(`${name} as numbers`)
    }
  }
  return [...leaks]
}
