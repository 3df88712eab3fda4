/** Clients whose address changes, and owners that die right after: whoever owns the session next sends to the new address. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Endpoint } from '../../src/context/session-context.ts'
import { noIkeLifetimes } from '../../src/context/vpn-configuration.ts'
import { isResponse, peekHeader } from '../../src/ike/wire/header.ts'
import { toHex } from '../../src/kit/bytes.ts'
import { sessionView } from '../../src/session/view.ts'
import type { TestClient } from '../support/control-cluster.ts'
import { ControlCluster } from '../support/control-cluster.ts'

const elsewhere = Uint8Array.of(203, 0, 113, 9)
const inside: Endpoint = { address: Uint8Array.of(192, 168, 1, 2), port: 500 }

function cluster(changes: Parameters<ControlCluster['client']>[1]): { all: ControlCluster; client: TestClient } {
  const all = new ControlCluster('sg1', 'sg2', 'sg3')
  all.configure()
  const client = all.client(() => [...all.members.keys()].at(-1)!, changes)
  client.connect()
  return { all, client }
}

function moveTo(client: TestClient, address: Uint8Array, port = 4500): void {
  client.endpoint = { ike: { address, port: 500 }, natT: { address, port } }
}

function killOwner(all: ControlCluster, client: TestClient): string {
  const owner = all.owner(client.session)!
  all.inject({ type: 'gateway-down', incarnation: all.get(owner).incarnation })
  all.stop(owner)
  all.applyAll()
  return all.owner(client.session)!
}

/** Where the session's ESP goes to from the gateway, once its first packet has opened it there. */
function espGoesTo(all: ControlCluster, client: TestClient, id: string): Endpoint {
  all.member(id).take('install')
  client.speak()
  return all.member(id).take('install').at(-1)!.session.remote
}

test('a client roams and its owner is killed: IKE and ESP go to its new address from every later owner', () => {
  const { all, client } = cluster({ mobike: true })
  moveTo(client, elsewhere)
  assert.equal(client.client.move(client.endpoint.natT, all.nowMs), true)
  all.settle()
  assert.deepEqual(client.events.at(-1), { type: 'moved', notify: null })
  for (let kills = 0; kills < 2; kills++) {
    const next = killOwner(all, client)
    assert.deepEqual(espGoesTo(all, client, next), client.endpoint.natT)
  }
  const last = all.owner(client.session)!
  all.get(last).requestTermination(client.session)
  all.pass(20)
  all.settle()
  all.pass(20)
  assert.deepEqual(all.member(last).take('send-outer').at(-1)!.remote, client.endpoint.natT)
})

test('the owner is killed before a roam is committed: the next one does it, when the client asks again', () => {
  const { all, client } = cluster({ mobike: true })
  moveTo(client, elsewhere)
  client.client.move(client.endpoint.natT, all.nowMs)
  assert.equal(all.waiting('commit-exchange').length, 1)
  const next = killOwner(all, client)
  for (let i = 0; i < 12; i++) {
    all.pass(500)
    all.settle()
  }
  assert.deepEqual(client.events.at(-1), { type: 'moved', notify: null })
  assert.deepEqual(espGoesTo(all, client, next), client.endpoint.natT)
})

test('a client moves while our own request is unanswered: that goes to its new address, as it was, from the next owner, too', () => {
  const { all, client } = cluster({ mobike: true })
  const { session } = client
  all.configure(14, (vpn) => ({
    ...vpn,
    connections: vpn.connections.map((connection) => ({ ...connection, lifetimes: { ...noIkeLifetimes, dpdDelay: 8 } })),
  }))
  const pass = (ms: number): void => {
    for (const end = all.nowMs + ms; all.nowMs < end;) {
      all.pass(50)
      all.settle()
    }
  }
  const asked = (id: string) =>
    all
      .member(id)
      .take('send-outer')
      .filter(({ datagrams }) => !isResponse(peekHeader(datagrams[0]!)!))
  const owner = all.owner(session)!
  client.isListening = false
  for (let i = 0; i < 300 && sessionView(all.state(), session)!.ikes[0]!.pending === null; i++) pass(50)
  pass(50)
  const [first] = asked(owner)
  assert.notDeepEqual(first!.remote.address, elsewhere)

  moveTo(client, elsewhere)
  client.client.move(client.endpoint.natT, all.nowMs)
  all.settle()
  pass(1100)
  const again = asked(owner).at(-1)!
  assert.deepEqual([again.remote, again.datagrams.map(toHex)], [client.endpoint.natT, first!.datagrams.map(toHex)])
  const next = killOwner(all, client)
  pass(4100)
  const last = asked(next).at(-1)!
  assert.deepEqual([last.remote, last.datagrams.map(toHex)], [client.endpoint.natT, first!.datagrams.map(toHex)])
  client.isListening = true
  pass(20_000)
  assert.equal(sessionView(all.state(), session)!.ikes[0]!.pending, null)
  assert.equal(sessionView(all.state(), session)!.phase, 'established')
})

test('a client leaves its NAT: what its packets had said of it before, committed later, brings it back for no later owner', () => {
  const { all, client } = cluster({ mobike: true, local: inside })
  const owner = all.owner(client.session)!
  client.speak()
  const { epoch, serial } = sessionView(all.state(), client.session)!
  const before: Endpoint = { address: client.endpoint.natT.address, port: 61_234 }
  moveTo(client, elsewhere)
  assert.equal(client.client.move(client.endpoint.natT, all.nowMs), true)
  const grants = [{ session: client.session, epoch, serial: serial + 1, packetsPerSecond: 0, remote: before, children: [] }]
  all.get(owner).packets({ type: 'advance', tick: 0, grants, renewals: [] }, all.now)
  assert.deepEqual([all.waiting('commit-exchange').length, all.waiting('advance').length], [1, 1])
  all.settle()
  assert.deepEqual(client.events.at(-1), { type: 'moved', notify: null })
  const next = killOwner(all, client)
  assert.deepEqual(espGoesTo(all, client, next), client.endpoint.natT)
})

test('a NAT gives a client without MOBIKE another port: its next request tells, also whoever owns the session later', () => {
  const { all, client } = cluster({ local: inside })
  moveTo(client, client.endpoint.natT.address, 61_234)
  client.client.rekey('ike-rekey', all.nowMs)
  all.settle()
  assert.ok(client.events.some(({ type }) => type === 'rekeyed'))
  const next = killOwner(all, client)
  assert.deepEqual(espGoesTo(all, client, next), client.endpoint.natT)
})
