import assert from 'node:assert/strict'
import { test } from 'node:test'
import { features } from '../../src/context/session-context.ts'
import type { Endpoint, IkeSaContext } from '../../src/context/session-context.ts'
import { nodeIkeCrypto } from '../../src/crypto/node-ike-crypto.ts'
import type { Path } from '../../src/ike/decision.ts'
import { IkeInitiator } from '../../src/ike/initiator.ts'
import { directionKeys } from '../../src/ike/key-schedule.ts'
import { natDetectionHash } from '../../src/ike/nat-detection.ts'
import { openSession } from '../../src/ike/open-session.ts'
import type { DirectionKeys } from '../../src/ike/wire/message.ts'
import { decodeMessage, encodeMessage, openMessage, sealMessage } from '../../src/ike/wire/message.ts'
import { notifyType } from '../../src/ike/wire/notify.ts'
import type { Payload } from '../../src/ike/wire/payloads.ts'
import { findNotify, notification } from '../../src/ike/wire/payloads.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { concat } from '../../src/kit/bytes.ts'
import { ask } from './ask.ts'
import type { Meeting, TestGateway } from './face-to-face.ts'
import { address, clientOptions, configuration, connection, exchange, meet, path, TestGateway as Gateway } from './face-to-face.ts'

const at = (text: string, port = 4500): Endpoint => ({ address: address(text), port })
const elsewhere: Path = { local: path.local, remote: at('203.0.113.9') }
const inside: Endpoint = at('192.168.1.2', 500)

/** A client whose source address a NAT has changed. */
const natted = (): Meeting => meet({ local: inside })
const mobile = (changes: Parameters<typeof meet>[0] = {}): Meeting => meet({ mobike: true, ...changes })

function notifies(payloads: readonly Payload[]): number[] {
  return payloads.flatMap((payload) => (payload.type === 'notify' ? [payload.notify] : []))
}

/** The payloads of the gateway's IKE_AUTH response. */
function authResponse(prepare: (gateway: TestGateway) => void, mobike = true): readonly Payload[] {
  const gateway = new Gateway()
  prepare(gateway)
  const client = new IkeInitiator(clientOptions({ mobike }))
  const [answer] = gateway.receive(client.start())
  const { send } = client.handle(answer!)
  const [response] = gateway.receive(send!)
  const { sa, keys } = ourSide(gateway)
  const opened = openMessage(nodeIkeCrypto, sa.suite, keys, response!)
  assert.ok(opened.type === 'message')
  return opened.message.payloads
}

/** The IKE SA with the keys that the gateway sends by. */
function ourSide(gateway: TestGateway): { readonly sa: IkeSaContext; readonly keys: DirectionKeys } {
  const sa = gateway.established.ikeSas[0]!
  return { sa, keys: directionKeys(openSession(gateway.env, gateway.established)!.ikeKeys.get(sa.responderSpi)!, false) }
}

// ---- MOBIKE

test('UPDATE_SA_ADDRESSES moves the session to where it came from, and COOKIE2 comes back (RFC 4555 §3.5, §3.7)', () => {
  const meeting = mobile()
  exchange(meeting, meeting.client.move({ local: elsewhere.remote, remote: path.local }), elsewhere)
  assert.deepEqual(meeting.events.at(-1), { type: 'moved' })
  assert.deepEqual(meeting.gateway.established.remote, elsewhere.remote)
  assert.equal(meeting.gateway.established.behindNat, false)
})

test('a client that moved behind a NAT, or out of one, is known to be (RFC 4555 §3.5)', () => {
  const meeting = mobile()
  exchange(meeting, meeting.client.move({ local: inside, remote: path.local }), elsewhere)
  assert.deepEqual([meeting.gateway.established.remote, meeting.gateway.established.behindNat], [elsewhere.remote, true])
  exchange(meeting, meeting.client.move({ local: path.remote, remote: path.local }), path)
  assert.deepEqual([meeting.gateway.established.remote, meeting.gateway.established.behindNat], [path.remote, false])
})

test('a client may move to another address of the cluster: what we send leaves from there', () => {
  const meeting = mobile()
  const other: Path = { local: at('192.0.2.2'), remote: path.remote }
  exchange(meeting, meeting.client.move({ local: path.remote, remote: other.local }), other)
  assert.deepEqual(meeting.gateway.established.local, other.local)
})

test('a path probe, an empty INFORMATIONAL from another address, is answered and moves nothing (RFC 4555 §3.10)', () => {
  for (const meeting of [mobile(), mobile({ local: inside })]) {
    exchange(meeting, meeting.client.checkLiveness(), elsewhere)
    assert.deepEqual(meeting.events.at(-1), { type: 'alive' })
    assert.deepEqual(meeting.gateway.established.remote, path.remote)
  }
})

test('mobike: no leaves MOBIKE out: it is not announced, and an update moves nothing', () => {
  const vpn = { ...configuration, connections: [{ ...connection, mobike: false }] }
  const meeting = meet({ mobike: true }, vpn)
  assert.equal(meeting.gateway.established.features & features.mobike, 0)
  assert.equal(meeting.client.move({ local: elsewhere.remote, remote: path.local }), null)
  ask(meeting.gateway, 37, [notification(notifyType.updateSaAddresses)], { from: elsewhere })
  assert.deepEqual(meeting.gateway.established.remote, path.remote)
})

test("IKE_AUTH tells a client with MOBIKE of the cluster's other addresses, and of none when it has one (RFC 4555 §3.4)", () => {
  const others = [path.local.address, address('192.0.2.2'), address('2001:db8::1')]
  const told = authResponse((gateway) => (gateway.addresses = others))
  assert.deepEqual(findNotify(told, notifyType.additionalIp4Address)?.data, others[1])
  assert.deepEqual(findNotify(told, notifyType.additionalIp6Address)?.data, others[2])
  assert.equal(notifies(told).filter((notify) => notify === notifyType.additionalIp4Address).length, 1)
  const one = notifies(authResponse(() => undefined))
  assert.ok(one.includes(notifyType.mobikeSupported))
  const without = notifies(authResponse((gateway) => (gateway.addresses = others), false))
  for (const list of [one, without]) assert.ok(!list.includes(notifyType.additionalIp4Address))
})

test('a client moves while our own request is unanswered: its answer is taken from the new address', () => {
  const meeting = mobile()
  const { client, gateway } = meeting
  const [request] = gateway.request({ type: 'liveness' })
  exchange(meeting, client.move({ local: elsewhere.remote, remote: path.local }), elsewhere)
  assert.deepEqual(gateway.established.remote, elsewhere.remote)
  gateway.receive(client.handle(request!).send!, elsewhere)
  assert.equal(gateway.decisions.at(-1)!.type, 'response')
})

test('an answer with another COOKIE2 closes the IKE SA at the client (RFC 4555 §3.7)', () => {
  const { client, gateway } = mobile()
  client.move({ local: elsewhere.remote, remote: path.local })
  const { sa, keys } = ourSide(gateway)
  const { initiatorSpi, responderSpi } = sa
  const head = { initiatorSpi, responderSpi, exchange: 37, flags: 0x20, messageId: 2 }
  const other = [notification(notifyType.cookie2, new Uint8Array(16))]
  const { event } = client.handle(sealMessage(nodeIkeCrypto, sa.suite, keys, head, other, new Uint8Array(8)))
  assert.equal(event?.type, 'failed')
  assert.equal(client.phase, 'closed')
})

// ---- NAT prohibition

function noNats(from: Path): Payload {
  const ports = Uint8Array.of(from.remote.port >> 8, from.remote.port & 255, from.local.port >> 8, from.local.port & 255)
  return notification(notifyType.noNatsAllowed, concat(from.remote.address, from.local.address, ports))
}

test('NO_NATS_ALLOWED with the addresses that we see changes nothing; with others, UNEXPECTED_NAT_DETECTED, and nobody moves (RFC 4555 §3.9)', () => {
  const { gateway } = mobile()
  const update = notification(notifyType.updateSaAddresses)
  const cookie2 = notification(notifyType.cookie2, new Uint8Array(8))
  const changed = ask(gateway, 37, [update, cookie2, noNats(path)], { from: elsewhere })
  assert.deepEqual(notifies(changed.response), [notifyType.cookie2, notifyType.unexpectedNatDetected])
  assert.deepEqual(gateway.established.remote, path.remote)
  const same = ask(gateway, 37, [update, cookie2, noNats(elsewhere)], { from: elsewhere })
  assert.deepEqual(notifies(same.response), [notifyType.cookie2])
  assert.deepEqual(gateway.established.remote, elsewhere.remote)
})

test('an IKE_SA_INIT that forbids NATs and passed one is answered with UNEXPECTED_NAT_DETECTED, and nothing is remembered', () => {
  const { header, payloads } = decodeMessage(new IkeInitiator(clientOptions()).start())
  const request = (from: Path): Bytes => encodeMessage(header, [...payloads, noNats(from)])
  const refused = new Gateway().decideOnly(request(elsewhere))
  assert.ok(refused.type === 'answer')
  assert.deepEqual(notifies(decodeMessage(refused.datagrams[0]!).payloads), [notifyType.unexpectedNatDetected])
  assert.equal(new Gateway().decideOnly(request(path)).type, 'create')
})

// ---- NAT without MOBIKE

test('a client behind a NAT is followed by its newest authentic request, without MOBIKE (RFC 7296 §2.23)', () => {
  const meeting = natted()
  assert.equal(meeting.gateway.established.behindNat, true)
  exchange(meeting, meeting.client.checkLiveness(), elsewhere)
  assert.deepEqual(meeting.gateway.established.remote, elsewhere.remote)
  const [child] = meeting.gateway.established.children
  exchange(meeting, meeting.client.rekeyChild(child!.spiOut, { spiIn: 0xd0000009, groups: [] }), path)
  assert.deepEqual(meeting.gateway.established.remote, path.remote)
  assert.equal(meeting.gateway.established.children.length, 1, 'and the exchange had its effect')
})

test('a client behind a NAT is followed by its answer to a request of ours', () => {
  const { client, gateway } = natted()
  const [request] = gateway.request({ type: 'liveness' })
  gateway.receive(client.handle(request!).send!, elsewhere)
  assert.deepEqual(gateway.established.remote, elsewhere.remote)
})

test('who is behind no NAT is not followed, nor is a repeated or a forged request', () => {
  const plain = meet()
  exchange(plain, plain.client.checkLiveness(), elsewhere)
  assert.deepEqual(plain.gateway.established.remote, path.remote)

  const { client, gateway } = natted()
  const request = client.checkLiveness()!
  gateway.receive(request)
  gateway.receive(request, elsewhere)
  assert.equal(gateway.decisions.at(-1)!.type, 'repeat')
  const forged = request.slice()
  forged[forged.length - 1]! ^= 1
  gateway.receive(forged, elsewhere)
  assert.deepEqual(gateway.established.remote, path.remote)
})

test('an IKE message on another of our ports takes ESP nowhere: that goes by port 4500 alone', () => {
  const meeting = natted()
  exchange(meeting, meeting.client.checkLiveness(), { local: { ...path.local, port: path.local.port + 1 }, remote: elsewhere.remote })
  assert.equal(meeting.events.at(-1)!.type, 'alive')
  assert.deepEqual([meeting.gateway.established.local, meeting.gateway.established.remote], [path.local, path.remote])
})

test('the end of a session goes nowhere else: what is left of it keeps its address', () => {
  const meeting = natted()
  exchange(meeting, meeting.client.close(), elsewhere)
  assert.equal(meeting.gateway.established.phase, 'tombstone')
  assert.deepEqual(meeting.gateway.established.remote, path.remote)
})

// ---- ports

test('IKE_SA_INIT on port 4500, behind the non-ESP marker, is as good as on port 500 (RFC 7296 §2.23)', () => {
  const from: Path = { local: { ...path.local, port: 4500 }, remote: at('198.51.100.7', 4500) }
  const meeting: Meeting = {
    client: new IkeInitiator(clientOptions({ local: from.remote, remote: from.local })),
    gateway: new Gateway(),
    events: [],
  }
  exchange(meeting, meeting.client.start(), from)
  assert.equal(meeting.events.at(-1)?.type, 'established')
  assert.equal(meeting.gateway.established.behindNat, false)
  assert.deepEqual(meeting.gateway.established.remote, from.remote)
})

test('NAT detection hashes IPv6 addresses as they are', () => {
  const from: Path = { local: { address: address('2001:db8::1'), port: 500 }, remote: { address: address('2001:db8::7'), port: 500 } }
  const meeting: Meeting = {
    client: new IkeInitiator(clientOptions({ local: from.remote, remote: from.local })),
    gateway: new Gateway(),
    events: [],
  }
  exchange(meeting, meeting.client.start(), from)
  assert.equal(meeting.gateway.established.behindNat, false)
  const spis = { initiatorSpi: 1n, responderSpi: 2n }
  assert.notDeepEqual(natDetectionHash(nodeIkeCrypto, spis, from.local), natDetectionHash(nodeIkeCrypto, spis, from.remote))
})
