/** Algorithm identifiers as OpenSSL writes them, and signatures that somebody else published. */

import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { nodeSignatures } from '../../src/crypto/signatures.ts'
import { concat, fromHex, toHex, toUtf8 } from '../../src/kit/bytes.ts'
import { DerReader, contextTag, derTag, encodeDer, encodeOid } from '../../src/kit/der.ts'
import type { SignatureScheme } from '../../src/kit/signatures.ts'
import { decodePublicKey, decodeSignatureAlgorithm, encodeSignatureAlgorithm, pssScheme } from '../../src/pki/algorithms.ts'
import { opensslCertificates } from '../vectors/openssl-certificates.ts'
import { testKey } from '../support/pki.ts'

const schemes: Readonly<Record<string, SignatureScheme>> = {
  'RSA, PKCS #1 v1.5 with SHA-256': { type: 'rsa-pkcs1', hash: 'sha256' },
  'RSA, PSS with SHA-384': { type: 'rsa-pss', hash: 'sha384', saltOctets: 48 },
  'ECDSA on P-256 with SHA-256': { type: 'ecdsa', hash: 'sha256', format: 'der' },
  'ECDSA on P-384 with SHA-384': { type: 'ecdsa', hash: 'sha384', format: 'der' },
  Ed25519: { type: 'ed25519' },
}
for (const [name, { certificate }] of Object.entries(opensslCertificates)) {
  test(`the algorithm identifier of ${name} is encoded as OpenSSL does it (RFC 7427, Appendix A)`, () => {
    const outer = new DerReader('certificate', new Uint8Array(new X509Certificate(certificate).raw)).inside('certificate')
    outer.any('tbs')
    const { whole } = outer.any('algorithm')
    assert.deepEqual(decodeSignatureAlgorithm(whole), schemes[name])
    assert.equal(toHex(encodeSignatureAlgorithm(schemes[name]!)), toHex(whole))
  })
}

const sequence = (...parts: Uint8Array[]): Uint8Array => encodeDer(derTag.sequence, ...parts)
const rsassaPss = encodeOid('1.2.840.113549.1.1.10')
const sha256 = sequence(encodeOid('2.16.840.1.101.3.4.2.1'))

const refused: readonly [name: string, der: Uint8Array][] = [
  ['PSS whose mask is made with another hash', sequence(rsassaPss, sequence(encodeDer(contextTag(0, true), sha256)))],
  ['an algorithm that nobody knows', sequence(encodeOid('1.2.3.4'))],
  ['ECDSA with parameters', sequence(encodeOid('1.2.840.10045.4.3.2'), encodeDer(derTag.null))],
  ['RSA with parameters that are not NULL', sequence(encodeOid('1.2.840.113549.1.1.11'), encodeDer(derTag.integer, Uint8Array.of(1)))],
]
for (const [name, der] of refused) {
  test(`no signature is taken by ${name}`, () => assert.equal(decodeSignatureAlgorithm(der), null))
}

test('what is left out of the parameters of PSS is SHA-1 and 20 octets of salt (RFC 4055 §3.1)', () => {
  assert.deepEqual(decodeSignatureAlgorithm(sequence(rsassaPss, sequence())), { type: 'rsa-pss', hash: 'sha1', saltOctets: 20 })
})

function rsaKey(modulus: Uint8Array, exponent: Uint8Array): Uint8Array {
  const key = sequence(encodeDer(derTag.integer, Uint8Array.of(0), modulus), encodeDer(derTag.integer, exponent))
  const algorithm = sequence(encodeOid('1.2.840.113549.1.1.1'), encodeDer(derTag.null))
  return sequence(algorithm, encodeDer(derTag.bitString, Uint8Array.of(0), key))
}

const rsaKeys: readonly [name: string, octets: number, exponent: readonly number[], isTaken: boolean][] = [
  ['of 2048 bits', 256, [1, 0, 1], true],
  ['of 1024 bits', 128, [1, 0, 1], false],
  ['of 16384 bits', 2048, [1, 0, 1], false],
  ['with an even exponent', 256, [1, 0, 2], false],
  ['with an exponent that makes verifying slow', 256, [1, 0, 0, 0, 0, 1], false],
]
for (const [name, octets, exponent, isTaken] of rsaKeys) {
  test(`an RSA key ${name} is ${isTaken ? 'taken' : 'refused'}`, () => {
    assert.equal(decodePublicKey(rsaKey(new Uint8Array(octets).fill(0xff), Uint8Array.from(exponent))) !== null, isTaken)
  })
}

test('a point that is not on its curve verifies nothing, and is no exception', () => {
  const spki = testKey('p256').spki.slice()
  spki[spki.length - 1]! ^= 1
  assert.equal(nodeSignatures.verifySignature(schemes['ECDSA on P-256 with SHA-256']!, spki, new Uint8Array(1), new Uint8Array(8)), false)
})

/** RFC 4754 §8.1: ECDSA-256 over "abc", r ‖ s. */
test('the ECDSA signature of RFC 4754 §8.1 verifies in the form of IKE, and not when one bit is another', () => {
  const point = fromHex(
    '042442a5cc0ecd015fa3ca31dc8e2bbc70bf42d60cbca20085e0822cb04235e9706fc98bd7e50211a4a27102fa3549df79ebcb4bf246b80945cddfe7d509bbfd7d',
  )!
  const algorithm = sequence(encodeOid('1.2.840.10045.2.1'), encodeOid('1.2.840.10045.3.1.7'))
  const spki = sequence(algorithm, encodeDer(derTag.bitString, Uint8Array.of(0), point))
  const r = fromHex('cb28e0999b9c7715fd0a80d8e47a77079716cbbf917dd72e97566ea1c066957c')!
  const s = fromHex('86fa3bb4e26cad5bf90b7f81899256ce7594bb1ea0c89212748bff3b3d5b0315')!
  const scheme = { type: 'ecdsa', hash: 'sha256', format: 'raw' } as const
  assert.ok(nodeSignatures.verifySignature(scheme, spki, toUtf8('abc'), concat(r, s)))
  s[31]! ^= 1
  assert.ok(!nodeSignatures.verifySignature(scheme, spki, toUtf8('abc'), concat(r, s)))
})

test('the Ed25519 signature of RFC 8032 §7.1, test 2, is made and verifies', () => {
  const seed = fromHex('4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb')!
  const key = fromHex('3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c')!
  const signature =
    '92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00'
  const algorithm = sequence(encodeOid('1.3.101.112'))
  const octets = encodeDer(derTag.octetString, encodeDer(derTag.octetString, seed))
  const pkcs8 = sequence(encodeDer(derTag.integer, Uint8Array.of(0)), algorithm, octets)
  const spki = sequence(algorithm, encodeDer(derTag.bitString, Uint8Array.of(0), key))
  const message = Uint8Array.of(0x72)
  assert.equal(toHex(nodeSignatures.sign({ type: 'ed25519' }, pkcs8, message)!), signature)
  assert.ok(nodeSignatures.verifySignature({ type: 'ed25519' }, spki, message, fromHex(signature)!))
})

test('a key that cannot make the signature makes none', () => {
  assert.equal(nodeSignatures.sign(pssScheme('sha256'), testKey('p256').pkcs8, new Uint8Array(1)), null)
  assert.equal(nodeSignatures.sign({ type: 'ed25519' }, new Uint8Array(5), new Uint8Array(1)), null)
})
