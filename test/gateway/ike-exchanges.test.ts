import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Endpoint } from '../../src/context/session-context.ts'
import { decodeSessionContext, encodeSessionContext } from '../../src/context/session-context-codec.ts'
import { encodeControlMessage } from '../../src/gateway/control-message.ts'
import { decodeReply } from '../../src/gateway/reply.ts'
import { defaultIkeLimits } from '../../src/gateway/ike/limits.ts'
import { MAX_INIT_OCTETS } from '../../src/gateway/ike/half-open-sessions.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { toHex } from '../../src/kit/bytes.ts'
import { ownership, sessionView } from '../../src/session/view.ts'
import { createCommand } from '../support/contexts.ts'
import type { TestClient } from '../support/control-cluster.ts'
import { ControlCluster, gatewayEndpoints } from '../support/control-cluster.ts'

function cluster(addresses = 14): { all: ControlCluster; client: TestClient } {
  const all = new ControlCluster('sg1', 'sg2')
  all.configure(addresses)
  return { all, client: all.client(() => 'sg1') }
}

/** The one proposal of an IKE exchange that waits. */
function exchange(all: ControlCluster) {
  const [waiting, ...others] = all.waiting('commit-exchange')
  assert.ok(waiting !== undefined)
  assert.deepEqual(others, [])
  return waiting
}

const hex = (datagrams: readonly Bytes[]): string[] => datagrams.map(toHex)

test('an IKE_SA_INIT is committed before it is answered, and what leaves is what was stored', () => {
  const { all, client } = cluster()
  client.isListening = false
  client.start()
  const [create] = all.waiting('create-session')
  assert.deepEqual(client.received, [])
  all.commit(create!)
  assert.deepEqual(client.received, [], 'committed is not applied')
  all.apply(create!.gateway)
  const reply = decodeReply(create!.command.reply)
  assert.deepEqual(hex(client.received), reply.type === 'datagrams' ? hex(reply.datagrams) : null)
})

test('copies of an IKE_SA_INIT that reach several gateways make one session: the first commit wins, and both send its octets', () => {
  const { all, client } = cluster()
  client.isListening = false
  all.isMeshUp = false
  // Each gateway acts on a copy that the other forwarded to it: both answer.
  client.isLive = false
  client.start()
  const { port, datagram } = client.sent[0]!
  assert.equal(port, 'ike')
  const remote = client.endpoint.ike
  all.isMeshUp = true
  for (const id of all.ids) {
    all.get(id).packets({ type: 'mesh', gateway: 'sgX', payload: forwardedInit(datagram, remote) }, all.now)
  }
  const [first, second] = all.waiting('create-session')
  assert.notEqual(first!.gateway, second!.gateway)
  all.settle()
  assert.equal(all.state().sessions.count, 1)
  assert.ok(client.received.length >= 2)
  assert.equal(new Set(hex(client.received)).size, 1)
})

test('a late copy of an IKE_SA_INIT opens nothing and is answered with nothing', () => {
  const { all, client } = cluster()
  client.connect()
  const before = client.received.length
  for (const id of all.ids) client.deliver(id, client.sent[0]!)
  all.settle()
  assert.equal(all.state().sessions.count, 1)
  assert.equal(client.received.length, before)
})

test('an IKE_SA_INIT that is too long for a session is dropped and counted', () => {
  const { all, client } = cluster()
  client.isLive = false
  client.start()
  const datagram = new Uint8Array(MAX_INIT_OCTETS + 1)
  datagram.set(client.sent[0]!.datagram)
  new DataView(datagram.buffer).setUint32(24, datagram.length)
  client.deliver('sg1', { port: 'ike', datagram })
  assert.deepEqual(all.waiting('create-session'), [])
  assert.equal(all.get('sg1').counters.get('ike-init-long') + all.get('sg2').counters.get('ike-init-long'), 1)
})

test('with many half-open sessions a client first shows where it is: any gateway takes the cookie of any other (RFC 7296 §2.6)', () => {
  const { all, client } = cluster()
  for (let i = 1; i <= defaultIkeLimits.cookieFrom; i++) all.inject(createCommand(all.get('sg1').incarnation, BigInt(i)))
  all.applyAll()
  client.isLive = false
  client.start()
  client.deliver('sg1', client.sent[0]!)
  assert.deepEqual(all.waiting('create-session'), [], 'nothing is remembered of the first request')
  assert.equal(client.sent.length, 2, 'the client sends it again with the cookie')
  all.nowMs += 60_000
  client.deliver('sg2', client.sent[1]!)
  assert.equal(all.waiting('create-session').length, 1)
})

test('a response leaves only once its effects are applied (S4)', () => {
  const { all, client } = cluster()
  client.start()
  all.settle()
  const before = client.received.length
  client.connect()
  assert.equal(client.received.length > before, true)
  client.client.close(all.nowMs)
  const pending = exchange(all)
  const count = client.received.length
  all.pass(150)
  assert.equal(client.received.length, count)
  all.commit(pending)
  assert.equal(client.received.length, count)
  all.apply(pending.gateway)
  assert.equal(client.received.length, count + 1)
})

test('a retransmission is answered by another gateway with the stored octets (S3)', () => {
  const { all, client } = cluster()
  client.connect()
  const owner = all.owner(client.session)!
  const other = all.ids.find((id) => id !== owner)!
  const last = client.received.at(-1)!
  const request = client.sent.at(-1)!
  all.inject({ type: 'gateway-down', incarnation: all.get(owner).incarnation })
  all.stop(owner)
  all.applyAll()
  assert.equal(all.owner(client.session), other)
  client.deliver(other, request)
  assert.deepEqual(all.waiting('commit-exchange'), [], 'it is not done again')
  assert.equal(toHex(client.received.at(-1)!), toHex(last))
})

test('at most one exchange of a session is under way (rule 14)', () => {
  const { all, client } = cluster()
  client.connect()
  client.client.close(all.nowMs)
  const pending = exchange(all)
  client.deliver('sg1', client.sent.at(-1)!)
  client.deliver('sg2', client.sent.at(-1)!)
  assert.equal(exchange(all), pending)
  assert.equal(all.get(pending.gateway).counters.get('ike-exchange-pending'), 2)
})

test('a proposal whose outcome is unknown is proposed again with the same octets and serial, never answered anew', () => {
  const { all, client } = cluster()
  client.connect()
  client.client.close(all.nowMs)
  const pending = exchange(all)
  for (let i = 0; i < 5; i++) {
    all.fail(exchange(all), false)
    client.deliver('sg1', client.sent.at(-1)!)
    all.pass(600)
    const again = exchange(all)
    assert.equal(again.serial, pending.serial)
    assert.equal(toHex(again.octets), toHex(pending.octets))
  }
})

test('a proposal that certainly was dropped is proposed again with the same octets under a fresh serial', () => {
  const { all, client } = cluster()
  client.connect()
  client.client.close(all.nowMs)
  const pending = exchange(all)
  all.fail(pending, true)
  all.pass(600)
  const again = exchange(all)
  assert.ok(again.serial > pending.serial)
  assert.equal(toHex(again.octets), toHex(pending.octets))
  all.settle()
  assert.equal(sessionView(all.state(), client.session)!.phase, 'tombstone')
})

test('an exchange that lost its address to another gateway is decided anew, with another address and a fresh vector', () => {
  const all = new ControlCluster('sg1', 'sg2')
  all.configure(2)
  const client = all.client(() => 'sg1')
  client.start()
  for (const create of all.waiting('create-session')) all.commit(create)
  all.applyAll()
  const first = exchange(all)
  const taken = decodeSessionContext(first.command.context!).virtualIps[0]!
  const rival = all.session(first.gateway, 70_000)
  const view = sessionView(all.state(), rival)!
  all.inject({
    ...first.command,
    incarnation: view.owner,
    session: rival,
    epoch: view.epoch,
    version: view.version,
    ikeSpi: view.ikes[0]!.spi,
    messageId: view.ikes[0]!.expectedRequest,
    context: withAddress(all, rival, taken),
  })
  all.commit(first)
  all.applyAll()
  const second = exchange(all)
  assert.notDeepEqual(decodeSessionContext(second.command.context!).virtualIps[0], taken)
  assert.notEqual(toHex(second.command.reply), toHex(first.command.reply))
  all.settle()
  assert.notEqual(client.client.tunnel, null)
})

test('a used-up pool fails the exchange, not the gateway, and an address that was given back rests', () => {
  const all = new ControlCluster('sg1', 'sg2')
  all.configure(1)
  const first = all.client(() => 'sg1')
  first.connect()
  first.client.close(all.nowMs)
  all.settle()
  const second = all.client(() => 'sg2')
  assert.throws(() => second.connect(), /no tunnel/)
  all.nowMs += 31_000
  all.inject({ type: 'end-session', incarnation: 0, session: 0, epoch: 0, version: 0, nowMs: all.now.wallMs })
  all.applyAll()
  const third = all.client(() => 'sg2')
  third.connect()
})

test('stored replies leave at most a few times a second', () => {
  const { all, client } = cluster()
  client.connect()
  const owner = all.owner(client.session)!
  const before = client.received.length
  for (let i = 0; i < 20; i++) client.deliver(owner, client.sent.at(-1)!)
  const repeated = client.received.length - before
  assert.ok(repeated >= 1 && repeated <= 5, `${repeated} replies`)
  all.pass(1100)
  client.deliver(owner, client.sent.at(-1)!)
  assert.equal(client.received.length - before, repeated + 1)
})

test('a forged or unknown datagram costs a count, parks for a moment at most, and never enters the mesh', () => {
  const { all, client } = cluster()
  client.connect()
  const owner = all.owner(client.session)!
  const forged = client.sent.at(-1)!.datagram.slice()
  forged[forged.length - 1]! ^= 1
  client.deliver(owner, { port: 'nat-t', datagram: forged })
  assert.equal(all.get(owner).counters.get('forged'), 1)
  const unknown = client.sent.at(-1)!.datagram.slice()
  unknown.fill(0xab, 4 + 8, 4 + 16)
  const count = 1500
  for (let i = 0; i < count; i++) client.deliver('sg1', { port: 'nat-t', datagram: unknown })
  all.pass(300)
  assert.equal(all.get('sg1').counters.get('ike-unknown-spi'), count)
  assert.equal(all.get('sg2').counters.get('ike-unknown-spi'), 0)
  for (const length of [0, 1, 27]) all.fromPackets('sg1', { type: 'ike', datagram: new Uint8Array(length), ...paths(client) })
  assert.equal(all.get('sg1').counters.get('ike-malformed'), 3)
})

test('a datagram for a session that this gateway has not applied yet waits for the log', () => {
  const { all, client } = cluster()
  client.isLive = false
  client.start()
  client.deliver('sg1', client.sent[0]!)
  const [create] = all.waiting('create-session')
  const other = all.ids.find((id) => id !== create!.gateway)!
  all.commit(create!)
  all.apply(create!.gateway)
  assert.equal(client.sent.length, 2, 'the client goes on with IKE_AUTH')
  client.deliver(other, client.sent[1]!)
  assert.deepEqual(all.waiting('commit-exchange'), [])
  all.apply(other)
  assert.equal(exchange(all).gateway, create!.gateway, 'forwarded to the owner')
})

test('a datagram goes on only under a newer epoch than it was routed by, and three hops at most', () => {
  const { all, client } = cluster()
  client.connect()
  const owner = all.owner(client.session)!
  const other = all.ids.find((id) => id !== owner)!
  const datagram = client.sent.at(-1)!.datagram.subarray(4)
  const before = client.received.length
  const { epoch } = ownership(all.state(), client.session)!
  const arrive = (routedBy: number, hops: number): void => {
    all.get(other).packets({ type: 'mesh', gateway: owner, payload: forwarded(datagram, paths(client), routedBy, hops) }, all.now)
  }
  arrive(epoch, 1)
  assert.equal(client.received.length, before, 'it waits, for this gateway may lag')
  arrive(epoch - 1, 3)
  assert.equal(all.get(other).counters.get('ike-hops'), 1)
  arrive(epoch - 1, 1)
  assert.equal(client.received.length, before + 1)
})

test('the end of its incarnation makes a process forget what was under way, and it comes up anew', () => {
  const { all, client } = cluster()
  client.connect()
  client.client.close(all.nowMs)
  const pending = exchange(all)
  const before = all.get(pending.gateway).incarnation
  all.inject({ type: 'gateway-down', incarnation: before })
  all.apply(pending.gateway)
  assert.equal(all.get(pending.gateway).incarnation, 0)
  const count = client.received.length
  all.commit(pending)
  all.settle()
  assert.equal(client.received.length, count, 'a stale owner’s exchange was refused (S5)')
  assert.ok(all.get(pending.gateway).incarnation > before)
  all.applyAll()
  client.deliver(pending.gateway, client.sent.at(-1)!)
  all.settle()
  assert.equal(client.received.length, count + 1)
})

test('an operator’s DELETE is committed before it is sent, and sent again by the next owner until it is answered', () => {
  const { all, client } = cluster()
  client.connect()
  const owner = all.owner(client.session)!
  client.isListening = false
  all.get(owner === 'sg1' ? 'sg2' : 'sg1').requestTermination(client.session)
  const before = client.received.length
  all.pass(20)
  const pending = exchange(all)
  assert.equal(pending.command.direction, 'own-request')
  assert.equal(client.received.length, before)
  all.commit(pending)
  all.applyAll()
  all.pass(20)
  assert.equal(client.received.length, before + 1)
  all.inject({ type: 'gateway-down', incarnation: all.get(owner).incarnation })
  all.stop(owner)
  all.applyAll()
  all.pass(1100)
  assert.equal(client.received.length, before + 2)
  assert.equal(toHex(client.received.at(-1)!), toHex(client.received.at(-2)!))
  client.isListening = true
  all.pass(2100)
  all.settle()
  const count = client.received.length
  all.pass(10_000)
  assert.equal(client.received.length, count, 'answered: not sent again')
  assert.deepEqual(sessionView(all.state(), client.session)!.ikes[0]!.pending, null)
})

test('half-open sessions and tombstones end when their time has come, by their owner', () => {
  const { all, client } = cluster()
  client.isListening = false
  client.start()
  all.settle()
  assert.equal(all.state().sessions.halfOpenCount, 1)
  all.pass(100)
  assert.deepEqual(all.waiting('end-session'), [])
  all.nowMs += 30_000
  all.pass(20)
  assert.equal(all.waiting('end-session').length, 1)
  all.settle()
  assert.equal(all.state().sessions.count, 0)
})

function paths(client: TestClient) {
  return { local: gatewayEndpoints.natT, remote: client.endpoint.natT }
}

function forwarded(datagram: Bytes, path: { local: Endpoint; remote: Endpoint }, epoch: number, hops: number): Bytes {
  return encodeControlMessage({ type: 'ike', epoch, hops, ...path, datagram })
}

function forwardedInit(datagram: Bytes, remote: Endpoint): Bytes {
  return forwarded(datagram, { local: gatewayEndpoints.ike, remote }, 0, 1)
}

/** The session's context with this virtual address. */
function withAddress(all: ControlCluster, session: number, address: Bytes): Bytes {
  return encodeSessionContext({ ...sessionView(all.state(), session)!.context, virtualIps: [address] })
}
