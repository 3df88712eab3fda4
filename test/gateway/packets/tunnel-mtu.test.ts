import assert from 'node:assert/strict'
import { test } from 'node:test'
import { TunnelMtu } from '../../../src/gateway/packets/tunnel-mtu.ts'
import type { Bytes } from '../../../src/kit/bytes.ts'
import { dataView } from '../../../src/kit/bytes.ts'
import { buildUdpPacket } from '../../../src/kit/ip-packet.ts'

const inside = Uint8Array.of(10, 50, 0, 1)
const inside6 = Uint8Array.from({ length: 16 }, (_, i) => (i === 0 ? 0xfd : i))

const client = { address: Uint8Array.of(192, 0, 2, 7), port: 4500 }
const client6 = { address: inside6, port: 4500 }

function packet(octets: number, version: 4 | 6 = 4): Bytes {
  const [source, destination] =
    version === 4 ? [Uint8Array.of(10, 50, 0, 9), Uint8Array.of(10, 77, 0, 1)] : [inside6, inside6.map((octet) => octet ^ 1)]
  const payload = new Uint8Array(octets - (version === 4 ? 28 : 48))
  return buildUdpPacket({ source, destination, sourcePort: 1, destinationPort: 2, payload })
}

test('a packet of the MTU fits, one octet more does not, and an IPv6 packet of 1280 always does (RFC 8200 §5)', () => {
  const mtu = new TunnelMtu(1400, [])
  assert.deepEqual([mtu.fits(packet(1400), client), mtu.fits(packet(1401), client)], [true, false])
  const small = new TunnelMtu(576, [inside6])
  assert.deepEqual(
    [small.fits(packet(577), client), small.fits(packet(1280, 6), client), small.fits(packet(1281, 6), client)],
    [false, true, false],
  )
  assert.equal(dataView(small.error(packet(1281, 6), client, 0)!).getUint32(44), 1280)
})

test('what may be fragmented is, and what may not is told to its sender from an address of the family', () => {
  const mtu = new TunnelMtu(1400, [inside])
  const dontFragment = packet(1500)
  assert.equal(mtu.fragments(dontFragment, client), null)
  assert.deepEqual(mtu.error(dontFragment, client, 0)!.subarray(12, 16), inside)
  const free = packet(1500)
  free[6] = 0
  assert.deepEqual(
    mtu.fragments(free, client)!.map(({ length }) => length),
    [1396, 124],
  )
  assert.equal(mtu.fragments(packet(1500, 6), client), null)
  // No address to tell it from.
  assert.equal(mtu.error(packet(1500, 6), client, 0), null)
})

test('errors are few a second, whatever comes', () => {
  const mtu = new TunnelMtu(1400, [inside])
  let told = 0
  for (let i = 0; i < 10_000; i++) if (mtu.error(packet(1500), client, i / 10) !== null) told += 1
  assert.ok(told >= 100 && told <= 121, `${told}`)
})

test('what follows the packet by its own length is cut off', () => {
  const mtu = new TunnelMtu(1400, [])
  const padded = new Uint8Array(2000)
  padded.set(packet(100))
  assert.equal(mtu.trimmed(padded).length, 100)
})

test('to a client over IPv6 the tunnel carries as much less as the outer header is longer, and IPv6 1280 all the same', () => {
  const mtu = new TunnelMtu(1400, [inside])
  assert.deepEqual([mtu.fits(packet(1380), client6), mtu.fits(packet(1381), client6)], [true, false])
  assert.deepEqual([mtu.fits(packet(1380, 6), client6), mtu.fits(packet(1381, 6), client6)], [true, false])
  assert.equal(dataView(mtu.error(packet(1400), client6, 0)!).getUint16(26), 1380)
  const free = packet(1400)
  free[6] = 0
  for (const { length } of mtu.fragments(free, client6)!) assert.ok(length <= 1380)
  const small = new TunnelMtu(1290, [])
  assert.equal(small.fits(packet(1280, 6), client6), true)
})

/** What a packet of so many octets takes outside: padded to the block, with IV, ICV, ESP's and UDP's and IP's headers. */
function outerOctets(inner: number, cipher: { readonly iv: number; readonly block: number; readonly icv: number }, ip: number): number {
  const padded = Math.ceil((inner + 2) / cipher.block) * cipher.block
  return ip + 8 + 8 + cipher.iv + padded + cipher.icv
}

test('with the default MTU no supported cipher makes more than 1500 octets of a full packet, over IPv4 or IPv6', () => {
  const mtu = new TunnelMtu(1400, [])
  const ciphers = [
    { iv: 8, block: 4, icv: 16 },
    { iv: 8, block: 4, icv: 32 },
    { iv: 16, block: 16, icv: 32 },
  ]
  for (const [endpoint, ip] of [
    [client, 20],
    [client6, 40],
  ] as const) {
    const largest = mtu.fits(packet(1400), endpoint) ? 1400 : 1380
    assert.equal(mtu.fits(packet(largest + 1), endpoint), false)
    for (const cipher of ciphers) assert.ok(outerOctets(largest, cipher, ip) <= 1500, `${outerOctets(largest, cipher, ip)}`)
  }
})
