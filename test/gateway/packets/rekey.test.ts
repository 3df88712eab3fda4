/** A Child SA in place of another: what is sent by which, and that nothing is lost on the way (RFC 7296 §2.8). */

import { deepEqual, equal, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { MAX_SEQUENCE_NUMBER, OUTBOUND_LEAD, limitAt } from '../../../src/context/grants.ts'
import { ownership } from '../../../src/session/view.ts'
import { Client, PacketCluster } from '../../support/packet-cluster.ts'

/** A session of sg1's with traffic both ways, and the client's end of the Child SA that is to replace its first. */
function established() {
  const cluster = new PacketCluster('sg1', 'sg2')
  const { client: old, session } = cluster.establish('sg1')
  cluster.up(old, 'sg1')
  cluster.agree()
  cluster.down(old, 'sg1')
  cluster.agree()
  const next = new Client(0x2000, cluster.clients.length)
  deepEqual([next.address, next.remote], [old.address, old.remote])
  return { cluster, old, next, session, sg1: cluster.member('sg1') }
}

type Scene = ReturnType<typeof established>

function spiOfNextSent({ cluster, old }: Scene): number {
  const before = cluster.out.length
  cluster.down(old, 'sg1')
  cluster.agree()
  equal(cluster.out.length, before + 1)
  return cluster.out.at(-1)!.spi
}

const outbound = ({ spi }: Client): number => spi ^ 0xffff

test('the old Child SA sends until a packet has come by the new one, then the new one does, from number 1', () => {
  const scene = established()
  const { cluster, old, next, session } = scene
  cluster.exchange(session, [old, next])
  equal(spiOfNextSent(scene), outbound(old))
  cluster.up(next, 'sg1')
  cluster.agree()
  equal(spiOfNextSent(scene), outbound(next))
  equal(cluster.out.at(-1)!.sequence, 1)
  ok(next.open(cluster.out.at(-1)!.datagram) !== null)
})

test('the new Child SA sends once the client has deleted the old one, though nothing has come by it', () => {
  const scene = established()
  const { cluster, old, next, session } = scene
  cluster.exchange(session, [old, next])
  cluster.exchange(session, [next])
  equal(spiOfNextSent(scene), outbound(next))
})

test('a Child SA that we have made in place of another sends at once: the client has it since it answered (§2.8)', () => {
  const scene = established()
  const { cluster, old, next, session } = scene
  const ours = (client: Client): object => (client === next ? { initiatedByUs: true } : { state: 'closing' })
  cluster.exchange(session, [old, next], ours)
  equal(spiOfNextSent(scene), outbound(next))
  // What the client sent before it had our DELETE is accepted still.
  const before = cluster.in.length
  cluster.up(old, 'sg1')
  cluster.agree()
  equal(cluster.in.length, before + 1)
  equal(spiOfNextSent(scene), outbound(next))
})

test('a Child SA that we are closing sends no more, though the client has used it, and does where there is no other', () => {
  const scene = established()
  const { cluster, old, next, session } = scene
  cluster.exchange(session, [old, next], (client) => (client === old ? { state: 'closing' } : {}))
  equal(spiOfNextSent(scene), outbound(next))
  cluster.exchange(session, [old], () => ({ state: 'closing' }))
  equal(spiOfNextSent(scene), outbound(old))
})

test('a Child SA of ours that has lost against the client’s is left alone: the old one sends until the client uses its own', () => {
  const scene = established()
  const { cluster, old, next, session } = scene
  const lost = new Client(0x3000, cluster.clients.length)
  const states = (client: Client): object =>
    client === lost ? { initiatedByUs: true, state: 'closing' } : client === old ? { state: 'replaced' } : {}
  cluster.exchange(session, [old, next, lost], states)
  equal(spiOfNextSent(scene), outbound(old))
  cluster.up(next, 'sg1')
  cluster.agree()
  equal(spiOfNextSent(scene), outbound(next))
})

test('the old Child SA receives beside the new one until it is deleted', () => {
  const { cluster, old, next, session } = established()
  cluster.exchange(session, [old, next])
  cluster.up(next, 'sg1')
  cluster.agree()
  cluster.up(old, 'sg1')
  cluster.agree()
  equal(cluster.in.length, 3)
  cluster.exchange(session, [next])
  cluster.up(old, 'sg1')
  cluster.agree()
  equal(cluster.in.length, 3)
})

/** The new Child SA has a horizon from its start, so a horizon does not tell that the client has it. */
for (const hasCome of [true, false]) {
  test(`after a takeover the old Child SA sends until a packet comes by the new one, ${hasCome ? 'though one had come' : 'as none had come'}`, () => {
    const { cluster, old, next, session } = established()
    cluster.run(1000, () => cluster.up(old, 'sg1'))
    cluster.exchange(session, [old, next])
    if (hasCome) cluster.up(next, 'sg1')
    cluster.agree()
    cluster.commit({ type: 'gateway-down', incarnation: cluster.member('sg1').incarnation })
    cluster.settle()
    ok(cluster.view('sg2', session).children[1]!.floor > 0)
    cluster.down(old, 'sg2')
    cluster.agree()
    deepEqual([cluster.out.at(-1)!.gateway, cluster.out.at(-1)!.spi], ['sg2', outbound(old)])
    next.next = 100
    cluster.up(next, 'sg2')
    cluster.agree()
    cluster.down(old, 'sg2')
    cluster.agree()
    equal(cluster.out.at(-1)!.spi, outbound(next))
    ok(cluster.out.at(-1)!.sequence > OUTBOUND_LEAD, 'from the end of what was granted')
  })
}

test('a transfer hands over which Child SA the client uses', () => {
  const { cluster, old, next, session, sg1 } = established()
  cluster.exchange(session, [old, next])
  cluster.up(next, 'sg1')
  cluster.agree()
  sg1.freeze(session)
  sg1.pump()
  const { epoch, version } = ownership(sg1.state, session)!
  const item = { session, epoch, version, children: sg1.frozen[0]!.children }
  cluster.commit({ type: 'transfer', incarnation: sg1.incarnation, to: cluster.member('sg2').incarnation, sessions: [item] })
  cluster.agree()
  cluster.down(old, 'sg2')
  cluster.agree()
  deepEqual([cluster.out.at(-1)!.gateway, cluster.out.at(-1)!.spi], ['sg2', outbound(next)])
})

test('packets that wait for the ceiling of the old Child SA go by the new one when the old one is deleted', () => {
  const { cluster, old, next, session, sg1 } = established()
  cluster.exchange(session, [old, next])
  const before = cluster.out.length
  // Nothing more is committed, so the old ceiling is reached.
  for (let i = 0; i < OUTBOUND_LEAD + 10; i++) cluster.down(old, 'sg1')
  const waiting = OUTBOUND_LEAD + 10 - (cluster.out.length - before)
  ok(waiting > 0)
  cluster.exchange(session, [next])
  equal(cluster.out.length, before + OUTBOUND_LEAD + 10)
  deepEqual(
    cluster.out.slice(-waiting).map(({ spi }) => spi),
    Array.from({ length: waiting }, () => outbound(next)),
  )
  equal(sg1.core.drops.get('session-ended'), 0)
})

test('a new Child SA of a busy session has a horizon before its first packet comes, and gives it back when none does', () => {
  const { cluster, old, next, session, sg1 } = established()
  cluster.run(1000, () => cluster.up(old, 'sg1'))
  cluster.exchange(session, [old, next])
  const horizon = (): number => limitAt(cluster.view('sg1', session).children[1]!.horizon, cluster.tickOf('sg1'), MAX_SEQUENCE_NUMBER)
  ok(horizon() > 0, `${horizon()}`)
  const stalls = sg1.core.drops.get('horizon-full')
  const before = cluster.in.length
  for (let i = 0; i < horizon(); i++) cluster.up(next, 'sg1')
  equal(cluster.in.length, before + horizon(), 'they wait for nothing')
  equal(sg1.core.drops.get('horizon-full'), stalls)

  const other = new Client(0x3000, 1)
  cluster.run(1000, () => cluster.up(next, 'sg1'))
  cluster.exchange(session, [next, other])
  ok(horizon() > 0)
  cluster.run(1000)
  equal(horizon(), 0)
})

test('a new Child SA of a quiet session has no horizon: a takeover burns nothing of it', () => {
  const { cluster, old, next, session } = established()
  cluster.run(1000)
  cluster.exchange(session, [old, next])
  cluster.agree()
  equal(cluster.view('sg1', session).children[1]!.horizon.base, 0)
})
