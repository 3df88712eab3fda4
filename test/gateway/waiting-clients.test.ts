/** Clients that are not in yet wait for their turn, and those that are in never wait for them. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { IkeLimits } from '../../src/gateway/ike/limits.ts'
import { WaitingRoom } from '../../src/gateway/ike/waiting-room.ts'
import { exchangeType, peekHeader } from '../../src/ike/wire/header.ts'
import type { TestClient } from '../support/control-cluster.ts'
import { ControlCluster } from '../support/control-cluster.ts'

/** One gateway, which answers everybody. */
function cluster(limits: Partial<IkeLimits> = {}): ControlCluster {
  const all = new ControlCluster('sg1')
  all.limits = { ...all.limits, ...limits }
  all.clientsWait = true
  all.restart('sg1')
  all.settle()
  all.configure()
  return all
}

/** Serves whoever waits, and commits what comes of it, until nobody does. */
function admitAll(all: ControlCluster): void {
  while (all.get('sg1').admit(all.now)) all.settle()
}

const waiting = (all: ControlCluster): number => all.get('sg1').waitingClients
const proposed = (all: ControlCluster): number => all.waiting('create-session').length + all.waiting('commit-exchange').length
const isUp = ({ client }: TestClient): boolean => client.tunnel !== null
const counted = (all: ControlCluster, name: string): number => all.get('sg1').counters.get(name)
const now = { monotonicMs: 0, wallMs: 0 }

test('nothing of a new client is decided before its turn, neither of the first message nor of the next', () => {
  const all = cluster()
  const client = all.client(() => 'sg1')
  client.start()
  assert.deepEqual([waiting(all), proposed(all)], [1, 0])
  assert.equal(all.get('sg1').admit(all.now), true)
  assert.deepEqual([waiting(all), proposed(all)], [0, 1])
  all.settle()
  assert.deepEqual([waiting(all), proposed(all), isUp(client)], [1, 0, false])
  assert.equal(all.get('sg1').admit(all.now), true)
  all.settle()
  assert.equal(isUp(client), true)
  assert.equal(all.get('sg1').admit(all.now), false)
})

test('what comes again waits once, and is answered once', () => {
  const all = cluster()
  const client = all.client(() => 'sg1')
  client.start()
  client.deliver('sg1', client.sent.at(-1)!)
  assert.equal(waiting(all), 1)
  all.get('sg1').admit(all.now)
  all.settle()
  client.deliver('sg1', client.sent.at(-1)!)
  client.deliver('sg1', client.sent.at(-1)!)
  assert.equal(waiting(all), 1)
  admitAll(all)
  assert.deepEqual([isUp(client), client.received.length], [true, 2])
})

test('who has begun goes before who comes anew; otherwise the order is that of arrival', () => {
  const all = cluster()
  const clients = Array.from({ length: 3 }, () => all.client(() => 'sg1'))
  for (const client of clients) client.start()
  const order: TestClient[] = []
  while (all.get('sg1').admit(all.now)) {
    all.settle()
    order.push(...clients.filter((client) => isUp(client) && !order.includes(client)))
  }
  assert.deepEqual(order, clients)
  assert.equal(clients[0]!.received.length, 2)
})

test('a client that is in does not wait: its exchanges are decided as they come, however many wait', () => {
  const all = cluster()
  const client = all.client(() => 'sg1')
  client.start()
  admitAll(all)
  for (let i = 0; i < 20; i++) all.client(() => 'sg1').start()
  assert.equal(client.client.rekey('child', all.nowMs), true)
  all.settle()
  assert.equal(client.events.at(-1)?.type, 'rekeyed')
  assert.equal(waiting(all), 20)
})

test('those that wait count: from so many on a cookie is asked for, and who has shown one waits and is not asked again', () => {
  const all = cluster({ cookieFrom: 5 })
  const clients = Array.from({ length: 12 }, () => all.client(() => 'sg1'))
  for (const client of clients) client.start()
  assert.deepEqual([waiting(all), all.get('sg1').exchanges.cookies], [12, 7])
  assert.equal(all.get('sg1').areCookiesRequired(all.now), true)
  admitAll(all)
  assert.deepEqual(
    clients.map(isUp),
    clients.map(() => true),
  )
  assert.equal(all.get('sg1').exchanges.cookies, 7)
})

test('what no cookie is worth is dropped before it waits', () => {
  const all = cluster({ cookieFrom: 0 })
  const client = all.client(() => 'sg1')
  client.isLive = false
  client.start()
  const { port, datagram } = client.sent[0]!
  const header = peekHeader(datagram)!
  assert.equal(header.exchange, exchangeType.ikeSaInit)
  client.deliver('sg1', { port, datagram: datagram.subarray(0, datagram.length - 1) })
  assert.deepEqual([waiting(all), counted(all, 'header')], [0, 1])
})

test('without time for key exchanges new clients go on waiting, none is dropped, and who has begun is served', () => {
  const all = cluster({ keyExchangeMs: 10, cookieFromSource: 1000, cookieFrom: 1000 })
  const [begun, ...others] = Array.from({ length: 5 }, () => all.client(() => 'sg1'))
  begun!.start()
  all.get('sg1').admit(all.now)
  all.settle()
  for (const other of others) other.start()
  admitAll(all)
  assert.equal(isUp(begun!), true)
  assert.equal(waiting(all), 4)
  all.pass(1000)
  admitAll(all)
  for (let i = 0; i < 4; i++) {
    all.pass(1000)
    admitAll(all)
  }
  assert.deepEqual([others.every(isUp), counted(all, 'busy')], [true, 0])
})

test('nobody waits at a gateway that is not up any more, and who comes again is served', () => {
  const all = cluster()
  const client = all.client(() => 'sg1')
  client.start()
  const { incarnation } = all.get('sg1')
  all.inject({ type: 'gateway-down', incarnation, nowMs: all.now.wallMs })
  all.applyAll()
  assert.equal(waiting(all), 0)
  all.pass(100)
  all.settle()
  client.deliver('sg1', client.sent.at(-1)!)
  admitAll(all)
  assert.equal(isUp(client), true)
})

test('each lane is bounded in number and octets, and there is room again when one is served', () => {
  let served = 0
  const enter = (room: WaitingRoom, key: number, octets: number): string => room.enter('new', String(key), octets, now, () => (served += 1))
  const few = new WaitingRoom(() => undefined)
  const big = Array.from({ length: 5 }, (_, i) => enter(few, i, 2 ** 22))
  assert.deepEqual(big, ['waits', 'waits', 'waits', 'waits', 'full'])
  few.serve(now, true)
  assert.deepEqual([enter(few, 5, 2 ** 22), enter(few, 6, 1)], ['waits', 'full'])
  const many = new WaitingRoom(() => undefined)
  for (let i = 0; i < 4096; i++) assert.equal(enter(many, i, 300), 'waits')
  assert.equal(enter(many, 4096, 300), 'full')
  assert.equal(
    many.enter('begun', 'a', 300, now, () => undefined),
    'waits',
  )
  assert.equal(many.serve(now, true), true)
  assert.equal(enter(many, 4096, 300), 'full')
  assert.equal(many.serve(now, false), false)
  assert.equal(many.serve(now, true), true)
  assert.equal(enter(many, 4096, 300), 'waits')
  assert.equal(served, 2)
})

test('where nobody has to wait each is served as it comes', () => {
  const room = new WaitingRoom(null)
  const served: number[] = []
  for (const i of [1, 2]) room.enter('new', 'same', 300, now, () => served.push(i))
  assert.deepEqual([served, room.waiting], [[1, 2], 0])
})
