/** EAP in IKE_AUTH, client and gateway face to face (RFC 7296 §2.16). */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatIdentity } from '../../../src/context/identity.ts'
import type { VpnConfiguration } from '../../../src/context/vpn-configuration.ts'
import { ntHash } from '../../../src/crypto/nt-hash.ts'
import { nodeIkeCrypto } from '../../../src/crypto/node-ike-crypto.ts'
import type { SessionContext } from '../../../src/context/session-context.ts'
import { stillMatches } from '../../../src/ike/session-match.ts'
import type { InitiatorOptions } from '../../../src/ike/initiator.ts'
import { IkeInitiator } from '../../../src/ike/initiator.ts'
import { directionKeys } from '../../../src/ike/key-schedule.ts'
import { openSession } from '../../../src/ike/open-session.ts'
import { EapPeer } from '../../../src/ike/eap/eap-peer.ts'
import { ntResponse } from '../../../src/ike/eap/mschapv2.ts'
import { eapCode, eapResult, eapType } from '../../../src/ike/wire/eap.ts'
import type { EapPacket } from '../../../src/ike/wire/eap.ts'
import { msChapV2 } from '../../../src/ike/wire/eap-mschapv2.ts'
import { openMessage } from '../../../src/ike/wire/message.ts'
import type { Payload } from '../../../src/ike/wire/payloads.ts'
import { findNotify, findPayload, notification } from '../../../src/ike/wire/payloads.ts'
import { identification } from '../../../src/ike/wire/simple-payloads.ts'
import type { Bytes } from '../../../src/kit/bytes.ts'
import { fromUtf8, toUtf8 } from '../../../src/kit/bytes.ts'
import { SeededRandom } from '../../../src/kit/random.ts'
import { Reader } from '../../../src/kit/wire.ts'
import { ask } from '../ask.ts'
import type { TestGateway } from '../face-to-face.ts'
import { clientOptions, configuration, connection, meet, TestGateway as Gateway } from '../face-to-face.ts'
import { eapConfiguration, login, trust, user, withCertificate } from './eap-meeting.ts'

/** The payloads of all that the gateway has sent, one list a message. */
function sentBy(gateway: TestGateway, datagrams: readonly Bytes[]): (readonly Payload[])[] {
  const sa = gateway.established.ikeSas[0]!
  const keys = directionKeys(openSession(gateway.env, gateway.established)!.ikeKeys.get(sa.responderSpi)!, false)
  return datagrams.map((datagram) => {
    const opened = openMessage(nodeIkeCrypto, sa.suite, keys, datagram)
    assert.ok(opened.type === 'message')
    return opened.message.payloads
  })
}

interface Talk {
  readonly client: IkeInitiator
  readonly gateway: TestGateway
  /** What the gateway sent after IKE_SA_INIT. */
  readonly datagrams: Bytes[]
  readonly event: ReturnType<IkeInitiator['handle']>['event']
}

/** Until both are quiet. `before` sees each request before the gateway does. */
function talk(
  options: Partial<InitiatorOptions>,
  vpn: VpnConfiguration = eapConfiguration(),
  before: (round: number, gateway: TestGateway) => void = () => undefined,
): Talk {
  const client = new IkeInitiator(clientOptions(options))
  const gateway = new Gateway(vpn)
  const datagrams: Bytes[] = []
  let output = client.handle(gateway.receive(client.start())[0]!)
  for (let round = 1; output.send !== null; round++) {
    assert.ok(round < 20, 'they do not come to rest')
    before(round, gateway)
    const [answer] = gateway.receive(output.send)
    if (answer === undefined) break
    datagrams.push(answer)
    output = client.handle(answer)
  }
  return { client, gateway, datagrams, event: output.event }
}

test('a user with the right password is in after five rounds, by his name, with an address and a Child SA', () => {
  const { gateway, datagrams, event } = talk(login('alice', 'clientPass'))
  assert.equal(event?.type, 'established')
  assert.equal(datagrams.length, 5)
  const kinds = sentBy(gateway, datagrams).map((payloads) =>
    payloads.map((payload) => (payload.type === 'eap' ? `eap ${payload.code} ${payload.eapType}` : payload.type)),
  )
  assert.deepEqual(kinds, [
    ['idR', 'auth', 'eap 1 1'],
    ['eap 1 26'],
    ['eap 1 26'],
    ['eap 3 0'],
    ['auth', 'configuration', 'sa', 'tsI', 'tsR'],
  ])
  const { established } = gateway
  assert.deepEqual([established.phase, established.connection, established.halfOpen], ['established', 'eap', null])
  assert.equal(formatIdentity(established.identity!), 'alice')
  assert.equal(established.children.length, 1)
  assert.deepEqual(gateway.logins, ['alice succeeded'])
  const last = gateway.decisions.at(-1)!
  assert.ok(last.type === 'commit' && last.uniqueness === 'replace', 'a password proves who the client is')
})

test('the gateway proves itself by its certificate, in the first answer and nowhere else', () => {
  const vpn = withCertificate(eapConfiguration())
  const { gateway, datagrams, event } = talk({ ...login('alice', 'clientPass'), trust }, vpn)
  assert.equal(event?.type, 'established')
  const methods = sentBy(gateway, datagrams).map((payloads) => {
    const kinds = payloads.flatMap((payload) =>
      payload.type === 'auth' ? [String(payload.method)] : payload.type === 'cert' ? ['cert'] : [],
    )
    return kinds.join()
  })
  assert.deepEqual(methods, ['cert,14', '', '', '', '2'])
  const impostor = talk({ ...login('alice', 'clientPass'), trust: { ...trust, authorities: [] } }, vpn)
  assert.ok(impostor.event?.type === 'failed')
  assert.deepEqual([impostor.datagrams.length, impostor.gateway.logins], [1, []], 'the client says nothing about itself')
})

test('both derive the same keys for ESP', () => {
  const { gateway, event } = talk(login('alice', 'clientPass'))
  assert.ok(event?.type === 'established')
  const child = gateway.established.children[0]!
  assert.deepEqual([event.tunnel.spiOut, event.tunnel.spiIn], [child.spiIn, child.spiOut])
})

test('a context between two rounds holds no password and no key that is not sealed', () => {
  const states: string[] = []
  talk(login('alice', 'clientPass'), eapConfiguration(), (_round, { established }) => {
    const { eap } = established.halfOpen!
    if (eap !== null) states.push(`${eap.stage} ${eap.identifier} ${fromUtf8(eap.user)} ${eap.challenge.length} ${eap.msk.length}`)
  })
  assert.deepEqual(states, ['identity 1  0 0', 'response 2 alice 16 0', 'success 3 alice 0 108', 'auth 3 alice 0 108'])
})

test('wrong first, then right: the gateway lets the client try again, with another challenge', () => {
  const { event, gateway, datagrams } = talk(login('alice', 'wrong', 'clientPass'))
  assert.equal(event?.type, 'established')
  assert.deepEqual(gateway.logins, ['alice failed', 'alice succeeded'])
  assert.equal(datagrams.length, 6)
})

test('wrong three times: E=691 with R=0, then EAP-Failure and AUTHENTICATION_FAILED, and a tombstone', () => {
  const { event, gateway, datagrams } = talk(login('alice', 'wrong', 'wrong', 'wrong', 'clientPass'))
  assert.ok(event?.type === 'failed' && event.notify === 24)
  const messages = sentBy(gateway, datagrams)
  const texts = messages.flatMap((payloads) => {
    const packet = findPayload(payloads, 'eap')!
    const method = packet.eapType === eapType.msChapV2 ? msChapV2.decode(new Reader('MSCHAPv2', packet.data)) : null
    return method?.type === 'failure' ? [fromUtf8(method.message).replace(/C=\w{32}/, 'C')] : []
  })
  const refusal = (r: number): string => `E=691 R=${r} C V=3 M=Authentication failed`
  assert.deepEqual(texts, [refusal(1), refusal(1), refusal(0)])
  const last = messages.at(-1)!
  assert.deepEqual([findPayload(last, 'eap')?.code, findNotify(last, 24) !== null], [eapCode.failure, true])
  assert.deepEqual([gateway.established.phase, gateway.established.halfOpen], ['tombstone', null])
})

test('a client that gives up after its first wrong password gets EAP-Failure', () => {
  const { event, gateway, datagrams } = talk(login('alice', 'wrong'))
  assert.ok(event?.type === 'failed' && event.notify === 24)
  assert.equal(findPayload(sentBy(gateway, datagrams).at(-1)!, 'eap')?.code, eapCode.failure)
  assert.equal(gateway.established.phase, 'tombstone')
})

test('a user that nobody is gets what a wrong password gets: as many messages, of the same length', () => {
  const lengths = (name: string): unknown => {
    const { event, datagrams, gateway } = talk(login(name, 'wrong', 'wrong', 'wrong'))
    assert.ok(event?.type === 'failed')
    return { notify: event.notify, lengths: datagrams.map(({ length }) => length), logins: gateway.logins.length }
  }
  assert.deepEqual(lengths('mallo'), lengths('alice'))
  const none = { ...eapConfiguration(), secrets: configuration.secrets }
  assert.ok(talk(login('alice', 'clientPass'), none).event?.type === 'failed', 'nor if there is no user at all')
})

test('nobody has no password: a response made with the hash that stands for nobody’s is wrong, too', () => {
  const gateway = after(1)
  ask(gateway, 35, [eap({ identifier: 1, eapType: eapType.identity, data: toUtf8('mallory') })])
  const { peerChallenge } = goodResponse
  const authenticatorChallenge = gateway.established.halfOpen!.eap!.challenge
  const values = { authenticatorChallenge, peerChallenge, userName: toUtf8('mallory') }
  const response = ntResponse(nodeIkeCrypto, new Uint8Array(16), values)
  ask(gateway, 35, [eap({ data: msChapV2.encode({ ...goodResponse, ntResponse: response, name: toUtf8('mallory') }) })])
  assert.deepEqual(gateway.logins, ['mallory failed'])
})

test('Windows puts a domain before the name: it fits a secret with it, first, or without it', () => {
  const identityOf = (name: string, password: string): string | null => {
    const vpn = eapConfiguration({}, [user('eap-domain', ['EXAMPLE\\bob'], 'domain'), user('ntlm-bob', ['bob'], 'plain')])
    const { gateway, event } = talk(login(name, password), vpn)
    return event?.type === 'established' ? formatIdentity(gateway.established.identity!) : null
  }
  assert.equal(identityOf('EXAMPLE\\alice', 'clientPass'), 'alice')
  assert.equal(identityOf('Alice', 'clientPass'), 'alice')
  assert.equal(identityOf('example\\BOB', 'domain'), 'EXAMPLE\\bob')
  assert.equal(identityOf('EXAMPLE\\bob', 'plain'), null)
  assert.equal(identityOf('OTHER\\bob', 'plain'), 'bob')
  assert.equal(identityOf('bob', 'plain'), 'bob')
  assert.equal(identityOf('bob', 'domain'), null)
})

test('with a fixed eap_id, or the identity of IKE, nobody is asked: the challenge comes at once', () => {
  for (const [eapId, name] of [
    ['alice', 'someone'],
    ['', 'alice'],
  ] as const) {
    const vpn = eapConfiguration({ eapId })
    const { event, datagrams, gateway } = talk({ ...login('alice', 'clientPass'), identity: { type: 2, data: toUtf8(name) } }, vpn)
    assert.equal(event?.type, 'established')
    assert.equal(datagrams.length, 4)
    assert.equal(formatIdentity(gateway.established.identity!), 'alice')
  }
  const { event } = talk(login('bob', 'plain'), eapConfiguration({ eapId: 'alice' }, [user('eap-bob', ['bob'], 'plain')]))
  assert.equal(event?.type, 'failed', 'another user does not fit')
})

test('an eap_id with wildcards is asked for, and only whom it fits may log in', () => {
  const vpn = eapConfiguration({ eapId: '*@example.org' }, [user('eap-bob', ['bob@example.org'], 'plain')])
  assert.equal(talk(login('bob@example.org', 'plain'), vpn).event?.type, 'established')
  assert.equal(talk(login('alice', 'clientPass'), vpn).event?.type, 'failed')
})

test('a user may be called what would be another kind of identity', () => {
  for (const name of ['10.0.0.1', 'CN=dora', '@dora', '@#00ff']) {
    const vpn = eapConfiguration({ eapId: name }, [user('eap-odd', [name], 'plain')])
    const { event, gateway } = talk(login(name, 'plain'), vpn)
    assert.equal(event?.type, 'established', name)
    assert.equal(formatIdentity(gateway.established.identity!), name)
    assert.equal(stillMatches({ crypto: nodeIkeCrypto, vpn }, gateway.established), true, name)
  }
})

test('a user who is connected already is turned away at the last step where the connection says so, and told nothing else', () => {
  const vpn = eapConfiguration()
  const keeping = { ...vpn, connections: vpn.connections.map((one) => ({ ...one, unique: 'keep' as const })) }
  const { event, gateway, datagrams } = talk({ ...login('alice', 'clientPass'), initialContact: false }, keeping, (_round, one) => {
    one.otherSessions = 1
  })
  assert.ok(event?.type === 'failed' && event.notify === 24)
  assert.deepEqual(
    sentBy(gateway, datagrams)
      .at(-1)!
      .map(({ type }) => type),
    ['notify'],
  )
})

test('without a connection for EAP, or for PSK, a client that wants it is refused', () => {
  assert.ok(talk(login('alice', 'clientPass'), configuration).event?.type === 'failed')
  const onlyEap = { ...eapConfiguration(), connections: eapConfiguration().connections.slice(1) }
  const { events } = meet({}, onlyEap)
  assert.deepEqual(
    events.map((event) => event.type === 'failed' && event.notify),
    [24],
  )
})

test('a retransmitted round gets the same octets, and no other round is taken meanwhile', () => {
  const client = new IkeInitiator(clientOptions(login('alice', 'clientPass')))
  const gateway = new Gateway(eapConfiguration())
  let output = client.handle(gateway.receive(client.start())[0]!)
  while (output.send !== null) {
    const request = output.send
    const [first] = gateway.receive(request)
    assert.deepEqual(gateway.receive(request), [first])
    assert.equal(gateway.decisions.at(-1)!.type, 'repeat')
    output = client.handle(first!)
  }
  assert.equal(output.event?.type, 'established')
})

test('each good round prolongs the life of the half-open session, up to a bound for all of them', () => {
  const lives: number[] = []
  const start = new Gateway().nowMs
  const { event } = talk(login('alice', 'wrong', 'wrong', 'clientPass'), eapConfiguration(), (_round, gateway) => {
    lives.push(gateway.established.expiresAt - start)
    gateway.nowMs += 40_000
  })
  assert.equal(event?.type, 'established', 'who ends what has expired is the gateway’s core')
  assert.deepEqual(lives, [30_000, 100_000, 140_000, 180_000, 180_000, 180_000, 180_000])
})

test('a login that comes too soon after failed ones is dropped, not refused, and taken later', () => {
  const client = new IkeInitiator(clientOptions(login('alice', 'clientPass')))
  const gateway = new Gateway(eapConfiguration())
  gateway.loginWaitMs = 1000
  let output = client.handle(gateway.receive(client.start())[0]!)
  for (let i = 0; i < 2; i++) output = client.handle(gateway.receive(output.send!)[0]!)
  assert.deepEqual(gateway.receive(output.send!), [])
  assert.deepEqual(gateway.decisions.at(-1), { type: 'drop', reason: 'login-delay' })
  assert.deepEqual(gateway.logins, [])
  gateway.loginWaitMs = 0
  assert.equal(gateway.receive(output.send!).length, 1)
  assert.deepEqual(gateway.logins, ['alice succeeded'])
})

test('a session lasts as long as its user may log in, whatever else changes (stillMatches)', () => {
  const bob = user('eap-bob', ['EXAMPLE\\bob', 'robert'], 'plain')
  const vpn = eapConfiguration({}, [bob])
  const contextOf = (name: string): SessionContext => talk(login(name, name === 'alice' ? 'clientPass' : 'plain'), vpn).gateway.established
  const stays = (name: string, then: VpnConfiguration): boolean => stillMatches({ crypto: nodeIkeCrypto, vpn: then }, contextOf(name))
  assert.deepEqual(
    ['alice', 'EXAMPLE\\bob', 'robert'].map((name) => stays(name, vpn)),
    [true, true, true],
  )
  assert.equal(stays('alice', eapConfiguration({}, [user('eap-more', ['carol'], 'x')])), true)
  assert.equal(stays('alice', { ...vpn, secrets: [bob] }), false, 'the secret is gone')
  assert.equal(stays('EXAMPLE\\bob', eapConfiguration({}, [user('eap-b', ['bob'], 'plain')])), false, 'another user of a like name')
  assert.equal(stays('robert', eapConfiguration({}, [user('eap-b', ['EXAMPLE\\bob'], 'plain')])), false, 'a name of his is gone')
  assert.equal(stays('alice', eapConfiguration({ eapId: '*@example.org' })), false)
  assert.equal(stays('alice', { ...vpn, connections: vpn.connections.slice(0, 1) }), false, 'the connection is gone')
  assert.equal(stays('alice', { ...vpn, connections: vpn.connections.map((one) => ({ ...one, remote: { ...connection.remote } })) }), false)
})

// ---- what no good client does

/** A gateway that has answered so many of a good client's requests of IKE_AUTH. */
function after(rounds: number, vpn = eapConfiguration()): TestGateway {
  const client = new IkeInitiator(clientOptions(login('alice', 'clientPass')))
  const gateway = new Gateway(vpn)
  let output = client.handle(gateway.receive(client.start())[0]!)
  for (let i = 0; i < rounds; i++) output = client.handle(gateway.receive(output.send!)[0]!)
  return gateway
}

function eap(packet: Partial<EapPacket>): Payload {
  return { type: 'eap', code: eapCode.response, identifier: 2, eapType: eapType.msChapV2, data: new Uint8Array(0), ...packet }
}

const goodResponse = {
  type: 'response' as const,
  id: 2,
  peerChallenge: new Uint8Array(16),
  ntResponse: new Uint8Array(24),
  name: toUtf8('alice'),
}

const misdeeds: readonly [name: string, rounds: number, payloads: readonly Payload[]][] = [
  ['a Nak (RFC 3748 §5.3.1)', 2, [eap({ eapType: eapType.nak, data: Uint8Array.of(13) })]],
  ['an Expanded Nak (§5.3.2)', 2, [eap({ eapType: eapType.expanded, data: new Uint8Array(15) })]],
  ['a method that nobody asked for', 2, [eap({ eapType: 13, data: new Uint8Array(200) })]],
  ['the identifier of another request (§4.1)', 2, [eap({ identifier: 1, data: msChapV2.encode(goodResponse) })]],
  ['a request where a response belongs', 2, [eap({ code: eapCode.request, data: msChapV2.encode(goodResponse) })]],
  ['success, said by the client', 2, [eap({ code: eapCode.success, eapType: 0 })]],
  ['garbage in the method’s packet', 2, [eap({ data: new Uint8Array(60).fill(0x5a) })]],
  ['an empty response', 2, [eap({})]],
  ['an acknowledgement of success before there was one', 2, [eap({ data: Uint8Array.of(3) })]],
  ['an identity, once more', 2, [eap({ eapType: eapType.identity, data: toUtf8('alice') })]],
  ['a response to the challenge where an identity belongs', 1, [eap({ identifier: 1, data: msChapV2.encode(goodResponse) })]],
  ['an identity that is too long', 1, [eap({ identifier: 1, eapType: eapType.identity, data: new Uint8Array(256) })]],
  ['a password change, which there is not', 2, [eap({ data: msChapV2.encode({ type: 'unknown', opCode: 7, body: new Uint8Array(582) }) })]],
  ['another response where the success is to be noted', 3, [eap({ identifier: 3, data: msChapV2.encode(goodResponse) })]],
  ['a client that does not believe our proof', 3, [eap({ identifier: 3, data: Uint8Array.of(4) })]],
]
for (const [name, rounds, payloads] of misdeeds) {
  test(`${name} ends it: EAP-Failure, AUTHENTICATION_FAILED, and a tombstone`, () => {
    const gateway = after(rounds)
    const { response } = ask(gateway, 35, payloads)
    const [failure, notify] = response
    assert.ok(failure?.type === 'eap' && notify?.type === 'notify')
    assert.deepEqual([failure.code, notify.notify, gateway.established.phase], [eapCode.failure, 24, 'tombstone'])
  })
}

const refusals: readonly [name: string, rounds: number, payloads: readonly Payload[], notify: number][] = [
  ['no EAP at all', 2, [notification(16384)], 7],
  ['EAP that is cut short', 2, [{ type: 'opaque', payloadType: 48, critical: false, body: Uint8Array.of(2, 2, 0) }], 7],
  ['an EAP length beyond the payload', 2, [{ type: 'opaque', payloadType: 48, critical: false, body: Uint8Array.of(2, 2, 4, 0, 26) }], 7],
  ['no AUTH after success', 4, [eap({ identifier: 3, data: Uint8Array.of(3) })], 24],
  ['a wrong AUTH after success', 4, [{ type: 'auth', method: 2, data: new Uint8Array(32) }], 24],
  ['an AUTH of another method', 4, [{ type: 'auth', method: 1, data: new Uint8Array(256) }], 24],
]
for (const [name, rounds, payloads, notify] of refusals) {
  test(`${name} ends it with a notification`, () => {
    const gateway = after(rounds)
    const { response } = ask(gateway, 35, payloads)
    assert.deepEqual(
      response.map((payload) => (payload.type === 'notify' ? payload.notify : payload.type)),
      [notify],
    )
    assert.equal(gateway.established.phase, 'tombstone')
  })
}

test('a password is that of whom the client said it is by EAP-Identity, whatever name goes with the response', () => {
  const cases = [
    ['bob', 'bob', 'bob succeeded'],
    ['alice', 'bob', 'alice failed'],
    ['bob', 'alice', 'bob succeeded'],
  ] as const
  for (const [said, name, outcome] of cases) {
    const gateway = after(1, eapConfiguration({}, [user('eap-bob', ['bob'], 'plain')]))
    ask(gateway, 35, [eap({ identifier: 1, eapType: eapType.identity, data: toUtf8(said) })])
    const { peerChallenge } = goodResponse
    const authenticatorChallenge = gateway.established.halfOpen!.eap!.challenge
    const response = ntResponse(nodeIkeCrypto, ntHash('plain'), { authenticatorChallenge, peerChallenge, userName: toUtf8(name) })
    ask(gateway, 35, [eap({ data: msChapV2.encode({ ...goodResponse, ntResponse: response, name: toUtf8(name) }) })])
    assert.deepEqual(gateway.logins, [outcome])
  }
})

test('a first request whose wishes no context has room for is refused', () => {
  const client = new IkeInitiator(clientOptions(login('alice', 'clientPass')))
  const gateway = new Gateway(eapConfiguration())
  gateway.receive(client.start())
  const { response } = ask(gateway, 35, [
    { type: 'idI', ...identification({ type: 2, data: toUtf8('alice') }) },
    notification(40_000, new Uint8Array(8200)),
  ])
  assert.ok(findNotify(response, 7) !== null)
  assert.equal(gateway.established.phase, 'tombstone')
})

test('a user, or a connection, that is gone from the configuration is refused in the next round', () => {
  for (const rounds of [1, 2, 3, 4]) {
    for (const vpn of [configuration, { ...eapConfiguration(), secrets: configuration.secrets }]) {
      const client = new IkeInitiator(clientOptions(login('alice', 'clientPass')))
      const gateway = new Gateway(eapConfiguration())
      let output = client.handle(gateway.receive(client.start())[0]!)
      for (let i = 0; i < rounds; i++) output = client.handle(gateway.receive(output.send!)[0]!)
      gateway.vpn = vpn
      while (output.send !== null) output = client.handle(gateway.receive(output.send)[0]!)
      assert.equal(output.event?.type, 'failed')
      assert.equal(gateway.established.phase, 'tombstone')
    }
  }
})

test('a client that goes away between two rounds is let go (§2.21.2)', () => {
  for (const payloads of [[notification(24)], [{ type: 'delete', protocol: 1, spiSize: 0, spis: [] } as const]]) {
    const gateway = after(1)
    const { response } = ask(gateway, 37, payloads)
    assert.deepEqual([response, gateway.established.phase], [[], 'tombstone'])
  }
})

// ---- the built-in client

function peer(): EapPeer {
  return new EapPeer(nodeIkeCrypto, new SeededRandom(3), { user: 'alice', ntHashes: [ntHash('clientPass')] })
}

function fromServer(packet: Parameters<typeof msChapV2.encode>[0]): EapPacket {
  return { code: eapCode.request, identifier: 9, eapType: eapType.msChapV2, data: msChapV2.encode(packet) }
}

const challenge = fromServer({ type: 'challenge', id: 9, challenge: new Uint8Array(16), name: new Uint8Array(0) })

test('who has proved to be one user does not become another by a change of the configuration', () => {
  const both = [user('eap-domain', ['EXAMPLE\\bob'], 'domain'), user('eap-bob', ['bob'], 'plain')]
  const { event, gateway } = talk(login('EXAMPLE\\bob', 'domain'), eapConfiguration({}, both), (round, one) => {
    if (round === 5) one.vpn = eapConfiguration({}, both.slice(1))
  })
  assert.ok(event?.type === 'failed' && event.notify === 24)
  assert.equal(gateway.established.phase, 'tombstone')
})

test('the built-in client refuses success without proof, before a challenge, and with the proof of another password', () => {
  assert.equal(peer().take(eapResult(eapCode.success, 1)).type, 'failed')
  const claim = fromServer({ type: 'success', id: 9, message: toUtf8(`S=${'0'.repeat(40)} M=OK`) })
  assert.equal(peer().take(claim).type, 'failed')
  const one = peer()
  assert.equal(one.take(challenge).type, 'respond')
  assert.equal(one.take(claim).type, 'failed')
  assert.equal(one.take(eapResult(eapCode.success, 1)).type, 'failed')
})

test('the built-in client asks for EAP-MSCHAPv2 where another method is offered (RFC 3748 §5.3.1)', () => {
  const outcome = peer().take({ code: eapCode.request, identifier: 4, eapType: 13, data: Uint8Array.of(0x20) })
  assert.ok(outcome.type === 'respond')
  assert.deepEqual(outcome.packet, { code: eapCode.response, identifier: 4, eapType: eapType.nak, data: Uint8Array.of(26) })
})
