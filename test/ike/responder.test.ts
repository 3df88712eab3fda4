import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assignAddresses } from '../../src/ike/configuration-exchange.ts'
import { fromUtf8 } from '../../src/kit/bytes.ts'
import type { ChildlessPolicy } from '../../src/context/vpn-configuration.ts'
import { poolDefaults } from '../../src/context/vpn-configuration.ts'
import { formatAddress, formatSelector, parseRange } from '../../src/context/address.ts'
import { nodeIkeCrypto } from '../../src/crypto/node-ike-crypto.ts'
import type { Decision, Path } from '../../src/ike/decision.ts'
import { IkeInitiator } from '../../src/ike/initiator.ts'
import { directionKeys } from '../../src/ike/key-schedule.ts'
import { natDetectionHash } from '../../src/ike/nat-detection.ts'
import { openSession } from '../../src/ike/open-session.ts'
import { renderReply } from '../../src/ike/responder.ts'
import { decodeMessage, encodeMessage, openMessage, sealMessage } from '../../src/ike/wire/message.ts'
import { notifyType } from '../../src/ike/wire/notify.ts'
import type { Payload } from '../../src/ike/wire/payloads.ts'
import { findNotify, findPayload, notification } from '../../src/ike/wire/payloads.ts'
import { ask } from './ask.ts'
import type { TestGateway } from './face-to-face.ts'
import { address, clientOptions, configuration, connection, meet, path, selector, TestGateway as Gateway } from './face-to-face.ts'

function contextOf(decision: Decision): unknown {
  assert.ok(decision.type === 'commit')
  return decision.context
}

/** A client with MOBIKE: the built-in one does not ask for it. */
function mobikeGateway(): TestGateway {
  const { gateway } = meet()
  gateway.context = { ...gateway.established, features: 1 }
  return gateway
}

const elsewhere: Path = { local: path.local, remote: { address: address('203.0.113.9'), port: 4500 } }

test('UPDATE_SA_ADDRESSES moves the session to where the request came from, and COOKIE2 goes back (RFC 4555 §3.5, §3.7)', () => {
  const gateway = mobikeGateway()
  const cookie2 = new Uint8Array(16).fill(5)
  const { response } = ask(gateway, 37, [notification(16400), notification(16401, cookie2)], { from: elsewhere })
  assert.equal(formatAddress(gateway.established.remote.address), '203.0.113.9')
  assert.deepEqual(findNotify(response, 16401)?.data, cookie2)
})

test('without MOBIKE nothing moves', () => {
  const { gateway } = meet()
  const { decision } = ask(gateway, 37, [notification(16400)], { from: elsewhere })
  assert.equal(contextOf(decision), null)
})

test('a COOKIE2 of a length that RFC 4555 does not allow is INVALID_SYNTAX', () => {
  const { response } = ask(mobikeGateway(), 37, [notification(16401, new Uint8Array(65))])
  assert.deepEqual(
    response.map((payload) => (payload.type === 'notify' ? payload.notify : payload.type)),
    [7],
  )
})

test('NAT detection in INFORMATIONAL is answered with the address that we saw (§2.23)', () => {
  const { gateway } = meet()
  const { decision, response } = ask(gateway, 37, [notification(16388, new Uint8Array(20)), notification(16389, new Uint8Array(20))])
  assert.equal(contextOf(decision), null)
  assert.deepEqual(findNotify(response, 16389)?.data, natDetectionHash(nodeIkeCrypto, gateway.established.ikeSas[0]!, path.remote))
})

test('an address list gets an empty response and changes nothing (RFC 4555 §3.6)', () => {
  const { decision, response } = ask(mobikeGateway(), 37, [notification(16399)])
  assert.deepEqual([contextOf(decision), response], [null, []])
})

test('a deleted Child SA is answered with our SPI and leaves the context, the IKE SA stays (§1.4.1)', () => {
  const { gateway } = meet()
  const spis = [Uint8Array.of(0xd0, 0, 0, 1), Uint8Array.of(9, 9, 9, 9)]
  const { response } = ask(gateway, 37, [{ type: 'delete', protocol: 3, spiSize: 4, spis }])
  assert.deepEqual(findPayload(response, 'delete')?.spis, [Uint8Array.of(0xc0, 0, 0, 1)])
  assert.deepEqual([gateway.established.phase, gateway.established.children.length], ['established', 0])
})

const refused: readonly [name: string, exchange: number, payloads: readonly Payload[], notify: number][] = [
  [
    'an unknown critical payload gets UNSUPPORTED_CRITICAL_PAYLOAD (§2.5)',
    37,
    [{ type: 'opaque', payloadType: 200, critical: true, body: new Uint8Array(0) }],
    1,
  ],
  ['an exchange that is not for an established session gets INVALID_SYNTAX', 35, [], 7],
]
for (const [name, exchange, payloads, notify] of refused) {
  test(`${name}, and the session stays`, () => {
    const { decision, response } = ask(meet().gateway, exchange, payloads)
    assert.equal(contextOf(decision), null)
    assert.deepEqual(
      response.map((payload) => (payload.type === 'notify' ? payload.notify : payload.type)),
      [notify],
    )
  })
}

test('an authentic message that does not decode ends the session with INVALID_SYNTAX (§2.21.3)', () => {
  const { gateway } = meet()
  const { response } = ask(gateway, 37, [{ type: 'opaque', payloadType: 33, critical: false, body: Uint8Array.of(1) }])
  assert.ok(findNotify(response, 7) !== null)
  assert.equal(gateway.established.phase, 'tombstone')
})

test('a session that has ended repeats its last response and takes nothing new', () => {
  const meeting = meet()
  const request = meeting.client.close()!
  const [first] = meeting.gateway.receive(request)
  assert.deepEqual(meeting.gateway.receive(request), [first])
  const sa = meeting.gateway.established.ikeSas[0]!
  meeting.gateway.sas.get(sa.responderSpi)!.expectedRequest--
  meeting.gateway.receive(request)
  assert.deepEqual(meeting.gateway.decisions.at(-1), { type: 'drop', reason: 'ended' })
})

test('the client refuses a gateway whose AUTH is not made with the secret (§2.15)', () => {
  const client = new IkeInitiator(clientOptions())
  const gateway = new Gateway()
  const request = client.handle(gateway.receive(client.start())[0]!).send!
  const sa = gateway.established.ikeSas[0]!
  const keys = directionKeys(openSession(gateway.env, gateway.established)!.ikeKeys.get(sa.responderSpi)!, false)
  const opened = openMessage(nodeIkeCrypto, sa.suite, keys, gateway.receive(request)[0]!)
  assert.ok(opened.type === 'message')
  const { header, payloads } = opened.message
  const forged = payloads.map((payload): Payload => (payload.type === 'auth' ? { ...payload, data: new Uint8Array(32) } : payload))
  const { event } = client.handle(sealMessage(nodeIkeCrypto, sa.suite, keys, header, forged, new Uint8Array(8)))
  assert.deepEqual(event, { type: 'failed', notify: null, problem: 'the gateway is not who it should be' })
})

test('the client refuses a gateway with another identity than the one it wants', () => {
  const vpn = { ...configuration, connections: [{ ...connection, local: { ...connection.local, id: '%any' } }] }
  const { events } = meet({ remoteIdentity: { type: 2, data: Uint8Array.of(120) } }, vpn)
  assert.equal(events[0]?.type, 'established', 'a gateway with %any takes the name that the client wants')
  assert.equal(meet({ remoteIdentity: { type: 2, data: Uint8Array.of(120) } }).events[0]?.type, 'failed')
})

test('IPv4 and IPv6 addresses come from the pools of their family, with DNS (§3.15)', () => {
  const vpn = {
    ...configuration,
    connections: [
      {
        ...connection,
        pools: ['users', 'six'],
        children: [
          { ...connection.children[0]!, localTs: [selector('10.50.0.0/24'), selector('10.51.0.0/24'), selector('2001:db8:1::/48')] },
        ],
      },
    ],
    pools: [
      ...configuration.pools,
      { ...poolDefaults, name: 'six', ranges: [parseRange('2001:db8::/64')!], dns: [address('2001:db8::53')] },
    ],
  }
  const { events, gateway } = meet({ ipv6: true, remoteTs: [selector('0.0.0.0/0'), selector('::/0')] }, vpn)
  const event = events[0]
  assert.ok(event?.type === 'established')
  assert.deepEqual(event.tunnel.virtualIps.map(formatAddress), ['10.77.0.9', '2001:db8::9'])
  assert.deepEqual(event.tunnel.dns.map(formatAddress), ['10.50.0.53', '2001:db8::53'])
  assert.deepEqual(gateway.established.children[0]!.localTs.map(formatSelector), ['10.50.0.0/24', '10.51.0.0/24', '2001:db8:1::/48'])
  assert.deepEqual(gateway.established.children[0]!.remoteTs.map(formatSelector), ['10.77.0.9', '2001:db8::9'])
})

test('networks behind the gateway are told to everyone, name servers and domains to who asks (§3.15.1; RFC 8598)', () => {
  const pool = {
    ...configuration.pools[0]!,
    subnets: [{ address: address('10.50.0.0'), prefix: 23 }],
    nbns: [address('10.50.0.54')],
    domains: ['corp.example.org', 'example.net'],
  }
  const ask = (...types: readonly number[]): [number, string][] => {
    const request = { cfgType: 1, attributes: [1, ...types].map((type) => ({ type, value: new Uint8Array(0) })) }
    const gateway = new Gateway({ ...configuration, pools: [pool] })
    const nobody = { holder: null, replaces: false }
    const assignment = assignAddresses(gateway.env, connection, request, nobody)
    assert.ok(typeof assignment !== 'number')
    const [payload] = assignment.payloads
    assert.ok(payload?.type === 'configuration')
    return payload.attributes.map(({ type, value }) => [type, type === 25 ? fromUtf8(value) : value.join('.')])
  }
  const subnet = [13, '10.50.0.0.255.255.254.0'] as const
  assert.deepEqual(ask(), [[1, '10.77.0.9'], subnet])
  assert.deepEqual(ask(3, 4, 25), [
    [1, '10.77.0.9'],
    [3, '10.50.0.53'],
    [4, '10.50.0.54'],
    [25, 'corp.example.org'],
    [25, 'example.net'],
    subnet,
  ])
})

/** The client's IKE_AUTH request without SA and selectors (RFC 6023), and what the gateway makes of it. */
function childlessAuth(policy: ChildlessPolicy): { readonly gateway: TestGateway; readonly response: readonly Payload[] } {
  const client = new IkeInitiator(clientOptions())
  const gateway = new Gateway({ ...configuration, connections: [{ ...connection, childless: policy }] })
  const request = client.handle(gateway.receive(client.start())[0]!).send!
  const sa = gateway.context!.ikeSas[0]!
  const keys = openSession(gateway.env, gateway.context!)!.ikeKeys.get(sa.responderSpi)!
  const opened = openMessage(nodeIkeCrypto, sa.suite, directionKeys(keys, true), request)
  assert.ok(opened.type === 'message')
  const { payloads } = opened.message
  const childless = payloads.filter(({ type }) => type !== 'sa' && type !== 'tsI' && type !== 'tsR')
  const { response } = ask(gateway, 35, childless, { sa })
  return { gateway, response }
}

test('an IKE SA without a Child SA gets its addresses, where its connection allows it (RFC 6023)', () => {
  for (const policy of ['allow', 'force'] as const) {
    const { gateway, response } = childlessAuth(policy)
    assert.notEqual(findPayload(response, 'configuration'), null)
    assert.equal(findPayload(response, 'sa'), null)
    const { phase, virtualIps, children } = gateway.established
    assert.deepEqual([phase, virtualIps.map(formatAddress), children], ['established', ['10.77.0.9'], []])
  }
  const { gateway, response } = childlessAuth('never')
  assert.deepEqual([gateway.established.phase, response.map(({ type }) => type)], ['tombstone', ['notify']])
})

test('a connection that wants none but IKE SAs without a Child SA refuses others', () => {
  const { gateway, events } = meet({}, { ...configuration, connections: [{ ...connection, childless: 'force' }] })
  assert.deepEqual([gateway.established.phase, events[0]?.type], ['tombstone', 'failed'])
})

test('that an IKE SA may have no Child SA is said as soon as any connection allows it', () => {
  const told = (policy: ChildlessPolicy): boolean => {
    const gateway = new Gateway({ ...configuration, connections: [{ ...connection, childless: policy }] })
    const [response] = gateway.receive(new IkeInitiator(clientOptions()).start())
    return findNotify(decodeMessage(response!).payloads, notifyType.childlessSupported) !== null
  }
  assert.deepEqual([told('allow'), told('never')], [true, false])
})

const initDrops: readonly [name: string, change: (request: Uint8Array) => void, expected: string][] = [
  ['a response', (request) => void (request[19] = 0x28), 'header'],
  ['a Message ID other than 0', (request) => void (request[23] = 1), 'header'],
  ['another exchange', (request) => void (request[18] = 35), 'unexpected-exchange'],
  ['an initiator SPI of 0', (request) => void request.fill(0, 0, 8), 'header'],
  ['major version 1', (request) => void (request[17] = 0x10), 'version'],
]
for (const [name, change, expected] of initDrops) {
  test(`a first message with ${name} is dropped`, () => {
    const request = new IkeInitiator(clientOptions()).start().slice()
    change(request)
    assert.deepEqual(new Gateway().decideOnly(request), { type: 'drop', reason: expected })
  })
}

test('a higher major version is answered with INVALID_MAJOR_VERSION (§2.5)', () => {
  const request = new IkeInitiator(clientOptions()).start().slice()
  request[17] = 0x30
  const decision = new Gateway().decideOnly(request)
  assert.ok(decision.type === 'answer')
  assert.ok(findNotify(decodeMessage(decision.datagrams[0]!).payloads, 5) !== null)
})

test('a nonce of fewer than 16 octets is dropped (§2.10)', () => {
  const { header, payloads } = decodeMessage(new IkeInitiator(clientOptions()).start())
  const short = payloads.map((payload): Payload => (payload.type === 'nonce' ? { type: 'nonce', nonce: new Uint8Array(15) } : payload))
  assert.deepEqual(new Gateway().decideOnly(encodeMessage(header, short)), { type: 'drop', reason: 'nonce' })
})

test('a public value of zeros is dropped (RFC 8031 §4)', () => {
  const { header, payloads } = decodeMessage(new IkeInitiator(clientOptions()).start())
  const zero = payloads.map((payload): Payload => (payload.type === 'ke' ? { ...payload, publicValue: new Uint8Array(32) } : payload))
  assert.deepEqual(new Gateway().decideOnly(encodeMessage(header, zero)), { type: 'drop', reason: 'public-value' })
})

test('a reply for an IKE SA that the session has not is null', () => {
  const { gateway } = meet()
  const session = openSession(gateway.env, gateway.established)!
  assert.equal(renderReply(gateway.env, session, 1n, 0, { type: 'empty', iv: new Uint8Array(8) }), null)
})
