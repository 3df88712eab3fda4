import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TunnelMtu } from '../../../src/gateway/packets/tunnel-mtu.ts'
import type { Bytes } from '../../../src/kit/bytes.ts'
import { dataView } from '../../../src/kit/bytes.ts'
import { buildUdpPacket } from '../../../src/kit/ip-packet.ts'

const inside = Uint8Array.of(10, 50, 0, 1)
const inside6 = Uint8Array.from({ length: 16 }, (_, i) => (i === 0 ? 0xfd : i))

function packet(octets: number, version: 4 | 6 = 4): Bytes {
  const [source, destination] =
    version === 4 ? [Uint8Array.of(10, 50, 0, 9), Uint8Array.of(10, 77, 0, 1)] : [inside6, inside6.map((octet) => octet ^ 1)]
  const payload = new Uint8Array(octets - (version === 4 ? 28 : 48))
  return buildUdpPacket({ source, destination, sourcePort: 1, destinationPort: 2, payload })
}

test('a packet of the MTU fits, one octet more does not, and an IPv6 packet of 1280 always does (RFC 8200 §5)', () => {
  const mtu = new TunnelMtu(1400, [])
  assert.deepEqual([mtu.fits(packet(1400)), mtu.fits(packet(1401))], [true, false])
  const small = new TunnelMtu(576, [inside6])
  assert.deepEqual([small.fits(packet(577)), small.fits(packet(1280, 6)), small.fits(packet(1281, 6))], [false, true, false])
  assert.equal(dataView(small.error(packet(1281, 6), 0)!).getUint32(44), 1280)
})

test('what may be fragmented is, and what may not is told to its sender from an address of the family', () => {
  const mtu = new TunnelMtu(1400, [inside])
  const dontFragment = packet(1500)
  assert.equal(mtu.fragments(dontFragment), null)
  assert.deepEqual(mtu.error(dontFragment, 0)!.subarray(12, 16), inside)
  const free = packet(1500)
  free[6] = 0
  assert.deepEqual(
    mtu.fragments(free)!.map(({ length }) => length),
    [1396, 124],
  )
  assert.equal(mtu.fragments(packet(1500, 6)), null)
  // No address to tell it from.
  assert.equal(mtu.error(packet(1500, 6), 0), null)
})

test('errors are few a second, whatever comes', () => {
  const mtu = new TunnelMtu(1400, [inside])
  let told = 0
  for (let i = 0; i < 10_000; i++) if (mtu.error(packet(1500), i / 10) !== null) told += 1
  assert.ok(told >= 100 && told <= 121, `${told}`)
})

test('what follows the packet by its own length is cut off', () => {
  const mtu = new TunnelMtu(1400, [])
  const padded = new Uint8Array(2000)
  padded.set(packet(100))
  assert.equal(mtu.trimmed(padded).length, 100)
})
