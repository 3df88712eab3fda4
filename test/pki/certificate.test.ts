/** X.509 decoded: against OpenSSL's and @peculiar/x509's view of the same octets, and whatever octets come. */

import assert from 'node:assert/strict'
import 'reflect-metadata'
import { X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { X509Certificate as PeculiarCertificate } from '@peculiar/x509'
import { decodeName, formatName } from '../../src/context/distinguished-name.ts'
import { formatIdentity, idType, parseIdentity } from '../../src/context/identity.ts'
import { nodeIkeCrypto } from '../../src/crypto/node-ike-crypto.ts'
import { toHex } from '../../src/kit/bytes.ts'
import { DecodeError } from '../../src/kit/wire.ts'
import { decodeCertificate, keyPurpose } from '../../src/pki/certificate.ts'
import { decodeCertificateList, serialKey } from '../../src/pki/certificate-list.ts'
import { findPath } from '../../src/pki/path.ts'
import { trustOf } from '../../src/pki/trust.ts'
import type { KeyType } from '../support/pki.ts'
import { makeAuthority, makeCertificate, makeList, pem, testKey } from '../support/pki.ts'
import { opensslCertificates } from '../vectors/openssl-certificates.ts'

const root = makeAuthority('C=CH, O=Test, CN=Root', testKey('p256', 'root'), { ca: { pathLength: 1 } })
const alice = makeCertificate({
  subject: 'C=CH, O=Täst, CN=alice',
  key: testKey('ed25519', 'alice'),
  issuer: root,
  serial: 0x80_01,
  keyUsage: 1,
  extendedKeyUsage: [keyPurpose.clientAuth],
  alternativeNames: [parseIdentity('alice@example.org'), parseIdentity('alice.example.org'), parseIdentity('192.0.2.9')],
  crlUri: 'http://example.org/crl',
})

test('what the tests make is what OpenSSL and we read alike', () => {
  const theirs = new X509Certificate(alice.der)
  const ours = decodeCertificate(alice.der)
  assert.ok(theirs.verify(new X509Certificate(root.der).publicKey))
  assert.ok(theirs.checkIssued(new X509Certificate(root.der)))
  assert.equal(toHex(ours.serial).replace(/^00/, '').toUpperCase(), theirs.serialNumber)
  assert.equal(formatName(decodeName(ours.subject)), theirs.subject.split('\n').join(', '))
  assert.deepEqual([ours.notBeforeMs, ours.notAfterMs], [Date.parse(theirs.validFrom), Date.parse(theirs.validTo)])
  assert.deepEqual(ours.extendedKeyUsage, theirs.keyUsage)
  assert.equal(theirs.subjectAltName, 'email:alice@example.org, DNS:alice.example.org, IP Address:192.0.2.9')
  assert.deepEqual(ours.alternativeNames.map(formatIdentity), ['alice@example.org', 'alice.example.org', '192.0.2.9'])
  assert.equal(ours.hasRevocationUri, true)
  const authority = decodeCertificate(root.der)
  assert.deepEqual([authority.basicConstraints, authority.keyUsage], [{ ca: true, pathLength: 1 }, 0b110_0000])
})

for (const [name, { certificate, issuer }] of Object.entries(opensslCertificates)) {
  test(`a certificate that openssl made is read as @peculiar/x509 reads it, and leads to its root: ${name}`, () => {
    const der = new Uint8Array(new X509Certificate(certificate).raw)
    const anchor = new Uint8Array(new X509Certificate(issuer).raw)
    const theirs = new PeculiarCertificate(certificate)
    const ours = decodeCertificate(der)
    assert.equal(toHex(ours.serial), theirs.serialNumber)
    assert.deepEqual([ours.notBeforeMs, ours.notAfterMs], [theirs.notBefore.getTime(), theirs.notAfter.getTime()])
    assert.equal(formatName(decodeName(ours.subject)), theirs.subject)
    assert.deepEqual(new Uint8Array(theirs.publicKey.rawData), ours.spki)
    assert.equal(ours.unknownCritical, null)
    assert.notEqual(ours.key, null)
    const trust = trustOf(nodeIkeCrypto, [{ name: 'root', certificate: anchor, crls: [] }])
    const rules = { nowMs: ours.notBeforeMs + 1000, purpose: 'client', revocation: 'relaxed', authorities: [] } as const
    const result = findPath(nodeIkeCrypto, trust, [ours], rules)
    assert.deepEqual(result.ok ? result.path.length : result.problem, 2)
  })
}

test('no octet of a certificate can be changed so that it still leads to the root', () => {
  const trust = trustOf(nodeIkeCrypto, [{ name: 'root', certificate: root.der, crls: [] }])
  const rules = { nowMs: Date.UTC(2026, 0, 1), purpose: 'client', revocation: 'relaxed', authorities: [] } as const
  const lead = (der: Uint8Array): boolean => {
    try {
      return findPath(nodeIkeCrypto, trust, [decodeCertificate(der)], rules).ok
    } catch (error) {
      assert.ok(error instanceof DecodeError, String(error))
      return false
    }
  }
  assert.ok(lead(alice.der))
  for (let at = 0; at < alice.der.length; at++) {
    for (const change of [1, 0x80, 0x20]) {
      const changed = alice.der.slice()
      changed[at]! ^= change
      assert.equal(lead(changed), false, `octet ${at} with ${change}`)
    }
  }
})

test('octets that are no certificate or list throw nothing but a DecodeError, at every cut and with whatever changed', () => {
  const list = makeList({ issuer: root, revoked: [1, 2, 300] })
  const parts: readonly [bytes: Uint8Array, decode: (bytes: Uint8Array) => unknown][] = [
    [alice.der, decodeCertificate],
    [list, decodeCertificateList],
  ]
  const attempt = (decode: (bytes: Uint8Array) => unknown, bytes: Uint8Array): void => {
    try {
      decode(bytes)
    } catch (error) {
      assert.ok(error instanceof DecodeError, String(error))
    }
  }
  for (const [bytes, decode] of parts) {
    for (let length = 0; length < bytes.length; length++) assert.throws(() => decode(bytes.subarray(0, length)), DecodeError)
    const changes = fc.array(fc.tuple(fc.nat(bytes.length - 1), fc.nat(255)), { minLength: 1, maxLength: 5 })
    fc.assert(
      fc.property(changes, (list) => {
        const changed = bytes.slice()
        for (const [at, value] of list) changed[at] = value
        attempt(decode, changed)
      }),
      { numRuns: 2000 },
    )
    fc.assert(fc.property(fc.uint8Array({ maxLength: 200 }), (junk) => attempt(decode, junk)))
  }
})

test('deep nesting and endless lists cost no more than their octets', () => {
  const deep = new Uint8Array(16_000)
  for (let at = 0; at + 4 <= deep.length; at += 4) deep.set([0x30, 0x82, (deep.length - at - 4) >> 8, (deep.length - at - 4) & 255], at)
  assert.throws(() => decodeCertificate(deep), DecodeError)
  const names = Array.from({ length: 257 }, (_, i) => parseIdentity(`a${i}`))
  const many = makeCertificate({ subject: 'CN=many', key: root.key, issuer: root, alternativeNames: names })
  assert.throws(() => decodeCertificate(many.der), /expected at most 256/)
})

const kinds: readonly (readonly [type: KeyType, key: unknown])[] = [
  ['rsa', { type: 'rsa', bits: 2048 }],
  ['p256', { type: 'ec', curve: 256 }],
  ['p384', { type: 'ec', curve: 384 }],
  ['p521', { type: 'ec', curve: 521 }],
  ['ed25519', { type: 'ed25519' }],
]
for (const [type, key] of kinds) {
  test(`the key of a certificate with ${type} is known for what it is`, () => {
    assert.deepEqual(decodeCertificate(makeAuthority('CN=x', testKey(type)).der).key, key)
  })
}

test('times are UTCTime up to 2049 and GeneralizedTime from then on (RFC 5280 §4.1.2.5)', () => {
  const notAfterMs = Date.UTC(2051, 1, 28, 23, 59, 59)
  const notBeforeMs = Date.UTC(1999, 11, 31)
  const { der } = makeCertificate({ subject: 'CN=x', key: root.key, notBeforeMs, notAfterMs })
  const decoded = decodeCertificate(der)
  assert.deepEqual([decoded.notBeforeMs, decoded.notAfterMs], [notBeforeMs, notAfterMs])
})

test('an alternative name may be a distinguished name', () => {
  const { der } = makeCertificate({ subject: 'CN=x', key: root.key, alternativeNames: [parseIdentity('C=CH, CN=y')] })
  const [name] = decodeCertificate(der).alternativeNames
  assert.equal(name?.type, idType.derAsn1Dn)
  assert.equal(formatIdentity(name), 'C=CH, CN=y')
})

test('a revocation list has its serial numbers, and when the next one is due', () => {
  const list = decodeCertificateList(makeList({ issuer: root, revoked: [5, 0x80_00], nextUpdateMs: null }))
  assert.deepEqual([...list.revoked], [serialKey(Uint8Array.of(5)), serialKey(Uint8Array.of(0, 0x80, 0))])
  assert.equal(list.nextUpdateMs, null)
  assert.equal(decodeCertificateList(makeList({ issuer: root })).revoked.size, 0)
})

test('PEM and DER are the same certificate', () => {
  assert.deepEqual(new Uint8Array(new X509Certificate(pem('CERTIFICATE', alice.der)).raw), alice.der)
})
