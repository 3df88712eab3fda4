/** What stands where nothing may: certificates, revocation lists, keys and algorithms are refused, not read as far as they make sense. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Bytes } from '../../src/kit/bytes.ts'
import { concat, toUtf8 } from '../../src/kit/bytes.ts'
import { contextTag, DerReader, derTag, encodeDer, encodeOid } from '../../src/kit/der.ts'
import type { SignatureScheme } from '../../src/kit/signatures.ts'
import { DecodeError } from '../../src/kit/wire.ts'
import { decodePublicKey, decodeSignatureAlgorithm, encodeSignatureAlgorithm, pssScheme } from '../../src/pki/algorithms.ts'
import { decodeCertificate } from '../../src/pki/certificate.ts'
import { decodeCertificateList, serialKey } from '../../src/pki/certificate-list.ts'
import { encodeExtension, makeAuthority, makeCertificate, makeList, testKey } from '../support/pki.ts'

const root = makeAuthority('CN=Root', testKey('p256', 'root'))
const nothing = encodeDer(derTag.null)
const number = (...octets: readonly number[]): Bytes => encodeDer(derTag.integer, Uint8Array.from(octets))

/** The values inside the signed part of a certificate or list, with one of them changed. Nobody looks at the signature. */
function resigned(der: Bytes, change: (fields: Bytes[]) => readonly Bytes[]): Bytes {
  const outer = new DerReader('signed', der).inside('signed')
  const tbs = new DerReader('tbs', outer.value('tbs', derTag.sequence).content)
  const fields: Bytes[] = []
  while (!tbs.isAtEnd) fields.push(tbs.any('field').whole)
  return encodeDer(
    derTag.sequence,
    encodeDer(derTag.sequence, ...change(fields)),
    outer.any('algorithm').whole,
    outer.any('signature').whole,
  )
}

test('the version of a certificate is one number', () => {
  const version = (content: Bytes): Bytes => resigned(root.der, (fields) => [encodeDer(contextTag(0, true), content), ...fields.slice(1)])
  assert.equal(decodeCertificate(version(number(2))).basicConstraints?.ca, true)
  assert.throws(() => decodeCertificate(version(concat(number(2), number(2)))), DecodeError)
})

test('nothing stands behind the list of extensions, nor behind the value of one', () => {
  const list = encodeDer(derTag.sequence, encodeExtension('2.5.29.15', true, encodeDer(derTag.bitString, Uint8Array.of(1, 6))))
  const extensions = (content: Bytes): Bytes =>
    resigned(root.der, (fields) => [...fields.slice(0, -1), encodeDer(contextTag(3, true), content)])
  assert.equal(decodeCertificate(extensions(list)).keyUsage, 0b110_0000)
  assert.throws(() => decodeCertificate(extensions(concat(list, nothing))), DecodeError)
  for (const type of ['2.5.29.14', '2.5.29.15', '2.5.29.17', '2.5.29.19', '2.5.29.31', '2.5.29.35', '2.5.29.37']) {
    const value = { '2.5.29.14': encodeDer(derTag.octetString), '2.5.29.15': encodeDer(derTag.bitString, Uint8Array.of(0, 1)) }[type]
    const of = (content: Bytes): Bytes => makeCertificate({ subject: 'CN=x', key: root.key, extension: [type, false, content] }).der
    const right = value ?? encodeDer(derTag.sequence)
    assert.doesNotThrow(() => decodeCertificate(of(right)), type)
    assert.throws(() => decodeCertificate(of(concat(right, nothing))), DecodeError, type)
  }
})

test('an entry of a revocation list is a number, a time and extensions: what is critical hides behind nothing else (RFC 5280 §5.3)', () => {
  const listed = (...entry: readonly Bytes[]): Bytes =>
    resigned(makeList({ issuer: root, revoked: [7] }), (fields) => [
      ...fields.slice(0, 5),
      encodeDer(derTag.sequence, encodeDer(derTag.sequence, ...entry)),
    ])
  const time = encodeDer(derTag.utcTime, toUtf8('200101000000Z'))
  const reason = encodeDer(derTag.sequence, encodeExtension('2.5.29.21', false, Uint8Array.of(10, 1, 1)))
  const issuer = encodeDer(derTag.sequence, encodeExtension('2.5.29.29', true, encodeDer(derTag.sequence)))
  assert.deepEqual([...decodeCertificateList(listed(number(9), time, reason)).revoked], [serialKey(Uint8Array.of(9))])
  for (const entry of [
    [number(9), time, issuer],
    [number(9), time, nothing, issuer],
    [number(9), nothing, reason],
    [number(9), time, reason, nothing],
    [number(9), time, encodeDer(derTag.sequence, encodeDer(derTag.sequence, encodeOid('2.5.29.21')))],
  ]) {
    assert.throws(() => decodeCertificateList(listed(...entry)), DecodeError)
  }
  const extended = makeList({ issuer: root, extension: ['2.5.29.20', false, number(1)] })
  assert.doesNotThrow(() => decodeCertificateList(extended))
  assert.throws(() => {
    const twice = resigned(extended, (fields) => {
      const last = new DerReader('extensions', fields.at(-1)!).any('extensions').content
      return [...fields.slice(0, -1), encodeDer(contextTag(0, true), last, nothing)]
    })
    decodeCertificateList(twice)
  }, DecodeError)
})

/** A SubjectPublicKeyInfo of RSA with this modulus and exponent. */
function rsaKey(
  modulus: Bytes,
  exponent: readonly number[],
  parameters: readonly Bytes[] = [nothing],
  behind: readonly Bytes[] = [],
): Bytes {
  const key = encodeDer(derTag.sequence, encodeDer(derTag.integer, modulus), number(...exponent))
  const algorithm = encodeDer(derTag.sequence, encodeOid('1.2.840.113549.1.1.1'), ...parameters)
  return encodeDer(derTag.sequence, algorithm, encodeDer(derTag.bitString, Uint8Array.of(0), key, ...behind))
}

test('an RSA key has a positive modulus and an exponent of 3 or more and at most 32 bits', () => {
  const modulus = concat(Uint8Array.of(0), new Uint8Array(256).fill(0xa1))
  const usual = [1, 0, 1] as const
  assert.deepEqual(decodePublicKey(rsaKey(modulus, usual)), { type: 'rsa', bits: 2048 })
  assert.deepEqual(decodePublicKey(rsaKey(modulus, usual, [])), { type: 'rsa', bits: 2048 })
  assert.deepEqual(decodePublicKey(rsaKey(modulus, [0, 0xff, 0xff, 0xff, 0xff])), { type: 'rsa', bits: 2048 })
  assert.equal(decodePublicKey(rsaKey(modulus.subarray(1), usual)), null)
  for (const exponent of [[1], [2], [0x81], [1, 0, 0, 0, 1], [0, 0xff, 0xff, 0xff, 0xff, 0xff]]) {
    assert.equal(decodePublicKey(rsaKey(modulus, exponent)), null, exponent.join())
  }
  assert.throws(() => decodePublicKey(rsaKey(modulus, usual, [number(1)])), DecodeError)
  assert.throws(() => decodePublicKey(rsaKey(modulus, usual, [nothing], [nothing])), DecodeError)
})

test('the algorithm of a key on a curve has its curve and no more, that of Ed25519 nothing (RFC 5480 §2.1.1, RFC 8410 §3)', () => {
  for (const type of ['p256', 'ed25519'] as const) {
    const { spki } = testKey(type)
    const top = new DerReader('key', spki).inside('key')
    const algorithm = top.value('algorithm', derTag.sequence).content
    const bits = top.any('bits').whole
    assert.notEqual(decodePublicKey(encodeDer(derTag.sequence, encodeDer(derTag.sequence, algorithm), bits)), null)
    assert.throws(() => decodePublicKey(encodeDer(derTag.sequence, encodeDer(derTag.sequence, algorithm, nothing), bits)), DecodeError)
  }
})

test('the parameters of RSASSA-PSS have nothing behind any of them', () => {
  const top = new DerReader('algorithm', encodeSignatureAlgorithm(pssScheme('sha256'))).inside('algorithm')
  const type = top.any('type').whole
  const parameters = top.inside('parameters')
  const fields = [0, 1, 2].map((n) => parameters.value('field', contextTag(n, true)).content)
  const withFields = (list: readonly Bytes[]): Bytes =>
    encodeDer(derTag.sequence, type, encodeDer(derTag.sequence, ...list.map((content, n) => encodeDer(contextTag(n, true), content))))
  assert.deepEqual(decodeSignatureAlgorithm(withFields(fields)), pssScheme('sha256'))
  for (const saltOctets of [0, 127, 128, 255]) {
    const scheme: SignatureScheme = { type: 'rsa-pss', hash: 'sha256', saltOctets }
    assert.deepEqual(decodeSignatureAlgorithm(encodeSignatureAlgorithm(scheme)), scheme)
  }
  for (const n of [0, 1, 2]) {
    assert.throws(() => decodeSignatureAlgorithm(withFields(fields.with(n, concat(fields[n]!, nothing)))), DecodeError, `field ${n}`)
  }
})
