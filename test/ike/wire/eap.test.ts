/** EAP packets in their payload, and the packets of EAP-MSCHAPv2 in those. */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import fc from 'fast-check'
import { nodeIkeCrypto } from '../../../src/crypto/node-ike-crypto.ts'
import { ntHash } from '../../../src/crypto/nt-hash.ts'
import { authenticatorResponse, ntResponse as responseOf, withoutDomain } from '../../../src/ike/eap/mschapv2.ts'
import type { EapPacket } from '../../../src/ike/wire/eap.ts'
import { eapPacket, eapResult } from '../../../src/ike/wire/eap.ts'
import type { MsChapV2Packet } from '../../../src/ike/wire/eap-mschapv2.ts'
import { failureMessage, msChapV2, parseFailureMessage } from '../../../src/ike/wire/eap-mschapv2.ts'
import { concat, fromHex, fromUtf8, toHex, toUtf8 } from '../../../src/kit/bytes.ts'
import { DecodeError, Reader, Writer } from '../../../src/kit/wire.ts'

const decode = (bytes: Uint8Array): EapPacket => eapPacket.decode(new Reader('EAP', bytes))
const decodeMethod = (bytes: Uint8Array): MsChapV2Packet => msChapV2.decode(new Reader('MSCHAPv2', bytes))

function encode(packet: EapPacket): Uint8Array {
  const writer = new Writer()
  eapPacket.encode(writer, packet)
  return writer.finish()
}

const packets: readonly [name: string, hex: string, packet: EapPacket][] = [
  ['an Identity request (RFC 3748 §5.1)', '0101000501', { code: 1, identifier: 1, eapType: 1, data: new Uint8Array(0) }],
  ['an Identity response', '0201000a01616c696365', { code: 2, identifier: 1, eapType: 1, data: toUtf8('alice') }],
  ['a Nak (§5.3.1)', '020200060304', { code: 2, identifier: 2, eapType: 3, data: Uint8Array.of(4) }],
  [
    'a type that we don’t know, an Expanded one (§5.7)',
    '0202000dfe00372a00000001aa',
    { code: 2, identifier: 2, eapType: 254, data: fromHex('00372a00000001aa')! },
  ],
  ['a success (§4.2)', '03070004', eapResult(3, 7)],
  ['a failure', '04080004', eapResult(4, 8)],
  ['a code that nobody has given a meaning', '6309000601ff', { code: 99, identifier: 9, eapType: 0, data: Uint8Array.of(1, 255) }],
]

for (const [name, hex, packet] of packets) {
  test(`${name} is decoded, encoded back octet for octet, and cut anywhere names its field`, () => {
    const bytes = fromHex(hex)!
    assert.deepEqual(decode(bytes), packet)
    assert.equal(toHex(encode(packet)), hex)
    for (let length = 0; length < bytes.length; length++) {
      assert.throws(() => decode(bytes.subarray(0, length)), /^DecodeError: EAP\.\w+: expected/)
    }
  })
}

test('an EAP length that is not the payload’s is refused, and a success with data (RFC 7296 §3.16, RFC 3748 §4.2)', () => {
  assert.throws(() => decode(fromHex('0101000601')!), /EAP\.length: expected 5, the octets of the payload, got 6/)
  assert.throws(() => decode(fromHex('0301000501')!), /EAP\.length: expected 4 of a success or failure, got 5/)
})

const captured = readFileSync(new URL('../../../../test/vectors/eap-mschapv2-strongswan-5.9.8.txt', import.meta.url), 'utf8')
  .split('\n')
  .filter((line) => line !== '' && !line.startsWith('#'))

test('what a stock client says and hears in a login is decoded, and encoded back octet for octet', () => {
  const kinds = captured.map((hex) => {
    const packet = decode(fromHex(hex)!)
    assert.equal(toHex(encode(packet)), hex)
    if (packet.eapType !== 26) return packet.eapType
    const method = decodeMethod(packet.data)
    assert.equal(toHex(msChapV2.encode(method)), toHex(packet.data))
    return method.type
  })
  assert.deepEqual(kinds, [1, 'challenge', 'response', 'success', 'acknowledgement', 0])
})

test('and its response is what the password makes of the challenge, as is the proof that it believed', () => {
  const [, first, second, third] = captured.map((hex) => decode(fromHex(hex)!))
  const [question, answer, success] = [first!, second!, third!].map(({ data }) => decodeMethod(data))
  assert.ok(question?.type === 'challenge' && answer?.type === 'response' && success?.type === 'success')
  const hash = ntHash('correct horse battery staple')
  const { peerChallenge, name } = answer
  const values = { authenticatorChallenge: question.challenge, peerChallenge, userName: withoutDomain(name) }
  assert.equal(toHex(responseOf(nodeIkeCrypto, hash, values)), toHex(answer.ntResponse))
  assert.equal(fromUtf8(success.message), `${authenticatorResponse(nodeIkeCrypto, hash, values, answer.ntResponse)} M=OK`)
})

const challenge = Uint8Array.from({ length: 16 }, (_, i) => i)
const ntResponse = Uint8Array.from({ length: 24 }, (_, i) => 100 + i)
const methodPackets: readonly MsChapV2Packet[] = [
  { type: 'challenge', id: 1, challenge, name: toUtf8('gw') },
  { type: 'response', id: 1, peerChallenge: challenge, ntResponse, name: toUtf8('EXAMPLE\\alice') },
  { type: 'response', id: 255, peerChallenge: challenge, ntResponse, name: new Uint8Array(0) },
  { type: 'success', id: 2, message: toUtf8('S=407A5589115FD0D6209F510FE9C04566932CDA56 M=OK') },
  { type: 'failure', id: 3, message: toUtf8('E=691 R=0') },
  { type: 'acknowledgement', opCode: 3 },
  { type: 'acknowledgement', opCode: 200 },
  { type: 'unknown', opCode: 7, body: new Uint8Array(582) },
]

for (const packet of methodPackets) {
  test(`EAP-MSCHAPv2: ${packet.type} ${JSON.stringify(packet).length} is decoded to what was encoded, and cut anywhere is something else`, () => {
    const bytes = msChapV2.encode(packet)
    assert.deepEqual(decodeMethod(bytes), packet)
    for (let length = 0; length < bytes.length; length++) {
      const cut = bytes.subarray(0, length)
      if (length === 1) assert.equal(decodeMethod(cut).type, 'acknowledgement')
      else if (packet.type === 'unknown') assert.ok(length === 0 || decodeMethod(cut).type === 'unknown')
      else assert.throws(() => decodeMethod(cut), /^DecodeError: MSCHAPv2\.\w+: expected/)
    }
  })
}

test('a response is laid out as the draft draws it (§2.2)', () => {
  const bytes = msChapV2.encode({ type: 'response', id: 9, peerChallenge: challenge, ntResponse, name: toUtf8('al') })
  assert.equal(toHex(bytes), `0209003831${toHex(challenge)}${'00'.repeat(8)}${toHex(ntResponse)}00616c`)
})

test('values of another size and names over 255 octets are refused', () => {
  const long = msChapV2.encode({ type: 'response', id: 1, peerChallenge: challenge, ntResponse, name: new Uint8Array(256) })
  assert.throws(() => decodeMethod(long), /MSCHAPv2\.name: expected at most 255 octets, got 256/)
  const size = msChapV2.encode({ type: 'challenge', id: 1, challenge, name: new Uint8Array(0) }).slice()
  size[4] = 8
  assert.throws(() => decodeMethod(size), /MSCHAPv2\.valueSize: expected 16, got 8/)
})

test('a failure’s message is made as RFC 2759 §6 has it, and read back', () => {
  const failure = { error: 691, mayRetry: true, challenge }
  const message = failureMessage(failure, 'authentication failed')
  assert.equal(fromUtf8(message), 'E=691 R=1 C=000102030405060708090A0B0C0D0E0F V=3 M=authentication failed')
  assert.deepEqual(parseFailureMessage(message), failure)
  for (const text of [
    '',
    'E=691',
    'E=691 R=2 C=000102030405060708090A0B0C0D0E0F',
    'E=691 R=1 C=0001',
    'E=x R=1 C=000102030405060708090A0B0C0D0E0F',
  ])
    assert.equal(parseFailureMessage(toUtf8(text)), null)
})

test('no octets make the codecs throw anything but a DecodeError', () => {
  const refuses = (read: () => unknown): void => {
    try {
      read()
    } catch (error) {
      assert.ok(error instanceof DecodeError)
    }
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(8), (octets, op) => {
      refuses(() => decode(octets))
      refuses(() => decodeMethod(octets))
      refuses(() => decodeMethod(concat(Uint8Array.of(op, 1, 0, octets.length + 4), octets)))
    }),
  )
})
