import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { clampMss } from '../../src/esp/tcp-mss.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { concat, fromHex } from '../../src/kit/bytes.ts'
import { internetChecksum, pseudoHeaderSum } from '../../src/kit/ip-packet.ts'
import { SeededRandom } from '../../src/kit/random.ts'

const hex = (text: string): Bytes => fromHex(text.replaceAll(/\s/g, ''))!

/** What Linux 6.18 sends for a `connect` by way of a TUN device of 1500 octets (MSS, SACK, timestamps, window scale), as read there. */
const syn4 = hex('4500003c059a40004006209a0a3200090a4d00019d3201bb75d1d40500000000a002faf05c840000020405b40402080ac61a2d20000000000103030a')
const syn6 = hex(
  '600a6fd500280640fd500000000000000000000000000009fd770000000000000000000000000001e82c01bbb017af4c00000000a002fd207f2f0000020405a00402080a7bc00be2000000000103030a',
)

test('the packets that these tests start from are as a kernel made them, checksums included', () => {
  for (const syn of [syn4, syn6]) assert.deepEqual(sealed(syn), syn)
})

/** With the checksums of IPv4's header and of TCP as they ought to be. */
function sealed(packet: Bytes): Bytes {
  const out = packet.slice()
  const at = transportAt(out)
  if (out[0]! >> 4 === 4) put(out, 10, internetChecksum(zeroed(out.subarray(0, at), 10)))
  put(out, at + 16, tcpChecksum(out, at))
  return out
}

function transportAt(packet: Bytes): number {
  return packet[0]! >> 4 === 4 ? 4 * (packet[0]! & 15) : 40
}

function tcpChecksum(packet: Bytes, at: number): number {
  const [source, destination] =
    at === 40 && packet[0]! >> 4 === 6
      ? [packet.subarray(8, 24), packet.subarray(24, 40)]
      : [packet.subarray(12, 16), packet.subarray(16, 20)]
  return internetChecksum(zeroed(packet.subarray(at), 16), pseudoHeaderSum(source, destination, 6, packet.length - at))
}

function zeroed(octets: Bytes, at: number): Bytes {
  const copy = octets.slice()
  copy.fill(0, at, at + 2)
  return copy
}

function put(octets: Bytes, at: number, value: number): void {
  octets.set([value >> 8, value & 255], at)
}

for (const [name, syn, mtu, most] of [
  ['IPv4', syn4, 1400, 1360],
  ['IPv6', syn6, 1400, 1340],
] as const) {
  test(`${name}: a SYN's segment size becomes what fits, and only that and the checksum change (RFC 1624)`, () => {
    const packet = sealed(syn)
    assert.equal(clampMss(packet, mtu), true)
    const expected = syn.slice()
    put(expected, transportAt(expected) + 22, most)
    assert.deepEqual(packet, sealed(expected))
    assert.equal(clampMss(packet, mtu), false)
  })

  test(`${name}: a checksum that was wrong stays wrong`, () => {
    const packet = sealed(syn)
    packet[transportAt(packet) + 16]! ^= 0x40
    clampMss(packet, mtu)
    assert.notDeepEqual(packet, sealed(packet))
  })

  test(`${name}: what fits, what is no SYN, and what has no such option is left alone`, () => {
    const at = transportAt(syn)
    const change = (by: (packet: Bytes) => void): Bytes => {
      const packet = syn.slice()
      by(packet)
      return sealed(packet)
    }
    const cases = [
      change((packet) => put(packet, at + 22, most)),
      change((packet) => put(packet, at + 22, 536)),
      change((packet) => (packet[at + 13] = 0x10)),
      change((packet) => (packet[at + 20] = 0)),
      change((packet) => (packet[at + 21] = 3)),
      change((packet) => (packet[at + 21] = 0)),
      change((packet) => (packet[at + 21] = 200)),
      change((packet) => (packet[at + 12] = 0x50)),
      change((packet) => (packet[at + 12] = 0)),
    ]
    for (const packet of cases) {
      const before = packet.slice()
      assert.equal(clampMss(packet, mtu), false)
      assert.deepEqual(packet, before)
    }
  })
}

test('an option at an odd place is found, and the checksum is right', () => {
  const packet = syn4.slice()
  packet.set(hex('01020405b401010402080a'), 40)
  const odd = sealed(packet)
  assert.equal(clampMss(odd, 1400), true)
  const expected = packet.slice()
  put(expected, 43, 1360)
  assert.deepEqual(odd, sealed(expected))
})

test('the header is found behind IPv4 options and IPv6 extension headers, and never in a later fragment', () => {
  const withOptions = concat(hex('47000044'), syn4.subarray(4, 20), hex('01010101 01010100'), syn4.subarray(20))
  const four = sealed(withOptions)
  assert.equal(clampMss(four, 1400), true)
  assert.deepEqual(four.subarray(50, 52), hex('0550'))
  const extended = concat(syn6.subarray(0, 40), hex('0600010400000000'), syn6.subarray(40))
  extended[6] = 60
  extended[5] = 48
  assert.equal(clampMss(extended, 1400), true)
  assert.deepEqual(extended.subarray(70, 72), hex('053c'))
  const fragment = syn4.slice()
  fragment[7] = 1
  assert.equal(clampMss(fragment, 1400), false)
})

test('no packet is an exception or written beyond, whatever its octets', () => {
  const property = fc.property(
    fc.constantFrom(syn4, syn6),
    fc.nat(100),
    fc.array(fc.tuple(fc.nat(99), fc.nat(255)), { maxLength: 12 }),
    (syn, cut, changes) => {
      const memory = new SeededRandom(cut).bytes(200)
      const packet = memory.subarray(50, 50 + Math.min(cut, syn.length))
      packet.set(syn.subarray(0, packet.length))
      for (const [at, octet] of changes) if (at < packet.length) packet[at] = octet
      const before = memory.slice()
      clampMss(packet, 1400)
      assert.deepEqual(memory.subarray(0, 50), before.subarray(0, 50))
      assert.deepEqual(memory.subarray(50 + packet.length), before.subarray(50 + packet.length))
    },
  )
  fc.assert(property, { numRuns: 3000, seed: 31 })
})
