/** What limits of steady traffic cost: renewals, and next to no records, though no clock is exact (grant-requests.ts). */

import { deepEqual, equal, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { OUTBOUND_LEAD, limitAt } from '../../../src/context/grants.ts'
import { Position } from '../../../src/gateway/packets/position.ts'
import { RateMeter } from '../../../src/gateway/packets/rate-meter.ts'
import { SeededRandom } from '../../../src/kit/random.ts'
import { ownership } from '../../../src/session/view.ts'
import { Traffic, every } from '../../support/grant-traffic.ts'
import type { PacketCluster } from '../../support/packet-cluster.ts'

for (const periodMs of [19.7, 20, 20.13, 20.9, 33.4]) {
  test(`steady traffic by any clock costs renewals: a packet every ${periodMs} ms, with jitter`, () => {
    const traffic = new Traffic()
    const random = new SeededRandom(3)
    const jittery = (fromMs: number): ((ms: number) => number) => {
      const due = Array.from({ length: 2000 }, (_, i) => Math.round(i * periodMs + 16 * random.fraction()))
      return (ms) => due.filter((dueMs) => dueMs === fromMs + ms).length
    }
    const beat = jittery(0)
    traffic.run(12_000, beat)
    const figures = traffic.run(24_000, (ms) => beat(12_000 + ms))
    equal(figures.records, 0, `${figures.records} records in 24 s`)
    ok(figures.renewals >= 10 && figures.renewals <= 13, `${figures.renewals} renewals in 24 s`)
    ok(figures.stalls <= 2, `${figures.stalls} stalls`)
    ok(figures.highestLead <= 8, `a lead of ${figures.highestLead}`)
    traffic.noneLost()
  })
}

test('a horizon stands still while its lead is too long, and needs no record for it', () => {
  const traffic = new Traffic()
  const { cluster, session } = traffic
  traffic.run(10_000, every(20))
  const { incarnation } = cluster.member('sg1')
  const [child] = cluster.view('sg1', session).children
  const horizon = { wanted: traffic.client.next + 4, rate: child!.horizon.rate, shrink: false }
  const { epoch, serial } = ownership(cluster.member('sg1').state, session)!
  const children = [{ spiIn: child!.spiIn, ceiling: null, horizon }]
  const grants = [{ session, epoch, serial: serial + 1, children, packetsPerSecond: 50, remote: null }]
  cluster.commit({ type: 'advance', incarnation, tick: 0, grants, renewals: [] })
  const figures = traffic.run(2500, every(20))
  equal(figures.records, 0)
  const after = traffic.run(1000, every(20))
  ok(after.highestLead <= 5, `a lead of ${after.highestLead}`)
  equal(after.records, 0)
})

/** Ceilings in the records that were proposed meanwhile, with their rates. */
function ceilingsOf(cluster: PacketCluster, run: () => void): readonly { readonly wanted: number; readonly rate: number }[] {
  const before = cluster.advances.length
  run()
  const parts = cluster.advances.slice(before).flatMap(({ grants }) => grants.flatMap(({ children }) => children))
  return parts.flatMap(({ ceiling }) => (ceiling === null ? [] : [ceiling]))
}

test('the ceiling of steady traffic both ways grows with its renewals', () => {
  const traffic = new Traffic()
  const { cluster, client } = traffic
  const both = (ms: number): number => {
    if (ms % 20 === 0) cluster.down(client, 'sg1')
    return every(20)(ms)
  }
  ok(ceilingsOf(cluster, () => void traffic.run(10_000, both)).some(({ rate }) => rate >= 1.25 * 256))
  equal(ceilingsOf(cluster, () => void traffic.run(120_000, both)).length, 0)
  const { ceiling, maximum } = cluster.view('sg1', traffic.session).children[0]!
  const lead = limitAt(ceiling, cluster.tickOf('sg1'), maximum) - cluster.out.length
  ok(lead > OUTBOUND_LEAD / 2 && lead < 2 * OUTBOUND_LEAD, `a lead of ${lead}`)
})

test('the ceiling of steady traffic that only goes out is renewed', () => {
  const { cluster, client } = new Traffic()
  const pass = (ms: number): void => cluster.run(ms, (nowMs) => void (nowMs % 10 === 0 && cluster.down(client, 'sg1')))
  equal(ceilingsOf(cluster, () => pass(40_000)).length, 1)
  equal(ceilingsOf(cluster, () => pass(80_000)).length, 0)
  equal(cluster.out.length, 12_000)
  const renewals = cluster.advances.reduce((count, advance) => count + advance.renewals.length, 0)
  ok(renewals >= 20 && renewals <= 80, `${renewals} renewals in 120 s`)
})

test('a ceiling that grows without need is stopped', () => {
  const traffic = new Traffic()
  const { cluster, client } = traffic
  const both = (down: number) => (ms: number) => {
    for (let i = 0; i < down; i++) cluster.down(client, 'sg1')
    return every(20)(ms)
  }
  traffic.run(5000, both(2))
  const stopped = ceilingsOf(cluster, () => void traffic.run(20_000, both(0)))
  deepEqual(stopped, [{ wanted: 0, rate: 0 }])
  const { ceiling } = cluster.view('sg1', traffic.session).children[0]!
  ok(ceiling.base - cluster.out.length <= 24_000, `a lead of ${ceiling.base - cluster.out.length}`)
})

test('jitter of a few packets is no change of where steady traffic is; a gap is', () => {
  const [meter, position] = [new RateMeter(), new Position()]
  let highest = 0
  const pass = (packets: number): number => {
    for (let i = 0; i < packets; i++) meter.count()
    highest += packets
    meter.tick()
    position.follow(highest, meter, 1)
    return position.of(highest)
  }
  for (let tick = 0; tick < 63; tick++) equal(pass(1), highest, 'not steady for long enough')
  for (let tick = 0; tick < 100; tick++) pass(1)
  equal(pass(1), highest)
  ok(pass(3) < highest - 1)
  ok(pass(0) < highest + 1)
  highest += 5
  equal(pass(1), highest)
})
