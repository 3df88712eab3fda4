import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { fromHex, toHex, toUtf8 } from '../../src/kit/bytes.ts'
import { buildUdpPacket, internetChecksum, parseUdpPacket } from '../../src/kit/ip-packet.ts'

const packets = fc.oneof(
  ...[4, 16].map((length) =>
    fc.record(
      {
        source: fc.uint8Array({ minLength: length, maxLength: length }),
        destination: fc.uint8Array({ minLength: length, maxLength: length }),
        sourcePort: fc.nat(0xffff),
        destinationPort: fc.nat(0xffff),
        payload: fc.uint8Array({ maxLength: 100 }),
      },
      { noNullPrototype: true },
    ),
  ),
)

test('the Internet checksum of the example of RFC 1071 §3 is the complement of ddf2', () => {
  assert.equal(internetChecksum(fromHex('0001f203f4f5f6f7')!), ~0xddf2 & 0xffff)
})

test('an IPv4 header checksum is that of a well-known header', () => {
  // The worked example of an IPv4 header checksum in common use (b861), of a UDP packet from 192.168.0.1 to 192.168.0.199.
  const header = fromHex('450000730000400040110000c0a80001c0a800c7')!
  assert.equal(internetChecksum(header), 0xb861)
  const payload = new Uint8Array(0x73 - 28)
  const built = buildUdpPacket({
    source: header.subarray(12, 16),
    destination: header.subarray(16),
    sourcePort: 1,
    destinationPort: 2,
    payload,
  })
  assert.equal(toHex(built.subarray(0, 20)), '45000073000040004011b861c0a80001c0a800c7')
})

test('what is built is read back, for IPv4 and IPv6', () => {
  fc.assert(
    fc.property(packets, (packet) => {
      assert.deepEqual(parseUdpPacket(buildUdpPacket(packet)), packet)
    }),
  )
})

test('a packet with one bit changed is refused or differs, and never throws', () => {
  fc.assert(
    fc.property(packets, fc.nat(), fc.nat(7), (packet, at, bit) => {
      const bytes = buildUdpPacket(packet)
      bytes[at % bytes.length]! ^= 1 << bit
      const parsed = parseUdpPacket(bytes)
      // Class, flow label and hop limit of IPv6 are covered by no checksum.
      if (parsed !== null) assert.equal(packet.source.length, 16)
    }),
  )
})

test('a packet cut at any length is refused', () => {
  const bytes = buildUdpPacket({
    source: new Uint8Array(4),
    destination: new Uint8Array(4),
    sourcePort: 1,
    destinationPort: 2,
    payload: toUtf8('hello'),
  })
  for (let length = 0; length < bytes.length; length++) assert.equal(parseUdpPacket(bytes.subarray(0, length)), null)
})
