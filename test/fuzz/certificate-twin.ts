/**
 * What a certificate and a revocation list say, read a second time with the reader of der-damage.ts, slowly and by the text of RFC 5280. What
 * the decoders accept must be what is written here; whatever is too many, too long or behind the end shows.
 */

import assert from 'node:assert/strict'
import type { Bytes } from '../../src/kit/bytes.ts'
import { concat, toHex, toUtf8 } from '../../src/kit/bytes.ts'
import { derTag, encodeDer, encodeOid } from '../../src/kit/der.ts'
import type { Certificate } from '../../src/pki/certificate.ts'
import type { CertificateList } from '../../src/pki/certificate-list.ts'
import { serialKey } from '../../src/pki/certificate-list.ts'
import type { DerNode } from './der-damage.ts'
import { encodeTree, parseFlat } from './der-damage.ts'

const octetsOf = (node: DerNode): Bytes => encodeTree([node])
const contentOf = ({ prefix, content }: DerNode): Bytes => concat(prefix, content instanceof Uint8Array ? content : encodeTree(content))

/** The values inside one. */
function inside(node: DerNode, tag: number, what: string): readonly DerNode[] {
  assert.equal(node.tag, tag, what)
  const nodes = parseFlat(contentOf(node))
  assert.ok(nodes !== null, `${what} is not made of values`)
  return nodes
}

/** One value that is written as DER wants it, lengths and all. */
function only(der: Bytes, what: string): DerNode {
  const nodes = parseFlat(der)
  assert.ok(nodes?.length === 1, `${what}: ${nodes?.length} values`)
  assert.equal(toHex(octetsOf(nodes[0]!)), toHex(der), `${what} is written in another way than DER's`)
  return nodes[0]!
}

interface Outer {
  readonly fields: readonly DerNode[]
  readonly algorithm: DerNode
}

function readSigned(der: Bytes, { tbs, signature }: { readonly tbs: Bytes; readonly signature: Bytes }): Outer {
  const parts = inside(only(der, 'the whole'), derTag.sequence, 'the whole')
  assert.equal(parts.length, 3)
  const [signed, algorithm, bits] = parts as [DerNode, DerNode, DerNode]
  assert.deepEqual([toHex(octetsOf(signed)), toHex(contentOf(bits))], [toHex(tbs), `00${toHex(signature)}`])
  return { fields: inside(signed, derTag.sequence, 'what is signed'), algorithm }
}

/** Octets that must stand there, one field after the other; null: whatever does. */
function assertFields(fields: readonly DerNode[], expected: readonly (Bytes | null)[], what: string): void {
  assert.equal(fields.length, expected.length, what)
  for (const [i, octets] of expected.entries())
    if (octets !== null) assert.equal(toHex(octetsOf(fields[i]!)), toHex(octets), `${what} ${i}`)
}

/** A time in the tag that it has: the only way to write it (§4.1.2.5). */
function encodedTime(node: DerNode | undefined, ms: number): Bytes {
  const digits = new Date(ms).toISOString().replace(/\.\d+/, '').replace(/[-:T]/g, '')
  const isShort = node?.tag === derTag.utcTime
  return encodeDer(isShort ? derTag.utcTime : derTag.generalizedTime, toUtf8(isShort ? digits.slice(2) : digits))
}

export function assertCertificate(der: Bytes, certificate: Certificate): void {
  const { fields, algorithm } = readSigned(der, certificate)
  const { serial, issuer, subject, spki, notBeforeMs, notAfterMs } = certificate
  assert.ok(der.length <= 16_384 && serial.length >= 1 && serial.length <= 21, `a serial number of ${serial.length} octets`)
  const [version] = fields
  const hasVersion = version?.tag === 0xa0
  const rest = hasVersion ? fields.slice(1) : fields
  const [from, to] = inside(rest[3]!, derTag.sequence, 'validity')
  const period = encodeDer(derTag.sequence, encodedTime(from, notBeforeMs), encodedTime(to, notAfterMs))
  const optional = rest.slice(6)
  const known = [encodeDer(derTag.integer, serial), octetsOf(algorithm), issuer, period, subject, spki]
  assertFields(rest, [...known, ...optional.map(() => null)], 'field')
  const tags = optional.map(({ tag }) => tag)
  assert.deepEqual(
    tags,
    [0x81, 0x82, 0xa3].filter((tag) => tags.includes(tag)),
    'what stands behind the key',
  )
  const extensions = optional.find(({ tag }) => tag === 0xa3)
  if (extensions !== undefined)
    assert.deepEqual(hasVersion ? contentOf(version) : null, Uint8Array.of(2, 1, 2), 'extensions are of version 3')
  const list = extensions === undefined ? [] : inside(only(contentOf(extensions), 'extensions'), derTag.sequence, 'extensions')
  assertExtensions(list.map(readExtension), certificate)
  assertKey(certificate)
}

interface Extension {
  readonly type: string
  readonly critical: boolean
  readonly value: Bytes
}

/** `type` as its octets in hexadecimal digits. */
function readExtension(node: DerNode): Extension {
  const fields = inside(node, derTag.sequence, 'extension')
  const [type, second] = fields
  const hasFlag = second?.tag === derTag.boolean
  assert.equal(fields.length, hasFlag ? 3 : 2, 'fields of an extension')
  const value = fields.at(-1)!
  assert.deepEqual([type!.tag, value.tag], [derTag.oid, derTag.octetString])
  if (hasFlag) assert.ok(['00', 'ff'].includes(toHex(contentOf(second))), 'a flag')
  return { type: toHex(octetsOf(type!)), critical: hasFlag && contentOf(second)[0] === 0xff, value: contentOf(value) }
}

const typeOf = (dots: string): string => toHex(encodeOid(dots))
/** Those that mean something to us, or may be passed over though they are critical. */
const processed = ['14', '15', '17', '18', '19', '31', '32', '35', '37']
  .map((n) => typeOf(`2.5.29.${n}`))
  .concat(typeOf('1.3.6.1.5.5.7.1.1'))

function assertExtensions(extensions: readonly Extension[], certificate: Certificate): void {
  assert.ok(extensions.length <= 64, `${extensions.length} extensions`)
  assert.equal(new Set(extensions.map(({ type }) => type)).size, extensions.length, 'an extension comes twice')
  const unknown = extensions.find(({ type, critical }) => critical && !processed.includes(type))?.type ?? null
  const { unknownCritical } = certificate
  assert.equal(unknownCritical === null ? null : typeOf(unknownCritical), unknown, 'an unknown critical extension')
  const valueOf = (dots: string): Bytes | null => extensions.find(({ type }) => type === typeOf(dots))?.value ?? null
  assertUsage(valueOf('2.5.29.15'), certificate.keyUsage)
  assertConstraints(valueOf('2.5.29.19'), certificate.basicConstraints)
  const purposes = valueOf('2.5.29.37')
  const written =
    purposes === null ? null : inside(parseFlat(purposes)![0]!, derTag.sequence, 'purposes').map((one) => toHex(octetsOf(one)))
  assert.deepEqual(certificate.extendedKeyUsage?.map(typeOf) ?? null, written)
  assert.ok((written?.length ?? 0) <= 64 && certificate.alternativeNames.length <= 256, 'too many purposes or names')
  for (const { type, value } of extensions)
    if (processed.includes(type)) assert.equal(parseFlat(value)?.length, 1, 'more than one value in an extension')
  const names = valueOf('2.5.29.17')
  const general = names === null ? [] : inside(parseFlat(names)![0]!, derTag.sequence, 'names')
  const ours = general.filter((one) => isNameForIke(one.tag, contentOf(one).length)).map((one) => toHex(contentOf(one)))
  assert.deepEqual(
    certificate.alternativeNames.map(({ data }) => toHex(data)),
    ours,
  )
}

/** rfc822Name, dNSName, directoryName, iPAddress (§4.2.1.6). */
function isNameForIke(tag: number, length: number): boolean {
  return tag === 0x81 || tag === 0x82 || tag === 0xa4 || (tag === 0x87 && (length === 4 || length === 16))
}

/** Bit 0 is the first one (§4.2.1.3). */
function assertUsage(value: Bytes | null, keyUsage: number | null): void {
  assert.equal(value === null, keyUsage === null)
  if (value === null || keyUsage === null) return
  const [unused, ...octets] = contentOf(parseFlat(value)![0]!)
  const bits = octets.map((octet) => octet.toString(2).padStart(8, '0')).join('')
  assert.ok(unused !== undefined && unused < 8 && (unused === 0 || octets.length > 0), 'unused bits')
  const used = bits
    .slice(0, bits.length - unused)
    .slice(0, 32)
    .split('')
  assert.equal(keyUsage, Number.parseInt(used.reverse().join('') || '0', 2))
}

function assertConstraints(value: Bytes | null, constraints: Certificate['basicConstraints']): void {
  assert.equal(value === null, constraints === null)
  if (value === null || constraints === null) return
  const fields = inside(parseFlat(value)![0]!, derTag.sequence, 'constraints')
  const ca = fields[0]?.tag === derTag.boolean ? contentOf(fields[0])[0] === 0xff : false
  const length = fields.find(({ tag }) => tag === derTag.integer)
  const expected = length === undefined ? null : Number(BigInt(`0x${toHex(contentOf(length))}`))
  assert.deepEqual([constraints.ca, constraints.pathLength], [ca, expected])
  assert.ok(fields.length <= 2 && (expected ?? 0) <= 255)
}

function assertKey({ key, spki }: Certificate): void {
  const [algorithm, bits] = inside(only(spki, 'key'), derTag.sequence, 'key')
  assert.equal(contentOf(bits!)[0], 0, 'unused bits of a key')
  if (key === null) return
  const type = octetsOf(inside(algorithm!, derTag.sequence, 'algorithm')[0]!)
  const length = contentOf(bits!).length - 1
  if (key.type === 'ed25519') return assert.deepEqual([type, length], [encodeOid('1.3.101.112'), 32])
  if (key.type === 'ec')
    return assert.deepEqual([type, length], [encodeOid('1.2.840.10045.2.1'), { 256: 65, 384: 97, 521: 133 }[key.curve]])
  const [modulus, exponent] = inside(only(contentOf(bits!).subarray(1), 'RSA key'), derTag.sequence, 'RSA key')
  const size = BigInt(`0x${toHex(contentOf(modulus!))}`).toString(2).length
  const e = BigInt(`0x${toHex(contentOf(exponent!))}`)
  assert.ok(size === key.bits && size >= 2048 && size <= 8192, `a modulus of ${size} bits`)
  assert.ok(e % 2n === 1n && e > 1n && e < 2n ** 33n, `the exponent ${e}`)
  assert.ok(contentOf(modulus!)[0]! < 0x80 && contentOf(exponent!)[0]! < 0x80, 'a negative number')
}

export function assertList(der: Bytes, list: CertificateList): void {
  const { fields, algorithm } = readSigned(der, list)
  const rest = fields[0]?.tag === derTag.integer ? fields.slice(1) : fields
  assert.ok(rest === fields || toHex(contentOf(fields[0]!)) !== '00', 'version 1 is not written')
  const isTime = (node: DerNode | undefined): boolean => node?.tag === derTag.utcTime || node?.tag === derTag.generalizedTime
  const next = list.nextUpdateMs === null ? [] : [encodedTime(rest[3], list.nextUpdateMs)]
  assert.equal(next.length, isTime(rest[3]) ? 1 : 0)
  const optional = rest.slice(3 + next.length)
  const known = [octetsOf(algorithm), list.issuer, encodedTime(rest[2], list.thisUpdateMs), ...next]
  assertFields(rest, [...known, ...optional.map(() => null)], 'field')
  const tags = optional.map(({ tag }) => tag)
  assert.deepEqual(
    tags,
    [derTag.sequence, 0xa0].filter((tag) => tags.includes(tag)),
    'what stands behind the times',
  )
  const entries = optional[0]?.tag === derTag.sequence ? inside(optional[0], derTag.sequence, 'entries') : []
  assert.deepEqual(list.revoked, new Set(entries.map((entry) => serialKey(readEntry(entry)))))
  if (optional.at(-1)?.tag === 0xa0) assertNoneCritical(only(contentOf(optional.at(-1)!), 'extensions'))
}

/** The serial number of a certificate that is revoked (§5.1.2.6). */
function readEntry(entry: DerNode): Bytes {
  const [serial, date, extensions, ...more] = inside(entry, derTag.sequence, 'entry')
  assert.ok(date !== undefined && more.length === 0, 'fields of an entry')
  const octets = contentOf(serial!)
  const isShortest = octets.length === 1 || (octets[0] === 0 ? octets[1]! >= 0x80 : octets[0] !== 0xff || octets[1]! < 0x80)
  assert.ok(serial!.tag === derTag.integer && octets.length >= 1 && octets.length <= 21 && isShortest, 'a serial number')
  if (extensions !== undefined) assertNoneCritical(extensions)
  return octets
}

function assertNoneCritical(extensions: DerNode): void {
  for (const node of inside(extensions, derTag.sequence, 'extensions')) {
    const [, flag] = inside(node, derTag.sequence, 'extension')
    assert.ok(flag?.tag !== derTag.boolean || contentOf(flag)[0] === 0, 'a critical extension')
  }
}
