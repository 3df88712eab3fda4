import assert from 'node:assert/strict'
import { test } from 'node:test'
import { spiOf } from '../../src/esp/packet.ts'
import { buildUdpPacket } from '../../src/kit/ip-packet.ts'
import { configuration, connection, gcmEsp } from '../ike/face-to-face.ts'
import { GatewayEsp, World, clientAddress, hostAddress } from './world.ts'

const up = buildUdpPacket({
  source: clientAddress,
  destination: hostAddress,
  sourcePort: 1,
  destinationPort: 2,
  payload: new Uint8Array(1),
})
const down = buildUdpPacket({
  source: hostAddress,
  destination: clientAddress,
  sourcePort: 1,
  destinationPort: 2,
  payload: new Uint8Array(1),
})

function receive(world: World, gateway: GatewayEsp, sequence: number): number {
  const before = world.delivered.length
  world.client.datagram(gateway.seal(sequence, down), 'nat-t', world.nowMs)
  return world.delivered.length - before
}

test('a Child SA that was rekeyed sends no more, and receives what is on its way for five seconds', () => {
  const world = World.up()
  const old = new GatewayEsp(world)
  assert.equal(world.client.rekey('child-rekey', world.nowMs), true)
  assert.deepEqual(world.types, ['established', 'rekeyed', 'replaced'])
  const next = new GatewayEsp(world)
  world.client.sendInner(up)
  assert.equal(spiOf(world.sent.at(-1)!.datagram), world.gateway.established.children[0]!.spiIn)
  assert.deepEqual([receive(world, old, 1), receive(world, next, 1)], [1, 1])
  assert.equal(world.client.counters.sequenceNumbersReused, 0, 'numbers are of one SPI')
  world.pass(4900)
  assert.equal(receive(world, old, 2), 1)
  world.pass(200)
  assert.deepEqual([receive(world, old, 3), receive(world, next, 2)], [0, 1])
  assert.equal(world.client.counters.drops['esp-unknown-spi'], 1)
})

test('a further Child SA sends, and both receive for good', () => {
  const world = World.up()
  const first = new GatewayEsp(world)
  world.client.rekey('child', world.nowMs)
  world.pass(10_000)
  assert.deepEqual([receive(world, first, 1), receive(world, new GatewayEsp(world), 1)], [1, 1])
  world.client.sendInner(up)
  assert.equal(spiOf(world.sent.at(-1)!.datagram), world.gateway.established.children[1]!.spiIn)
})

test('after a rekeying of the IKE SA the Child SA is the same, and the client deletes the new one at its end', () => {
  const world = World.up()
  world.client.rekey('ike-rekey', world.nowMs)
  assert.equal(receive(world, new GatewayEsp(world), 1), 1)
  world.client.close(world.nowMs)
  assert.deepEqual(world.types, ['established', 'rekeyed', 'replaced', 'closed'])
  assert.equal(world.gateway.established.phase, 'tombstone')
})

test('a request that is lost is sent again, and no other is started meanwhile', () => {
  const world = World.up()
  world.connected = false
  assert.equal(world.client.rekey('ike-rekey', world.nowMs), true)
  assert.equal(world.client.rekey('child-rekey', world.nowMs), false)
  world.connected = true
  world.pass(4010)
  assert.deepEqual(world.types, ['established', 'rekeyed', 'replaced'])
  assert.equal(world.client.counters.retransmissions, 1)
})

test('a refused rekeying leaves all as it was', () => {
  const world = World.up()
  const wantsPfs = { ...gcmEsp, ke: [31] }
  world.gateway.vpn = {
    ...configuration,
    connections: [{ ...connection, children: [{ ...connection.children[0]!, espProposals: [wantsPfs] }] }],
  }
  world.client.rekey('child-rekey', world.nowMs)
  assert.deepEqual(world.events.at(-1), { type: 'refused', what: 'child-rekey', notify: 14 })
  assert.equal(receive(world, new GatewayEsp(world), 1), 1)
  world.client.rekey('child-rekey', world.nowMs, [31])
  assert.deepEqual(world.types, ['established', 'refused', 'rekeyed', 'replaced'])
})

test('without a tunnel, or while it closes, there is nothing to rekey', () => {
  assert.equal(new World().client.rekey('child-rekey', 0), false)
  const world = World.up()
  world.connected = false
  world.client.close(world.nowMs)
  assert.equal(world.client.rekey('ike-rekey', world.nowMs), false)
})
