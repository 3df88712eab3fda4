/** Certificates, revocation lists and names that strangers show: real ones changed at every level, and whatever octets. */

import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import fc from 'fast-check'
import { decodeName, encodeName, formatName, nameKey, parseName, matchesName } from '../../src/context/distinguished-name.ts'
import { nodeIkeCrypto } from '../../src/crypto/node-ike-crypto.ts'
import { certificateLabels, decodePem, listLabels } from '../../src/config/pem.ts'
import { decodeSignature } from '../../src/ike/signature.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { concat, toHex, toUtf8 } from '../../src/kit/bytes.ts'
import type { DerValue } from '../../src/kit/der.ts'
import { derTag, DerReader, encodeDer, encodeOid } from '../../src/kit/der.ts'
import { SeededRandom } from '../../src/kit/random.ts'
import type { SignatureScheme } from '../../src/kit/signatures.ts'
import { DecodeError } from '../../src/kit/wire.ts'
import { decodePublicKey, decodeSignatureAlgorithm, encodeSignatureAlgorithm, pssScheme } from '../../src/pki/algorithms.ts'
import { decodeCertificate } from '../../src/pki/certificate.ts'
import type { Certificate } from '../../src/pki/certificate.ts'
import { decodeCertificateList } from '../../src/pki/certificate-list.ts'
import { findPath, maximumPathLength } from '../../src/pki/path.ts'
import type { PkiCrypto } from '../../src/pki/trust.ts'
import { trustOf, verifies } from '../../src/pki/trust.ts'
import type { TestCertificate } from '../support/pki.ts'
import { makeAuthority, makeCertificate, makeList, pem } from '../support/pki.ts'
import { opensslCertificates } from '../vectors/openssl-certificates.ts'
import { assertCertificate, assertList } from './certificate-twin.ts'
import { authorities, client, fixedKey, intermediate, revoked, root, server } from './certificates.ts'
import { cheapIkeCrypto } from './cheap-crypto.ts'
import type { DerDamage, DerNode } from './der-damage.ts'
import { damagedDer, derDamages, parseFlat } from './der-damage.ts'
import type { Mutation } from './mutation.ts'
import { mutate, mutations } from './mutation.ts'
import type { Target } from './target.ts'
import { octets, record, target } from './target.ts'

const crypto = cheapIkeCrypto(new SeededRandom(3))
const seldom = fc.oneof({ weight: 6, arbitrary: fc.constant([]) }, mutations)

/** One of these, changed as a tree and then, seldom, as octets; or any octets. */
function changed(originals: readonly Bytes[]): fc.Arbitrary<Bytes> {
  const real = fc
    .tuple(fc.nat(originals.length - 1), derDamages, seldom)
    .map(([i, damage, changes]: readonly [number, readonly DerDamage[], readonly Mutation[]]) =>
      mutate(damagedDer(originals[i]!, damage), changes),
    )
  return fc.oneof({ weight: 12, arbitrary: real }, octets(0, 120))
}

/** Null: refused as it has to be, with a DecodeError. */
function attempt<T>(decode: (bytes: Bytes) => T, bytes: Bytes): T | null {
  try {
    return decode(bytes)
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    return null
  }
}

// ---- DER itself

const readings = ['any', 'oid', 'integer', 'small', 'flag', 'bits', 'flags', 'time', 'inside'] as const
type Reading = (typeof readings)[number]

const readingOf: Readonly<Record<number, Reading>> = {
  [derTag.boolean]: 'flag',
  [derTag.integer]: 'integer',
  [derTag.bitString]: 'bits',
  [derTag.oid]: 'oid',
  [derTag.utcTime]: 'time',
  [derTag.generalizedTime]: 'time',
  [derTag.sequence]: 'inside',
}

/** Reads as if it were expected, mostly what is there. What was read must be the only way to write it. */
function readAll(bytes: Bytes, kinds: readonly number[]): void {
  const queue = [bytes]
  for (let reads = 0; queue.length > 0 && reads < 60; reads++) {
    const content = queue.shift()!
    const kind = kinds[reads % kinds.length]!
    const fitting = readingOf[content[0] ?? 0] ?? 'any'
    const reader = new DerReader('DER', content)
    const whole = attempt(() => new DerReader('DER', content).any('value'), content)
    const how = kind < 12 ? fitting : readings[kind % readings.length]!
    const isRead = attempt(() => readOne(reader, how, whole ?? { tag: 0, content, whole: content }), content)
    if (whole === null) {
      if (how !== 'flag') assert.equal(isRead, null, `${how} of what is no value`)
      continue
    }
    const header = whole.whole.length - whole.content.length
    assert.equal(header, encodeDer(whole.tag, new Uint8Array(whole.content.length)).length - whole.content.length, 'a padded length')
    if ((whole.tag & 0x20) !== 0) queue.push(whole.content)
    queue.push(content.subarray(whole.whole.length))
  }
}

function readOne(reader: DerReader, how: Reading, { content, whole }: DerValue): boolean {
  // What is long is no string or number that anybody reads to its end here.
  if (whole.length > 400) return reader.any('value').content.length === content.length
  switch (how) {
    case 'any':
      reader.any('value')
      return true
    case 'oid':
      assert.equal(toHex(encodeOid(reader.oid('value'))), toHex(whole))
      return true
    case 'integer':
    case 'small': {
      const value = how === 'integer' ? reader.integer('value') : encodedSmall(reader.small('value', 70_000))
      assert.equal(toHex(encodeDer(derTag.integer, value)), toHex(whole))
      assert.ok(value.length === 1 || (value[0] !== 0 && value[0] !== 0xff) || (value[0] === 0) === value[1]! >= 0x80, 'padded')
      return true
    }
    case 'flag': {
      const isThere = whole[0] === derTag.boolean
      const value = reader.flag('value')
      if (isThere) assert.equal(toHex(whole), value ? '0101ff' : '010100')
      else assert.equal(value, false)
      return true
    }
    case 'bits':
      assert.equal(toHex(encodeDer(derTag.bitString, Uint8Array.of(0), reader.bits('value'))), toHex(whole))
      return true
    case 'flags':
      reader.flags('value')
      assert.ok(content[0]! < 8 && (content[0] === 0 || content.length > 1), 'unused bits')
      return true
    case 'time': {
      const digits = new Date(reader.time('value')).toISOString().replace(/\.\d+/, '').replace(/[-:T]/g, '')
      assert.equal(toHex(content), toHex(toUtf8(whole[0] === derTag.utcTime ? digits.slice(2) : digits)))
      return true
    }
    case 'inside':
      reader.inside('value')
      return true
  }
}

function encodedSmall(value: number): Bytes {
  const digits = value.toString(16)
  const octetsOf = Uint8Array.from(Buffer.from(digits.padStart(digits.length + (digits.length % 2), '0'), 'hex'))
  return octetsOf[0]! >= 0x80 ? concat(Uint8Array.of(0), octetsOf) : octetsOf
}

// ---- certificates and lists

const derOf = (text: string): Bytes => new Uint8Array(new X509Certificate(text).raw)
const fromOpenssl = Object.values(opensslCertificates).flatMap(({ certificate, issuer }) => [derOf(certificate), derOf(issuer)])
const real = [root, intermediate, server, client].map(({ der }) => der).concat(fromOpenssl)
const lists = [
  revoked,
  makeList({ issuer: root }),
  makeList({ issuer: intermediate, revoked: [1], nextUpdateMs: null }),
  makeList({ issuer: root, revoked: [7, 0x7fff], extension: ['2.5.29.20', false, Uint8Array.of(2, 1, 1)] }),
  withEntryExtension(),
]

/** A list whose only entry says why (§5.3.1), beside one that says nothing. */
function withEntryExtension(): Bytes {
  const reason = encodeDer(derTag.sequence, encodeOid('2.5.29.21'), encodeDer(derTag.octetString, Uint8Array.of(10, 1, 1)))
  const entry = encodeDer(
    derTag.sequence,
    encodeDer(derTag.integer, Uint8Array.of(9)),
    encodeDer(derTag.utcTime, toUtf8('200101000000Z')),
    encodeDer(derTag.sequence, reason),
  )
  return relisted(makeList({ issuer: root, revoked: [7] }), entry)
}

/** The list with this entry as its first. */
function relisted(list: Bytes, entry: Bytes): Bytes {
  const top = new DerReader('list', list).inside('list')
  const tbs = new DerReader('tbs', top.value('tbs', derTag.sequence).content)
  const [algorithm, signature] = [top.any('algorithm').whole, top.any('signature').whole]
  const fields = [tbs.any('version'), tbs.any('algorithm'), tbs.any('issuer'), tbs.any('thisUpdate'), tbs.any('nextUpdate')]
  const entries = tbs.any('entries').content
  const body = encodeDer(derTag.sequence, ...fields.map(({ whole }) => whole), encodeDer(derTag.sequence, entry, entries))
  return encodeDer(derTag.sequence, body, algorithm, signature)
}

// ---- names

const names = ['C=CH, O=strongSwan, CN=alice', 'DC=org + UID=a, E=x@example.org', 'CN=Ä, OU=*', '2.999.1=x'].map((text) =>
  encodeName(parseName(text)!),
)

/** Whoever reads a name as it is written reads what the certificate says. */
function nameCheck(der: Bytes): void {
  const name = attempt(decodeName, der)
  const key = nameKey(der)
  if (name === null) return assert.equal(key, `#${toHex(der)}`)
  assert.ok(name.flat().length <= 64, `${name.flat().length} attributes`)
  assert.deepEqual(
    decodeName(encodeName(name)).map((rdn) => rdn.length),
    name.map((rdn) => rdn.length),
  )
  assert.equal(nameKey(encodeName(name)), key, 'another name once it is encoded anew')
  assert.ok(matchesName(name, der), 'a name does not match itself')
  assert.deepEqual(textsOf(encodeName(name)), textsOf(der), 'what is no string has become one')
  const written = formatName(name)
  const read = parseName(written)
  // What is empty, or has no type in dots that we take, can't be written.
  if (name.length > 0 && name.flat().every(isWritable)) assert.equal(nameKey(encodeName(read!)), key, `written ${JSON.stringify(written)}`)
}

/** Of each attribute of each RDN, in the order of their types, whether its value is a string. */
function textsOf(der: Bytes): readonly string[] {
  const inside = (octets: Bytes): Bytes[] => parseFlat(octets)!.map((node) => node.content as Bytes)
  return inside(der)
    .flatMap(inside)
    .flatMap((rdn) =>
      inside(rdn)
        .map((attribute) => parseFlat(attribute)!)
        .map(([type, value]) => `${toHex(type!.content as Bytes)} ${strings.includes(value!.tag) && isWhole(value!)}`)
        .sort(),
    )
}

const strings: readonly number[] = [
  derTag.utf8String,
  derTag.printableString,
  derTag.ia5String,
  derTag.teletexString,
  derTag.bmpString,
  derTag.universalString,
]

/** UCS-2 and UCS-4 are made of whole characters. */
function isWhole({ tag, content }: DerNode): boolean {
  return content.length % (tag === derTag.bmpString ? 2 : tag === derTag.universalString ? 4 : 1) === 0
}

function isWritable({ type, value }: { readonly type: string; readonly value: string }): boolean {
  return value.trim() !== '' && /^[0-2](\.\d{1,15})+$/.test(type)
}

// ---- algorithms

const schemes: readonly SignatureScheme[] = [
  ...(['sha1', 'sha256', 'sha384', 'sha512'] as const).flatMap((hash): SignatureScheme[] => [
    { type: 'rsa-pkcs1', hash },
    pssScheme(hash),
    { type: 'ecdsa', hash, format: 'der' },
  ]),
  { type: 'ed25519' },
]
const keys = real.map((der) => decodeCertificate(der).spki)

function algorithmCheck(der: Bytes): void {
  const scheme = attempt(decodeSignatureAlgorithm, der)
  if (scheme === null) return
  assert.deepEqual(decodeSignatureAlgorithm(encodeSignatureAlgorithm(scheme)), scheme)
  const encoded = encodeSignatureAlgorithm(scheme)
  const isWithoutNull = scheme.type === 'rsa-pkcs1' && der.length === encoded.length - 2
  if (scheme.type !== 'rsa-pss' && !isWithoutNull) assert.equal(toHex(der), toHex(encoded))
}

/** AUTH of method 14 (RFC 7427 §3): never SHA-1, never another key's algorithm. */
function signatureCheck(identifier: Bytes, length: number, signature: Bytes, kind: number): void {
  const key = decodePublicKey(keys[kind % keys.length]!)!
  const data = concat(Uint8Array.of((identifier.length + length) & 255), identifier, signature)
  const decoded = decodeSignature({ method: 14, data }, key)
  if (decoded === null) return
  assert.equal(decoded.scheme.type === 'ed25519' ? 'ed25519' : decoded.scheme.type === 'ecdsa' ? 'ec' : 'rsa', key.type)
  assert.ok(decoded.scheme.type === 'ed25519' || decoded.scheme.hash !== 'sha1', 'SHA-1')
  assert.ok(decoded.signature.length > 0)
}

// ---- paths

/** All of one name, so that each may have issued each; two have a key of their own. */
const tangle: readonly Bytes[] = [0, 1, 2, 3, 4, 5, 6, 7].flatMap((i) => {
  const key = fixedKey(i < 6 ? 'tangle' : 'other')
  const subject = i < 4 ? 'CN=tangle' : `CN=tangle ${i % 2}`
  const issuer = makeAuthority(i % 3 === 0 ? `CN=tangle ${i % 2}` : 'CN=tangle', fixedKey('tangle'), { serial: 50 + i })
  return [makeAuthority(subject, key, { issuer, serial: 20 + i }).der, makeCertificate({ subject, key, issuer, serial: 40 + i }).der]
})
/** Each signed by the next, the last by itself: longer than a path may be. One allows fewer below it than there are, one has expired. */
const ladder = Array.from({ length: 9 }, (_, i) => i)
  .reverse()
  .reduce<readonly TestCertificate[]>((made, i) => {
    const issuer = made[0] === undefined ? {} : { issuer: made[0] }
    const bounds = { ca: i === 6 ? { pathLength: 1 } : true, ...(i === 5 ? { notAfterMs: 1_790_000_000_000 } : {}) }
    return [makeAuthority(`CN=ladder ${i}`, fixedKey(`ladder ${i}`), { ...issuer, ...bounds, serial: 70 + i }), ...made]
  }, [])
const rungs = ladder.map((issuer, i) => makeCertificate({ subject: 'CN=rung', key: fixedKey('rung'), issuer, serial: 90 + i }).der)
/** All of one name and one key, and no way out. */
const knot = Array.from({ length: 8 }, (_, i) => makeAuthority('CN=knot', fixedKey('knot'), { serial: 110 + i }))
const tied = makeCertificate({ subject: 'CN=tied', key: fixedKey('rung'), issuer: knot[0]!, serial: 120 })
const anchors = [makeAuthority('CN=tangle', fixedKey('tangle'), { serial: 60 }), root, ladder.at(-1)!]
const decoded = (list: readonly Bytes[]): readonly Certificate[] => list.map((der) => decodeCertificate(der))
const endEntities = decoded([client.der, server.der, tied.der, ...rungs, ...tangle.filter((_, i) => i % 2 === 1)])
const others = decoded([...real.slice(0, 6), ...ladder.map(({ der }) => der), ...tangle])
const trust = trustOf(nodeIkeCrypto, [
  ...authorities,
  ...anchors.map(({ der }, i) => ({ name: `anchor ${i}`, certificate: der, crls: [] })),
  ...tangle.slice(0, 3).map((der, i) => ({ name: `between ${i}`, certificate: der, crls: [] })),
])
const MAX_VERIFICATIONS = 12

function pathCheck(chain: readonly Certificate[], nowMs: number, strict: boolean): void {
  let verifications = 0
  const counting: PkiCrypto = {
    ...crypto,
    verifySignature: (...args) => ((verifications += 1), crypto.verifySignature(...args)),
  }
  const rules = { nowMs, purpose: 'client', revocation: strict ? 'strict' : 'relaxed', authorities: [] } as const
  const result = findPath(counting, trust, chain, rules)
  assert.ok(verifications <= MAX_VERIFICATIONS, `${verifications} signatures verified`)
  if (!result.ok) return
  const { path } = result
  assert.ok(path[0] === chain[0] && path.length >= 2 && path.length <= maximumPathLength, `a path of ${path.length}`)
  assert.ok(
    trust.some(({ isAnchor, certificate }) => isAnchor && certificate === path.at(-1)),
    'no anchor at its end',
  )
  for (const [i, one] of path.entries()) {
    assert.ok(one.notBeforeMs <= nowMs && nowMs <= one.notAfterMs && one.unknownCritical === null, `certificate ${i}`)
    const issuer = path[i + 1]
    if (issuer === undefined) continue
    assert.ok(issuer.basicConstraints?.ca === true && verifies(crypto, one, issuer), `certificate ${i} is not signed by the next`)
    const below = path.slice(1, i + 1).filter(({ issuerKey, subjectKey }) => issuerKey !== subjectKey).length
    assert.ok(below <= (issuer.basicConstraints.pathLength ?? 99), `${below} authorities below`)
  }
}

export const pkiTargets: readonly Target[] = [
  target({
    name: 'DER, value by value',
    share: 15,
    values: record({ der: changed([...real.slice(0, 5), ...lists]), kinds: fc.array(fc.nat(20), { minLength: 1, maxLength: 5 }) }),
    check: ({ der, kinds }) => readAll(der, kinds),
  }),
  target({
    name: 'a certificate',
    share: 30,
    values: changed(real),
    check: (der) => {
      const certificate = attempt(decodeCertificate, der)
      if (certificate !== null) assertCertificate(der, certificate)
    },
  }),
  target({
    name: 'a revocation list',
    share: 20,
    values: changed(lists),
    check: (der) => {
      const list = attempt(decodeCertificateList, der)
      if (list !== null) assertList(der, list)
    },
  }),
  target({ name: 'a distinguished name', share: 15, values: changed(names), check: nameCheck }),
  target({ name: 'an algorithm identifier', share: 10, values: changed(schemes.map(encodeSignatureAlgorithm)), check: algorithmCheck }),
  target({
    name: 'a public key',
    share: 10,
    values: changed(keys),
    check: (der) => void attempt(decodePublicKey, der),
  }),
  target({
    name: 'a signature in AUTH',
    share: 10,
    values: record({
      identifier: changed(schemes.map(encodeSignatureAlgorithm)),
      length: fc.constantFrom(0, 0, 0, 1, 255),
      signature: octets(0, 9),
      key: fc.nat(20),
    }),
    check: ({ identifier, length, signature, key }) => signatureCheck(identifier, length, signature, key),
  }),
  target({
    name: 'paths of certificates',
    share: 6,
    values: record({
      first: fc.constantFrom(...endEntities),
      // Of a ladder all, in any order, so that there is a way up; or whatever.
      sent: fc.oneof(
        fc.shuffledSubarray(decoded(ladder.map(({ der }) => der)).slice(0, 8), { minLength: 6 }),
        fc.shuffledSubarray([...decoded(knot.map(({ der }) => der))], { minLength: 5 }),
        fc.shuffledSubarray([...others], { maxLength: 9 }),
      ),
      nowMs: fc.oneof(
        { weight: 5, arbitrary: fc.constantFrom(1_780_000_000_000, 1_800_000_000_000) },
        fc.constantFrom(0, 1_570_000_000_000, 2 ** 45),
      ),
      strict: fc.oneof({ weight: 4, arbitrary: fc.constant(false) }, fc.constant(true)),
    }),
    check: ({ first, sent, nowMs, strict }) => pathCheck([first, ...sent], nowMs, strict),
  }),
  target({
    name: 'PEM',
    share: 5,
    values: record({ changes: mutations, kind: fc.nat(2), noise: fc.string({ maxLength: 30 }) }),
    check: ({ changes, kind, noise }) => {
      const text = `${noise}\n${pem(['CERTIFICATE', 'X509 CRL', 'PRIVATE KEY'][kind]!, real[0]!)}${noise}`
      for (const one of decodePem(mutate(toUtf8(text), changes), [...certificateLabels, ...listLabels])) {
        assert.ok(one.length <= 2000)
        attempt(decodeCertificate, one)
      }
    },
  }),
]
