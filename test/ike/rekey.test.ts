import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatSelector } from '../../src/context/address.ts'
import { localIkeSpi } from '../../src/context/session-context.ts'
import type { EspProposal, VpnConfiguration } from '../../src/context/vpn-configuration.ts'
import { maximumChildren } from '../../src/ike/create-child.ts'
import { tombstoneMs } from '../../src/ike/decision.ts'
import { maximumIkeSas } from '../../src/ike/ike-rekey.ts'
import { offerEsp, offerIke } from '../../src/ike/initiator-messages.ts'
import type { ClientChild } from '../../src/ike/initiator-rekey.ts'
import { openChildKeys } from '../../src/ike/open-session.ts'
import type { Payload } from '../../src/ike/wire/payloads.ts'
import { findNotify, findPayload } from '../../src/ike/wire/payloads.ts'
import { wireSelectors } from '../../src/ike/wire/traffic-selectors.ts'
import { dataView } from '../../src/kit/bytes.ts'
import { keyExchangeMethod as ke, prfAlgorithm as prf } from '../../src/kit/ike-crypto.ts'
import { Writer } from '../../src/kit/wire.ts'
import { ask } from './ask.ts'
import type { Meeting } from './face-to-face.ts'
import { cbcIke, chachaIke, configuration, connection, exchange, gcmEsp, gcmIke, meet, sameDatagrams, selector } from './face-to-face.ts'

function withEsp(...espProposals: EspProposal[]): VpnConfiguration {
  return { ...configuration, connections: [{ ...connection, children: [{ ...connection.children[0]!, espProposals }] }] }
}
const pfs = withEsp({ ...gcmEsp, ke: [ke.x25519, ke.ecp256] })
const optionalPfs = withEsp({ ...gcmEsp, ke: [ke.x25519, ke.ecp256, ke.none] })

let spi = 0xd0000001

/** Rekeys the client's newest Child SA, as far as `exchange` goes. */
function rekeyChild(meeting: Meeting, groups: readonly number[] = []): void {
  const old = meeting.client.children.at(-1)!
  exchange(meeting, meeting.client.rekeyChild(old.spiIn, { spiIn: ++spi, groups }))
}

/** Asserts that the newest Child SA has the same SPIs and keys on both sides. */
function assertAgreed({ client, gateway }: Meeting): ClientChild {
  const ours = client.children.at(-1)!
  const theirs = gateway.established.children.at(-1)!
  const keys = openChildKeys(gateway.env.sealer, theirs)!
  assert.deepEqual([ours.spiIn, ours.spiOut], [theirs.spiOut, theirs.spiIn])
  assert.deepEqual([ours.keyIn, ours.keyOut], [keys.keyOut, keys.keyIn])
  return ours
}

const notifies = (payloads: readonly Payload[]): unknown[] =>
  payloads.map((payload) => (payload.type === 'notify' ? payload.notify : payload.type))
const types = (meeting: Meeting): string[] => meeting.events.map(({ type }) => type)
const nonce: Payload = { type: 'nonce', nonce: new Uint8Array(32).fill(8) }

const childRekeys: readonly [name: string, vpn: VpnConfiguration, groups: readonly number[], attempts: number][] = [
  ['without a key exchange', configuration, [], 1],
  ['with the key exchange that is configured', pfs, [ke.x25519], 1],
  ['with the second key exchange of the offer, after INVALID_KE_PAYLOAD (§1.3)', pfs, [ke.ecp384, ke.ecp256], 2],
  ['with NONE where nothing is configured, though others were offered', configuration, [ke.none, ke.x25519], 1],
  ['with a key exchange where both were possible', optionalPfs, [ke.x25519], 1],
  ['without a key exchange where both were possible', optionalPfs, [], 1],
]
for (const [name, vpn, groups, attempts] of childRekeys) {
  test(`the client rekeys its Child SA ${name}`, () => {
    const meeting = meet({}, vpn)
    const old = meeting.gateway.established.children[0]!
    const before = meeting.gateway.decisions.length
    rekeyChild(meeting, groups)
    const child = assertAgreed(meeting)
    assert.deepEqual(types(meeting), ['established', 'child-created', 'child-replaced'])
    assert.deepEqual(meeting.client.children, [child])
    const [left, ...others] = meeting.gateway.established.children
    assert.deepEqual(others, [], 'the old one was deleted')
    assert.notEqual(left!.spiIn, old.spiIn)
    assert.deepEqual([left!.name, left!.localTs, left!.remoteTs], [old.name, old.localTs, old.remoteTs])
    assert.equal(meeting.gateway.decisions.length - before, attempts + 1)
  })
}

test('the old Child SA stays beside the new one until the client deletes it (§2.8)', () => {
  const { client, gateway } = meet()
  const old = gateway.established.children[0]!
  const request = client.rekeyChild(old.spiOut, { spiIn: ++spi, groups: [] })!
  const [response] = gateway.receive(request)
  assert.deepEqual(
    gateway.established.children.map(({ spiIn }) => spiIn),
    [old.spiIn, old.spiIn + 1],
  )
  const { send } = client.handle(response!)
  const [confirmed] = gateway.receive(send!)
  assert.deepEqual(
    gateway.established.children.map(({ spiIn }) => spiIn),
    [old.spiIn + 1],
  )
  assert.deepEqual(client.handle(confirmed!).event, { type: 'child-replaced', spiIn: old.spiOut })
})

test('a repeated CREATE_CHILD_SA request gets the same octets and makes nothing anew', () => {
  const { client, gateway } = meet()
  const request = client.rekeyChild(gateway.established.children[0]!.spiOut, { spiIn: ++spi, groups: [] })!
  const first = gateway.receive(request)
  const context = gateway.established
  assert.ok(sameDatagrams(first, gateway.receive(request)))
  assert.equal(gateway.context, context)
})

test('keys of a Child SA with a key exchange of its own are others than without (§2.17)', () => {
  const plain = meet()
  rekeyChild(plain)
  const own = meet({}, pfs)
  spi--
  rekeyChild(own, [ke.x25519])
  assert.notDeepEqual(assertAgreed(plain).keyIn, assertAgreed(own).keyIn)
})

test('a further Child SA is made beside the first, and the client may delete it alone', () => {
  const meeting = meet()
  exchange(meeting, meeting.client.createChild({ spiIn: ++spi, groups: [] }))
  const child = assertAgreed(meeting)
  assert.deepEqual(meeting.events.at(-1), { type: 'child-created', child, replaces: null })
  assert.equal(meeting.gateway.established.children.length, 2)
  const spis = [new Writer(4).u32(child.spiIn).finish()]
  const { response } = ask(meeting.gateway, 37, [{ type: 'delete', protocol: 3, spiSize: 4, spis }])
  assert.equal(dataView(findPayload(response, 'delete')!.spis[0]!).getUint32(0), child.spiOut)
  assert.equal(meeting.gateway.established.children.length, 1)
})

test('beyond a bound further Child SAs get NO_ADDITIONAL_SAS (§1.3), and rekeying goes on', () => {
  const meeting = meet()
  for (let i = 1; i < maximumChildren; i++) exchange(meeting, meeting.client.createChild({ spiIn: ++spi, groups: [] }))
  exchange(meeting, meeting.client.createChild({ spiIn: ++spi, groups: [] }))
  assert.deepEqual(meeting.events.at(-1), { type: 'refused', what: 'child', notify: 35 })
  rekeyChild(meeting)
  assert.equal(meeting.events.at(-1)!.type, 'child-replaced')
  assert.equal(meeting.gateway.established.children.length, maximumChildren)
})

/** A rekeying of the first Child SA as the wire has it. */
function rekeyRequest(changes: { spi?: Uint8Array; protocol?: number; payloads?: readonly Payload[] } = {}): readonly Payload[] {
  const rekeySa: Payload = {
    type: 'notify',
    protocol: changes.protocol ?? 3,
    spi: changes.spi ?? Uint8Array.of(0xd0, 0, 0, 1),
    notify: 16393,
    data: new Uint8Array(0),
  }
  const offer: readonly Payload[] = [
    { type: 'sa', proposals: offerEsp([gcmEsp], ++spi) },
    nonce,
    { type: 'tsI', selectors: wireSelectors([selector('0.0.0.0/0')]) },
    { type: 'tsR', selectors: wireSelectors([selector('0.0.0.0/0')]) },
  ]
  return [rekeySa, ...(changes.payloads ?? offer)]
}

test('a client that deletes none of the Child SAs that it rekeys is told to wait (§2.25)', () => {
  const { gateway } = meet()
  for (let i = 1; i < 2 * maximumChildren; i++) ask(gateway, 36, rekeyRequest())
  assert.equal(gateway.established.children.length, 2 * maximumChildren)
  assert.deepEqual(notifies(ask(gateway, 36, rekeyRequest()).response), [43])
})

const sa: Payload = { type: 'sa', proposals: offerEsp([gcmEsp], 0xd0000099) }
const ts: readonly Payload[] = [
  { type: 'tsI', selectors: wireSelectors([selector('10.77.0.9')]) },
  { type: 'tsR', selectors: wireSelectors([selector('10.50.0.0/24')]) },
]
const elsewhere: readonly Payload[] = [{ type: 'tsI', selectors: wireSelectors([selector('10.77.0.10')]) }, ts[1]!]
const shortNonce: Payload = { type: 'nonce', nonce: new Uint8Array(15) }
const x25519: Payload = { type: 'ke', group: ke.x25519, publicValue: new Uint8Array(32).fill(9) }
const ike = (spiOctets: number, fill = 7): Payload => ({
  type: 'sa',
  proposals: offerIke([cbcIke], new Uint8Array(spiOctets).fill(fill)),
})

const refused: readonly [name: string, payloads: readonly Payload[], notify: number, vpn?: VpnConfiguration][] = [
  ['of a Child SA that we have not gets CHILD_SA_NOT_FOUND', rekeyRequest({ spi: Uint8Array.of(1, 2, 3, 4) }), 44],
  ['of an AH SA gets CHILD_SA_NOT_FOUND', rekeyRequest({ protocol: 2 }), 44],
  [
    'with other algorithms gets NO_PROPOSAL_CHOSEN',
    rekeyRequest({
      payloads: [{ type: 'sa', proposals: offerEsp([{ ...gcmEsp, encryption: [{ encr: 20, keyBits: 256 }] }], 1) }, nonce, ...ts],
    }),
    14,
  ],
  ['with traffic of another address gets TS_UNACCEPTABLE', rekeyRequest({ payloads: [sa, nonce, ...elsewhere] }), 38],
  ['without the key exchange that is configured gets NO_PROPOSAL_CHOSEN', rekeyRequest({ payloads: [sa, nonce, ...ts] }), 14, pfs],
  [
    'with a key exchange where none is configured gets NO_PROPOSAL_CHOSEN',
    rekeyRequest({ payloads: [{ type: 'sa', proposals: offerEsp([{ ...gcmEsp, ke: [ke.x25519] }], 1) }, nonce, x25519, ...ts] }),
    14,
  ],
  [
    'that names a group and sends no public value gets INVALID_KE_PAYLOAD',
    rekeyRequest({ payloads: [{ type: 'sa', proposals: offerEsp([{ ...gcmEsp, ke: [ke.x25519] }], 1) }, nonce, ...ts] }),
    17,
    pfs,
  ],
  ['of the IKE SA with an SPI of 4 octets gets NO_PROPOSAL_CHOSEN', [ike(4), nonce, x25519], 14],
  ['of the IKE SA with an SPI of 0 gets NO_PROPOSAL_CHOSEN', [ike(8, 0), nonce, x25519], 14],
  ['of the IKE SA without a public value gets INVALID_KE_PAYLOAD', [ike(8), nonce], 17],
]
for (const [name, payloads, notify, vpn] of refused) {
  test(`a rekeying ${name}, and all stays as it was`, () => {
    const { gateway } = meet({}, vpn)
    const context = gateway.established
    assert.deepEqual(notifies(ask(gateway, 36, payloads).response), [notify])
    assert.equal(gateway.context, context)
  })
}

test('CHILD_SA_NOT_FOUND names the protocol and the SPI that were asked for (§2.25)', () => {
  const { response } = ask(meet().gateway, 36, rekeyRequest({ spi: Uint8Array.of(1, 2, 3, 4) }))
  const notify = findNotify(response, 44)!
  assert.deepEqual([notify.protocol, notify.spi], [3, Uint8Array.of(1, 2, 3, 4)])
})

const fatal: readonly [name: string, payloads: readonly Payload[]][] = [
  ['without a proposal', [nonce, ...ts]],
  ['without a nonce', [sa, ...ts]],
  ['with a nonce of 15 octets', [sa, shortNonce, ...ts]],
  ['without selectors', [sa, nonce]],
  ['with a public value that is no point (RFC 6989 §2.5)', [ike(8), nonce, { ...x25519, publicValue: new Uint8Array(32) }]],
]
for (const [name, payloads] of fatal) {
  test(`a CREATE_CHILD_SA ${name} is INVALID_SYNTAX, which ends the session (§2.21.3)`, () => {
    const { gateway } = meet()
    assert.deepEqual(notifies(ask(gateway, 36, payloads).response), [7])
    assert.equal(gateway.established.phase, 'tombstone')
  })
}

test('while there is no SPI for a further Child SA the client is told to wait', () => {
  const { gateway } = meet()
  gateway.hasChildSpis = false
  assert.deepEqual(notifies(ask(gateway, 36, rekeyRequest()).response), [43])
})

test('a child that is not configured any more is not rekeyed', () => {
  const { gateway } = meet()
  gateway.vpn = { ...configuration, connections: [{ ...connection, children: [{ ...connection.children[0]!, name: 'other' }] }] }
  assert.deepEqual(notifies(ask(gateway, 36, rekeyRequest()).response), [38])
  gateway.vpn = { ...configuration, connections: [] }
  assert.deepEqual(notifies(ask(gateway, 36, [ike(8), nonce, x25519]).response), [14])
})

// ---- the IKE SA

const ikeSuites = [
  { name: 'AES-CBC, HMAC-SHA-256, X25519', proposal: cbcIke },
  { name: 'AES-GCM, PRF-HMAC-SHA-384, ECP-256', proposal: gcmIke },
  { name: 'ChaCha20-Poly1305, PRF-HMAC-SHA-512, MODP-2048', proposal: chachaIke },
]
for (const { name, proposal } of ikeSuites) {
  test(`the client rekeys its IKE SA with ${name}: the new one has Message IDs from 0 and the Child SAs (§2.18)`, () => {
    const meeting = meet({ ikeProposals: [proposal] })
    const [old] = meeting.gateway.established.ikeSas
    const { children } = meeting.gateway.established
    exchange(meeting, meeting.client.rekeyIke())
    assert.deepEqual(types(meeting), ['established', 'ike-rekeyed', 'ike-replaced'])
    const next = meeting.gateway.established.ikeSas.at(-1)!
    assert.notEqual(next.initiatorSpi, old!.initiatorSpi)
    assert.deepEqual(meeting.gateway.established.children, children)

    exchange(meeting, meeting.client.checkLiveness())
    const decision = meeting.gateway.decisions.at(-1)!
    assert.ok(decision.type === 'commit')
    assert.deepEqual([decision.ikeSpi, decision.messageId], [localIkeSpi(next), 0])
    rekeyChild(meeting)
    assertAgreed(meeting)
    assert.equal(meeting.gateway.established.children.length, 1)
    exchange(meeting, meeting.client.close())
    assert.equal(meeting.events.at(-1)!.type, 'closed')
    assert.equal(meeting.gateway.established.phase, 'tombstone')
  })
}

test('the IKE SA is rekeyed again and again, and at most a few are kept', () => {
  const meeting = meet()
  for (let i = 0; i < 2 * maximumIkeSas; i++) {
    exchange(meeting, meeting.client.rekeyIke())
    assert.equal(meeting.events.at(-1)!.type, 'ike-replaced')
  }
  assert.equal(meeting.gateway.established.ikeSas.length, maximumIkeSas)
  exchange(meeting, meeting.client.checkLiveness())
  assert.equal(meeting.events.at(-1)!.type, 'alive')
})

test("the DELETE of the old IKE SA ends that alone; its repetition gets the same answer until the tombstone's time is over", () => {
  const { client, gateway } = meet()
  const [response] = gateway.receive(client.rekeyIke()!)
  const deletion = client.handle(response!).send!
  const first = gateway.receive(deletion)
  assert.equal(gateway.established.phase, 'established')
  assert.ok(sameDatagrams(first, gateway.receive(deletion)))
  assert.equal(gateway.decisions.at(-1)!.type, 'repeat')
  client.handle(first[0]!)
  gateway.nowMs += tombstoneMs
  exchange({ client, gateway, events: [] }, client.rekeyChild(client.children[0]!.spiIn, { spiIn: ++spi, groups: [] }))
  assert.equal(gateway.established.ikeSas.length, 1)
  gateway.receive(deletion)
  assert.deepEqual(gateway.decisions.at(-1), { type: 'drop', reason: 'unknown-spi' })
})

test('under an IKE SA that was replaced nothing is created or rekeyed (§2.25.2), and a liveness check is answered', () => {
  const { client, gateway } = meet()
  const [old] = gateway.established.ikeSas
  gateway.receive(client.rekeyIke()!)
  for (const payloads of [rekeyRequest(), [ike(8), nonce, x25519], [sa, nonce, ...ts]]) {
    assert.deepEqual(notifies(ask(gateway, 36, payloads, { sa: old! }).response), [43])
  }
  assert.deepEqual(notifies(ask(gateway, 37, [], { sa: old! }).response), [])
})

test('under an IKE SA that the client has deleted nothing new is answered', () => {
  const meeting = meet()
  const { gateway } = meeting
  exchange(meeting, meeting.client.rekeyIke())
  const [old] = gateway.established.ikeSas
  assert.throws(() => ask(gateway, 37, [], { sa: old! }))
  assert.deepEqual(gateway.decisions.at(-1), { type: 'drop', reason: 'ended' })
})

test('a malformed message under an IKE SA that was replaced ends that alone', () => {
  const { client, gateway } = meet()
  const [old] = gateway.established.ikeSas
  gateway.receive(client.rekeyIke()!)
  ask(gateway, 37, [{ type: 'opaque', payloadType: 33, critical: false, body: Uint8Array.of(1) }], { sa: old! })
  assert.equal(gateway.established.phase, 'established')
  assert.deepEqual(
    gateway.established.ikeSas.map(({ deletedAt }) => deletedAt),
    [gateway.nowMs, 0],
  )
})

test('the gateway ends a session by its newest IKE SA', () => {
  const meeting = meet()
  exchange(meeting, meeting.client.rekeyIke())
  const [request] = meeting.gateway.request({ type: 'delete' })
  const { send, event } = meeting.client.handle(request!)
  assert.deepEqual(event, { type: 'closed' })
  meeting.gateway.receive(send!)
  assert.equal(meeting.gateway.decisions.at(-1)!.type, 'response')
})

test('the PRF of the old IKE SA is taken again where both sides can, for not every peer tells old and new apart', () => {
  const both = { ...cbcIke, prf: [prf.hmacSha256, prf.hmacSha512] }
  const meeting = meet({ ikeProposals: [both] }, { ...configuration, connections: [{ ...connection, ikeProposals: [both] }] })
  meeting.gateway.vpn = {
    ...configuration,
    connections: [{ ...connection, ikeProposals: [{ ...both, prf: [prf.hmacSha512, prf.hmacSha256] }] }],
  }
  exchange(meeting, meeting.client.rekeyIke())
  assert.equal(meeting.gateway.established.ikeSas.at(-1)!.suite.prf, prf.hmacSha256)
})

test('a change of the PRF is possible: SKEYSEED by the old one, the keys by the new one (§2.18)', () => {
  const meeting = meet({ ikeProposals: [{ ...cbcIke, prf: [prf.hmacSha256, prf.hmacSha512] }] })
  meeting.gateway.vpn = { ...configuration, connections: [{ ...connection, ikeProposals: [{ ...cbcIke, prf: [prf.hmacSha512] }] }] }
  exchange(meeting, meeting.client.rekeyIke())
  assert.equal(meeting.gateway.established.ikeSas.at(-1)!.suite.prf, prf.hmacSha512)
  exchange(meeting, meeting.client.checkLiveness())
  assert.equal(meeting.events.at(-1)!.type, 'alive')
})

test('SPIs, and selectors as they were, go into the new Child SA of the response', () => {
  const { gateway } = meet()
  const { response } = ask(gateway, 36, rekeyRequest())
  const answer = findPayload(response, 'sa')!.proposals
  const child = gateway.established.children.at(-1)!
  assert.equal(answer.length, 1)
  assert.equal(dataView(answer[0]!.spi).getUint32(0), child.spiIn)
  assert.deepEqual(child.remoteTs.map(formatSelector), ['10.77.0.9'])
  assert.equal(findPayload(response, 'nonce')!.nonce.length, 32)
})
