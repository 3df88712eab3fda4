import { deepEqual, equal, notDeepEqual, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { cbc, ctr, gcm } from '@noble/ciphers/aes.js'
import { chacha20poly1305 } from '@noble/ciphers/chacha.js'
import { hmac } from '@noble/hashes/hmac.js'
import { sha1 } from '@noble/hashes/legacy.js'
import { sha256, sha384, sha512 } from '@noble/hashes/sha2.js'
import * as fc from 'fast-check'
import { createEspCrypto } from '../../src/crypto/node-esp-crypto.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { concat, dataView, fromHex } from '../../src/kit/bytes.ts'
import type { EspAlgorithms, EspCipher } from '../../src/kit/esp-crypto.ts'
import { ESP_HEADER_OCTETS } from '../../src/kit/esp-crypto.ts'
import { SeededRandom } from '../../src/kit/random.ts'
import type { EspVector } from '../vectors/esp-packets.ts'
import { aeadPackets, cbcPackets } from '../vectors/esp-packets.ts'

const NULL = 11
const AES_CBC = 12
const AES_CTR = 13
const AES_GCM_16 = 20
const CHACHA20_POLY1305 = 28
const hashes = new Map<number, { readonly hash: typeof sha1 | typeof sha256; readonly key: number; readonly icv: number }>([
  [2, { hash: sha1, key: 20, icv: 12 }],
  [12, { hash: sha256, key: 32, icv: 16 }],
  [13, { hash: sha384, key: 48, icv: 24 }],
  [14, { hash: sha512, key: 64, icv: 32 }],
])

const crypto = createEspCrypto(new SeededRandom(1))
const hex = (text: string): Bytes => fromHex(text.replaceAll(/\s/g, ''))!

function cipherOf(algorithms: EspAlgorithms, key: Bytes): EspCipher {
  const cipher = crypto.cipher(algorithms, key)
  ok(cipher !== null)
  return cipher
}

function payloadOf(cipher: EspCipher, packet: Bytes): Bytes {
  return packet.subarray(ESP_HEADER_OCTETS + cipher.ivOctets, packet.length - cipher.icvOctets)
}

for (const vector of aeadPackets) {
  test(`opens ${vector.source}`, () => {
    const cipher = cipherOf({ ...vector, integ: 0, esn: vector.high === undefined ? 0 : 1 }, hex(vector.key))
    const packet = hex(vector.packet)
    ok(cipher.open(packet, vector.high ?? 0))
    deepEqual(payloadOf(cipher, packet), hex(vector.plaintext))
  })
}

/** RFC 3602's packets have no ICV: the twin adds one. */
function withIcv(vector: EspVector, integrityKey: Bytes): Bytes {
  const packet = hex(vector.packet)
  return concat(packet, hmac(sha256, integrityKey, packet).subarray(0, 16))
}

for (const vector of cbcPackets) {
  test(`opens ${vector.source}`, () => {
    const integrityKey = new Uint8Array(32).fill(0x0b)
    const cipher = cipherOf({ ...vector, integ: 12 }, concat(hex(vector.key), integrityKey))
    const packet = withIcv(vector, integrityKey)
    ok(cipher.open(packet, 0))
    deepEqual(payloadOf(cipher, packet), hex(vector.plaintext))
  })
}

interface Suite extends EspAlgorithms {
  readonly name: string
}

/** 3DES is not @noble's: its published vectors are in published-vectors.test.ts. */
const plainSuites: readonly Suite[] = [
  ...[128, 192, 256].map((keyBits) => ({ name: `AES-GCM-16-${keyBits}`, encr: AES_GCM_16, keyBits, integ: 0 })),
  { name: 'ChaCha20-Poly1305', encr: CHACHA20_POLY1305, keyBits: 0, integ: 0 },
  ...[2, 12, 13, 14].flatMap((integ) => [
    ...[128, 192, 256].flatMap((keyBits) => [
      { name: `AES-CBC-${keyBits} with integrity ${integ}`, encr: AES_CBC, keyBits, integ },
      { name: `AES-CTR-${keyBits} with integrity ${integ}`, encr: AES_CTR, keyBits, integ },
    ]),
    { name: `NULL with integrity ${integ}`, encr: NULL, keyBits: 0, integ },
  ]),
]
const suites = plainSuites.flatMap((suite) => [suite, { ...suite, name: `${suite.name}, extended numbers`, esn: 1 as const }])

/** What @noble makes of the same packet, given the IV that was chosen. */
function twin(suite: Suite, key: Bytes, plain: Bytes, iv: Bytes, high: number): Bytes {
  const header = plain.subarray(0, ESP_HEADER_OCTETS)
  // RFC 4106 §5 and RFC 4303 §2.2.1: in the middle of the associated data; behind what is signed.
  const unsent = suite.esn === 1 ? Uint8Array.of(high >>> 24, high >>> 16, high >>> 8, high) : new Uint8Array(0)
  const integrity = hashes.get(suite.integ)
  const payload = plain.subarray(ESP_HEADER_OCTETS + iv.length, plain.length - (integrity?.icv ?? 16))
  if (integrity === undefined) {
    const nonce = concat(key.subarray(-4), iv)
    const aad = concat(header.subarray(0, 4), unsent, header.subarray(4))
    const aead = suite.encr === AES_GCM_16 ? gcm(key.subarray(0, -4), nonce, aad) : chacha20poly1305(key.subarray(0, -4), nonce, aad)
    return concat(header, iv, aead.encrypt(payload))
  }
  const integrityKey = key.subarray(key.length - integrity.key)
  const encryptionKey = key.subarray(0, suite.keyBits / 8)
  const encrypted =
    suite.encr === NULL
      ? payload
      : suite.encr === AES_CBC
        ? cbc(encryptionKey, iv, { disablePadding: true }).encrypt(payload)
        : ctr(encryptionKey, concat(key.subarray(suite.keyBits / 8, suite.keyBits / 8 + 4), iv, Uint8Array.of(0, 0, 0, 1))).encrypt(payload)
  const signed = concat(header, iv, encrypted)
  return concat(signed, hmac(integrity.hash, integrityKey, concat(signed, unsent)).subarray(0, integrity.icv))
}

for (const suite of suites) {
  test(`${suite.name} seals as @noble does, opens what it sealed, and refuses any change`, () => {
    const key = new SeededRandom(suite.keyBits + suite.integ + 1).bytes(crypto.keyOctets(suite)!)
    const cipher = cipherOf(suite, key)
    const property = fc.property(
      fc.nat({ max: 90 }),
      fc.nat(0xffff_ffff),
      fc.nat(0xffff_ffff),
      fc.nat(),
      (blocks, sequence, any, noise) => {
        const high = suite.esn === 1 ? any : 0
        const length = ESP_HEADER_OCTETS + cipher.ivOctets + (blocks + 1) * cipher.blockOctets + cipher.icvOctets
        const plain = new SeededRandom(noise).bytes(length)
        dataView(plain).setUint32(4, sequence)
        const sealed = plain.slice()
        cipher.seal(sealed, high)
        const iv = sealed.subarray(ESP_HEADER_OCTETS, ESP_HEADER_OCTETS + cipher.ivOctets)
        deepEqual(sealed, twin(suite, key, plain, iv, high))
        const changed = sealed.slice()
        changed[noise % length]! ^= 1 << (noise % 8)
        equal(cipher.open(changed, high), false)
        if (suite.esn === 1) equal(cipher.open(sealed.slice(), (high ^ 0x100) >>> 0), false)
        ok(cipher.open(sealed, high))
        deepEqual(payloadOf(cipher, sealed), payloadOf(cipher, plain))
      },
    )
    fc.assert(property, { numRuns: 25, seed: 7 })
  })

  test(`${suite.name}: no length that a peer can send is an exception`, () => {
    const cipher = cipherOf(suite, new Uint8Array(crypto.keyOctets(suite)!).fill(3))
    for (let length = 0; length < 120; length++) equal(cipher.open(new Uint8Array(length), 0), false)
  })
}

test('the explicit IV of a counter mode is the sequence number as 64 bits (RFC 4106 §3.1)', () => {
  for (const suite of suites.filter(({ encr }) => encr !== AES_CBC && encr !== NULL)) {
    const cipher = cipherOf(suite, new Uint8Array(crypto.keyOctets(suite)!).fill(5))
    const packet = new Uint8Array(ESP_HEADER_OCTETS + 8 + 16 + cipher.icvOctets)
    dataView(packet).setUint32(4, 0xfffe_fdfc)
    cipher.seal(packet, 0)
    deepEqual(packet.subarray(8, 16), hex('00000000fffefdfc'))
    if (suite.esn !== 1) continue
    cipher.seal(packet, 0x89ab_cdef)
    deepEqual(packet.subarray(8, 16), hex('89abcdeffffefdfc'))
  }
})

test('IVs of 3DES-CBC are 8 octets of randomness, never repeated (RFC 2451 §3)', () => {
  const cipher = cipherOf({ encr: 3, keyBits: 0, integ: 2 }, new Uint8Array(44).fill(1))
  equal(cipher.ivOctets, 8)
  const ivs = new Set<string>()
  for (let i = 0; i < 1000; i++) {
    const packet = new Uint8Array(ESP_HEADER_OCTETS + 8 + 16 + 12)
    cipher.seal(packet, 0)
    ivs.add(packet.subarray(8, 16).join())
  }
  equal(ivs.size, 1000)
})

test('what NULL carries is readable, and its ICV covers it (RFC 2410)', () => {
  const cipher = cipherOf({ encr: NULL, keyBits: 0, integ: 12 }, new Uint8Array(32))
  const packet = new Uint8Array(ESP_HEADER_OCTETS + 8 + 16).fill(7)
  cipher.seal(packet, 0)
  deepEqual(payloadOf(cipher, packet), new Uint8Array(8).fill(7))
  packet[12]! ^= 1
  equal(cipher.open(packet, 0), false)
})

test('IVs of AES-CBC are never repeated (RFC 3602 §3)', () => {
  const cipher = cipherOf({ encr: AES_CBC, keyBits: 128, integ: 12 }, new Uint8Array(48))
  const ivs = new Set<string>()
  for (let i = 0; i < 1000; i++) {
    const packet = new Uint8Array(ESP_HEADER_OCTETS + 16 + 16 + 16)
    cipher.seal(packet, 0)
    ivs.add(packet.subarray(8, 24).join())
  }
  equal(ivs.size, 1000)
})

test('an algorithm without integrity, an unknown one or a key of another length has no cipher', () => {
  equal(crypto.keyOctets({ encr: AES_CBC, keyBits: 128, integ: 0 }), null)
  equal(crypto.keyOctets({ encr: AES_CTR, keyBits: 128, integ: 0 }), null)
  equal(crypto.keyOctets({ encr: 3, keyBits: 0, integ: 0 }), null)
  equal(crypto.keyOctets({ encr: 11, keyBits: 0, integ: 0 }), null)
  equal(crypto.keyOctets({ encr: 11, keyBits: 128, integ: 12 }), null)
  equal(crypto.keyOctets({ encr: 2, keyBits: 0, integ: 12 }), null)
  equal(crypto.keyOctets({ encr: AES_GCM_16, keyBits: 100, integ: 0 }), null)
  equal(crypto.cipher({ encr: AES_GCM_16, keyBits: 128, integ: 0 }, new Uint8Array(16)), null)
})

test('the same packet under another key differs', () => {
  const seal = (fill: number): Bytes => {
    const packet = new Uint8Array(48)
    cipherOf({ encr: AES_GCM_16, keyBits: 128, integ: 0 }, new Uint8Array(20).fill(fill)).seal(packet, 0)
    return packet
  }
  notDeepEqual(seal(1), seal(2))
})
