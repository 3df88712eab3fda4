/** One identity, several sessions (RFC 7296 §2.4; swanctl.conf's `unique`), and the address that it gets. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatAddress } from '../../src/context/address.ts'
import type { UniquePolicy } from '../../src/context/vpn-configuration.ts'
import { toUtf8 } from '../../src/kit/bytes.ts'
import { scanSessions, sessionView } from '../../src/session/view.ts'
import type { TestClient } from '../support/control-cluster.ts'
import { ControlCluster } from '../support/control-cluster.ts'

/** Three gateways with a pool of `addresses`; alice's and bob's secrets are their own. */
function cluster(unique: UniquePolicy, addresses = 200): ControlCluster {
  const all = new ControlCluster('sg1', 'sg2', 'sg3')
  all.configure(addresses, (vpn) => ({
    ...vpn,
    connections: vpn.connections.map((connection) => ({ ...connection, unique })),
    secrets: ['alice', 'bob'].map((name) => ({
      name: `ike-${name}`,
      ids: [name],
      secret: all.sealer.seal(`secret/ike-${name}`, toUtf8('hello')),
    })),
  }))
  return all
}

function meet(all: ControlCluster, name: string): TestClient {
  const client = all.client(() => [...all.members.keys()].at(-1)!, { name })
  client.start()
  for (let i = 0; i < 4; i++) all.settle()
  return client
}

function established(all: ControlCluster): number[] {
  return scanSessions(all.state(), 0, 1000)
    .sessions.filter(({ phase }) => phase === 'established')
    .map(({ session }) => session)
}

function addressOf(all: ControlCluster, session: number): string {
  return formatAddress(sessionView(all.state(), session)!.context.virtualIps[0]!)
}

/** The client says that it goes (DELETE), and that is answered. */
function leave(all: ControlCluster, session: number): void {
  all.get(all.owner(session)!).requestTermination(session)
  all.pass(20)
  all.settle()
}

test('INITIAL_CONTACT with a personal key ends the identity’s other session on every gateway, and takes its address over', () => {
  const all = cluster('no')
  const first = meet(all, 'alice')
  const [former] = established(all)
  const address = addressOf(all, former!)
  first.speak()
  const owner = all.owner(former!)!
  all.member(owner).take('remove')
  meet(all, 'alice')
  const [now, ...others] = established(all)
  assert.deepEqual(others, [])
  assert.notEqual(now, former)
  assert.equal(addressOf(all, now!), address)
  assert.deepEqual(
    all
      .member(owner)
      .take('remove')
      .map(({ session }) => session),
    [former],
  )
  for (const id of all.ids) assert.equal(sessionView(all.state(id), former!), null)
  const told = all.member('sg1').events.filter(({ what }) => what === 'replaced')
  assert.deepEqual(
    told.map(({ session }) => session),
    [former],
  )
})

test('INITIAL_CONTACT is of no effect where `unique` is `never`, and for another identity', () => {
  const never = cluster('never')
  meet(never, 'alice')
  meet(never, 'alice')
  assert.equal(established(never).length, 2)
  const no = cluster('no')
  meet(no, 'alice')
  meet(no, 'bob')
  assert.equal(established(no).length, 2)
})

test('a returning identity gets its address again, at once and however the pool has changed, though nobody remembers it', () => {
  const all = cluster('no')
  meet(all, 'alice')
  const [first] = established(all)
  const address = addressOf(all, first!)
  leave(all, first!)
  assert.deepEqual(established(all), [])
  for (let i = 0; i < 5; i++) meet(all, `bob`)
  meet(all, 'alice')
  assert.equal(addressOf(all, established(all).at(-1)!), address)
})

test('an address rests for everybody but whom it was', () => {
  const all = cluster('no', 1)
  meet(all, 'alice')
  const [first] = established(all)
  leave(all, first!)
  const bob = meet(all, 'bob')
  assert.equal(bob.client.tunnel, null)
  meet(all, 'alice')
  assert.equal(addressOf(all, established(all).at(-1)!), '10.77.0.1')
})

test('an identity that two gateways let in at the same time is in as often as its connection says', () => {
  for (const [unique, count] of [
    ['replace', 1],
    ['keep', 1],
    ['no', 2],
  ] as const) {
    const all = cluster(unique)
    const clients = ['sg1', 'sg2'].map((id) => all.client(() => id, { name: 'alice', initialContact: false }))
    for (const client of clients) client.start()
    all.settle()
    // Both IKE_AUTH requests were decided before either was committed.
    for (let i = 0; i < 4; i++) all.settle()
    assert.equal(established(all).length, count, unique)
    const refused = clients.flatMap(({ events }) => events.filter((event) => event.type === 'failed'))
    assert.equal(refused.length, unique === 'keep' ? 1 : 0, unique)
  }
})
