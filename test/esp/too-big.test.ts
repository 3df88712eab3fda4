import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { parseAddress } from '../../src/context/address.ts'
import { fragment } from '../../src/esp/fragments.ts'
import { mayFragment, tooBig } from '../../src/esp/too-big.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { concat, dataView, fromHex } from '../../src/kit/bytes.ts'
import { buildUdpPacket, internetChecksum, pseudoHeaderSum } from '../../src/kit/ip-packet.ts'
import { SeededRandom } from '../../src/kit/random.ts'

const [server, client, gateway] = ['10.50.0.9', '10.77.0.1', '10.50.0.1'].map((text) => parseAddress(text)!) as [Bytes, Bytes, Bytes]
const [server6, client6, gateway6] = ['fd50::9', 'fd77::1', 'fd50::1'].map((text) => parseAddress(text)!) as [Bytes, Bytes, Bytes]

/** A UDP packet of so many octets, with DF as given. */
function udp(octets: number, dontFragment: boolean): Bytes {
  const payload = new SeededRandom(octets).bytes(octets - 28)
  const packet = buildUdpPacket({ source: server, destination: client, sourcePort: 1, destinationPort: 2, payload })
  packet[6] = dontFragment ? 0x40 : 0
  resum(packet)
  return packet
}

function udp6(octets: number): Bytes {
  const payload = new SeededRandom(octets).bytes(octets - 48)
  return buildUdpPacket({ source: server6, destination: client6, sourcePort: 1, destinationPort: 2, payload })
}

function resum(packet: Bytes): void {
  const view = dataView(packet)
  view.setUint16(10, 0)
  view.setUint16(10, internetChecksum(packet.subarray(0, 4 * (packet[0]! & 15))))
}

/** What a host makes of fragments (RFC 791 §3.2), the simple way. */
function reassembled(fragments: readonly Bytes[]): Bytes {
  const first = fragments[0]!
  const header = first.slice(0, 4 * (first[0]! & 15))
  const parts = fragments.map((each) => ({ at: 8 * (dataView(each).getUint16(6) & 0x1fff), octets: each.subarray(4 * (each[0]! & 15)) }))
  const payload = new Uint8Array(Math.max(...parts.map(({ at, octets }) => at + octets.length)))
  for (const { at, octets } of parts) payload.set(octets, at)
  const packet = concat(header, payload)
  dataView(packet).setUint16(2, packet.length)
  packet[6] = 0
  packet[7] = 0
  resum(packet)
  return packet
}

test('fragments fit, have right headers, and are the packet when put together', () => {
  const property = fc.property(fc.integer({ min: 577, max: 9000 }), fc.integer({ min: 576, max: 1500 }), (octets, mtu) => {
    const packet = udp(octets, false)
    const fragments = fragment(packet, mtu)
    for (const [i, each] of fragments.entries()) {
      assert.ok(each.length <= mtu)
      assert.equal(internetChecksum(each.subarray(0, 20)), 0)
      assert.equal(dataView(each).getUint16(2), each.length)
      const isLast = i === fragments.length - 1
      assert.equal((each[6]! & 0x20) === 0, isLast)
      if (!isLast) assert.equal((each.length - 20) % 8, 0)
    }
    assert.deepEqual(reassembled(fragments), packet)
  })
  fc.assert(property, { numRuns: 200, seed: 41 })
})

test('a fragment that is fragmented keeps its place, and what follows it still follows', () => {
  const middle = udp(1500, false)
  dataView(middle).setUint16(6, 0x2000 | 185)
  resum(middle)
  const fragments = fragment(middle, 800)
  assert.deepEqual(
    fragments.map((each) => dataView(each).getUint16(6)),
    [0x2000 | 185, 0x2000 | (185 + 97)],
  )
})

test('only options with the copied flag go into later fragments (RFC 791 §3.1)', () => {
  const plain = udp(1000, false)
  // Record route (7, not copied), then loose source route (131, copied), then the end.
  const options = fromHex('070708000000008307040000000000ff')!.slice(0, 14)
  const packet = concat(plain.subarray(0, 20), options, Uint8Array.of(0, 0), plain.subarray(20))
  packet[0] = 0x40 | (36 / 4)
  dataView(packet).setUint16(2, packet.length)
  resum(packet)
  const [first, second] = fragment(packet, 576)
  assert.equal(first![0]! & 15, 9)
  assert.equal(second![0]! & 15, 7)
  assert.deepEqual(second!.subarray(20, 27), options.subarray(7))
  for (const each of [first!, second!]) assert.equal(internetChecksum(each.subarray(0, 4 * (each[0]! & 15))), 0)
})

test('IPv4 with DF: fragmentation needed, with the MTU, from the gateway, quoting the packet (RFC 792, RFC 1191 §4)', () => {
  const packet = udp(1500, true)
  assert.equal(mayFragment(packet), false)
  const error = tooBig(packet, 1400, gateway)!
  assert.equal(error.length, 576)
  assert.deepEqual([...error.subarray(0, 2), error[8], error[9]], [0x45, 0xc0, 64, 1])
  assert.deepEqual([error.subarray(12, 16), error.subarray(16, 20)], [gateway, server])
  assert.deepEqual([error[20], error[21], dataView(error).getUint16(24), dataView(error).getUint16(26)], [3, 4, 0, 1400])
  assert.deepEqual(error.subarray(28), packet.subarray(0, 548))
  assert.deepEqual([internetChecksum(error.subarray(0, 20)), internetChecksum(error.subarray(20))], [0, 0])
})

test('IPv6: packet too big, with the MTU, quoting the packet (RFC 4443 §3.2)', () => {
  const packet = udp6(1500)
  assert.equal(mayFragment(packet), false)
  const error = tooBig(packet, 1400, gateway6)!
  assert.equal(error.length, 1280)
  assert.deepEqual([error[0], error[6], error[7], error[40], error[41]], [0x60, 58, 64, 2, 0])
  assert.equal(dataView(error).getUint16(4), 1240)
  assert.deepEqual([error.subarray(8, 24), error.subarray(24, 40)], [gateway6, server6])
  assert.equal(dataView(error).getUint32(44), 1400)
  assert.deepEqual(error.subarray(48), packet.subarray(0, 1232))
  assert.equal(internetChecksum(error.subarray(40), pseudoHeaderSum(gateway6, server6, 58, 1240)), 0)
})

test('nobody is told about an ICMP error, a later fragment, or a sender that is no single host', () => {
  const four = (change: (packet: Bytes) => void): Bytes => {
    const packet = udp(1500, true)
    change(packet)
    return packet
  }
  const six = (change: (packet: Bytes) => void): Bytes => {
    const packet = udp6(1500)
    change(packet)
    return packet
  }
  const silent = [
    four((packet) => ((packet[9] = 1), (packet[20] = 3))),
    four((packet) => (packet[7] = 5)),
    four((packet) => (packet[12] = 224)),
    four((packet) => (packet[12] = 0)),
    four((packet) => (packet[12] = 127)),
    four((packet) => (packet[16] = 239)),
    six((packet) => ((packet[6] = 58), (packet[40] = 2))),
    six((packet) => ((packet[6] = 58), (packet[40] = 137))),
    six((packet) => (packet[8] = 0xff)),
    six((packet) => packet.fill(0, 8, 24)),
  ]
  for (const packet of silent) assert.equal(tooBig(packet, 1400, packet[0]! >> 4 === 4 ? gateway : gateway6), null)
  assert.equal(tooBig(udp(1500, true), 1400, gateway6), null)
  assert.equal(tooBig(udp6(1500), 1400, gateway), null)
  // A question (echo request) is none of these.
  assert.notEqual(
    tooBig(
      four((packet) => ((packet[9] = 1), (packet[20] = 8))),
      1400,
      gateway,
    ),
    null,
  )
  assert.notEqual(
    tooBig(
      six((packet) => ((packet[6] = 58), (packet[40] = 128))),
      1400,
      gateway6,
    ),
    null,
  )
})
