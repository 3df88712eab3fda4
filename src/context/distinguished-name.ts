/**
 * Distinguished names (RFC 5280 §4.1.2.4): as people write them, `C=CH, O=strongSwan, CN=alice`, and as certificates and ID_DER_ASN1_DN have
 * them. The order is that of the encoding, as strongSwan writes it; a `+` joins the parts of one RDN.
 *
 * Names are compared by meaning, not octet for octet (RFC 5280 §7.1): the string's type, the case of ASCII letters and runs of spaces do not
 * count.
 */

import type { Bytes } from '../kit/bytes.ts'
import { compareBytes, fromHex, fromUtf8, toHex, toUtf8 } from '../kit/bytes.ts'
import type { DerValue } from '../kit/der.ts'
import { DerReader, derTag, encodeDer, encodeDerText, encodeOid } from '../kit/der.ts'
import { decodedOrNull } from '../kit/wire.ts'

/** One attribute: its type as dots, its value as text; of a value that is no string (`isText` false) its DER in hexadecimal digits. */
export interface NameAttribute {
  readonly type: string
  readonly value: string
  readonly isText: boolean
}

/** RDNs in their order, each with one attribute or more. */
export type DistinguishedName = readonly (readonly NameAttribute[])[]

/** A peer chooses its name: so many attributes are enough for everyone. */
const maximumAttributes = 64

/** The keywords that strongSwan knows, as it writes them; the first of a type is what we write. */
const keywords: readonly (readonly [keyword: string, type: string])[] = [
  ['C', '2.5.4.6'],
  ['ST', '2.5.4.8'],
  ['S', '2.5.4.8'],
  ['L', '2.5.4.7'],
  ['STREET', '2.5.4.9'],
  ['O', '2.5.4.10'],
  ['OU', '2.5.4.11'],
  ['CN', '2.5.4.3'],
  ['T', '2.5.4.12'],
  ['D', '2.5.4.13'],
  ['SN', '2.5.4.5'],
  ['SERIALNUMBER', '2.5.4.5'],
  ['SURNAME', '2.5.4.4'],
  ['N', '2.5.4.41'],
  ['G', '2.5.4.42'],
  ['GN', '2.5.4.42'],
  ['I', '2.5.4.43'],
  ['ID', '2.5.4.45'],
  ['DNQ', '2.5.4.46'],
  ['DC', '0.9.2342.19200300.100.1.25'],
  ['UID', '0.9.2342.19200300.100.1.1'],
  ['E', '1.2.840.113549.1.9.1'],
  ['EMAIL', '1.2.840.113549.1.9.1'],
  ['EMAILADDRESS', '1.2.840.113549.1.9.1'],
]
const typeOf = new Map(keywords)
const keywordOf = new Map([...keywords].reverse().map(([keyword, type]) => [type, keyword]))
/** RFC 4519 §2.4 and RFC 5280 §4.1.2.6 want IA5String of these. */
const ia5Types = new Set(['0.9.2342.19200300.100.1.25', '1.2.840.113549.1.9.1'])

/** Throws `DecodeError`. */
export function decodeName(der: Bytes): DistinguishedName {
  const top = new DerReader('name', der)
  const names = top.inside('rdns')
  top.end()
  const rdns: NameAttribute[][] = []
  let count = 0
  while (!names.isAtEnd) {
    const set = names.inside('rdn', derTag.set)
    const attributes: NameAttribute[] = []
    do {
      if (++count > maximumAttributes) set.fail('attributes', `expected at most ${maximumAttributes}`)
      attributes.push(decodeAttribute(set.inside('attribute')))
    } while (!set.isAtEnd)
    rdns.push(attributes)
  }
  return rdns
}

function decodeAttribute(reader: DerReader): NameAttribute {
  const type = reader.oid('type')
  const { tag, content, whole } = reader.any('value')
  reader.end()
  const text = decodeText(tag, content)
  return { type, value: text ?? toHex(whole), isText: text !== null }
}

/** Null: not a string. Teletex is taken for Latin-1, as everyone does. */
function decodeText(tag: number, content: Bytes): string | null {
  switch (tag) {
    case derTag.utf8String:
    case derTag.printableString:
    case derTag.ia5String:
      return fromUtf8(content)
    case derTag.teletexString:
      return wideText(content, 1)
    case derTag.bmpString:
      return wideText(content, 2)
    case derTag.universalString:
      return wideText(content, 4)
    default:
      return null
  }
}

function wideText(content: Bytes, width: number): string | null {
  if (content.length % width !== 0) return null
  let text = ''
  for (let at = 0; at < content.length; at += width) {
    let point = 0
    for (let i = 0; i < width; i++) point = point * 256 + content[at + i]!
    text += point > 0x10ffff ? '\ufffd' : String.fromCodePoint(point)
  }
  return text
}

/** As DER: PrintableString where its alphabet does, UTF8String elsewhere. The attributes of an RDN are put in DER's order. */
export function encodeName(name: DistinguishedName): Bytes {
  const rdns = name.map((attributes) => encodeDer(derTag.set, ...attributes.map(encodeAttribute).sort(compareBytes)))
  return encodeDer(derTag.sequence, ...rdns)
}

function encodeAttribute({ type, value, isText }: NameAttribute): Bytes {
  return encodeDer(derTag.sequence, encodeOid(type), isText ? encodeText(type, value) : fromHex(value)!)
}

function encodeText(type: string, value: string): Bytes {
  const isAscii = toUtf8(value).length === value.length
  if (ia5Types.has(type) && isAscii) return encodeDerText(derTag.ia5String, value)
  const isPrintable = /^[A-Za-z0-9 '()+,\-./:=?]*$/.test(value)
  return encodeDerText(isPrintable ? derTag.printableString : derTag.utf8String, value)
}

/** A name as written; null when it is none. A backslash or double quotes take away the meaning of `,`, `+` and the like. */
export function parseName(text: string): DistinguishedName | null {
  const rdns: NameAttribute[][] = []
  for (const part of split(text, ',')) {
    const attributes = split(part, '+').map(parseAttribute)
    if (attributes.some((attribute) => attribute === null)) return null
    rdns.push(attributes as NameAttribute[])
  }
  return rdns.flat().length <= maximumAttributes ? rdns : null
}

function parseAttribute(text: string): NameAttribute | null {
  const equals = text.indexOf('=')
  if (equals < 0) return null
  const keyword = text.slice(0, equals).trim().toUpperCase()
  const type = typeOf.get(keyword) ?? (/^[0-2](\.\d{1,15})+$/.test(keyword) ? keyword : undefined)
  const written = trimSpaces(text.slice(equals + 1))
  const digits = /^#((?:[0-9A-Fa-f]{2})+)$/.exec(written)?.[1]?.toLowerCase()
  const isText = digits === undefined || decodedOrNull(decodeValue, fromHex(digits)!) === null
  const value = isText ? unquote(written) : digits
  return type === undefined || value === '' ? null : { type, value, isText }
}

/** One DER value and nothing behind it. */
function decodeValue(der: Bytes): DerValue {
  const reader = new DerReader('value', der)
  const value = reader.any('value')
  reader.end()
  return value
}

/** Without the spaces around it that no backslash keeps. */
function trimSpaces(text: string): string {
  const from = text.search(/[^ \t\r\n]/)
  if (from < 0) return ''
  let end = text.length
  while (/[ \t\r\n]/.test(text[end - 1]!) && !/(?:^|[^\\])(?:\\\\)*\\$/.test(text.slice(from, end - 1))) end -= 1
  return text.slice(from, end)
}

/** The parts between separators that stand by themselves. */
function split(text: string, separator: string): string[] {
  const parts: string[] = []
  let part = ''
  let isQuoted = false
  for (let i = 0; i < text.length; i++) {
    const character = text[i]!
    if (character === '\\') part += character + (text[++i] ?? '')
    else if (character === separator && !isQuoted) {
      parts.push(part)
      part = ''
    } else {
      if (character === '"') isQuoted = !isQuoted
      part += character
    }
  }
  return [...parts, part]
}

function unquote(text: string): string {
  const inner = text.length > 1 && text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1) : text
  return inner.replace(/\\([^])/g, '$1')
}

/** As people write it; `parseName` reads it again. */
export function formatName(name: DistinguishedName): string {
  return name.map((attributes) => attributes.map(formatAttribute).join(' + ')).join(', ')
}

function formatAttribute({ type, value, isText }: NameAttribute): string {
  const escaped = value.replace(/[,+"\\]/g, '\\$&').replace(/^[ \t\r\n#]|[ \t\r\n]$/g, '\\$&')
  return `${keywordOf.get(type) ?? type}=${isText ? escaped : `#${value}`}`
}

/** The same text for encodings that name the same (RFC 5280 §7.1), and only for those. One that does not decode is like itself only. */
export function nameKey(der: Bytes): string {
  const name = decodedOrNull(decodeName, der)
  if (name === null) return `#${toHex(der)}`
  return JSON.stringify(name.map((attributes) => attributes.map(keyOf).sort()))
}

function keyOf({ type, value, isText }: NameAttribute): string {
  return isText ? `${type}=${comparable(value)}` : `${type}#${value}`
}

/** Whether the name fits a pattern as written: as many RDNs of the same types, each with the same value or `*` in the pattern. */
export function matchesName(pattern: DistinguishedName, der: Bytes): boolean {
  const name = decodedOrNull(decodeName, der)
  if (name === null || pattern.length !== name.length) return false
  return pattern.every((attributes, i) => {
    const others = name[i]!
    return attributes.length === others.length && attributes.every((one) => others.some((other) => matchesAttribute(one, other)))
  })
}

function matchesAttribute(pattern: NameAttribute, attribute: NameAttribute): boolean {
  if (pattern.type !== attribute.type) return false
  return (pattern.isText && pattern.value === '*') || keyOf(pattern) === keyOf(attribute)
}

function comparable(value: string): string {
  return value
    .trim()
    .replace(/\s+/g, ' ')
    .replace(/[A-Z]+/g, (letters) => letters.toLowerCase())
}
