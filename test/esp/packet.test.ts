import { deepEqual, equal, ok } from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { createEspCrypto } from '../../src/crypto/node-esp-crypto.ts'
import { encapsulate, espOverhead, innerPacket, nextHeader, sequenceOf, spiOf } from '../../src/esp/packet.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { concat, dataView, fromHex, toHex } from '../../src/kit/bytes.ts'
import { buildUdpPacket } from '../../src/kit/ip-packet.ts'
import { SeededRandom } from '../../src/kit/random.ts'
import { aeadPackets } from '../vectors/esp-packets.ts'

const crypto = createEspCrypto(new SeededRandom(2))
const gcm = crypto.cipher({ encr: 20, keyBits: 128, integ: 0 }, new Uint8Array(20).fill(9))!
const cbc = crypto.cipher({ encr: 12, keyBits: 256, integ: 14 }, new Uint8Array(96).fill(9))!
const hex = (text: string): Bytes => fromHex(text.replaceAll(/\s/g, ''))!

function ipv4(octets: number): Bytes {
  const payload = new Uint8Array(octets).fill(0xaa)
  return buildUdpPacket({
    source: Uint8Array.of(10, 77, 0, 1),
    destination: Uint8Array.of(10, 50, 0, 1),
    sourcePort: 1,
    destinationPort: 2,
    payload,
  })
}

function ipv6(octets: number): Bytes {
  const address = new Uint8Array(16).fill(1)
  return buildUdpPacket({ source: address, destination: address, sourcePort: 1, destinationPort: 2, payload: new Uint8Array(octets) })
}

/** An opened packet: payload and trailer as given, the rest of no account. */
function opened(payload: Bytes, padding: Bytes, next: number): Bytes {
  return concat(new Uint8Array(8 + gcm.ivOctets), payload, padding, Uint8Array.of(padding.length, next), new Uint8Array(gcm.icvOctets))
}

test('what was encapsulated comes out again, aligned and numbered, IPv4 and IPv6', () => {
  const property = fc.property(fc.nat(1400), fc.integer({ min: 1, max: 0xffff_ffff }), fc.boolean(), (octets, sequence, isIpv6) => {
    roundTrip(isIpv6 ? ipv6(octets) : ipv4(octets), sequence)
  })
  fc.assert(property, { numRuns: 60, seed: 3 })
})

function roundTrip(inner: Bytes, sequence: number): void {
  for (const cipher of [gcm, cbc]) {
    const packet = encapsulate(cipher, 0xdead_beef, sequence, inner)
    equal(spiOf(packet), 0xdead_beef)
    equal(sequenceOf(packet), sequence)
    equal((packet.length - 8 - cipher.ivOctets - cipher.icvOctets) % cipher.blockOctets, 0)
    ok(packet.length <= inner.length + espOverhead(cipher))
    ok(cipher.open(packet, 0))
    deepEqual(innerPacket(cipher, packet), inner)
  }
}

test('padding is 1, 2, 3 …, the next header 4 or 41 (RFC 4303 §2.4, §2.6)', () => {
  const packet = encapsulate(gcm, 1, 1, ipv4(1))
  ok(gcm.open(packet, 0))
  deepEqual([...packet.subarray(packet.length - 19, packet.length - 16)], [1, 1, nextHeader.ipv4].slice(-5))
  const wrong = opened(ipv4(2), Uint8Array.of(0, 0), nextHeader.ipv4)
  equal(innerPacket(gcm, wrong), 'esp-padding')
})

test('the packet of RFC 7634 Appendix A carries an ICMP echo of 84 octets', () => {
  const vector = aeadPackets.find(({ source }) => source.startsWith('RFC 7634'))!
  const cipher = crypto.cipher({ ...vector, integ: 0 }, hex(vector.key))!
  const packet = hex(vector.packet)
  ok(cipher.open(packet, 0))
  const inner = innerPacket(cipher, packet)
  ok(typeof inner !== 'string')
  equal(toHex(inner), toHex(hex(vector.plaintext).subarray(0, 84)))
})

test('what follows the inner packet is traffic flow confidentiality padding (RFC 4303 §2.7)', () => {
  const inner = ipv4(10)
  deepEqual(innerPacket(gcm, opened(concat(inner, new Uint8Array(200).fill(0xff)), new Uint8Array(0), nextHeader.ipv4)), inner)
})

const drops: readonly (readonly [string, Bytes, string])[] = [
  ['a dummy packet (RFC 4303 §2.6)', opened(new Uint8Array(40), new Uint8Array(0), nextHeader.none), 'esp-dummy'],
  ['transport mode', opened(new Uint8Array(40), new Uint8Array(0), 17), 'esp-next-header'],
  ['padding longer than the packet', opened(new Uint8Array(0), Uint8Array.of(1, 2), nextHeader.ipv4).fill(255, 18, 19), 'esp-padding'],
  ['IPv6 behind next header 4', opened(new Uint8Array(40).fill(0x60), new Uint8Array(0), nextHeader.ipv4), 'esp-inner-length'],
  ['an IPv4 packet cut short', opened(ipv4(10).subarray(0, 30), new Uint8Array(0), nextHeader.ipv4), 'esp-inner-length'],
  ['less than an IP header', opened(ipv4(10).subarray(0, 10), new Uint8Array(0), nextHeader.ipv4), 'esp-inner-length'],
  ['nothing', opened(new Uint8Array(0), new Uint8Array(0), nextHeader.ipv6), 'esp-inner-length'],
]

for (const [what, packet, reason] of drops) {
  test(`dropped with a reason: ${what}`, () => equal(innerPacket(gcm, packet), reason))
}

test('no opened packet is an exception, whatever it holds', () => {
  const property = fc.property(fc.uint8Array({ minLength: 36, maxLength: 200 }), (packet) => {
    const inner = innerPacket(gcm, packet)
    if (typeof inner !== 'string') ok(inner.length >= 20 && dataView(inner).byteLength <= packet.length)
  })
  fc.assert(property, { numRuns: 500, seed: 5 })
})
