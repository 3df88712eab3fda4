/**
 * Extended sequence numbers (RFC 4303 §2.2.1) through packet cores: over the border of 2^32, waiting for a horizon there, and handed from one
 * gateway to the other on either side of it.
 */

import { deepEqual, equal, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { OUTBOUND_LEAD, RATE_SCALE } from '../../../src/context/grants.ts'
import { REPLAY_WINDOW_PACKETS } from '../../../src/esp/replay-window.ts'
import { ownership } from '../../../src/session/view.ts'
import { PacketCluster } from '../../support/packet-cluster.ts'

const SPAN = 2 ** 32

/** Two gateways and a session of sg1's whose numbers are, both ways, at `at`. */
function established(at: number, esn: 0 | 1 = 1) {
  const cluster = new PacketCluster('sg1', 'sg2')
  const { client, session } = cluster.establish('sg1', esn)
  const [sg1, sg2] = [cluster.member('sg1'), cluster.member('sg2')]
  const { epoch, version } = ownership(sg1.state, session)!
  const child = { spiIn: client.spi, next: at, window: { highest: at - 1, seen: null } }
  const item = { session, epoch, version, children: [child] }
  cluster.commit({ type: 'transfer', incarnation: sg1.incarnation, to: sg1.incarnation, sessions: [item] })
  cluster.agree()
  client.next = at
  return { cluster, client, session, sg1, sg2 }
}

type World = ReturnType<typeof established>

/** The numbers' lower halves, as the inner packets have them. */
const lowsIn = ({ cluster }: World): number[] => cluster.in.map(({ sequence }) => sequence)
const lowsOut = ({ cluster }: World): number[] => cluster.out.map(({ sequence }) => sequence)

test('numbers go on over 2^32 both ways: the peer opens each, and what it sends is accepted once', () => {
  const world = established(SPAN - 3)
  const { cluster, client, sg1 } = world
  for (let i = 0; i < 6; i++) {
    cluster.up(client, 'sg1')
    cluster.agree()
    cluster.down(client, 'sg1')
  }
  const lows = [SPAN - 3, SPAN - 2, SPAN - 1, 0, 1, 2]
  deepEqual(lowsIn(world), lows)
  deepEqual(lowsOut(world), lows)
  for (const [i, { datagram }] of cluster.out.entries()) {
    deepEqual(client.open(datagram, SPAN - 3 + i), client.answer())
    // Another upper half is another packet.
    equal(client.open(datagram, i < 3 ? SPAN + lows[i]! : lows[i]!), null)
  }
  for (let i = 0; i < 6; i++) cluster.up(client, 'sg1', SPAN - 3 + i)
  cluster.agree()
  equal(lowsIn(world).length, 6)
  equal(sg1.core.drops.get('esp-replay'), 6)
})

test('the same octets with the number of another 2^32 are not authentic', () => {
  const world = established(2 * SPAN + 10)
  const { cluster, client, sg1 } = world
  for (const sequence of [10, SPAN + 10, 3 * SPAN + 10]) cluster.up(client, 'sg1', sequence)
  cluster.agree()
  equal(sg1.core.drops.get('esp-icv'), 3)
  cluster.up(client, 'sg1', 2 * SPAN + 10)
  cluster.agree()
  deepEqual(lowsIn(world), [10])
})

test('packets that wait for a horizon across the border are accepted with the numbers that they came with', () => {
  const world = established(SPAN - 2)
  const { cluster, client } = world
  for (let i = 0; i < 4; i++) cluster.up(client, 'sg1')
  deepEqual(lowsIn(world), [])
  cluster.agree()
  deepEqual(lowsIn(world), [SPAN - 2, SPAN - 1, 0, 1])
})

test('the ceiling goes on beyond 2^32, exclusive as before; an SA of 32 bits ends there', () => {
  const extended = established(SPAN - 10)
  extended.cluster.up(extended.client, 'sg1')
  extended.cluster.agree()
  for (let i = 0; i < OUTBOUND_LEAD + 100; i++) extended.cluster.down(extended.client, 'sg1')
  equal(lowsOut(extended).length, OUTBOUND_LEAD)
  extended.cluster.agree()
  equal(lowsOut(extended).length, OUTBOUND_LEAD + 100)
  equal(new Set(lowsOut(extended)).size, OUTBOUND_LEAD + 100)
  const plain = established(SPAN - 10, 0)
  plain.cluster.up(plain.client, 'sg1')
  plain.cluster.agree()
  for (let i = 0; i < 20; i++) plain.cluster.down(plain.client, 'sg1')
  plain.cluster.agree()
  equal(Math.max(...lowsOut(plain)), SPAN - 2)
  equal(lowsOut(plain).length, 9)
})

test('a transfer on either side of the border loses nothing, skips nothing and uses nothing twice', () => {
  for (const at of [SPAN - 4, SPAN - 2, SPAN]) {
    const world = established(at)
    const { cluster, client, session, sg1, sg2 } = world
    const talk = (id: string): void => {
      cluster.up(client, id)
      cluster.agree()
      cluster.down(client, id)
    }
    talk('sg1')
    talk('sg1')
    sg1.freeze(session)
    sg1.pump()
    cluster.up(client, 'sg1')
    cluster.settle()
    const { epoch, version } = ownership(sg1.state, session)!
    const item = { session, epoch, version, children: sg1.frozen[0]!.children }
    cluster.commit({ type: 'transfer', incarnation: sg1.incarnation, to: sg2.incarnation, sessions: [item] })
    cluster.agree()
    talk('sg2')
    const lows = [0, 1, 2, 3].map((i) => (at + i) % SPAN)
    deepEqual(lowsIn(world), lows)
    deepEqual(lowsOut(world), lows.slice(0, 3))
    for (const [i, { datagram }] of cluster.out.entries()) ok(client.open(datagram, at + i) !== null)
    for (let i = 0; i < 4; i++) cluster.up(client, 'sg2', at + i)
    cluster.agree()
    equal(lowsIn(world).length, 4)
  }
})

test('a takeover whose floor is beyond the border, and ahead of the client by more than a window, refuses what is below it as old and goes on above', () => {
  const lead = 4 * REPLAY_WINDOW_PACKETS
  const world = established(SPAN - 5)
  const { cluster, client, session, sg1, sg2 } = world
  cluster.up(client, 'sg1')
  cluster.agree()
  cluster.down(client, 'sg1')
  const { epoch, serial } = ownership(sg1.state, session)!
  const horizon = { wanted: SPAN - 5 + lead, rate: RATE_SCALE, shrink: false }
  const children = [{ spiIn: client.spi, ceiling: null, horizon }]
  const grant = { session, epoch, serial: serial + 9, packetsPerSecond: 0, remote: null, children }
  cluster.commit({ type: 'advance', incarnation: sg1.incarnation, tick: 0, grants: [grant], renewals: [] })
  cluster.settle()
  sg1.alive = false
  cluster.commit({ type: 'gateway-down', incarnation: sg1.incarnation })
  cluster.settle()
  const { floor, start } = cluster.view('sg2', session).children[0]!
  equal(floor, SPAN - 5 + lead)
  cluster.down(client, 'sg2')
  cluster.settle()
  // Where the last ceiling was, across the border.
  equal(cluster.out.at(-1)!.sequence, start % SPAN)
  ok(start > SPAN)
  deepEqual(client.open(cluster.out.at(-1)!.datagram, start), client.answer())
  for (const sequence of [SPAN - 5, SPAN - 4, SPAN - 1, SPAN, SPAN + 1, floor]) cluster.up(client, 'sg2', sequence)
  cluster.agree()
  equal(lowsIn(world).length, 1)
  deepEqual([sg2.core.drops.get('esp-replay'), sg2.core.drops.get('esp-icv')], [6, 0])
  cluster.up(client, 'sg2', floor + 1)
  cluster.agree()
  equal(lowsIn(world).at(-1), (floor + 1) % SPAN)
})

test('a gateway that takes over below the border accepts the client across it, and its own numbers cross it too', () => {
  const world = established(SPAN - OUTBOUND_LEAD - 8)
  const { cluster, client, session, sg1, sg2 } = world
  cluster.up(client, 'sg1')
  cluster.agree()
  cluster.down(client, 'sg1')
  sg1.alive = false
  cluster.commit({ type: 'gateway-down', incarnation: sg1.incarnation })
  cluster.settle()
  equal(cluster.view('sg2', session).children[0]!.start, SPAN - 8)
  for (let i = 0; i < 16; i++) {
    cluster.up(client, 'sg2', SPAN - 8 + i)
    cluster.agree()
    cluster.down(client, 'sg2')
  }
  const after = cluster.out.filter(({ gateway }) => gateway === 'sg2')
  deepEqual(
    after.map(({ sequence }) => sequence),
    Array.from({ length: 16 }, (_, i) => (SPAN - 8 + i) % SPAN),
  )
  for (const [i, { datagram }] of after.entries()) ok(client.open(datagram, SPAN - 8 + i) !== null)
  equal(lowsIn(world).length, 17)
  equal(sg2.core.drops.get('esp-icv'), 0)
})
