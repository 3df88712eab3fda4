/**
 * How grants keep up with traffic: records, renewals, ticks, stalls and leads, counted in simulated time. Every proposal is committed
 * and applied within 5 ms.
 */

import { deepEqual, equal, ok } from 'node:assert/strict'
import { test } from 'node:test'
import { OUTBOUND_LEAD, SPAN_TICKS, TICK_MS } from '../../../src/context/grants.ts'
import { RateMeter } from '../../../src/gateway/packets/rate-meter.ts'
import { SeededRandom } from '../../../src/kit/random.ts'
import { ownership, sessionView } from '../../../src/session/view.ts'
import { Traffic, every, silence } from '../../support/grant-traffic.ts'
import { gatewayEndpoint } from '../../support/packet-cluster.ts'

for (const { packetsPerSecond, target } of [
  { packetsPerSecond: 10, target: 0.5 },
  { packetsPerSecond: 20, target: 1 },
  { packetsPerSecond: 50, target: 2.5 },
  { packetsPerSecond: 100, target: 5 },
  { packetsPerSecond: 1000, target: 50 },
]) {
  test(`steady traffic of ${packetsPerSecond} packets/s costs renewals, hardly a record or a stall, and its horizon stays near`, () => {
    const traffic = new Traffic()
    const steady = every(1000 / packetsPerSecond)
    traffic.run(2000, steady)
    const figures = traffic.run(10_000, steady)
    ok(figures.records <= 3, `${figures.records} records in 10 s`)
    ok(figures.renewals >= 3 && figures.renewals <= 12, `${figures.renewals} renewals in 10 s`)
    ok(figures.stalls <= 3, `${figures.stalls} stalls in 10 s`)
    ok(figures.highestLead <= 2 * target + packetsPerSecond / 80 + 5, `a lead of ${figures.highestLead} at a target of ${target}`)
    equal(figures.ticks, 10_000 / TICK_MS)
    traffic.noneLost()
  })
}

test('the horizon grows with the traffic within half a second of its start', () => {
  const traffic = new Traffic()
  const figures = traffic.run(500, every(20))
  ok(figures.stalls <= 5, `${figures.stalls} stalls`)
  ok(figures.highestLead <= 10, `a lead of ${figures.highestLead}`)
  traffic.noneLost()
})

test("a quiet session's horizon is its highest number: each packet now and then costs one record and one stall, no tick", () => {
  const traffic = new Traffic()
  traffic.run(1000, every(1000))
  const figures = traffic.run(10_000, every(1000))
  equal(figures.packets, 10)
  equal(figures.records, 10)
  equal(figures.stalls, 10)
  equal(figures.highestLead, 0)
  equal(figures.renewals, 0)
  traffic.noneLost()
})

test('a session that went quiet shrinks once, says within seconds that it carries nothing, and then costs nothing', () => {
  const traffic = new Traffic()
  traffic.run(3000, every(20))
  const before = traffic.cluster.advances.length
  const going = traffic.run(1000, silence)
  ok(going.records <= 2)
  const parts = traffic.cluster.advances.slice(before).flatMap(({ grants }) => grants.flatMap(({ children }) => children))
  equal(parts.filter(({ horizon }) => horizon?.shrink === true).length, 1)
  equal(traffic.horizon, traffic.client.next - 1)
  const fading = traffic.run(11_000, silence)
  ok(fading.records <= 2, `${fading.records} records about its load`)
  deepEqual([fading.renewals, fading.ticks, traffic.load], [0, 0, 0])
  const gone = traffic.run(10_000, silence)
  deepEqual([gone.records, gone.renewals, gone.ticks], [0, 0, 0])
})

test('after a burst the lead is cut: soon it is that of the slow traffic that follows', () => {
  const traffic = new Traffic()
  traffic.run(2000, every(1))
  traffic.run(1000, every(20))
  const figures = traffic.run(5000, every(20))
  ok(figures.highestLead <= 16, `a lead of ${figures.highestLead}`)
  traffic.noneLost()
})

test('a rate that rises twentyfold is followed within 100 ms', () => {
  const traffic = new Traffic()
  traffic.run(3000, every(20))
  traffic.run(100, every(1))
  const figures = traffic.run(1000, every(1))
  ok(figures.stalls <= 20, `${figures.stalls} of 1000 packets stalled`)
  traffic.noneLost()
})

test('packets at random, 200 a second: nothing is lost, few stall, leads are bounded', () => {
  const traffic = new Traffic()
  const random = new SeededRandom(4)
  const atRandom = (): number => (random.fraction() < 0.2 ? 1 : 0)
  traffic.run(2000, atRandom)
  const figures = traffic.run(10_000, atRandom)
  ok(figures.stalls <= figures.packets / 100, `${figures.stalls} of ${figures.packets} packets stalled`)
  ok(figures.highestLead <= 50, `a lead of ${figures.highestLead}`)
  ok(figures.records <= 40, `${figures.records} records`)
  traffic.noneLost()
})

test("a takeover burns no more than the lead: the client's packets go on through the new owner", () => {
  const traffic = new Traffic()
  const { cluster, client } = traffic
  traffic.run(5000, every(20))
  const { incarnation } = cluster.member('sg1')
  cluster.member('sg1').alive = false
  cluster.commit({ type: 'gateway-down', incarnation })
  cluster.settle()
  const { floor } = cluster.view('sg2', traffic.session).children[0]!
  ok(floor - (client.next - 1) <= 8, `${floor - client.next + 1} numbers are burnt`)
  for (let i = 0; i < 50; i++) cluster.run(20, (nowMs) => void (nowMs % 20 === 0 && cluster.up(client, 'sg2')))
  const accepted = cluster.in.filter(({ gateway }) => gateway === 'sg2').length
  ok(accepted >= 50 - 8, `${accepted} of 50 packets`)
})

test('ceilings lead by far: steady answers never wait for one', () => {
  const { cluster, client } = new Traffic()
  let asked = 0
  for (let i = 0; i < 40; i++) {
    const before = cluster.advances.length
    cluster.run(100, () => {
      for (let j = 0; j < 10; j++) cluster.down(client, 'sg1')
    })
    asked += cluster.advances.slice(before).reduce((count, { grants }) => count + grants.length, 0)
  }
  equal(cluster.out.length, 40_000)
  deepEqual(
    cluster.out.map(({ sequence }) => sequence),
    Array.from({ length: 40_000 }, (_, i) => i + 1),
  )
  ok(asked <= 8, `${asked} records for 40,000 packets in 4 s`)
  const { ceiling } = cluster.view('sg1', 1).children[0]!
  ok(ceiling.base - 40_000 <= OUTBOUND_LEAD + 10_000 * ((SPAN_TICKS * TICK_MS) / 1000) * 1.5)
})

test('serials rise by one proposal after the other and are never repeated', () => {
  const traffic = new Traffic()
  const random = new SeededRandom(8)
  traffic.run(10_000, () => (random.fraction() < 0.1 ? random.uint32() % 4 : 0))
  const serials = traffic.cluster.advances.flatMap(({ grants }) => grants.map(({ serial }) => serial))
  ok(serials.length > 20)
  for (let i = 1; i < serials.length; i++) ok(serials[i]! > serials[i - 1]!)
})

// ---- the client's address

test('the client is followed at once by an authentic packet that is its highest; what is committed follows, too, once a second', () => {
  const traffic = new Traffic()
  const { cluster, client, session } = traffic
  traffic.run(2000, every(20))
  const old = client.remote
  client.remote = { address: Uint8Array.of(198, 51, 100, 7), port: 7777 }
  cluster.up(client, 'sg1')
  cluster.down(client, 'sg1')
  deepEqual(cluster.out.at(-1)!.remote, client.remote)
  traffic.run(1200, every(20))
  deepEqual(cluster.view('sg1', session).context.remote, client.remote)
  // A packet that is not the highest, or not authentic, moves nothing.
  const { core } = cluster.member('sg1')
  const forged = client.datagram()
  forged[20]! ^= 1
  core.outer(forged, gatewayEndpoint, old, cluster.nowMs)
  core.outer(client.datagram(client.next - 3), gatewayEndpoint, old, cluster.nowMs)
  cluster.down(client, 'sg1')
  deepEqual(cluster.out.at(-1)!.remote, client.remote)
})

test("a client's move is committed though the record that told it first was lost", () => {
  const traffic = new Traffic()
  const { cluster, client, session } = traffic
  traffic.run(2000, every(20))
  client.remote = { address: Uint8Array.of(198, 51, 100, 7), port: 7777 }
  for (let i = 0; i < 6; i++) {
    cluster.nowMs += 5
    cluster.tick(cluster.member('sg1'))
    if (i === 0) cluster.up(client, 'sg1')
    cluster.member('sg1').pump()
    cluster.bag = []
  }
  traffic.run(2000, every(20))
  deepEqual(cluster.view('sg1', session).context.remote, client.remote)
})

test('a client that roams all the time costs a record a second', () => {
  const traffic = new Traffic()
  const { cluster, client } = traffic
  traffic.run(2000, every(20))
  const before = cluster.advances.length
  traffic.run(10_000, (ms) => {
    if (ms % 20 === 0) client.remote = { address: client.remote.address, port: 10_000 + (ms % 5000) }
    return every(20)(ms)
  })
  const moves = cluster.advances.slice(before).flatMap(({ grants }) => grants.filter(({ remote }) => remote !== null))
  ok(moves.length >= 9 && moves.length <= 16, `${moves.length} records in 10 s`)
})

// ---- the meter

test('the meter follows a change within a few ticks and settles on an exact rate', () => {
  const meter = new RateMeter()
  const feed = (ticks: number, packets: (tick: number) => number): void => {
    for (let tick = 0; tick < ticks; tick++) {
      for (let i = packets(tick); i > 0; i--) meter.count()
      meter.tick()
    }
  }
  feed(200, (tick) => (tick % 4 === 0 ? 2 : 1))
  equal(meter.rate, 1.25 * 256)
  feed(12, () => 20)
  ok(Math.abs(meter.rate - 20 * 256) < 1.5 * 256)
  equal(meter.quietTicks, 0)
  feed(12, () => 0)
  equal(meter.quietTicks, 12)
  meter.reset()
  equal(meter.rate, 0)
})

const steadyLoads = [2, 5, 10, 50, 100, 500]

for (const packetsPerSecond of steadyLoads) {
  test(`the agreed state has the load of steady traffic of ${packetsPerSecond} packets/s within seconds, and of the half and the double of it`, () => {
    const traffic = new Traffic()
    for (const factor of [1, 2, 0.5]) {
      const expected = Math.round(packetsPerSecond * factor)
      traffic.run(16_000, every(Math.round(1000 / expected)))
      ok(Math.abs(traffic.load - expected) <= expected / 4 + 5, `${traffic.load} for ${expected}`)
    }
  })
}

test('what leaves for the client counts, and no longer when it has ended, though nothing comes in', () => {
  const traffic = new Traffic()
  const { cluster, client } = traffic
  cluster.run(16_000, (nowMs) => {
    if (nowMs % 10 === 0) cluster.down(client, 'sg1')
  })
  ok(Math.abs(traffic.load - 100) <= 25, `${traffic.load}`)
  traffic.run(12_000, silence)
  equal(traffic.load, 0)
})

test('a call that pauses weighs what it weighs on the whole', () => {
  const traffic = new Traffic()
  const inTurns = (ms: number): number => (ms % 1000 < 500 && ms % 5 === 0 ? 1 : 0)
  traffic.run(15_000, inTurns)
  for (let i = 0; i < 20; i++) {
    traffic.run(350, (ms) => inTurns(ms + 350 * i))
    ok(Math.abs(traffic.load - 100) <= 35, `${traffic.load}`)
  }
})

test('after a transfer the load stands until the new owner has measured it itself', () => {
  const traffic = new Traffic()
  traffic.run(12_000, every(10))
  const { cluster, client, session } = traffic
  const sg1 = cluster.member('sg1')
  sg1.freeze(session)
  sg1.pump()
  const { epoch, children } = sg1.frozen[0]!
  const { version, owner } = ownership(sg1.state, session)!
  const to = cluster.member('sg2').incarnation
  cluster.commit({ type: 'transfer', incarnation: owner, to, sessions: [{ session, epoch, version, children }] })
  cluster.agree()
  equal(ownership(cluster.member('sg2').state, session)!.owner, to)
  for (let i = 0; i < 12; i++) {
    cluster.run(1000, (nowMs) => {
      if (nowMs % 10 === 0) cluster.up(client, 'sg2')
    })
    ok(Math.abs(traffic.load - 100) <= 25, `${traffic.load}`)
  }
})

test('an owner that takes over and hears nothing takes the load back once the session is opened', () => {
  const traffic = new Traffic()
  traffic.run(12_000, every(10))
  const { cluster, session } = traffic
  cluster.commit({ type: 'gateway-down', incarnation: cluster.member('sg1').incarnation })
  cluster.agree()
  cluster.run(20_000)
  ok(sessionView(cluster.member('sg2').state, session)!.packetsPerSecond > 75, 'nobody has opened it')
  cluster.member('sg2').tenures.refresh(session, { open: true })
  cluster.run(12_000)
  equal(sessionView(cluster.member('sg2').state, session)!.packetsPerSecond, 0)
})
