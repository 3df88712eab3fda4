import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatIdentity, parseIdentity } from '../../src/context/identity.ts'
import { formatSelector, formatAddress } from '../../src/context/address.ts'
import { encodeSessionContext } from '../../src/context/session-context-codec.ts'
import { createSealer } from '../../src/crypto/sealer.ts'
import { openChildKeys, openSession } from '../../src/ike/open-session.ts'
import type { Established } from '../../src/ike/initiator.ts'
import { IkeInitiator } from '../../src/ike/initiator.ts'
import { toUtf8 } from '../../src/kit/bytes.ts'
import { SeededRandom } from '../../src/kit/random.ts'
import { identification } from '../../src/ike/wire/simple-payloads.ts'
import { ask } from './ask.ts'
import type { Meeting } from './face-to-face.ts'
import {
  TestGateway,
  cbcEsp,
  cbcIke,
  chachaIke,
  clientOptions,
  configuration,
  connection,
  exchange,
  gcmEsp,
  gcmIke,
  meet,
  sameDatagrams,
  sharedSecret,
} from './face-to-face.ts'

function tunnelOf(meeting: Meeting): Established {
  const event = meeting.events.find((one) => one.type === 'established')
  assert.ok(event?.type === 'established', `not established: ${meeting.events.map((one) => one.type).join()}`)
  return event.tunnel
}

const suites = [
  { name: 'AES-CBC, HMAC-SHA-256, X25519', ike: cbcIke, esp: gcmEsp },
  { name: 'AES-GCM, PRF-HMAC-SHA-384, ECP-256', ike: gcmIke, esp: cbcEsp },
  { name: 'ChaCha20-Poly1305, PRF-HMAC-SHA-512, MODP-2048', ike: chachaIke, esp: gcmEsp },
]

for (const { name, ike, esp } of suites) {
  test(`a session is established, checked and deleted with ${name}`, () => {
    const meeting = meet({ ikeProposals: [ike], espProposals: [esp] })
    const tunnel = tunnelOf(meeting)
    const context = meeting.gateway.established
    const child = context.children[0]!
    assert.equal(context.phase, 'established')
    assert.equal(formatIdentity(context.identity!), 'alice')
    assert.deepEqual(tunnel.virtualIps.map(formatAddress), ['10.77.0.9'])
    assert.deepEqual(tunnel.dns.map(formatAddress), ['10.50.0.53'])
    assert.deepEqual(child.remoteTs.map(formatSelector), ['10.77.0.9'])
    assert.deepEqual(child.localTs.map(formatSelector), ['10.50.0.0/24'])
    assert.deepEqual(tunnel.suite, child.suite)
    assert.deepEqual([tunnel.spiIn, tunnel.spiOut], [child.spiOut, child.spiIn])
    const keys = openChildKeys(meeting.gateway.env.sealer, child)!
    assert.deepEqual([tunnel.keyIn, tunnel.keyOut], [keys.keyOut, keys.keyIn])

    exchange(meeting, meeting.client.checkLiveness())
    assert.equal(meeting.events.at(-1)?.type, 'alive')
    exchange(meeting, meeting.client.close())
    assert.equal(meeting.events.at(-1)?.type, 'closed')
    assert.equal(meeting.gateway.established.phase, 'tombstone')
  })
}

test('an established context is small, and SK_pi and SK_pr are not in it', () => {
  const { gateway } = meet()
  assert.ok(encodeSessionContext(gateway.established).length < 600)
  const [keys] = openSession(gateway.env, gateway.established)!.ikeKeys.values()
  assert.deepEqual([keys!.skPi.length, keys!.skPr.length], [0, 0])
})

test('secrets do not open under another cluster', () => {
  const { gateway } = meet()
  const other = createSealer({ keys: [new Uint8Array(32).fill(7)], cluster: 'other', random: new SeededRandom(1) })
  assert.equal(openSession({ sealer: other }, gateway.established), null)
  assert.equal(openChildKeys(other, gateway.established.children[0]!), null)
})

test('a liveness check changes no context and its response is made again from its IV seed (§2.4)', () => {
  const meeting = meet()
  const request = meeting.client.checkLiveness()!
  const first = meeting.gateway.receive(request)
  const decision = meeting.gateway.decisions.at(-1)!
  assert.ok(decision.type === 'commit')
  assert.equal(decision.context, null)
  assert.equal(decision.reply.type, 'empty')
  const again = meeting.gateway.receive(request)
  assert.equal(meeting.gateway.decisions.at(-1)!.type, 'repeat')
  assert.ok(sameDatagrams(first, again))
})

test('the gateway checks liveness and the client answers, a repetition with the same octets (§2.1)', () => {
  const { client, gateway } = meet()
  const [request] = gateway.request({ type: 'liveness' })
  const first = client.handle(request!)
  const again = client.handle(request!)
  assert.ok(first.send !== null)
  assert.deepEqual(first, again)
  gateway.receive(first.send)
  assert.equal(gateway.decisions.at(-1)!.type, 'response')
  gateway.receive(first.send)
  assert.deepEqual(gateway.decisions.at(-1), { type: 'drop', reason: 'unexpected-response' })
})

test('the gateway deletes the session and keeps a tombstone (§1.4.1)', () => {
  const { client, gateway } = meet()
  const [request] = gateway.request({ type: 'delete' })
  const output = client.handle(request!)
  assert.deepEqual(output.event, { type: 'closed' })
  gateway.receive(output.send!)
  assert.equal(gateway.decisions.at(-1)!.type, 'response')
  assert.deepEqual(
    [gateway.established.phase, gateway.established.virtualIps, gateway.established.children, gateway.established.identity],
    ['tombstone', [], [], null],
  )
  assert.ok(client.handle(request!).send !== null, 'a repeated DELETE is answered again')
})

test('a wrong secret gets AUTHENTICATION_FAILED and leaves a tombstone without address (§2.21.2)', () => {
  const { events, gateway } = meet({ secret: toUtf8('wrong') })
  assert.deepEqual(events, [{ type: 'failed', notify: 24, problem: 'IKE_AUTH was refused' }])
  assert.equal(gateway.established.phase, 'tombstone')
  assert.deepEqual(gateway.established.virtualIps, [])
})

test('a client that no connection is for gets the same AUTHENTICATION_FAILED', () => {
  const vpn = { ...configuration, connections: [{ ...connection, remote: { ...connection.remote, id: '*@example.org' } }] }
  assert.deepEqual(meet({}, vpn).events, [{ type: 'failed', notify: 24, problem: 'IKE_AUTH was refused' }])
})

test('a connection is for a client that offers the proof that it asks for, however exactly another one names the client', () => {
  const named = { ...connection, name: 'named', remote: { ...connection.remote, auth: 'pubkey' as const, id: 'alice' } }
  const { gateway } = meet({}, { ...configuration, connections: [named, connection] })
  assert.equal(gateway.established.connection, 'rw')
  assert.equal(meet({}, { ...configuration, connections: [named] }).events[0]?.type, 'failed')
})

test('a client without AUTH wants EAP (§2.16): no connection with a pre-shared key is for it', () => {
  const gateway = new TestGateway()
  gateway.receive(new IkeInitiator(clientOptions()).start())
  const { response } = ask(gateway, 35, [{ type: 'idI', ...identification(parseIdentity('alice')) }])
  assert.deepEqual(
    response.map((payload) => (payload.type === 'notify' ? payload.notify : payload.type)),
    [24],
  )
  assert.equal(gateway.established.phase, 'tombstone')
})

test('a group that is not ours is answered with INVALID_KE_PAYLOAD and the client comes back with the right one (§1.2)', () => {
  const both = { ...cbcIke, ke: [14, 31] }
  const meeting = meet({ ikeProposals: [both] })
  assert.equal(meeting.gateway.decisions[0]!.type, 'answer')
  assert.equal(tunnelOf(meeting).ikeSuite.ke, 31)
})

test('under load a cookie is asked for, and nothing is remembered before it comes back (§2.6)', () => {
  const secrets = [
    { version: 2, secret: new Uint8Array(32).fill(2) },
    { version: 1, secret: new Uint8Array(32).fill(1) },
  ]
  const meeting = meet({}, configuration, (gateway) => {
    gateway.initOptions = { cookie: { required: true, secrets } }
  })
  assert.deepEqual(
    meeting.gateway.decisions.map((decision) => decision.type),
    ['answer', 'create', 'commit'],
  )
  tunnelOf(meeting)
})

test('no common proposal is answered with NO_PROPOSAL_CHOSEN and nothing is remembered (§2.7)', () => {
  const { events, gateway } = meet({ ikeProposals: [{ ...cbcIke, encryption: [{ encr: 12, keyBits: 192 }] }] })
  assert.deepEqual(events, [{ type: 'failed', notify: 14, problem: 'IKE_SA_INIT was refused' }])
  assert.equal(gateway.context, null)
})

const childFailures = [
  { name: 'no address is free', notify: 36, changes: {}, prepare: (gateway: Meeting['gateway']) => void (gateway.free = false) },
  { name: 'no ESP proposal fits', notify: 14, changes: { espProposals: [{ ...gcmEsp, encryption: [{ encr: 20, keyBits: 256 }] }] } },
  { name: 'no traffic is common', notify: 38, changes: { remoteTs: [] } },
]
for (const { name, notify, changes, prepare } of childFailures) {
  test(`the IKE SA stays when ${name}, and notification ${notify} says so (§1.2)`, () => {
    const { gateway, events } = meet(changes, configuration, prepare)
    assert.deepEqual(events, [{ type: 'failed', notify, problem: 'the gateway granted no Child SA' }])
    assert.equal(gateway.established.phase, 'established')
    assert.deepEqual([gateway.established.children, gateway.established.virtualIps], [[], []])
  })
}

test('INITIAL_CONTACT counts only with a secret that belongs to one client', () => {
  const lastCommit = (meeting: Meeting): string => {
    const decision = meeting.gateway.decisions.at(-1)!
    assert.ok(decision.type === 'commit')
    return decision.uniqueness
  }
  assert.equal(lastCommit(meet()), 'none')
  const personal = { ...configuration, secrets: [sharedSecret('ike-alice', ['vpn.example.org', 'alice'], 'hello')] }
  assert.equal(lastCommit(meet({}, personal)), 'replace')
  const group = { ...configuration, secrets: [sharedSecret('ike-some', ['alice', 'bob'], 'hello')] }
  assert.equal(lastCommit(meet({}, group)), 'none')
})

test('the most exact secret is taken, and EAP secrets are no pre-shared keys', () => {
  const secrets = [
    sharedSecret('eap-alice', ['alice'], 'no'),
    sharedSecret('ike-all', [], 'no'),
    sharedSecret('ike-us', ['vpn.example.org'], 'no'),
    sharedSecret('ike-some', ['al*'], 'no'),
    sharedSecret('ike-alice', ['alice'], 'hello'),
  ]
  tunnelOf(meet({}, { ...configuration, secrets }))
})

test('the client always finds a NAT before the gateway, and encapsulates (§2.23)', () => {
  const meeting = meet()
  assert.equal(tunnelOf(meeting).encapsulate, true)
  assert.equal(meeting.gateway.established.behindNat, false)
  const natted = meet({ local: { address: Uint8Array.of(192, 168, 1, 2), port: 500 } })
  assert.equal(natted.gateway.established.behindNat, true)
})

test('a request with another Message ID than the next is dropped (§2.3)', () => {
  const { client, gateway } = meet()
  const request = client.checkLiveness()!
  gateway.receive(request)
  const second = client.pending!
  assert.equal(second, request)
  gateway.sas.get(gateway.established.ikeSas[0]!.responderSpi)!.expectedRequest = 9
  gateway.receive(request)
  assert.deepEqual(gateway.decisions.at(-1), { type: 'drop', reason: 'message-id' })
})

test('a changed octet anywhere in an encrypted request is a drop, and the session stays as it was', () => {
  const { client, gateway } = meet()
  const request = client.checkLiveness()!
  for (let i = 0; i < request.length; i++) {
    const changed = request.slice()
    changed[i]! ^= 1
    const decision = gateway.decideOnly(changed)
    assert.equal(decision.type === 'commit' || decision.type === 'repeat', false, `octet ${i}: ${decision.type}`)
  }
})
