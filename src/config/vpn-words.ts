/** The words that vpn.yaml is made of: identities, files, and lists of one. */

import { anyIdentity } from '../context/identity.ts'
import { configurationLimits } from '../context/vpn-configuration-codec.ts'
import { toUtf8 } from '../kit/bytes.ts'
import type { Shape } from './yaml-shape.ts'
import { listOf, quote, reject, scalarAt, text } from './yaml-shape.ts'

const { nameOctets } = configurationLimits

export const identity = text(`an identity such as vpn.example.org or alice@example.org, of at most ${nameOctets} octets`, (word) => {
  return word !== '' && word !== anyIdentity && toUtf8(word).length <= nameOctets ? word : null
})

/** swanctl.conf's own form is one string with commas; here a list, or one string where there is one value. */
export function oneOrMore<T>(shape: Shape<T>, bounds: { readonly minimum: number; readonly maximum: number }): Shape<readonly T[]> {
  const list = listOf(shape, bounds)
  return (place) => {
    if (typeof scalarAt(place) !== 'string') return list(place)
    const value = shape(place)
    return value === undefined ? undefined : [value]
  }
}

/** A revocation list of 1 MiB in PEM, and then some. */
const MAX_INLINE_LENGTH = 2 * 2 ** 20

/** The name of a file, or in its place what would be in it, in PEM: what the gateways are given, who can't read an operator's files. */
export const fileName: Shape<string> = (place) => {
  const value = scalarAt(place)
  if (typeof value !== 'string') return reject(place, 'the name of a file')
  if (isInlineFile(value)) {
    // Never repeated in a problem: it may be a private key.
    return value.length <= MAX_INLINE_LENGTH ? value : reject(place, `PEM text of at most ${MAX_INLINE_LENGTH} characters`, 'more')
  }
  return value !== '' && toUtf8(value).length <= nameOctets ? value : reject(place, 'the name of a file')
}

/** Whether what stands where a file is named is its content, in PEM. */
export function isInlineFile(file: string): boolean {
  return file.trimStart().startsWith('-----BEGIN ')
}

/** A file in a problem: its name, in quotes. Nothing of a content, which may be a private key. */
export function quoteFile(file: string): string {
  return isInlineFile(file) ? 'the PEM text' : quote(file)
}
