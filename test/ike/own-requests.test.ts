import assert from 'node:assert/strict'
import { test } from 'node:test'
import { requestField } from '../../src/context/sealed-parts.ts'
import { encodeSessionContext } from '../../src/context/session-context-codec.ts'
import { localIkeSpi } from '../../src/context/session-context.ts'
import type { EspProposal, VpnConfiguration } from '../../src/context/vpn-configuration.ts'
import { nodeIkeCrypto } from '../../src/crypto/node-ike-crypto.ts'
import { openSession } from '../../src/ike/open-session.ts'
import { directionKeys } from '../../src/ike/key-schedule.ts'
import { offerEsp, offerIke } from '../../src/ike/initiator-messages.ts'
import { tombstoneMs } from '../../src/ike/decision.ts'
import { dueDelete, lateDeleteMs } from '../../src/ike/own-deletes.ts'
import type { OwnRequest } from '../../src/ike/own-request.ts'
import { abandon } from '../../src/ike/own-response.ts'
import { isFromInitiator, peekHeader } from '../../src/ike/wire/header.ts'
import { openMessage, sealMessage } from '../../src/ike/wire/message.ts'
import type { Payload } from '../../src/ike/wire/payloads.ts'
import { findNotify, findPayload, notification } from '../../src/ike/wire/payloads.ts'
import { wireSelectors } from '../../src/ike/wire/traffic-selectors.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { dataView, toHex } from '../../src/kit/bytes.ts'
import { keyExchangeMethod as ke } from '../../src/kit/ike-crypto.ts'
import { Crossing } from './crossing.ts'
import type { Meeting, TestGateway } from './face-to-face.ts'
import { cbcIke, configuration, connection, gcmEsp, gcmIke, meet, path, selector } from './face-to-face.ts'

const rekeyIke: OwnRequest = { type: 'rekey-ike', group: null }

function rekeyChild({ gateway }: Meeting): OwnRequest {
  return { type: 'rekey-child', spiIn: gateway.established.children.at(-1)!.spiIn, group: null }
}

function withEsp(espProposal: EspProposal): VpnConfiguration {
  return { ...configuration, connections: [{ ...connection, children: [{ ...connection.children[0]!, espProposals: [espProposal] }] }] }
}

/** What the gateway's request says. */
function opened(gateway: TestGateway, request: Bytes): readonly Payload[] {
  const sa = gateway.established.ikeSas.at(-1)!
  const keys = openSession(gateway.env, gateway.established)!.ikeKeys.get(localIkeSpi(sa))!
  const message = openMessage(nodeIkeCrypto, sa.suite, directionKeys(keys, sa.initiatedByUs), request)
  assert.ok(message.type === 'message')
  return message.message.payloads
}

/** Puts an answer that the built-in client doesn't give to the gateway's request. */
function answerWith(gateway: TestGateway, request: Bytes, payloads: readonly Payload[]) {
  const sa = gateway.established.ikeSas.at(-1)!
  const keys = openSession(gateway.env, gateway.established)!.ikeKeys.get(localIkeSpi(sa))!
  const { initiatorSpi, responderSpi, exchange, messageId } = peekHeader(request)!
  const head = { initiatorSpi, responderSpi, exchange, messageId, flags: 0x20 | 0x08 }
  gateway.receive(sealMessage(nodeIkeCrypto, sa.suite, directionKeys(keys, true), head, payloads, new Uint8Array(8).fill(0x77)))
  const decision = gateway.decisions.at(-1)!
  assert.ok(decision.type === 'response', decision.type)
  return decision
}

test('the gateway rekeys a Child SA: its own inbound SPI in REKEY_SA, its own side as TSi, then the DELETE of the old one (§1.3.3, §2.8)', () => {
  const meeting = meet()
  const { client, gateway } = meeting
  const old = gateway.established.children[0]!
  const scene = new Crossing(meeting)
  const [request] = gateway.request(rekeyChild(meeting))
  const payloads = opened(gateway, request!)
  assert.equal(dataView(findNotify(payloads, 16393)!.spi).getUint32(0), old.spiIn)
  assert.deepEqual(findPayload(payloads, 'tsI')!.selectors, wireSelectors(old.localTs))
  assert.deepEqual(findPayload(payloads, 'tsR')!.selectors, wireSelectors(old.remoteTs))
  scene.flights.push({ to: 'client', datagram: request! })
  scene.deliver(0)
  scene.deliver(0)
  assert.deepEqual(
    gateway.established.children.map(({ state, initiatedByUs }) => [state, initiatedByUs]),
    [
      ['closing', false],
      ['live', true],
    ],
  )
  scene.rest()
  assert.deepEqual(scene.children.client, scene.children.gateway)
  const [child, ...others] = gateway.established.children
  assert.deepEqual(others, [])
  assert.deepEqual([child!.name, child!.localTs, child!.remoteTs], [old.name, old.localTs, old.remoteTs])
  assert.notEqual(child!.spiIn, old.spiIn)
  assert.deepEqual(
    scene.events.map(({ type }) => type),
    ['child-offered', 'child-deleted'],
  )
  assert.equal(client.children[0]!.spiOut, child!.spiIn)
})

test('the gateway rekeys the IKE SA: it is the original initiator of the new one, whose Message IDs begin at 0 both ways (§2.18)', () => {
  const meeting = meet()
  const { client, gateway } = meeting
  const children = gateway.established.children
  const scene = new Crossing(meeting)
  scene.ask(rekeyIke)
  scene.rest()
  const [sa, ...others] = gateway.established.ikeSas
  assert.deepEqual([others.length, sa!.initiatedByUs, sa!.closing, sa!.task], [0, true, false, null])
  assert.deepEqual(gateway.established.children, children, 'the Child SAs are the new one’s')
  for (const [messageId, request] of [
    [0, gateway.request({ type: 'liveness' })[0]!],
    [1, null],
  ] as const) {
    if (request === null) continue
    const header = peekHeader(request)!
    assert.deepEqual([header.initiatorSpi, header.messageId, isFromInitiator(header)], [sa!.initiatorSpi, messageId, true])
    const { send } = client.handle(request)
    assert.equal(isFromInitiator(peekHeader(send!)!), false)
    gateway.receive(send!)
  }
  const own = client.checkLiveness()!
  assert.deepEqual([peekHeader(own)!.messageId, isFromInitiator(peekHeader(own)!)], [0, false])
  const [answer] = gateway.receive(own)
  assert.deepEqual([isFromInitiator(peekHeader(answer!)!), client.handle(answer!).event], [true, { type: 'alive' }])
})

test('rekeyings of both sides follow one another, under IKE SAs that either has made', () => {
  const meeting = meet()
  const { client, gateway } = meeting
  const scene = new Crossing(meeting)
  const steps: (() => void)[] = [
    () => scene.ask(rekeyIke),
    () => scene.send(client.rekeyChild(client.children[0]!.spiIn, { spiIn: 0xd2000001, groups: [] })),
    () => scene.ask(rekeyChild(meeting)),
    () => scene.send(client.rekeyIke()),
    () => scene.ask(rekeyChild(meeting)),
    () => scene.ask(rekeyIke),
    () => scene.ask(rekeyIke),
    () => scene.send(client.rekeyIke()),
  ]
  for (const step of steps) {
    step()
    scene.rest()
    assert.deepEqual(scene.children.client, scene.children.gateway)
    assert.equal(scene.children.gateway.length, 1)
    assert.equal(gateway.established.ikeSas.filter(({ deletedAt }) => deletedAt === 0).length, 1)
  }
})

const keyExchanges: readonly [name: string, ours: readonly number[], clients: readonly number[], groups: readonly number[]][] = [
  ['without a key exchange', [], [], [0]],
  ['with a key exchange that both have', [ke.x25519], [ke.x25519], [ke.x25519]],
  ['with the group that the client names (INVALID_KE_PAYLOAD, §1.3)', [ke.ecp384, ke.ecp256], [ke.ecp256], [ke.ecp384, ke.ecp256]],
  ['without a key exchange where the client has none and NONE was offered beside', [ke.x25519, ke.none], [], [ke.x25519]],
]
for (const [name, ours, clients, groups] of keyExchanges) {
  test(`the gateway rekeys a Child SA ${name}`, () => {
    const meeting = meet({ espProposals: [{ ...gcmEsp, ke: clients }] }, withEsp({ ...gcmEsp, ke: ours }))
    const scene = new Crossing(meeting)
    const asked: number[] = []
    const { gateway } = meeting
    const request = gateway.request.bind(gateway)
    gateway.request = (own, spi) => {
      const datagrams = request(own, spi)
      if (own.type === 'rekey-child') asked.push(findPayload(opened(gateway, datagrams[0]!), 'ke')?.group ?? 0)
      return datagrams
    }
    scene.ask(rekeyChild(meeting))
    scene.rest()
    assert.deepEqual(asked, groups)
    assert.deepEqual(scene.children.client, scene.children.gateway)
    assert.deepEqual(
      scene.events.map(({ type }) => type),
      ['child-offered', 'child-deleted'],
    )
  })
}

test('the gateway rekeys the IKE SA with the group that the client names (INVALID_KE_PAYLOAD)', () => {
  const wants = { ...cbcIke, ke: [ke.ecp256, ke.x25519] }
  const meeting = meet(
    { ikeProposals: [wants] },
    { ...configuration, connections: [{ ...connection, ikeProposals: [{ ...wants, ke: [ke.x25519, ke.ecp256] }] }] },
  )
  // The client would rather have ECP-256 now, and the gateway knows only that it has X25519.
  const scene = new Crossing(meeting)
  const before = meeting.gateway.established.ikeSas[0]!.suite.ke
  scene.ask({ type: 'rekey-ike', group: before === ke.x25519 ? ke.ecp256 : ke.x25519 })
  scene.rest()
  assert.equal(meeting.gateway.established.ikeSas.length, 1)
  assert.equal(meeting.gateway.established.ikeSas[0]!.initiatedByUs, true)
})

test('a client that moves says so under the IKE SA that the gateway knows, until it is heard under the one that replaces it', () => {
  const meeting = meet({ mobike: true })
  const { client, gateway } = meeting
  const [old] = gateway.established.ikeSas
  const scene = new Crossing(meeting)
  scene.ask(rekeyIke)
  scene.deliver(0)
  // The client's answer is lost, and the gateway repeats its request where the client is no more.
  scene.flights = []
  scene.send(client.move(path))
  assert.equal(peekHeader(scene.flights[0]!.datagram)!.initiatorSpi, old!.initiatorSpi)
  scene.deliver(0)
  assert.equal(gateway.decisions.at(-1)!.type, 'commit')
  scene.rest()
  assert.deepEqual(
    scene.events.map(({ type }) => type),
    ['ike-offered', 'moved'],
  )
  const [present] = gateway.established.ikeSas.filter(({ deletedAt }) => deletedAt === 0)
  assert.notEqual(present!.initiatorSpi, old!.initiatorSpi)
  assert.equal(peekHeader(client.checkLiveness()!)!.initiatorSpi, present!.initiatorSpi)
})

test('while the gateway may not know the IKE SA that it has made, nothing is asked under it that could stay unanswered', () => {
  const meeting = meet({ mobike: true })
  const { client, gateway } = meeting
  const scene = new Crossing(meeting)
  scene.ask(rekeyIke)
  scene.deliver(0)
  scene.flights = []
  assert.equal(client.rekeyIke(), null)
  assert.equal(client.rekeyChild(client.children[0]!.spiIn, { spiIn: 77, groups: [] }), null)
  // The gateway asks again, and is answered.
  scene.rest()
  assert.equal(gateway.established.ikeSas.filter(({ deletedAt }) => deletedAt === 0).length, 1)
  assert.notEqual(client.rekeyIke(), null)
})

test('the context of a rekeying under way holds the private value sealed, for this request alone', () => {
  const meeting = meet({}, withEsp({ ...gcmEsp, ke: [ke.x25519] }))
  const { gateway } = meeting
  const env = gateway.env
  let privateValue: Bytes = new Uint8Array(0)
  Object.defineProperty(gateway, 'env', {
    get: () => ({
      ...env,
      crypto: {
        ...nodeIkeCrypto,
        keyExchange: (group: number) => {
          const half = nodeIkeCrypto.keyExchange(group)
          privateValue = half.privateValue
          return half
        },
      },
    }),
  })
  gateway.request(rekeyChild(meeting))
  const { task } = gateway.established.ikeSas[0]!
  assert.ok(task?.type === 'rekey-child')
  assert.equal(privateValue.length, 32)
  assert.ok(!toHex(encodeSessionContext(gateway.established)).includes(toHex(privateValue)))
  assert.deepEqual(env.sealer.open(requestField(BigInt(task.newSpiIn)), task.secret), privateValue)
  assert.equal(env.sealer.open(requestField(BigInt(task.newSpiIn) + 1n), task.secret), null)
})

const nonce: Payload = { type: 'nonce', nonce: new Uint8Array(32).fill(5) }
const esp = (spi: number, change: Partial<EspProposal> = {}): Payload => ({
  type: 'sa',
  proposals: offerEsp([{ ...gcmEsp, ...change }], spi),
})
const ts = (ours: string, theirs: string): Payload[] => [
  { type: 'tsI', selectors: wireSelectors([selector(ours)]) },
  { type: 'tsR', selectors: wireSelectors([selector(theirs)]) },
]
const good = ts('10.50.0.0/24', '10.77.0.9')

const childAnswers: readonly [name: string, payloads: readonly Payload[], notify: number | null, left: number][] = [
  ['NO_PROPOSAL_CHOSEN', [notification(14)], 14, 1],
  ['NO_ADDITIONAL_SAS', [notification(35)], 35, 1],
  ['TS_UNACCEPTABLE', [notification(38)], 38, 1],
  ['TEMPORARY_FAILURE', [notification(43)], 43, 1],
  ['CHILD_SA_NOT_FOUND, and drops it (§2.25.1)', [notification(44)], 44, 0],
  ['INVALID_KE_PAYLOAD with a group that was not offered', [notification(17, Uint8Array.of(0, 2))], 17, 1],
  ['nothing at all', [], null, 1],
  ['an algorithm that was not offered', [esp(1000, { encryption: [{ encr: 20, keyBits: 256 }] }), nonce, ...good], null, 1],
  ['a short nonce', [esp(1000), { type: 'nonce', nonce: new Uint8Array(15) }, ...good], null, 1],
  ['selectors of others', [esp(1000), nonce, ...ts('10.50.0.0/24', '10.77.0.10')], null, 1],
  ['no selectors', [esp(1000), nonce], null, 1],
  ['two proposals', [{ type: 'sa', proposals: offerEsp([gcmEsp, gcmEsp], 1000) }, nonce, ...good], null, 1],
]
for (const [name, payloads, notify, left] of childAnswers) {
  test(`the gateway that rekeys a Child SA is answered ${name}`, () => {
    const meeting = meet()
    const { gateway } = meeting
    const old = gateway.established.children[0]!
    gateway.nowMs += tombstoneMs
    const [request] = gateway.request(rekeyChild(meeting))
    const { outcome } = answerWith(gateway, request!, payloads)
    assert.ok(outcome.type === 'refused')
    assert.equal(outcome.notify, notify)
    assert.deepEqual(gateway.established.children, left === 1 ? [old] : [])
    assert.equal(gateway.established.ikeSas[0]!.task, null)
  })
}

test('a Child SA that the client may not know yet, for our answer may have been lost, is not dropped when it is not found', () => {
  const meeting = meet()
  const { client, gateway } = meeting
  // The client's further Child SA; the answer is lost.
  gateway.receive(client.createChild({ spiIn: 0xd6000001, groups: [] })!)
  const [request] = gateway.request(rekeyChild(meeting))
  answerWith(gateway, request!, [notification(44)])
  assert.equal(gateway.established.children.length, 2)
})

test('the client does not call unknown what an answer to its own request may have made', () => {
  const meeting = meet()
  const { client, gateway } = meeting
  gateway.receive(client.createChild({ spiIn: 0xd6000002, groups: [] })!)
  const [request] = gateway.request(rekeyChild(meeting))
  gateway.receive(client.handle(request!).send!)
  const decision = gateway.decisions.at(-1)!
  assert.ok(decision.type === 'response' && decision.outcome.type === 'refused')
  assert.equal(decision.outcome.notify, 43)
})

test('selectors wider than the old ones are narrowed to them', () => {
  const meeting = meet()
  const { gateway } = meeting
  const old = gateway.established.children[0]!
  const [request] = gateway.request(rekeyChild(meeting))
  answerWith(gateway, request!, [esp(1000), nonce, ...ts('10.0.0.0/8', '10.77.0.0/16')])
  const made = gateway.established.children.at(-1)!
  assert.deepEqual([made.spiOut, made.localTs, made.remoteTs], [1000, old.localTs, old.remoteTs])
})

const ikeAnswers: readonly [name: string, payloads: readonly Payload[], notify: number | null][] = [
  ['NO_PROPOSAL_CHOSEN', [notification(14)], 14],
  ['NO_ADDITIONAL_SAS', [notification(35)], 35],
  ['TEMPORARY_FAILURE', [notification(43)], 43],
  ['no public value', [{ type: 'sa', proposals: offerIke([cbcIke], new Uint8Array(8).fill(9)) }, nonce], null],
  [
    'a public value of small order (RFC 6989)',
    [
      { type: 'sa', proposals: offerIke([cbcIke], new Uint8Array(8).fill(9)) },
      nonce,
      { type: 'ke', group: ke.x25519, publicValue: new Uint8Array(32) },
    ],
    null,
  ],
  [
    'an SPI of 0',
    [
      { type: 'sa', proposals: offerIke([cbcIke], new Uint8Array(8)) },
      nonce,
      { type: 'ke', group: ke.x25519, publicValue: new Uint8Array(32).fill(9) },
    ],
    null,
  ],
  [
    'another suite',
    [
      { type: 'sa', proposals: offerIke([gcmIke], new Uint8Array(8).fill(9)) },
      nonce,
      { type: 'ke', group: ke.ecp256, publicValue: new Uint8Array(64).fill(9) },
    ],
    null,
  ],
]
for (const [name, payloads, notify] of ikeAnswers) {
  test(`the gateway that rekeys the IKE SA is answered ${name}, and all stays as it was`, () => {
    const { gateway } = meet()
    const before = gateway.established
    const [request] = gateway.request(rekeyIke)
    const { outcome } = answerWith(gateway, request!, payloads)
    assert.ok(outcome.type === 'refused')
    assert.equal(outcome.notify, notify)
    assert.deepEqual(gateway.established, before)
  })
}

test('INVALID_SYNTAX as an answer ends the IKE SA (§2.21.3)', () => {
  const meeting = meet()
  const [request] = meeting.gateway.request(rekeyChild(meeting))
  answerWith(meeting.gateway, request!, [notification(7)])
  assert.equal(meeting.gateway.established.phase, 'tombstone')
})

test('a request of ours is unanswered: another response, a forged one and a repeated one change nothing', () => {
  const meeting = meet()
  const { client, gateway } = meeting
  const [request] = gateway.request(rekeyChild(meeting))
  const { send } = client.handle(request!)
  const forged = send!.slice()
  forged[forged.length - 1]! ^= 1
  gateway.receive(forged)
  assert.deepEqual(gateway.decisions.at(-1), { type: 'drop', reason: 'forged' })
  gateway.receive(send!)
  const after = gateway.context
  gateway.receive(send!)
  assert.deepEqual(gateway.decisions.at(-1), { type: 'drop', reason: 'unexpected-response' })
  assert.equal(gateway.context, after)
  assert.deepEqual(client.handle(request!).send, send, 'the client repeats its answer')
})

test('while our DELETE of the IKE SA is unanswered, the client’s requests are answered, and none makes anything (§2.25.2)', () => {
  const { client, gateway } = meet()
  gateway.request({ type: 'delete' })
  const [refused] = gateway.receive(client.rekeyChild(client.children[0]!.spiIn, { spiIn: 0xd3000001, groups: [] })!)
  assert.deepEqual(client.handle(refused!).event, { type: 'refused', what: 'child-rekey', notify: 43 })
  const [alive] = gateway.receive(client.checkLiveness()!)
  assert.deepEqual(client.handle(alive!).event, { type: 'alive' })
  const [closed] = gateway.receive(client.close()!)
  assert.deepEqual(client.handle(closed!).event, { type: 'closed' })
  // It has deleted it itself: ours is forgotten.
  assert.notEqual(gateway.established.ikeSas[0]!.deletedAt, 0)
})

test('a Child SA that we don’t know is not called unknown while our own request may have made it', () => {
  const meeting = meet()
  const { client, gateway } = meeting
  const [request] = gateway.request(rekeyChild(meeting))
  const { send } = client.handle(request!)
  // The client rekeys what it has just made, before its answer arrives.
  const [refused] = gateway.receive(client.rekeyChild(client.children.at(-1)!.spiIn, { spiIn: 0xd5000001, groups: [] })!)
  assert.deepEqual(client.handle(refused!).event, { type: 'refused', what: 'child-rekey', notify: 43 })
  gateway.receive(send!)
  assert.equal(gateway.established.children.length, 2)
})

test('a client that does not delete what it has replaced is helped after a while', () => {
  const meeting = meet()
  const { client, gateway } = meeting
  gateway.receive(client.rekeyChild(client.children[0]!.spiIn, { spiIn: 0xd4000001, groups: [] })!)
  const [old] = gateway.established.children
  assert.equal(old!.state, 'replaced')
  const free = (): boolean => true
  assert.equal(dueDelete(gateway.established, gateway.nowMs + lateDeleteMs - 1, free), null)
  const due = dueDelete(gateway.established, gateway.nowMs + lateDeleteMs, free)
  assert.deepEqual(due?.request, { type: 'delete-children', spisIn: [old!.spiIn] })
  assert.equal(
    dueDelete(gateway.established, gateway.nowMs + lateDeleteMs, () => false),
    null,
  )
})

test('whoever answers nothing is dead: the session ends at once; of an old IKE SA only that goes (§2.4)', () => {
  const meeting = meet()
  const { client, gateway } = meeting
  gateway.receive(client.rekeyIke()!)
  const [old, newest] = gateway.established.ikeSas
  assert.deepEqual(abandon(gateway.established, old!, 5).ikeSas, [newest])
  const ended = abandon(gateway.established, newest!, gateway.nowMs)
  assert.deepEqual([ended.phase, ended.virtualIps, ended.children, ended.expiresAt], ['tombstone', [], [], gateway.nowMs])
})
