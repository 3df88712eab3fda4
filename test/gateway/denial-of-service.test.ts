/** What strangers, and clients that misbehave, can make a cluster do: each bound, and that others are served meanwhile. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { SessionContext } from '../../src/context/session-context.ts'
import { encodeSessionContext } from '../../src/context/session-context-codec.ts'
import type { IkeLimits } from '../../src/gateway/ike/limits.ts'
import { KeyExchangeBudget } from '../../src/gateway/ike/key-exchange-budget.ts'
import { decodeMessage } from '../../src/ike/wire/message.ts'
import { notifyType } from '../../src/ike/wire/notify.ts'
import { findNotify } from '../../src/ike/wire/payloads.ts'
import { toUtf8 } from '../../src/kit/bytes.ts'
import type { CreateSession } from '../../src/session/commands.ts'
import { sourceOf } from '../../src/session/unauthenticated.ts'
import { sessionView } from '../../src/session/view.ts'
import { createCommand, halfOpenContext } from '../support/contexts.ts'
import type { TestClient } from '../support/control-cluster.ts'
import { ControlCluster } from '../support/control-cluster.ts'

function cluster(limits: Partial<IkeLimits> = {}): ControlCluster {
  const all = new ControlCluster('sg1', 'sg2')
  all.limits = { ...all.limits, ...limits }
  for (const id of all.ids) all.restart(id)
  all.settle()
  all.configure()
  return all
}

/** So many half-open sessions of `address` are agreed. */
function fill(all: ControlCluster, count: number, address: Uint8Array, firstSpi = 1): void {
  for (let i = 0; i < count; i++) all.inject(halfOpen(all, BigInt(firstSpi + i), address))
  all.applyAll()
}

function halfOpen(all: ControlCluster, spi: bigint, address: Uint8Array): CreateSession {
  const context: SessionContext = { ...halfOpenContext(spi), remote: { address, port: 500 } }
  return { ...createCommand(all.get('sg1').incarnation, spi), context: encodeSessionContext(context) }
}

/** The IKE_SA_INIT of a client that sends it to sg1 only, and what happens to it. */
function knock(all: ControlCluster, client: TestClient = all.client(() => 'sg1')): 'cookie' | 'created' | 'nothing' {
  client.isLive = false
  client.isListening = false
  const before = all.waiting('create-session').length
  client.start()
  client.deliver('sg1', client.sent.at(-1)!)
  if (all.waiting('create-session').length > before) return 'created'
  const answer = client.received.at(-1)
  return answer !== undefined && findNotify(decodeMessage(answer).payloads, notifyType.cookie) !== null ? 'cookie' : 'nothing'
}

function counted(all: ControlCluster, name: string): number {
  return all.ids.reduce((sum, id) => sum + all.get(id).counters.get(name), 0)
}

/** An address that none of the test's clients has, and those that the first ones have. */
const stranger = Uint8Array.of(203, 0, 113, 1)
const clientAddress = (index: number): Uint8Array => Uint8Array.of(192, 0, 2, index + 1)

test('half-open sessions of the whole cluster count, whoever answered them: from so many on a cookie is asked for (RFC 7296 §2.6)', () => {
  const all = cluster({ cookieFrom: 20 })
  fill(all, 19, stranger)
  assert.equal(knock(all), 'created')
  fill(all, 1, stranger, 50)
  assert.equal(knock(all), 'cookie')
})

test('one source with many half-open sessions is asked for a cookie, and another is not', () => {
  const all = cluster({ cookieFromSource: 10 })
  fill(all, 10, clientAddress(0))
  assert.equal(knock(all), 'cookie')
  assert.equal(knock(all), 'created')
})

test('one source has at most so many half-open sessions, with cookies or without; others are served', () => {
  const all = cluster({ halfOpenPerSource: 5, cookieFromSource: 100 })
  fill(all, 5, clientAddress(0))
  assert.equal(knock(all), 'nothing')
  assert.equal(counted(all, 'half-open-source-limit'), 1)
  assert.equal(knock(all), 'created')
})

test('what a source has proposed and is not agreed yet counts, too', () => {
  const all = cluster({ halfOpenPerSource: 2, cookieFromSource: 100 })
  const clients = Array.from({ length: 12 }, () => all.client(() => 'sg1'))
  for (const client of clients) client.endpoint = clients[0]!.endpoint
  const outcomes = clients.map((client) => knock(all, client))
  // Some are answered by the other gateway, which has a count of its own until they are agreed.
  assert.ok(outcomes.filter((outcome) => outcome === 'created').length <= 4)
  all.settle()
  const late = all.client(() => 'sg1')
  late.endpoint = clients[0]!.endpoint
  assert.equal(knock(all, late), 'nothing')
})

test('addresses of one IPv6 /64 are one source, for a host chooses among them at will', () => {
  const address = (last: number): Uint8Array => Uint8Array.of(0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, last)
  assert.equal(sourceOf(address(1)), sourceOf(address(2)))
  const all = cluster()
  fill(all, 3, address(1))
  fill(all, 2, address(2), 10)
  assert.equal(all.state().unauthenticated.from(sourceOf(address(9))), 5)
})

test('beyond so many half-open sessions of the cluster none is begun, and what is under way goes on', () => {
  const all = cluster({ halfOpen: 30 })
  const client = all.client(() => 'sg1')
  client.start()
  for (const create of all.waiting('create-session')) all.commit(create)
  all.applyAll()
  fill(all, 30, stranger)
  assert.equal(knock(all), 'nothing')
  all.settle()
  assert.notEqual(client.client.tunnel, null)
})

test('a client that fails to authenticate counts as long as what is left of its session, and that is half a minute', () => {
  const all = cluster()
  const client = all.client(() => 'sg1', { secret: toUtf8('wrong') })
  client.start()
  all.settle()
  const view = sessionView(all.state(), client.session)!
  assert.equal(view.phase, 'tombstone')
  assert.equal(all.state().unauthenticated.from(sourceOf(clientAddress(0))), 1)
  assert.equal(view.context.expiresAt - all.now.wallMs, 30_000)
  all.nowMs += 30_000
  all.pass(20)
  all.settle()
  assert.equal(all.state().unauthenticated.count, 0)
})

test('a client that authenticates counts no more, nor does what is left of its session', () => {
  const all = cluster()
  const client = all.client(() => 'sg1')
  client.connect()
  assert.equal(all.state().unauthenticated.count, 0)
  client.client.close(all.nowMs)
  all.settle()
  assert.equal(sessionView(all.state(), client.session)!.phase, 'tombstone')
  assert.equal(all.state().unauthenticated.count, 0)
})

test('strangers get so much time for key exchanges; before it is used up they have to show where they are, and established clients go on', () => {
  // X25519 costs half a millisecond: twenty of them, and cookies from the eleventh on.
  const all = cluster({ keyExchangeMs: 10, cookieFrom: 100_000, cookieFromSource: 100_000 })
  const client = all.client(() => 'sg1')
  client.connect()
  all.pass(1000)
  const outcomes = Array.from({ length: 60 }, () => knock(all))
  const created = outcomes.filter((outcome) => outcome === 'created').length
  assert.ok(created >= 10 && created <= 22, `${created} created`)
  assert.equal(outcomes.at(-1), 'cookie')
  all.settle()
  assert.equal(client.client.rekey('ike-rekey', all.nowMs), true)
  all.settle()
  assert.equal(client.events.at(-1)?.type, 'replaced')
  all.pass(1000)
  assert.equal(knock(all), 'created')
})

test('a key exchange that takes long costs more, one that nobody measured most', () => {
  const taken = (group: number): number => {
    const budget = new KeyExchangeBudget(100)
    let count = 0
    while (budget.take(group, 0)) count += 1
    return count
  }
  assert.ok(taken(31) > taken(20) && taken(20) > taken(21) && taken(21) > taken(999) && taken(999) > 0)
})

test('with the time for key exchanges used up even a client with a cookie waits, and is counted', () => {
  const all = cluster({ keyExchangeMs: 1, cookieFrom: 0 })
  const clients = Array.from({ length: 8 }, () => all.client(() => 'sg1'))
  for (const client of clients) client.start()
  assert.ok(counted(all, 'busy') > 0)
  // Their retransmissions bring them in.
  for (let i = 0; i < 90; i++) {
    all.pass(500)
    all.settle()
  }
  assert.deepEqual(
    clients.map(({ client }) => client.tunnel !== null),
    clients.map(() => true),
  )
})

test('a session has so many exchanges a second, and more at once; what is too much is dropped before it reaches the log', () => {
  const all = cluster({ exchangesPerSecond: 2 })
  const client = all.client(() => 'sg1')
  const other = all.client(() => 'sg1')
  client.connect()
  other.connect()
  all.pass(60_000)
  const before = all.log.length
  for (let i = 0; i < 60; i++) {
    if (client.client.rekey('child', all.nowMs)) all.settle()
    else client.deliver('sg1', client.sent.at(-1)!)
  }
  const exchanges = all.log.length - before
  assert.ok(exchanges >= 19 && exchanges <= 22, `${exchanges} exchanges`)
  assert.ok(counted(all, 'exchange-limit') > 0)
  assert.equal(other.client.rekey('child', all.nowMs), true)
  all.settle()
  assert.equal(other.events.at(-1)?.type, 'rekeyed')
  // The client repeats its request when it may again.
  all.pass(4500)
  all.settle()
  assert.ok(all.log.length - before > exchanges)
})
