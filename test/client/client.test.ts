import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatAddress } from '../../src/context/address.ts'
import { buildUdpPacket } from '../../src/kit/ip-packet.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { equalBytes, toUtf8 } from '../../src/kit/bytes.ts'
import { SeededRandom } from '../../src/kit/random.ts'
import { sequenceOf, spiOf } from '../../src/esp/packet.ts'
import { TestGateway, address } from '../ike/face-to-face.ts'
import { GatewayEsp, World, clientAddress, hostAddress } from './world.ts'

function packet(source: Bytes, destination: Bytes, text = 'x'): Bytes {
  return buildUdpPacket({ source, destination, sourcePort: 1, destinationPort: 2, payload: toUtf8(text) })
}

const up = (text?: string): Bytes => packet(clientAddress, hostAddress, text)
const down = (text?: string): Bytes => packet(hostAddress, clientAddress, text)

test('a client comes up, and from IKE_AUTH on everything goes to the NAT-T port (RFC 7296 §2.23)', () => {
  const { client, sent, types } = World.up()
  assert.deepEqual(types, ['established'])
  assert.deepEqual(
    sent.map(({ port }) => port),
    ['ike', 'nat-t'],
  )
  assert.deepEqual(client.tunnel!.virtualIps.map(formatAddress), ['10.77.0.9'])
})

test('inner packets travel as ESP both ways, numbered from 1', () => {
  const world = World.up()
  const gateway = new GatewayEsp(world)
  assert.equal(world.client.sendInner(up('one')), true)
  assert.equal(world.client.sendInner(up('two')), true)
  const [first, second] = world.sent.slice(-2).map(({ datagram }) => datagram)
  assert.deepEqual([sequenceOf(first!), sequenceOf(second!)], [1, 2])
  assert.equal(spiOf(first!), world.gateway.established.children[0]!.spiIn)
  assert.deepEqual(gateway.open(second!), up('two'))
  world.client.datagram(gateway.seal(7, down('back')), 'nat-t', world.nowMs)
  assert.deepEqual(world.delivered, [down('back')])
  assert.deepEqual([world.client.counters.sent, world.client.counters.received], [2, 1])
})

test('without a tunnel nothing is sent', () => {
  const world = new World()
  assert.equal(world.client.sendInner(up()), false)
  assert.deepEqual(world.sent, [])
})

test('a sequence number that comes twice for one SPI is counted before the anti-replay window, and its packet is not delivered', () => {
  const world = World.up()
  const gateway = new GatewayEsp(world)
  for (const sequence of [1, 2, 2, 5000, 2, 1]) world.client.datagram(gateway.seal(sequence, down(`${sequence}`)), 'nat-t', world.nowMs)
  assert.equal(world.client.counters.sequenceNumbersReused, 3, 'also those that the window has forgotten')
  assert.equal(world.delivered.length, 3)
  assert.equal(world.client.counters.drops['esp-replayed'], 3)
})

const refused: readonly { name: string; datagram: (gateway: GatewayEsp) => Bytes; reason: string }[] = [
  { name: 'another SPI', datagram: () => new Uint8Array(60).fill(9), reason: 'esp-unknown-spi' },
  {
    name: 'a changed octet',
    datagram: (gateway) => gateway.seal(1, down()).map((octet, i, all) => (i === all.length - 1 ? octet ^ 1 : octet)),
    reason: 'esp-not-authentic',
  },
  {
    name: 'a source outside the selectors',
    datagram: (gateway) => gateway.seal(1, packet(address('192.0.2.9'), clientAddress)),
    reason: 'inner-selectors',
  },
  {
    name: "somebody else's destination",
    datagram: (gateway) => gateway.seal(1, packet(hostAddress, address('10.77.0.10'))),
    reason: 'inner-selectors',
  },
  { name: 'a header alone', datagram: (gateway) => gateway.seal(1, down()).subarray(0, 8), reason: 'esp-short' },
  { name: 'no header', datagram: (gateway) => gateway.seal(1, down()).subarray(0, 7), reason: 'datagram-short' },
  { name: 'a NAT keepalive', datagram: () => Uint8Array.of(0xff), reason: 'nat-keepalive' },
]

for (const { name, datagram, reason } of refused) {
  test(`${name} is dropped and counted as ${reason}`, () => {
    const world = World.up()
    world.client.datagram(datagram(new GatewayEsp(world)), 'nat-t', world.nowMs)
    assert.deepEqual(world.delivered, [])
    assert.deepEqual(world.client.counters.drops, { [reason]: 1 })
  })
}

test('a request without an answer is sent again octet for octet after 4.0, 11.2, 24.2, 47.5 and 89.5 s, and given up after 165 s', () => {
  const world = new World()
  world.connected = false
  world.client.start(world.nowMs)
  const times: number[] = []
  for (let seen = 1; world.types.length === 0;) {
    world.pass(10)
    if (world.sent.length > seen) times.push(Math.round((world.nowMs - 1000) / 100) / 10)
    seen = world.sent.length
  }
  assert.deepEqual(times, [4, 11.2, 24.2, 47.5, 89.5])
  assert.equal(Math.floor((world.nowMs - 1000) / 1000), 165)
  assert.ok(world.sent.every(({ datagram }) => equalBytes(datagram, world.sent[0]!.datagram)))
  assert.deepEqual(world.types, ['failed'])
})

test('an idle gateway is asked whether it lives, one that speaks is not (RFC 7296 §2.4)', () => {
  const world = World.up({ dpdMs: 2000 })
  world.pass(1900)
  assert.equal(world.sent.length, 2)
  const gateway = new GatewayEsp(world)
  world.client.datagram(gateway.seal(1, down()), 'nat-t', world.nowMs)
  world.pass(1900)
  assert.equal(world.sent.length, 2)
  world.pass(200)
  assert.equal(world.sent.length, 3)
  assert.deepEqual(world.types, ['established'])
})

test('a client whose gateway is silent authenticates anew, and counts it', () => {
  const retransmission = { firstMs: 500, base: 1.8, tries: 2, limitMs: Infinity }
  const world = World.up({ dpdMs: 1000, retransmission, retryMs: 1000 })
  world.connected = false
  world.pass(4100)
  assert.deepEqual(world.types, ['established', 'failed'])
  assert.equal(world.client.counters.reAuthentications, 0)
  world.connected = true
  world.gateway = new TestGateway()
  world.pass(2000)
  assert.deepEqual(world.types, ['established', 'failed', 'established'])
  assert.equal(world.client.counters.reAuthentications, 1)
})

test('a gateway that deletes the IKE SA is answered, also when it asks again', () => {
  const world = World.up({ retryMs: null })
  const request = world.gateway.request({ type: 'delete' })
  world.toClient('nat-t', request)
  assert.deepEqual(world.types, ['established', 'failed'])
  world.toClient('nat-t', request)
  const [first, second] = world.sent.slice(-2)
  assert.deepEqual(first, second)
  assert.equal(world.client.sendInner(up()), false)
})

test('close deletes the IKE SA and ends once that is confirmed', () => {
  const world = World.up()
  world.client.close(world.nowMs)
  assert.deepEqual(world.types, ['established', 'closed'])
  assert.equal(world.gateway.established.phase, 'tombstone')
  world.pass(10_000)
  assert.deepEqual(world.types, ['established', 'closed'])
})

test('close waits for the answer to a request that is on its way: the window is one (RFC 7296 §2.3)', () => {
  const world = World.up({ dpdMs: 1000, retransmission: { firstMs: 500, base: 1, tries: 100, limitMs: 500 } })
  world.connected = false
  world.pass(1000)
  world.client.close(world.nowMs)
  assert.deepEqual(world.types, ['established'])
  world.connected = true
  world.pass(600)
  assert.deepEqual(world.types, ['established', 'closed'])
})

test('datagrams of anybody never throw and change nothing', () => {
  const world = World.up()
  const random = new SeededRandom(7)
  for (let i = 0; i < 500; i++) {
    const datagram = random.bytes(random.uint32() % 200)
    if (i % 2 === 0) datagram.fill(0, 0, 4)
    world.client.datagram(datagram, i % 3 === 0 ? 'ike' : 'nat-t', world.nowMs)
  }
  assert.deepEqual([world.types, world.delivered.length, world.sent.length], [['established'], 0, 2])
})
