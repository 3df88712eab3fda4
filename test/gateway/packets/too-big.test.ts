/** Packets that the tunnel does not carry as they are, through a whole packet core: RFC 4301 §8.2.1, and TCP's segment sizes. */

import { deepEqual, equal, ok } from 'node:assert/strict'
import { test } from 'node:test'
import type { Bytes } from '../../../src/kit/bytes.ts'
import { dataView, fromHex } from '../../../src/kit/bytes.ts'
import { internetChecksum } from '../../../src/kit/ip-packet.ts'
import type { Client } from '../../support/packet-cluster.ts'
import { PacketCluster, gatewayEndpoint, server } from '../../support/packet-cluster.ts'

function cluster() {
  const world = new PacketCluster('sg1', 'sg2')
  const { client } = world.establish('sg1')
  return { world, client, sg1: world.member('sg1') }
}

/** What the client gets of a packet that the trusted side sends. */
function received(world: PacketCluster, client: Client, packet: Bytes): Bytes[] {
  const before = world.out.length
  world.member('sg1').core.inner(packet, world.nowMs)
  world.agree()
  return world.out.slice(before).map(({ datagram }) => client.open(datagram)!)
}

test('a packet with DF that is too big is dropped, and its sender told from the inside address', () => {
  const { world, client, sg1 } = cluster()
  deepEqual(received(world, client, client.answer(1500)), [])
  equal(sg1.core.drops.get('inner-too-big'), 1)
  const [error] = world.others
  ok(error !== undefined)
  deepEqual([error[9], error[20], error[21], dataView(error).getUint16(26)], [1, 3, 4, 1400])
  deepEqual([error.subarray(12, 16), error.subarray(16, 20)], [Uint8Array.of(10, 50, 0, 1), server])
})

test('a packet without DF that is too big goes out in fragments, each a packet of its own number', () => {
  const { world, client, sg1 } = cluster()
  const packet = client.answer(3000)
  packet[6] = 0
  const fragments = received(world, client, packet)
  deepEqual(
    fragments.map((each) => [each.length, dataView(each).getUint16(6)]),
    [
      [1396, 0x2000],
      [1396, 0x2000 | 172],
      [276, 344],
    ],
  )
  deepEqual(
    world.out.map(({ sequence }) => sequence),
    [1, 2, 3],
  )
  equal(sg1.core.drops.get('inner-too-big'), 0)
})

/** A SYN from the trusted host with the segment size 1460, for the client; and one of the client's. */
function syn(source: Bytes, destination: Bytes): Bytes {
  const packet = fromHex(
    '4500003c059a40004006209a0a3200090a4d00019d3201bb75d1d40500000000a002faf05c840000020405b40402080ac61a2d20000000000103030a',
  )!
  packet.set(source, 12)
  packet.set(destination, 16)
  dataView(packet).setUint16(10, 0)
  dataView(packet).setUint16(10, internetChecksum(packet.subarray(0, 20)))
  return packet
}

test("a SYN's segment size is lowered on both ways", () => {
  const { world, client } = cluster()
  const [answer] = received(world, client, syn(server, client.address))
  equal(dataView(answer!).getUint16(42), 1360)
  const own = client.seal(syn(client.address, server))
  world.member('sg1').core.outer(own, gatewayEndpoint, client.remote, world.nowMs)
  world.agree()
  equal(dataView(world.others.at(-1)!).getUint16(42), 1360)
})
