import { deepEqual, equal } from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { QueueBudget, PacketQueue } from '../../../src/gateway/packets/packet-queue.ts'
import type { Route, RouteName } from '../../../src/gateway/packets/routes.ts'
import { Parking, Routes, addressName, nameOf } from '../../../src/gateway/packets/routes.ts'

type Step =
  | { readonly type: 'set'; readonly name: RouteName; readonly route: Route }
  | { readonly type: 'forget-gateway'; readonly gateway: string }
  | { readonly type: 'forget-session'; readonly session: number }

const gateway = fc.constantFrom('sg1', 'sg2', 'sg3')
const session = fc.nat(4)
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ type: fc.constant('set' as const), name: fc.nat(8), route: fc.record({ session, gateway, epoch: fc.nat(9) }) }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('forget-gateway' as const), gateway }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('forget-session' as const), session }) },
)

test('routes are those of a map whose entries are looked through at every change', () => {
  const property = fc.property(fc.array(step, { maxLength: 60 }), (walk) => {
    const routes = new Routes()
    const twin = new Map<RouteName, Route>()
    for (const one of walk) {
      if (one.type === 'set') {
        routes.set(one.name, one.route)
        twin.set(one.name, one.route)
      } else if (one.type === 'forget-gateway') {
        routes.forget(one.gateway, [])
        for (const [name, route] of twin) if (route.gateway === one.gateway) twin.delete(name)
      } else {
        routes.forget(null, [one.session])
        for (const [name, route] of twin) if (route.session === one.session) twin.delete(name)
      }
      for (let name = 0; name <= 8; name++) deepEqual(routes.get(name), twin.get(name))
    }
  })
  fc.assert(property, { numRuns: 200, seed: 6 })
})

test('names of SPIs, IPv4 and IPv6 addresses never meet', () => {
  equal(nameOf({ type: 'spi', spi: 0x0a4d_0001 }), 0x0a4d_0001)
  equal(addressName(Uint8Array.of(10, 77, 0, 1)), 2 ** 32 + 0x0a4d_0001)
  equal(addressName(new Uint8Array(16).fill(1)), '01'.repeat(16))
})

test('what is unknown is unknown for 100 ms, or until something changed', () => {
  const routes = new Routes()
  routes.setUnknown(7, 1000)
  equal(routes.isUnknown(7, 1099), true)
  equal(routes.isUnknown(7, 1100), false)
  routes.setUnknown(7, 1000)
  routes.forget(null, [1])
  equal(routes.isUnknown(7, 1001), false)
})

// ---- queues

test('a queue drops the oldest when it is full, and what is too old', () => {
  const queue = new PacketQueue<number>({ octets: 3 * (100 + 64), ageMs: 200 }, new QueueBudget(1e6))
  for (let i = 0; i < 3; i++) equal(queue.push(i, 100, 10 * i), 0)
  equal(queue.push(3, 100, 30), 1)
  equal(queue.expire(211), 1)
  deepEqual(queue.takeAll(), [2, 3])
})

test('a packet larger than its queue is dropped, and nothing for its sake', () => {
  const queue = new PacketQueue<number>({ octets: 500, ageMs: 200 }, new QueueBudget(1e6))
  queue.push(1, 100, 0)
  equal(queue.push(2, 1000, 0), 1)
  deepEqual(queue.takeAll(), [1])
})

test('what is sifted out makes room; what stays is as old as it was', () => {
  const budget = new QueueBudget(1e6)
  const queue = new PacketQueue<number>({ octets: 1e5, ageMs: 200 }, budget)
  for (let i = 0; i < 4; i++) queue.push(i, 100, 100 * i)
  queue.sift((item) => item % 2 === 1)
  equal(budget.used, 2 * 164)
  equal(queue.expire(250), 1)
  deepEqual(queue.takeAll(), [2])
  equal(budget.used, 0)
})

test("the gateway's budget bounds all queues together, and is given back", () => {
  const budget = new QueueBudget(1000)
  const queues = [0, 1].map(() => new PacketQueue<number>({ octets: 900, ageMs: 200 }, budget))
  const property = fc.property(fc.array(fc.tuple(fc.nat(1), fc.nat(400), fc.nat(4))), (pushes) => {
    for (const [i, octets, act] of pushes) {
      if (act === 0) queues[i]!.takeAll()
      else queues[i]!.push(1, octets, 0)
      equal(budget.used <= 1000, true)
    }
    for (const queue of queues) queue.takeAll()
    equal(budget.used, 0)
  })
  fc.assert(property, { seed: 1 })
})

test('what waits for a route is offered to it; what it does not take waits on, and is asked about again', () => {
  const parking = new Parking<number>(new QueueBudget(1e6))
  for (let i = 0; i < 3; i++) parking.park(7, { type: 'spi', spi: 7 }, i, 100, 1000 + i)
  deepEqual(parking.dueKeys(1049, false), [])
  deepEqual(parking.dueKeys(1050, false), [{ type: 'spi', spi: 7 }])
  deepEqual(parking.dueKeys(1060, false), [])
  deepEqual(parking.dueKeys(1060, true), [{ type: 'spi', spi: 7 }])
  parking.sift(7, (item) => item !== 1)
  equal(parking.expire(1252), 1)
  equal(parking.has(7), false)
})
