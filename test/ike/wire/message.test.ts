import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { nodeIkeCrypto } from '../../../src/crypto/node-ike-crypto.ts'
import { ikeHeader, peekHeader } from '../../../src/ike/wire/header.ts'
import { decodeMessage, encodeMessage, openMessage, sealMessage } from '../../../src/ike/wire/message.ts'
import type { Payload } from '../../../src/ike/wire/payloads.ts'
import { decodePayloads, encodePayloads, findPayload, maximumPayloads, notification } from '../../../src/ike/wire/payloads.ts'
import { fromHex, toHex } from '../../../src/kit/bytes.ts'
import { DecodeError, Reader } from '../../../src/kit/wire.ts'

function readVector(name: string): Uint8Array {
  const text = readFileSync(new URL(`../../../../test/vectors/${name}`, import.meta.url), 'utf8')
  const lines = text.split('\n').filter((line) => !line.startsWith('#'))
  return fromHex(lines.join(''))!
}

const real = readVector('ike-sa-init-strongswan-5.9.8.txt')

test('an IKE_SA_INIT request of strongSwan is decoded', () => {
  const { header, payloads, unsupportedCritical } = decodeMessage(real)
  assert.deepEqual([header.exchange, header.messageId, header.length, unsupportedCritical], [34, 0, 1048, null])
  assert.deepEqual(
    payloads.map((payload) => (payload.type === 'notify' ? payload.notify : payload.type)),
    ['sa', 'ke', 'nonce', 16388, 16389, 16430, 16431, 16406],
  )
  assert.equal(findPayload(payloads, 'sa')!.proposals.length, 2)
  assert.equal(findPayload(payloads, 'ke')!.group, 31)
  assert.equal(findPayload(payloads, 'nonce')!.nonce.length, 32)
})

test('and encoded back octet for octet', () => {
  const { header, payloads } = decodeMessage(real)
  assert.equal(toHex(encodeMessage(header, payloads)), toHex(real))
})

test('cut anywhere it is refused, with the name of the field', () => {
  for (let length = 0; length < real.length; length++) {
    const cut = real.slice(0, length)
    assert.throws(() => decodeMessage(cut), DecodeError)
    if (length >= 28) new DataView(cut.buffer).setUint32(24, length)
    if (length > 28) assert.throws(() => decodeMessage(cut), /\.[\w.]+: expected/)
  }
})

test('a length that is not that of the datagram is refused', () => {
  const longer = real.slice()
  new DataView(longer.buffer).setUint32(24, real.length + 1)
  assert.throws(() => decodeMessage(longer), /IKE message\.length: expected 1048/)
})

test('the header is seen without decoding, and 27 octets are none', () => {
  assert.equal(peekHeader(real)!.initiatorSpi, decodeMessage(real).header.initiatorSpi)
  assert.equal(peekHeader(real.subarray(0, 27)), null)
})

test('a header that is cut anywhere names its field', () => {
  for (let length = 0; length < 28; length++) {
    const cut = real.subarray(0, length)
    assert.throws(() => ikeHeader.decode(new Reader('IKE header', cut)), /IKE header\.\w+: expected \d octets? at offset/)
  }
})

/** One of each payload, with code points that nobody has given a meaning. */
const everything: readonly Payload[] = [
  {
    type: 'sa',
    proposals: [
      {
        number: 1,
        protocol: 77,
        spi: Uint8Array.of(1, 2, 3),
        transforms: [
          { type: 99, id: 999, attributes: [{ type: 14, value: 128 }] },
          { type: 1, id: 12, attributes: [{ type: 1000, value: Uint8Array.of(1, 2, 3, 4, 5) }] },
        ],
      },
      { number: 2, protocol: 3, spi: new Uint8Array(4), transforms: [] },
    ],
  },
  { type: 'ke', group: 4000, publicValue: Uint8Array.of(9) },
  { type: 'idI', identity: { type: 200, data: Uint8Array.of(1) }, reserved: Uint8Array.of(1, 2, 3) },
  { type: 'idR', identity: { type: 2, data: new Uint8Array(0) }, reserved: new Uint8Array(3) },
  { type: 'auth', method: 201, data: Uint8Array.of(5) },
  { type: 'nonce', nonce: new Uint8Array(16) },
  { type: 'notify', protocol: 3, spi: new Uint8Array(4), notify: 40_000, data: Uint8Array.of(1) },
  { type: 'delete', protocol: 3, spiSize: 4, spis: [Uint8Array.of(0, 0, 1, 0), Uint8Array.of(0, 0, 1, 1)] },
  {
    type: 'tsI',
    selectors: [
      { type: 'range', selector: { protocol: 6, startPort: 1, endPort: 2, start: new Uint8Array(4), end: new Uint8Array(4).fill(255) } },
      { type: 'range', selector: { protocol: 0, startPort: 0, endPort: 65_535, start: new Uint8Array(16), end: new Uint8Array(16) } },
      { type: 'unknown', tsType: 10, protocol: 1, body: Uint8Array.of(1, 2, 3) },
    ],
  },
  { type: 'tsR', selectors: [] },
  { type: 'configuration', cfgType: 9, attributes: [{ type: 0x7abc, value: Uint8Array.of(1) }] },
  { type: 'eap', code: 2, identifier: 5, eapType: 199, data: Uint8Array.of(1, 2) },
  { type: 'opaque', payloadType: 43, critical: false, body: Uint8Array.of(1, 2) },
  { type: 'opaque', payloadType: 250, critical: false, body: new Uint8Array(0) },
]

for (const payload of everything) {
  const name = payload.type === 'opaque' ? `payload type ${payload.payloadType}` : payload.type
  test(`${name} is decoded to what was encoded, unknown code points kept, and cut anywhere names its field`, () => {
    const { first, bytes } = encodePayloads([payload])
    assert.deepEqual(decodePayloads(new Reader('payloads', bytes), first), { payloads: [payload], unsupportedCritical: null })
    for (let length = 0; length < bytes.length; length++) {
      assert.throws(
        () => decodePayloads(new Reader('payloads', bytes.subarray(0, length)), first),
        /^DecodeError: [\w ]+\.[\w.]+: expected/,
      )
    }
  })
}

test('a whole chain is decoded to what was encoded', () => {
  const { first, bytes } = encodePayloads(everything)
  assert.deepEqual(decodePayloads(new Reader('payloads', bytes), first).payloads, everything)
})

test('a critical payload of an unknown type is reported, of a known type it means nothing (§2.5)', () => {
  const chain = (payloadType: number): number | null => {
    const { first, bytes } = encodePayloads([{ type: 'opaque', payloadType, critical: true, body: new Uint8Array(4) }])
    return decodePayloads(new Reader('payloads', bytes), first).unsupportedCritical
  }
  assert.equal(chain(200), 200)
  assert.equal(chain(43), null)
})

test('more payloads than the bound are refused', () => {
  const { first, bytes } = encodePayloads(Array.from({ length: maximumPayloads + 1 }, () => notification(1)))
  assert.throws(() => decodePayloads(new Reader('payloads', bytes), first), /expected at most 64/)
})

const suites = [
  { name: 'AES-CBC with HMAC-SHA-256', suite: { encr: 12, keyBits: 128, integ: 12, prf: 5, ke: 31 }, skE: 16, skA: 32 },
  { name: '3DES-CBC with HMAC-SHA-1-96', suite: { encr: 3, keyBits: 0, integ: 2, prf: 2, ke: 2 }, skE: 24, skA: 20 },
  { name: 'AES-CTR with HMAC-SHA-512', suite: { encr: 13, keyBits: 256, integ: 14, prf: 5, ke: 31 }, skE: 36, skA: 64 },
  { name: 'AES-GCM', suite: { encr: 20, keyBits: 256, integ: 0, prf: 6, ke: 19 }, skE: 36, skA: 0 },
  { name: 'ChaCha20-Poly1305', suite: { encr: 28, keyBits: 0, integ: 0, prf: 7, ke: 19 }, skE: 36, skA: 0 },
]
const head = { initiatorSpi: 1n, responderSpi: 2n, exchange: 37, flags: 0x20, messageId: 7 }
const iv = Uint8Array.of(0, 0, 0, 1, 0, 0, 0, 2)

for (const { name, suite, skE, skA } of suites) {
  const keys = { skE: new Uint8Array(skE).fill(1), skA: new Uint8Array(skA).fill(2) }
  const seal = (payloads: readonly Payload[], seed = iv): Uint8Array => sealMessage(nodeIkeCrypto, suite, keys, head, payloads, seed)

  test(`what is sealed with ${name} opens, empty or of any length (§3.14)`, () => {
    for (let length = 0; length < 40; length++) {
      const payloads: Payload[] = length === 0 ? [] : [{ type: 'nonce', nonce: new Uint8Array(length) }]
      const opened = openMessage(nodeIkeCrypto, suite, keys, seal(payloads))
      assert.ok(opened.type === 'message')
      assert.deepEqual(opened.message.payloads, payloads)
    }
  })

  test(`the same IV seed gives the same octets with ${name}, another gives another IV`, () => {
    assert.deepEqual(seal([]), seal([]))
    assert.notDeepEqual(seal([]), seal([], Uint8Array.of(0, 0, 0, 1, 0, 0, 0, 3)))
  })

  const isCbc = suite.encr === 3 || suite.encr === 12
  test(`the IV of ${name} is ${isCbc ? 'not to be foreseen: CBC (§3.14)' : 'the seed itself: no one is used twice'}`, () => {
    const ivOctets = nodeIkeCrypto.encryptionSizes(suite.encr, suite.keyBits)!.iv
    const sent = seal([]).subarray(32, 32 + ivOctets)
    if (isCbc) assert.notDeepEqual(sent.subarray(0, 8), iv)
    else assert.deepEqual(sent, iv)
  })

  test(`any changed octet makes it forged with ${name}`, () => {
    const message = seal([notification(16384)])
    for (let i = 0; i < message.length; i++) {
      const changed = message.slice()
      changed[i]! ^= 0x40
      assert.equal(openMessage(nodeIkeCrypto, suite, keys, changed).type, 'forged', `octet ${i}`)
    }
  })

  test(`authentic octets that do not decode are malformed, not forged, with ${name}`, () => {
    const opened = openMessage(
      nodeIkeCrypto,
      suite,
      keys,
      seal([{ type: 'opaque', payloadType: 33, critical: false, body: Uint8Array.of(1) }]),
    )
    assert.equal(opened.type, 'malformed')
  })
}

test('the message of RFC 7634, Appendix B, is sealed octet for octet', () => {
  const key = Uint8Array.from({ length: 36 }, (_, i) => 0x80 + i)
  const suite = { encr: 28, keyBits: 0, integ: 0, prf: 5, ke: 31 }
  const keys = { skE: key, skA: new Uint8Array(0) }
  const published = readVector('ikev2-chacha20-poly1305-rfc7634.txt')
  const request = { initiatorSpi: 0xc0c1c2c3c4c5c6c7n, responderSpi: 0xd0d1d2d3d4d5d6d7n, exchange: 37, flags: 0, messageId: 9 }
  const payloads = [notification(16385, Uint8Array.of(0, 0, 0, 10))]
  const ivSeed = fromHex('1011121314151617')!
  assert.equal(toHex(sealMessage(nodeIkeCrypto, suite, keys, request, payloads, ivSeed)), toHex(published))
  const opened = openMessage(nodeIkeCrypto, suite, keys, published)
  assert.ok(opened.type === 'message')
  assert.deepEqual(opened.message.payloads, payloads)
})
