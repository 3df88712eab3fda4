import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { nodeIkeCrypto } from '../../src/crypto/node-ike-crypto.ts'
import type { ExchangeValues } from '../../src/ike/key-schedule.ts'
import {
  decodeChildKeys,
  decodeIkeKeys,
  deriveChildKeys,
  deriveIkeKeys,
  deriveRekeyedIkeKeys,
  encodeChildKeys,
  encodeIkeKeys,
  sharedKeyAuth,
} from '../../src/ike/key-schedule.ts'
import { concat, emptyBytes, fromHex, toHex, toUtf8 } from '../../src/kit/bytes.ts'
import { Reader } from '../../src/kit/wire.ts'

// From dist/test/ike back to the sources: vectors are not compiled.
const vector = JSON.parse(readFileSync(new URL('../../../test/vectors/ikev2-kdf-cavp.json', import.meta.url), 'utf8')) as Record<
  string,
  string
>
const field = (name: string): Uint8Array => fromHex(vector[name]!)!
const spi = (name: string): bigint => new Reader(name, field(name)).u64('spi')
/** The sizes of the vector: 20 octets of PRF and integrity key, 16 of encryption key. */
const suite = { encr: 12, keyBits: 128, integ: 2, prf: 2, ke: 14 }
const values: ExchangeValues = { ni: field('ni'), nr: field('nr'), initiatorSpi: spi('spiI'), responderSpi: spi('spiR') }

test('the keys of an IKE SA are those of the published vector (§2.14)', () => {
  const keys = deriveIkeKeys(nodeIkeCrypto, suite, field('gir'), values)
  assert.equal(toHex(nodeIkeCrypto.prf(2, concat(values.ni, values.nr), field('gir'))), vector['skeyseed'])
  assert.equal(toHex(concat(keys.skD, keys.skAi, keys.skAr, keys.skEi, keys.skEr, keys.skPi, keys.skPr)), vector['dkm'])
})

test('the keys after a rekeying come from SKEYSEED = prf(SK_d (old), g^ir (new) | Ni | Nr) (§2.18)', () => {
  const old = deriveIkeKeys(nodeIkeCrypto, suite, field('gir'), values)
  const keys = deriveRekeyedIkeKeys(nodeIkeCrypto, suite, { skD: old.skD, prf: 2 }, field('girNew'), values)
  const seed = concat(values.ni, values.nr, field('spiI'), field('spiR'))
  assert.deepEqual(keys.skD, nodeIkeCrypto.prfPlus(2, field('skeyseedRekey'), seed, 20))
})

test('Child SA keys: first all of initiator to responder, encryption before integrity (§2.17)', () => {
  const skD = new Uint8Array(32).fill(3)
  const esp = { encr: 12, keyBits: 128, integ: 12, esn: 0 } as const
  const keymat = deriveChildKeys(nodeIkeCrypto, 5, skD, esp, { ni: values.ni, nr: values.nr, sharedSecret: emptyBytes })
  const all = nodeIkeCrypto.prfPlus(5, skD, concat(values.ni, values.nr), 2 * (16 + 32))
  assert.deepEqual(concat(keymat.initiatorToResponder, keymat.responderToInitiator), all)
  assert.equal(keymat.initiatorToResponder.length, 48)
})

test('a Child SA with AES-GCM has a salt behind its key (RFC 4106 §8.1)', () => {
  const esp = { encr: 20, keyBits: 256, integ: 0, esn: 0 } as const
  const keymat = deriveChildKeys(nodeIkeCrypto, 5, new Uint8Array(32), esp, { ni: values.ni, nr: values.nr, sharedSecret: emptyBytes })
  assert.equal(keymat.responderToInitiator.length, 36)
})

test('AUTH with a shared key is prf(prf(secret, "Key Pad for IKEv2"), octets) (§2.15)', () => {
  const inner = nodeIkeCrypto.prf(5, toUtf8('hello'), toUtf8('Key Pad for IKEv2'))
  assert.deepEqual(sharedKeyAuth(nodeIkeCrypto, 5, toUtf8('hello'), values.ni), nodeIkeCrypto.prf(5, inner, values.ni))
})

test('keys are decoded to what was encoded, and nothing else is', () => {
  const keys = deriveIkeKeys(nodeIkeCrypto, suite, field('gir'), values)
  assert.deepEqual(decodeIkeKeys(encodeIkeKeys(keys)), keys)
  const child = { keyIn: new Uint8Array(36).fill(1), keyOut: new Uint8Array(36).fill(2) }
  assert.deepEqual(decodeChildKeys(encodeChildKeys(child)), child)
  assert.throws(() => decodeIkeKeys(encodeChildKeys(child)), /IKE keys/)
  assert.throws(() => decodeChildKeys(concat(encodeChildKeys(child), Uint8Array.of(0))), /expected nothing/)
})
