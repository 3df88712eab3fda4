/** How datagrams leave for clients: DESIGN.md "The cluster address", replies directly or through the holder. */

import { deepEqual, equal } from 'node:assert/strict'
import { test } from 'node:test'
import { formatAddress } from '../../../src/context/address.ts'
import type { MeshMessage } from '../../../src/gateway/mesh-message.ts'
import { decodeMeshMessage, encodeMeshMessage } from '../../../src/gateway/mesh-message.ts'
import { ReplyPath } from '../../../src/gateway/packets/reply-path.ts'
import { toHex } from '../../../src/kit/bytes.ts'
import type { Sent } from '../../support/packet-cluster.ts'
import { PacketCluster, gatewayEndpoint, ikeEndpoint } from '../../support/packet-cluster.ts'

const { address } = gatewayEndpoint
const endpoints = [gatewayEndpoint, ikeEndpoint]
const ikeMessage = new Uint8Array(28).fill(7)

/** A session of sg1's that is open there; every gateway is told who holds the address. */
function cluster(...holders: { gateway: string }[]) {
  const world = new PacketCluster('sg1', 'sg2', 'sg3')
  const { client } = world.establish('sg1')
  world.up(client, 'sg1')
  world.agree()
  for (const member of world.members.values()) {
    member.core.control({ type: 'holders', holders: holders.map(({ gateway }) => ({ address, gateway })) }, world.nowMs)
  }
  return { world, client, sg1: world.member('sg1'), sg2: world.member('sg2') }
}

function senders(world: PacketCluster): string[] {
  return world.out.map(({ gateway }) => gateway)
}

function textOf({ gateway, local, remote, datagram }: Pick<Sent, 'gateway' | 'local' | 'remote' | 'datagram'>): string {
  const [from, to] = [local, remote].map((endpoint) => `${formatAddress(endpoint.address)} ${endpoint.port}`)
  return `${gateway}: ${from} to ${to}: ${toHex(datagram)}`
}

test("an owner's ESP and IKE leave through the gateway that holds the address, octet for octet", () => {
  const { world, client, sg1, sg2 } = cluster({ gateway: 'sg2' })
  world.down(client, 'sg1')
  for (const local of endpoints)
    sg1.core.control({ type: 'send-outer', local, remote: client.remote, datagrams: [ikeMessage] }, world.nowMs)
  deepEqual(senders(world), [])
  const [esp, marked, plain] = world.mesh.map(({ to, message }) => ({
    to,
    message: decodeMeshMessage(message) as Extract<MeshMessage, { type: 'reply' }>,
  }))
  deepEqual([esp!.to, marked!.to, plain!.to], ['sg2', 'sg2', 'sg2'])
  world.agree()
  deepEqual(world.out.map(textOf), [
    textOf({ gateway: 'sg2', local: gatewayEndpoint, remote: client.remote, datagram: esp!.message.datagram }),
    textOf({ gateway: 'sg2', local: gatewayEndpoint, remote: client.remote, datagram: Uint8Array.of(0, 0, 0, 0, ...ikeMessage) }),
    textOf({ gateway: 'sg2', local: ikeEndpoint, remote: client.remote, datagram: ikeMessage }),
  ])
  equal(toHex(client.open(world.out[0]!.datagram)!), toHex(client.answer()))
  world.nowMs += 2000
  for (const member of [sg1, sg2]) member.core.tick(world.nowMs)
  for (const member of [sg1, sg2]) member.pump()
  deepEqual([sg1.report!.forwarded, sg1.report!.relayed, sg2.report!.relayed], [3, 0, 3])
})

test('an owner that holds the address sends by itself, and so does one while nobody is known to hold it', () => {
  for (const holders of [[{ gateway: 'sg1' }], []]) {
    const { world, client } = cluster(...holders)
    world.down(client, 'sg1')
    deepEqual(senders(world), ['sg1'])
    equal(world.mesh.length, 0)
  }
})

test('when the address moves, the next reply takes the new way', () => {
  const { world, client, sg1 } = cluster({ gateway: 'sg2' })
  world.down(client, 'sg1')
  sg1.core.control({ type: 'holders', holders: [{ address, gateway: 'sg3' }] }, world.nowMs)
  world.down(client, 'sg1')
  sg1.core.control({ type: 'holders', holders: [] }, world.nowMs)
  world.down(client, 'sg1')
  deepEqual(
    world.mesh.map(({ to }) => to),
    ['sg2', 'sg3'],
  )
  deepEqual(senders(world), ['sg1'])
})

test('a reply never goes on: who got it sends it, though another holds the address by now', () => {
  const { world, client, sg2 } = cluster({ gateway: 'sg2' })
  sg2.core.control({ type: 'holders', holders: [{ address, gateway: 'sg1' }] }, world.nowMs)
  world.down(client, 'sg1')
  world.settle()
  deepEqual(senders(world), ['sg2'])
  equal(world.mesh.length, 0)
})

function reply(overrides: Partial<Extract<MeshMessage, { type: 'reply' }>> = {}): Uint8Array {
  const remote = { address: Uint8Array.of(192, 0, 2, 1), port: 4500 }
  return encodeMeshMessage({ type: 'reply', local: gatewayEndpoint, remote, datagram: ikeMessage, ...overrides })
}

test("nothing is sent for others but from the cluster's own endpoints", () => {
  const { world, sg2 } = cluster({ gateway: 'sg2' })
  const foreign = [
    { address, port: 53 },
    { address: Uint8Array.of(10, 99, 0, 12), port: 4500 },
    { address: new Uint8Array(16), port: 4500 },
  ]
  for (const local of foreign) sg2.core.mesh('sg1', reply({ local }), world.nowMs)
  deepEqual([senders(world), sg2.core.drops.get('reply-source')], [[], foreign.length])
  sg2.core.mesh('sg1', reply(), world.nowMs)
  deepEqual(senders(world), ['sg2'])
})

test('a holder whose serving lease is over sends nothing for others either', () => {
  const { world, sg2 } = cluster({ gateway: 'sg2' })
  sg2.core.control({ type: 'lease', untilMs: world.nowMs }, world.nowMs)
  sg2.core.mesh('sg1', reply(), world.nowMs + 1)
  deepEqual([senders(world), sg2.core.drops.get('not-serving')], [[], 1])
})

test('with direct replies it is all the same who holds the address', () => {
  for (const [way, through] of [
    ['direct', null],
    ['via-holder', 'sg2'],
  ] as const) {
    const path = new ReplyPath('sg1', { way, endpoints })
    path.update([{ address, gateway: 'sg2' }])
    equal(path.through(gatewayEndpoint), through)
  }
})

test('each address has a holder of its own', () => {
  const other = { address: Uint8Array.of(0x20, 1, 0xd, 0xb8, ...new Uint8Array(12)), port: 4500 }
  const path = new ReplyPath('sg1', { way: 'via-holder', endpoints: [...endpoints, other] })
  path.update([
    { address, gateway: 'sg1' },
    { address: other.address, gateway: 'sg3' },
  ])
  deepEqual([path.through(gatewayEndpoint), path.through(other)], [null, 'sg3'])
  deepEqual([path.isOwn(other), path.isOwn({ ...other, port: 500 })], [true, false])
})

test('from an address of another site a datagram leaves by its holder, whatever the way; while nobody holds it, from our own, by the same port', () => {
  const distant = { address: Uint8Array.of(203, 0, 113, 1), port: 4500 }
  const distantIpv6 = { address: new Uint8Array(16).fill(1), port: 4500 }
  for (const way of ['direct', 'via-holder'] as const) {
    const path = new ReplyPath('sg1', { way, endpoints })
    const update = (gateway: string | null): void =>
      path.update([
        { address, gateway: 'sg1' },
        { address: distant.address, gateway },
      ])
    update('sg3')
    deepEqual([path.through(distant), path.through(gatewayEndpoint)], ['sg3', null])
    update(null)
    deepEqual([path.through(distant), path.source(distant)], [null, gatewayEndpoint])
    deepEqual([path.source(gatewayEndpoint), path.source(distantIpv6)], [gatewayEndpoint, distantIpv6])
  }
})

test("from another site's address it leaves through who holds that; while nobody does, from ours, and by the way that ours take", () => {
  const elsewhere = { address: Uint8Array.of(203, 0, 113, 1), port: 4500 }
  for (const [way, ownHolder, through] of [
    ['direct', 'sg2', null],
    ['via-holder', 'sg2', 'sg2'],
    ['via-holder', 'sg1', null],
  ] as const) {
    const path = new ReplyPath('sg1', { way, endpoints })
    const update = (gateway: string | null): void =>
      path.update([
        { address, gateway: ownHolder },
        { address: elsewhere.address, gateway },
      ])
    update('sg4')
    deepEqual([path.source(elsewhere), path.through(path.source(elsewhere))], [elsewhere, 'sg4'])
    update(null)
    deepEqual([path.source(elsewhere), path.through(path.source(elsewhere))], [gatewayEndpoint, through])
  }
})
