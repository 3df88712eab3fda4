/** The packet core's half of protocol.md: rules 10 to 13, route by route and limit by limit. */

import { deepEqual, equal, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { MAX_SEQUENCE_NUMBER, OUTBOUND_LEAD, limitAt } from '../../../src/context/grants.ts'
import { ownership } from '../../../src/session/view.ts'
import { PacketCluster, gatewayEndpoint } from '../../support/packet-cluster.ts'

/** Two gateways and a session of sg1's, installed there by a first packet each way. */
function established() {
  const cluster = new PacketCluster('sg1', 'sg2')
  const { client, session } = cluster.establish('sg1')
  cluster.up(client, 'sg1')
  cluster.agree()
  cluster.down(client, 'sg1')
  cluster.agree()
  return { cluster, client, session, sg1: cluster.member('sg1'), sg2: cluster.member('sg2') }
}

const sequencesIn = (cluster: PacketCluster): number[] => cluster.in.map(({ sequence }) => sequence)
const sequencesOut = (cluster: PacketCluster): number[] => cluster.out.map(({ sequence }) => sequence)
const epochOf = (cluster: PacketCluster, session: number): number => ownership(cluster.member('sg1').state, session)!.epoch

test('a packet each way goes through the tunnel, the first number sent is 1', () => {
  const { cluster, client } = established()
  deepEqual(sequencesIn(cluster), [1])
  deepEqual(sequencesOut(cluster), [1])
  deepEqual(client.open(cluster.out[0]!.datagram), client.answer())
})

// ---- rule 11

test('rule 11: a packet beyond the horizon waits for a commit, and is accepted then', () => {
  const { cluster, client } = established()
  cluster.up(client, 'sg1')
  deepEqual(sequencesIn(cluster), [1])
  cluster.agree()
  deepEqual(sequencesIn(cluster), [1, 2])
})

test('rule 11: what waited beyond the horizon is dropped when no leader can be waited for any more, and counted', () => {
  const { cluster, client, sg1 } = established()
  cluster.up(client, 'sg1')
  cluster.nowMs += 899
  cluster.tick(sg1)
  equal(sg1.core.drops.get('horizon-expired'), 0)
  cluster.nowMs += 2
  cluster.tick(sg1)
  equal(sg1.core.drops.get('horizon-expired'), 1)
  cluster.agree()
  deepEqual(sequencesIn(cluster), [1])
})

test('rule 11: what a raised horizon reaches is accepted, whatever came before it; the rest waits on', () => {
  const { cluster, client, session, sg1 } = established()
  for (const sequence of [9, 3, 7]) cluster.up(client, 'sg1', sequence)
  sg1.pump()
  cluster.bag = []
  const { epoch } = ownership(sg1.state, session)!
  const grant = (wanted: number, serial: number): void => {
    const horizon = { wanted, rate: 0, shrink: false }
    const children = [{ spiIn: client.spi, ceiling: null, horizon }]
    const record = { session, epoch, serial, packetsPerSecond: 0, remote: null, children }
    cluster.propose({ type: 'advance', incarnation: sg1.incarnation, tick: 0, grants: [record], renewals: [] })
    cluster.agree()
  }
  grant(5, 100)
  deepEqual(sequencesIn(cluster), [1, 3])
  grant(9, 101)
  deepEqual(sequencesIn(cluster), [1, 3, 9, 7])
})

test('rule 11: a raise that was lost is asked for again while packets wait', () => {
  const { cluster, client, sg1 } = established()
  cluster.up(client, 'sg1')
  sg1.pump()
  cluster.bag = []
  cluster.nowMs += 70
  cluster.tick(sg1)
  cluster.agree()
  deepEqual(sequencesIn(cluster), [1, 2])
})

test('rule 11: two copies of a packet that wait are one packet when they are released', () => {
  const { cluster, client, sg1 } = established()
  cluster.up(client, 'sg1', 5)
  cluster.up(client, 'sg1', 5)
  cluster.agree()
  deepEqual(sequencesIn(cluster), [1, 5])
  equal(sg1.core.drops.get('esp-replay'), 1)
})

test('rule 11: a packet that is not authentic raises nothing and takes no room', () => {
  const { cluster, client, sg1 } = established()
  const forged = client.datagram(1000)
  forged[forged.length - 1]! ^= 1
  sg1.core.outer(forged, gatewayEndpoint, client.remote, cluster.nowMs)
  sg1.pump()
  equal(cluster.bag.length, 0)
  equal(sg1.core.drops.get('esp-icv'), 1)
})

test('rule 11: the ceiling is exclusive; what comes then waits for a higher one', () => {
  const { cluster, client, sg1 } = established()
  const ceiling = 1 + OUTBOUND_LEAD
  for (let i = 0; i < OUTBOUND_LEAD + 10; i++) cluster.down(client, 'sg1')
  equal(Math.max(...sequencesOut(cluster)), ceiling - 1)
  cluster.agree()
  equal(Math.max(...sequencesOut(cluster)), ceiling + 10)
  equal(new Set(sequencesOut(cluster)).size, sequencesOut(cluster).length)
  equal(sg1.core.drops.get('ceiling-full'), 0)
  // What waited is what came, though its memory was used again.
  deepEqual(client.open(cluster.out.at(-1)!.datagram), client.answer())
})

test('rule 5: a takeover sends from the end of the last grant and accepts only above the last horizon', () => {
  const { cluster, client, sg1, sg2 } = established()
  const { incarnation } = sg1
  sg1.alive = false
  cluster.commit({ type: 'gateway-down', incarnation })
  cluster.settle()
  cluster.down(client, 'sg2')
  cluster.up(client, 'sg2', 1)
  cluster.up(client, 'sg2')
  cluster.agree()
  equal(cluster.out.at(-1)!.sequence, 1 + OUTBOUND_LEAD)
  deepEqual(cluster.in.at(-1), { gateway: 'sg2', source: client.address, sequence: 2 })
  equal(sg2.core.drops.get('esp-replay'), 1)
})

// ---- rule 12

/** The session is quiet: the stop is in force and the shrink is proposed. */
function quieted() {
  const world = established()
  const { cluster, client, session } = world
  // A flow of 200 packets a second brings the horizon ahead of the traffic.
  cluster.run(500, (nowMs) => void (nowMs % 5 === 0 && cluster.up(client, 'sg1')))
  const { horizon } = cluster.view('sg1', session).children[0]!
  ok(limitAt(horizon, cluster.tickOf('sg1'), MAX_SEQUENCE_NUMBER) >= client.next, `the horizon is ahead of ${client.next}`)
  cluster.bag = []
  while (!cluster.bag.some((command) => isShrink(command))) {
    cluster.nowMs += 5
    cluster.tick(world.sg1)
    world.sg1.pump()
    ok(cluster.nowMs < 5000)
  }
  const shrink = cluster.bag.find((command) => isShrink(command))!
  cluster.bag = []
  return { ...world, shrink }
}

function isShrink(command: PacketCluster['log'][number]): boolean {
  return command.type === 'advance' && command.grants.some(({ children }) => children.some(({ horizon }) => horizon?.shrink === true))
}

test('rule 12: a quiet session stops first, then proposes the lower horizon: the stop holds while the shrink is on its way', () => {
  const { cluster, client } = quieted()
  const before = cluster.in.length
  cluster.up(client, 'sg1')
  cluster.settle()
  equal(cluster.in.length, before)
})

test('rule 12: unseen numbers at or below the stop stay acceptable', () => {
  const { cluster, client } = established()
  cluster.up(client, 'sg1', 10)
  cluster.agree()
  cluster.run(600)
  cluster.up(client, 'sg1', 9)
  equal(cluster.in.at(-1)!.sequence, 9)
})

test('rule 12: a raise that was proposed before the shrink does not lift the stop (H5)', () => {
  const { cluster, client, sg1, shrink } = quieted()
  const { serial, epoch, session } = (shrink.type === 'advance' ? shrink : null)!.grants[0]!
  const before = cluster.in.length
  const horizon = { wanted: client.next + 100, rate: 0, shrink: false }
  const late = {
    session,
    epoch,
    serial: serial - 1,
    children: [{ spiIn: client.spi, ceiling: null, horizon }],
    packetsPerSecond: 0,
    remote: null,
  }
  cluster.commit({ type: 'advance', incarnation: sg1.incarnation, tick: 0, grants: [late], renewals: [] })
  cluster.settle()
  ok(cluster.view('sg1', session).children[0]!.horizon.base >= client.next + 100)
  cluster.up(client, 'sg1')
  cluster.settle()
  equal(cluster.in.length, before)
})

test('rule 12: a record after the shrink lifts the stop', () => {
  const { cluster, client, shrink } = quieted()
  const before = cluster.in.length
  cluster.commit(shrink)
  cluster.settle()
  cluster.up(client, 'sg1')
  cluster.agree()
  equal(cluster.in.length, before + 1)
})

test('rule 12: a shrink that was lost is proposed again, under a new serial', () => {
  const { cluster, sg1, shrink } = quieted()
  for (let i = 0; i < 120; i++) {
    cluster.nowMs += 5
    cluster.tick(sg1)
    sg1.pump()
  }
  const again = cluster.bag.find((command) => isShrink(command))
  ok(again?.type === 'advance')
  ok(shrink.type === 'advance')
  ok(again.grants[0]!.serial > shrink.grants[0]!.serial)
})

test('rule 10: a new epoch of the same tenure lifts the stop and keeps the counters', () => {
  const { cluster, client, session, sg1 } = quieted()
  cluster.commit({ type: 'reclaim', incarnation: sg1.incarnation, session, epoch: epochOf(cluster, session) })
  cluster.settle()
  const before = cluster.in.length
  cluster.up(client, 'sg1')
  cluster.settle()
  equal(cluster.in.length, before + 1)
  cluster.down(client, 'sg1')
  equal(cluster.out.at(-1)!.sequence, 2)
})

// ---- rules 7, 10, 13

function frozen() {
  const world = established()
  const { cluster, client, session, sg1 } = world
  sg1.freeze(session)
  sg1.pump()
  cluster.up(client, 'sg1')
  cluster.down(client, 'sg1')
  cluster.settle()
  return { ...world, counters: sg1.frozen[0]!.children }
}

test('rule 13: a frozen session neither sends nor accepts, and says exactly how far it was', () => {
  const { cluster, counters, client } = frozen()
  deepEqual(sequencesIn(cluster), [1])
  deepEqual(sequencesOut(cluster), [1])
  deepEqual(counters, [{ spiIn: client.spi, next: 2, window: { highest: 1, seen: Uint8Array.of(1) } }])
})

test('rule 13: no time unfreezes it', () => {
  const { cluster, client } = frozen()
  cluster.run(4000)
  cluster.up(client, 'sg1')
  deepEqual(sequencesIn(cluster), [1])
})

test('rule 7: held packets follow to the new owner; nothing is lost, no number is skipped, and the keys are wiped here', () => {
  const { cluster, session, counters, sg1, sg2 } = frozen()
  const { epoch, version } = ownership(sg1.state, session)!
  const item = { session, epoch, version, children: counters }
  cluster.commit({ type: 'transfer', incarnation: sg1.incarnation, to: sg2.incarnation, sessions: [item] })
  cluster.agree()
  deepEqual(
    cluster.in.map(({ gateway, sequence }) => [gateway, sequence]),
    [
      ['sg1', 1],
      ['sg2', 2],
    ],
  )
  deepEqual(
    cluster.out.map(({ gateway, sequence }) => [gateway, sequence]),
    [
      ['sg1', 1],
      ['sg2', 2],
    ],
  )
  deepEqual([sg1.ciphers.open, sg2.ciphers.open], [0, 2])
})

test('a session that is let rest is handed to its own owner: packets that were held open it again, and no number is skipped or used twice', () => {
  const { cluster, client, session, counters, sg1 } = frozen()
  const { epoch, version } = ownership(sg1.state, session)!
  const item = { session, epoch, version, children: counters }
  cluster.commit({ type: 'transfer', incarnation: sg1.incarnation, to: sg1.incarnation, sessions: [item] })
  cluster.agree()
  deepEqual(sequencesIn(cluster), [1, 2])
  deepEqual(sequencesOut(cluster), [1, 2])
  cluster.up(client, 'sg1', 1)
  cluster.agree()
  deepEqual(sequencesIn(cluster), [1, 2], 'the window came along')
  equal(sg1.core.drops.get('session-ended'), 0)
})

test('rule 13: a Transfer that is refused for ever unfreezes it, and what was held goes through here', () => {
  const { cluster, session, sg1 } = frozen()
  sg1.leaving.clear()
  sg1.toPackets.push({ type: 'unfreeze', session, epoch: epochOf(cluster, session) })
  cluster.agree()
  deepEqual(sequencesIn(cluster), [1, 2])
  deepEqual(sequencesOut(cluster), [1, 2])
})

test('rule 8: a Reclaim unfreezes it; numbers go on where they were', () => {
  const { cluster, session, sg1 } = frozen()
  sg1.leaving.clear()
  cluster.commit({ type: 'reclaim', incarnation: sg1.incarnation, session, epoch: epochOf(cluster, session) })
  cluster.agree()
  deepEqual(sequencesIn(cluster), [1, 2])
  deepEqual(sequencesOut(cluster), [1, 2])
})

test('rule 10: another tenure takes everything from the agreed state, though the process has older counters (H7)', () => {
  const { cluster, client, session, sg1, sg2 } = established()
  const { epoch, version } = ownership(sg1.state, session)!
  const view = cluster.view('sg1', session).children[0]!
  const window = { highest: 50, seen: Uint8Array.of(1) }
  // There and back while sg1 saw neither: as after a snapshot, only the install of the last tenure reaches its packet core.
  const child = { spiIn: view.spiIn, next: 400, window }
  cluster.commit({
    type: 'transfer',
    incarnation: sg1.incarnation,
    to: sg2.incarnation,
    sessions: [{ session, epoch, version, children: [child] }],
  })
  cluster.commit({
    type: 'transfer',
    incarnation: sg2.incarnation,
    to: sg1.incarnation,
    sessions: [{ session, epoch: epoch + 1, version, children: [{ ...child, next: 700 }] }],
  })
  sg1.applyNext()
  sg1.applyNext()
  const install = sg1.toPackets.filter(({ type }) => type === 'install').at(-1)!
  sg1.toPackets.length = 0
  sg1.core.control(install, cluster.nowMs)
  cluster.down(client, 'sg1')
  equal(cluster.out.at(-1)!.sequence, 700)
  cluster.up(client, 'sg1', 50)
  equal(sg1.core.drops.get('esp-replay'), 1)
  equal(sg1.ciphers.open, 2)
})

test('a Child SA that is not installed any more is gone, and its keys with it', () => {
  const { cluster, client, session, sg1 } = established()
  const { epoch, since } = ownership(sg1.state, session)!
  equal(sg1.ciphers.open, 2)
  const { remote } = client
  const install = {
    session,
    epoch,
    since,
    serial: 1,
    local: gatewayEndpoint,
    remote,
    follow: false,
    virtualIps: [client.address],
    children: [],
  }
  sg1.core.control({ type: 'install', session: install }, cluster.nowMs)
  equal(sg1.ciphers.open, 0)
  cluster.up(client, 'sg1')
  equal(sequencesIn(cluster).length, 1)
})

test('rule 10: a process whose incarnation ended forgets all sessions at once, and their keys', () => {
  const { cluster, client, sg1 } = established()
  equal(sg1.ciphers.open, 2)
  sg1.core.control({ type: 'incarnation', incarnation: 0 }, cluster.nowMs)
  cluster.up(client, 'sg1', 2)
  cluster.down(client, 'sg1')
  equal(cluster.in.length, 1)
  equal(cluster.out.length, 1)
  equal(sg1.core.drops.get('not-serving'), 2)
  equal(sg1.ciphers.open, 0)
})

// ---- what the control core is told

test('when the first packet of a tenure was carried is told once, with what it carried; a packet that is not accepted is none', () => {
  const cluster = new PacketCluster('sg1', 'sg2')
  const { client } = cluster.establish('sg1')
  const sg1 = cluster.member('sg1')
  const step = (ms: number): void => {
    cluster.nowMs += ms
    cluster.tick(sg1)
    cluster.agree()
  }
  // It opens the session, and waits for the horizon.
  cluster.up(client, 'sg1')
  sg1.pump()
  step(30)
  const firstMs = cluster.nowMs
  equal(cluster.in.length, 1)
  step(200)
  cluster.down(client, 'sg1')
  step(1500)
  cluster.down(client, 'sg1')
  step(1500)
  deepEqual(
    sg1.carried.map((row) => [row.firstMs, row.packetsIn, row.packetsOut]),
    [
      [firstMs, 1, 1],
      [0, 0, 1],
    ],
  )
})

// ---- the serving lease

test('a gateway that stood still for longer than others wait for it serves again only under a lease from afterwards', () => {
  const { cluster, client, sg1 } = established()
  cluster.up(client, 'sg1')
  cluster.agree()
  const { core } = sg1
  const step = (ms: number): void => {
    cluster.nowMs += ms
    core.tick(cluster.nowMs)
  }
  core.control({ type: 'lease', untilMs: cluster.nowMs + 2000 }, cluster.nowMs)
  cluster.down(client, 'sg1')
  const sent = cluster.out.length
  cluster.nowMs += 1000
  cluster.down(client, 'sg1')
  deepEqual([cluster.out.length, core.isServing(cluster.nowMs)], [sent, false])
  step(5)
  cluster.down(client, 'sg1')
  equal(core.drops.get('not-serving'), 2)
  core.control({ type: 'lease', untilMs: cluster.nowMs + 2000 }, cluster.nowMs)
  cluster.down(client, 'sg1')
  equal(cluster.out.length, sent + 1)
})

test('the serving lease: after its end nothing is sent, accepted or forwarded', () => {
  const { cluster, client, sg1, sg2 } = established()
  for (const member of [sg1, sg2]) member.core.control({ type: 'lease', untilMs: cluster.nowMs }, cluster.nowMs)
  cluster.nowMs += 1
  const counts = [cluster.in.length, cluster.out.length, cluster.mesh.length]
  cluster.up(client, 'sg1')
  cluster.down(client, 'sg1')
  cluster.up(client, 'sg2')
  sg1.core.control({ type: 'send-outer', local: gatewayEndpoint, remote: client.remote, datagrams: [new Uint8Array(28)] }, cluster.nowMs)
  deepEqual([cluster.in.length, cluster.out.length, cluster.mesh.length], counts)
})
