/** Where datagrams, inner packets and mesh messages go: DESIGN.md "The cluster address". */

import { deepEqual, equal, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { encodeControlMessage } from '../../../src/gateway/control-message.ts'
import { encodeMeshMessage, decodeMeshMessage } from '../../../src/gateway/mesh-message.ts'
import { childCounts, countsBySession } from '../../../src/gateway/session-counts.ts'
import { ownership, sessionView } from '../../../src/session/view.ts'
import { PacketCluster, gatewayEndpoint, ikeEndpoint } from '../../support/packet-cluster.ts'

const ikeMessage = new Uint8Array(28).fill(7)

function cluster() {
  const world = new PacketCluster('sg1', 'sg2')
  const { client, session } = world.establish('sg1')
  return { world, client, session, sg1: world.member('sg1'), sg2: world.member('sg2') }
}

test('on a NAT traversal port, four zero octets mark IKE and are taken off; on port 500 everything is IKE (RFC 3948 §2.2)', () => {
  const { world, client, sg1 } = cluster()
  sg1.core.outer(Uint8Array.of(0, 0, 0, 0, ...ikeMessage), gatewayEndpoint, client.remote, world.nowMs)
  sg1.core.outer(ikeMessage, ikeEndpoint, client.remote, world.nowMs)
  sg1.pump()
  deepEqual(
    sg1.ike.map(({ datagram, local, remote }) => [datagram, local, remote]),
    [
      [ikeMessage, gatewayEndpoint, client.remote],
      [ikeMessage, ikeEndpoint, client.remote],
    ],
  )
})

test('IKE gets its marker when it leaves from a NAT traversal port', () => {
  const { world, client, sg1 } = cluster()
  const datagrams: Uint8Array[] = []
  world.onSent = ({ datagram }) => void datagrams.push(datagram)
  for (const local of [gatewayEndpoint, ikeEndpoint]) {
    sg1.core.control({ type: 'send-outer', local, remote: client.remote, datagrams: [ikeMessage] }, world.nowMs)
  }
  deepEqual(datagrams, [Uint8Array.of(0, 0, 0, 0, ...ikeMessage), ikeMessage])
})

test('a flood of IKE datagrams is bounded before it reaches the control core', () => {
  const { world, client, sg1 } = cluster()
  for (let i = 0; i < 10_000; i++) sg1.core.outer(ikeMessage, ikeEndpoint, client.remote, world.nowMs)
  sg1.pump()
  equal(sg1.ike.length, 4000)
  equal(sg1.core.drops.get('ike-flood'), 6000)
  world.nowMs += 10
  for (let i = 0; i < 1000; i++) sg1.core.outer(ikeMessage, ikeEndpoint, client.remote, world.nowMs)
  sg1.pump()
  equal(sg1.ike.length, 4200)
})

test('a flood of IKE datagrams by way of other gateways is bounded, too, and heartbeats are heard in it', () => {
  const { world, client, sg1 } = cluster()
  const payload = encodeControlMessage({ type: 'ike', epoch: 1, hops: 1, local: ikeEndpoint, remote: client.remote, datagram: ikeMessage })
  const ping = encodeControlMessage({ type: 'ping', sequence: 1, suspects: [] })
  for (let i = 0; i < 3000; i++)
    for (const gateway of ['sg2', 'sg3']) sg1.core.mesh(gateway, encodeMeshMessage({ type: 'control', payload }), world.nowMs)
  sg1.core.mesh('sg2', encodeMeshMessage({ type: 'control', payload: ping }), world.nowMs)
  sg1.pump()
  deepEqual([sg1.meshed.length, sg1.meshed.at(-1)], [4001, ping])
  equal(sg1.core.drops.get('ike-forwarded-flood'), 2000)
})

test('a flood of IKE_SA_INIT leaves room for those who have a session', () => {
  const { world, client, sg1 } = cluster()
  const init = ikeMessage.slice()
  init[18] = 34
  for (let i = 0; i < 10_000; i++) sg1.core.outer(init, ikeEndpoint, client.remote, world.nowMs)
  equal(sg1.core.drops.get('ike-init-flood'), 9000)
  for (let i = 0; i < 2000; i++) sg1.core.outer(ikeMessage, ikeEndpoint, client.remote, world.nowMs)
  sg1.pump()
  equal(sg1.ike.length, 3000)
  equal(sg1.core.drops.get('ike-flood'), 0)
})

const junk: readonly (readonly [string, Uint8Array, 'nat-keepalive' | 'outer-short' | 'ike-short' | 'esp-short'])[] = [
  ['a NAT keepalive', Uint8Array.of(0xff), 'nat-keepalive'],
  ['an empty datagram', new Uint8Array(0), 'outer-short'],
  ['three octets', Uint8Array.of(1, 2, 3), 'outer-short'],
  ['a marker and less than an IKE header', new Uint8Array(31), 'ike-short'],
  ['less than an ESP packet', new Uint8Array(31).fill(1), 'esp-short'],
]

for (const [what, datagram, reason] of junk) {
  test(`${what} is counted and dropped`, () => {
    const { world, client, sg1 } = cluster()
    sg1.core.outer(datagram, gatewayEndpoint, client.remote, world.nowMs)
    equal(sg1.core.drops.get(reason), 1)
    equal(world.resolves, 0)
  })
}

test("any gateway takes any session's packets, both ways: they reach the owner over the mesh, and the client from the cluster's address", () => {
  const { world, client } = cluster()
  world.up(client, 'sg2')
  world.agree()
  world.down(client, 'sg2')
  world.agree()
  deepEqual(
    world.in.map(({ gateway, sequence }) => [gateway, sequence]),
    [['sg1', 1]],
  )
  deepEqual(
    world.out.map(({ gateway, local, remote }) => [gateway, local, remote]),
    [['sg1', gatewayEndpoint, client.remote]],
  )
})

test("the header carries the epoch that the sender routed under, the client's address and the hops", () => {
  const { world, client, session, sg1, sg2 } = cluster()
  const datagram = client.datagram()
  sg2.core.outer(datagram, gatewayEndpoint, client.remote, world.nowMs)
  sg2.pump()
  const { epoch } = ownership(sg1.state, session)!
  deepEqual(decodeMeshMessage(world.mesh[0]!.message), {
    type: 'outer',
    epoch,
    hops: 1,
    local: gatewayEndpoint,
    remote: client.remote,
    datagram,
  })
})

test('one question is enough for a route', () => {
  const { world, client, sg2 } = cluster()
  for (let i = 0; i < 50; i++) world.up(client, 'sg2')
  sg2.pump()
  for (let i = 0; i < 50; i++) world.up(client, 'sg2')
  equal(world.resolves, 1)
  equal(world.mesh.length, 100)
})

test('an unknown SPI never enters the mesh; it is asked for, denied, and not asked for again for a while', () => {
  const { world, client, sg2 } = cluster()
  const stray = client.datagram()
  stray.set([9, 9, 9, 9])
  const send = (): void => sg2.core.outer(stray.slice(), gatewayEndpoint, client.remote, world.nowMs)
  send()
  world.run(300)
  ok(sg2.core.drops.get('unknown-route') + sg2.core.drops.get('parked-expired') === 1)
  const asked = world.resolves
  for (let i = 0; i < 20; i++) send()
  world.settle()
  ok(world.resolves - asked <= 1)
  equal(world.mesh.length, 0)
})

test('a flood of unknown SPIs is bounded in questions and octets', () => {
  const { world, client, sg2 } = cluster()
  for (let i = 0; i < 5000; i++) {
    const stray = new Uint8Array(1400)
    new DataView(stray.buffer).setUint32(0, 0x9000_0000 + i)
    sg2.core.outer(stray, gatewayEndpoint, client.remote, world.nowMs)
  }
  world.settle()
  ok(world.resolves <= 1024, `${world.resolves} questions`)
  ok(sg2.core.drops.get('parked-full') >= 5000 - 1024)
  world.run(300)
  equal(sg2.core.drops.get('parked-full') + sg2.core.drops.get('parked-expired') + sg2.core.drops.get('unknown-route'), 5000)
})

test('a gateway that lags holds a packet until it has applied what the sender knew', () => {
  const { world, client, session, sg1, sg2 } = cluster()
  world.up(client, 'sg1')
  world.agree()
  const { epoch, version } = ownership(sg1.state, session)!
  sg1.freeze(session)
  sg1.pump()
  const item = { session, epoch, version, children: sg1.frozen[0]!.children }
  world.commit({ type: 'transfer', incarnation: sg1.incarnation, to: sg2.incarnation, sessions: [item] })
  // sg1 has applied the Transfer, sg2 not yet.
  sg1.applyNext()
  sg1.pump()
  const before = world.resolves
  world.up(client, 'sg1')
  sg1.pump()
  while (world.mesh.length > 0) world.deliverMesh(0)
  sg2.pump()
  equal(world.in.length, 1)
  equal(world.mesh.length, 0, 'it does not go back')
  ok(world.resolves - before <= 3)
  world.agree()
  deepEqual(world.in.at(-1), { gateway: 'sg2', source: client.address, sequence: 2 })
})

test('what lags for too long is dropped', () => {
  const { world, client, session, sg1, sg2 } = cluster()
  const { epoch } = ownership(sg1.state, session)!
  const message = {
    type: 'outer' as const,
    epoch: epoch + 1,
    hops: 1,
    local: gatewayEndpoint,
    remote: client.remote,
    datagram: client.datagram(),
  }
  sg2.core.mesh('sg1', encodeMeshMessage(message), world.nowMs)
  world.run(300)
  equal(world.in.length, 0)
  equal(sg2.core.drops.get('parked-expired'), 1)
  ok(world.resolves <= 8, `${world.resolves} questions`)
})

test('a packet is forwarded three times at most', () => {
  const { world, client, sg2 } = cluster()
  const message = { type: 'outer' as const, epoch: 0, hops: 3, local: gatewayEndpoint, remote: client.remote, datagram: client.datagram() }
  sg2.core.mesh('sg1', encodeMeshMessage(message), world.nowMs)
  world.settle()
  equal(sg2.core.drops.get('mesh-hops'), 1)
  equal(world.in.length, 0)
})

test('a mesh message that does not decode is counted', () => {
  const { world, sg2 } = cluster()
  sg2.core.mesh('sg1', Uint8Array.of(1), world.nowMs)
  sg2.core.mesh('sg1', new Uint8Array(0), world.nowMs)
  equal(sg2.core.drops.get('mesh-malformed'), 2)
})

test("S6: the owner judges a packet by its session's addresses and selectors, whoever forwarded it", () => {
  const { world, client, sg1 } = cluster()
  sg1.core.outer(client.datagram(1, Uint8Array.of(10, 77, 9, 9)), gatewayEndpoint, client.remote, world.nowMs)
  world.member('sg2').core.outer(client.datagram(2, client.address, Uint8Array.of(8, 8, 8, 8)), gatewayEndpoint, client.remote, world.nowMs)
  world.agree()
  equal(world.in.length, 0)
  equal(sg1.core.drops.get('inner-source'), 1)
  equal(sg1.core.drops.get('inner-destination'), 1)
})

test('S6: an inner packet from outside the selectors is not sent', () => {
  const { world, client, sg1 } = cluster()
  const packet = client.answer()
  packet.set([8, 8, 8, 8], 12)
  sg1.core.inner(packet, world.nowMs)
  world.agree()
  equal(world.out.length, 0)
  equal(sg1.core.drops.get('inner-unselected'), 1)
})

test('once a second the packet core reports', () => {
  const { world, client, sg1 } = cluster()
  world.run(2000, (nowMs) => {
    if (nowMs % 20 === 0) world.up(client, 'sg1')
    if (nowMs % 40 === 0) world.down(client, 'sg1')
  })
  const { report } = sg1
  ok(report !== null)
  ok(Math.abs(report.packetsPerSecond - 75) <= 3, `${report.packetsPerSecond}`)
  ok(report.horizonStalls > 0)
})

test('what a session carries is told once a second while it carries something', () => {
  const { world, client, sg1, session } = cluster()
  world.run(2000, (nowMs) => {
    if (nowMs % 20 === 0) world.up(client, 'sg1')
    if (nowMs % 40 === 0) world.down(client, 'sg1')
  })
  world.run(2500, () => undefined)
  equal(sg1.counted.length, 2, 'after 1 s and after 2 s; then nothing')
  const told = [...countsBySession(sg1.counted.at(-1)!)]
  deepEqual(
    told.map((one) => one.session),
    [session],
  )
  const [child] = sessionView(sg1.state, session)!.children
  const counts = childCounts(told[0]!.counts, child!.spiIn)!
  equal(counts.highest, 100)
  equal(counts.packetsIn, 100)
  equal(counts.packetsOut, 50)
  equal(counts.next, counts.packetsOut + 1)
  ok(counts.octetsIn > 60 * counts.packetsIn)
  equal(childCounts(told[0]!.counts, child!.spiIn + 1), null)
})

test('no datagram, inner packet or mesh message is an exception', () => {
  const { world, client, sg1 } = cluster()
  const valid = client.datagram()
  for (let length = 0; length <= valid.length; length++) {
    sg1.core.outer(valid.subarray(0, length), gatewayEndpoint, client.remote, world.nowMs)
    sg1.core.inner(client.answer().subarray(0, length), world.nowMs)
    sg1.core.mesh('sg2', valid.subarray(0, length), world.nowMs)
  }
  world.agree()
  equal(world.in.length, 1)
})

test('of four gateways each believes the next to be the owner: a packet each way goes from hand to hand, three times, and comes out once', () => {
  const world = new PacketCluster('sg1', 'sg2', 'sg3', 'sg4')
  const { client, session } = world.establish('sg1')
  for (const [from, to, ...lagging] of [
    ['sg1', 'sg2', 'sg4'],
    ['sg2', 'sg3', 'sg4', 'sg1'],
  ]) {
    const [owner, next] = [world.member(from!), world.member(to!)]
    owner.tenures.refresh(session, { open: true })
    owner.freeze(session)
    owner.pump()
    const { epoch, version } = ownership(owner.state, session)!
    const { children } = owner.frozen.at(-1)!
    world.commit({
      type: 'transfer',
      incarnation: owner.incarnation,
      to: next.incarnation,
      sessions: [{ session, epoch, version, children }],
    })
    for (const member of world.members.values()) {
      while (!lagging.includes(member.id) && member.applyNext()) member.pump()
    }
  }
  const hops: number[] = []
  const carry = (): void => {
    for (const member of world.members.values()) member.pump()
    while (world.mesh.length > 0) {
      const message = decodeMeshMessage(world.mesh[0]!.message)
      if (message.type === 'outer' || message.type === 'inner') hops.push(message.hops)
      world.deliverMesh(0)
      for (const member of world.members.values()) member.pump()
    }
  }
  world.up(client, 'sg4')
  carry()
  world.down(client, 'sg4')
  carry()
  deepEqual(hops, [1, 2, 3, 1, 2, 3])
  world.agree()
  deepEqual(world.in, [{ gateway: 'sg3', source: client.address, sequence: 1 }])
  deepEqual(
    world.out.map(({ gateway }) => gateway),
    ['sg3'],
  )
})
