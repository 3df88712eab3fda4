/** Gateways of one group that hold different cluster addresses: a client and the owner of its session come together at one. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MAX_ANCHOR_RESENDS, TOLD_MS } from '../../src/gateway/ike/own-requests.ts'
import { isResponse, peekHeader } from '../../src/ike/wire/header.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { toHex } from '../../src/kit/bytes.ts'
import { ownership, sessionView } from '../../src/session/view.ts'
import type { ClientSettings, TestClient } from '../support/control-cluster.ts'
import { ControlCluster, gatewayEndpoints } from '../support/control-cluster.ts'

/** Of the site where clients begin, and of the other one. */
const here = gatewayEndpoints.natT.address
const there = Uint8Array.of(203, 0, 113, 1)
const mobile: ClientSettings = { mobike: true }

/** sg1 and sg2 at one site, sg3 and sg4 at the other. `at`: who takes in what the client sends. */
function cluster(settings: ClientSettings = {}, at = () => 'sg1'): { all: ControlCluster; client: TestClient } {
  const all = new ControlCluster('sg1', 'sg2', ['sg3', there], ['sg4', there])
  all.configure()
  const client = all.client(at, settings)
  client.connect()
  return { all, client }
}

/** Time passes, all that is proposed is committed, and packet cores answer. */
function pass(all: ControlCluster, ms: number): void {
  for (const end = all.nowMs + ms; all.nowMs < end;) {
    all.pass(50)
    for (const id of all.members.keys()) all.answerFreezes(id)
    all.settle()
  }
}

/** Long times pass in leaps. */
function wait(all: ControlCluster, ms: number): void {
  for (const end = all.nowMs + ms; all.nowMs < end;) {
    all.nowMs += 2000
    pass(all, 50)
  }
}

function move(all: ControlCluster, client: TestClient, to: string): void {
  const owner = all.owner(client.session)!
  all.get(owner).requestTransfer(client.session, owner, to, all.now)
  pass(all, 100)
  assert.equal(all.owner(client.session), to)
}

function kill(all: ControlCluster, id: string): void {
  all.inject({ type: 'gateway-down', incarnation: all.get(id).incarnation })
  all.stop(id)
}

/** The requests that gateways have sent to the client, and from where: `here` or `there`. */
function requests(client: TestClient): { octets: Bytes; from: string }[] {
  return client.received.flatMap((octets, i) => (isResponse(peekHeader(octets)!) ? [] : [{ octets, from: nameOf(client.sources[i]!) }]))
}

function nameOf(address: Bytes): string {
  return toHex(address) === toHex(here) ? 'here' : 'there'
}

/** The address that the session's ESP comes from. */
function spokenFrom(all: ControlCluster, { session }: TestClient): string {
  return nameOf(sessionView(all.state(), session)!.context.local.address)
}

test('a client whose session went to another site is told of the addresses from there, once, and goes on there when it goes over', () => {
  for (const settings of [{}, mobile]) {
    const { all, client } = cluster(settings)
    pass(all, 1000)
    assert.deepEqual(requests(client), [])
    move(all, client, 'sg3')
    pass(all, 1000)
    assert.deepEqual(
      requests(client).map(({ from }) => from),
      ['there'],
    )
    assert.equal(spokenFrom(all, client), 'here', 'an answer says nothing of where the client will speak to')
    // As strongSwan does.
    client.speakTo(there)
    assert.ok(client.client.rekey('child-rekey', all.nowMs))
    pass(all, 1000)
    assert.equal(spokenFrom(all, client), 'there')
    wait(all, 2 * TOLD_MS)
    assert.equal(requests(client).length, 1)
    // Back, and there again.
    for (const [gateway, address] of [
      ['sg1', here],
      ['sg3', there],
    ] as const) {
      const before = requests(client).length
      move(all, client, gateway)
      pass(all, 1000)
      assert.deepEqual(
        requests(client)
          .slice(before)
          .map(({ from }) => from),
        [nameOf(address)],
      )
      client.speakTo(address)
      assert.ok(client.client.rekey('child-rekey', all.nowMs))
      pass(all, 1000)
      assert.equal(spokenFrom(all, client), nameOf(address))
    }
    assert.deepEqual([all.owner(client.session), client.client.counters.reAuthentications], ['sg3', 0])
  }
})

test('a path probe at another address moves nothing', () => {
  const { all, client } = cluster({ ...mobile, dpdMs: 5000 })
  client.speakTo(there)
  const sent = client.sent.length
  pass(all, 8000)
  assert.ok(client.sent.length > sent)
  assert.equal(client.client.counters.retransmissions, 0)
  assert.equal(spokenFrom(all, client), 'here')
})

test('a client that stays where it is is told again only after a while, and loses nothing', () => {
  const { all, client } = cluster()
  move(all, client, 'sg3')
  wait(all, TOLD_MS - 10_000)
  assert.equal(requests(client).length, 1)
  wait(all, 30_000)
  assert.equal(requests(client).length, 2)
  assert.deepEqual([spokenFrom(all, client), all.owner(client.session)], ['here', 'sg3'])
})

test('a client that the new address does not reach answers the old one, octet for octet the same, and is not dead', () => {
  const { all, client } = cluster()
  client.hears = (address) => nameOf(address) === 'here'
  move(all, client, 'sg3')
  pass(all, 60_000)
  const sent = requests(client)
  assert.deepEqual(
    sent.map(({ from }) => from),
    ['there', 'there', 'there', 'there', 'here'].slice(-sent.length),
  )
  assert.equal(new Set(sent.map(({ octets }) => toHex(octets))).size, 1)
  assert.equal(sessionView(all.state(), client.session)!.ikes[0]!.pending, null)
  assert.deepEqual([spokenFrom(all, client), all.owner(client.session)], ['here', 'sg3'])
})

test('a client that neither address reaches is waited for much longer than one that is asked whether it lives, but not for ever', () => {
  const { all, client } = cluster()
  client.isListening = false
  move(all, client, 'sg3')
  wait(all, 900_000)
  assert.equal(all.owner(client.session), 'sg3')
  const tried = requests(client).map(({ from }) => from)
  for (const site of ['here', 'there']) assert.ok(tried.filter((from) => from === site).length > 20)
  wait(all, MAX_ANCHOR_RESENDS * 18_500 - 800_000)
  assert.equal(ownership(all.state(), client.session), null)
})

test('whoever owns the session next sends the same list from its own address', () => {
  const { all, client } = cluster()
  client.isListening = false
  move(all, client, 'sg3')
  pass(all, 500)
  kill(all, 'sg3')
  client.isListening = true
  pass(all, 20_000)
  const sent = requests(client)
  assert.deepEqual(
    [all.owner(client.session), sent.at(-1)!.from, new Set(sent.map(({ octets }) => toHex(octets))).size],
    ['sg4', 'there', 1],
  )
  assert.equal(sessionView(all.state(), client.session)!.ikes[0]!.pending, null)
})

test('a client that waits at a dead address for the answer to its rekeying of the IKE SA is led away from there under the one that it knows', () => {
  let at = 'sg1'
  const { all, client } = cluster({}, () => at)
  client.isListening = false
  assert.ok(client.client.rekey('ike-rekey', all.nowMs))
  all.settle()
  assert.equal(sessionView(all.state(), client.session)!.ikes.length, 2)
  for (const id of ['sg1', 'sg2']) kill(all, id)
  at = 'sg3'
  client.isListening = true
  // Too soon for the client to repeat anything.
  pass(all, 3000)
  assert.deepEqual(
    requests(client).map(({ from }) => from),
    ['there'],
  )
  assert.ok(isResponse(peekHeader(client.sent.at(-1)!.datagram.subarray(4))!))
  const [known, successor] = sessionView(all.state(), client.session)!.ikes
  assert.deepEqual([known!.pending, successor!.expectedRequest], [null, 0])
  client.speakTo(there)
  pass(all, 3000)
  assert.deepEqual(
    client.events.map(({ type }) => type),
    ['established', 'rekeyed', 'replaced'],
  )
  assert.equal(spokenFrom(all, client), 'there')
})

test('a session follows its client that has gone to the other site by itself', () => {
  const { all, client } = cluster(mobile)
  const before = all.owner(client.session)!
  assert.ok(['sg1', 'sg2'].includes(before))
  client.speakTo(there)
  assert.ok(client.client.move(client.endpoint.natT, all.nowMs))
  pass(all, 1000)
  assert.ok(['sg3', 'sg4'].includes(all.owner(client.session)!))
  assert.equal(spokenFrom(all, client), 'there')
  assert.deepEqual(requests(client), [])
})

test('new sessions, takeovers and drains stay at the site as long as anybody is up there', () => {
  const { all } = cluster()
  const clients = Array.from({ length: 8 }, () => all.client(() => 'sg1'))
  const sessions = clients.map((client) => {
    client.connect()
    return client.session
  })
  const owners = (): string[] => [...new Set(sessions.map((session) => all.owner(session)!))].toSorted()
  assert.ok(owners().every((owner) => ['sg1', 'sg2'].includes(owner)))
  kill(all, 'sg2')
  pass(all, 100)
  assert.deepEqual(owners(), ['sg1'])
  kill(all, 'sg1')
  pass(all, 100)
  assert.ok(owners().every((owner) => ['sg3', 'sg4'].includes(owner)))
})
