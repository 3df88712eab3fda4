/**
 * What must hold between an authentic request, the answer, and the session before and after: rules of the RFCs, each as plain as it can be, and
 * none in the words of the code that decides. A missing check shows here even where nothing breaks.
 */

import assert from 'node:assert/strict'
import { maximumSelectors } from '../../src/ike/child-negotiation.ts'
import { contextLimits } from '../../src/context/session-context-codec.ts'
import type { ChildSaContext, IkeSaContext, SessionContext, TrafficSelector } from '../../src/context/session-context.ts'
import { nodeIkeCrypto } from '../../src/crypto/node-ike-crypto.ts'
import type { Decision } from '../../src/ike/decision.ts'
import { directionKeys } from '../../src/ike/key-schedule.ts'
import { exchangeType } from '../../src/ike/wire/header.ts'
import type { Message } from '../../src/ike/wire/message.ts'
import { openMessage, openWhole } from '../../src/ike/wire/message.ts'
import { firstStatusType, notifyType } from '../../src/ike/wire/notify.ts'
import type { Notify } from '../../src/ike/wire/notify.ts'
import type { Payload } from '../../src/ike/wire/payloads.ts'
import { authMethod } from '../../src/ike/wire/simple-payloads.ts'
import type { Bytes } from '../../src/kit/bytes.ts'
import { compareBytes, concat, dataView, equalBytes } from '../../src/kit/bytes.ts'
import { rawParts } from './chain.ts'
import { sharedProof, signedOctets } from './proof.ts'
import type { FuzzGateway } from './sessions.ts'

/** One exchange, with the encryption off both of its messages. */
interface Exchange {
  readonly gateway: FuzzGateway
  readonly sa: IkeSaContext
  readonly request: Message
  readonly answer: readonly Payload[]
  readonly before: SessionContext
  readonly after: SessionContext
}

/** Checks what the gateway decided for a request of the client's under `sa`; of what is no exchange there is nothing to say. */
export function assertMeaningful(gateway: FuzzGateway, sa: IkeSaContext, datagram: Bytes, decision: Decision): void {
  if (decision.type !== 'commit') return
  const keys = gateway.keysOf(sa)
  const opened = openMessage(nodeIkeCrypto, sa.suite, directionKeys(keys, true), datagram)
  const answer = decision.reply.type === 'empty' ? [] : openReply(sa, directionKeys(keys, false), decision.reply.datagrams)
  const before = gateway.established
  const after = decision.context ?? before
  // "INVALID_SYNTAX", and the end of the IKE SA (RFC 7296 §2.21.3).
  if (opened.type !== 'message') {
    assert.deepEqual(errorsOf(answer), [notifyType.invalidSyntax])
    return assert.ok(hasEnded(sa, after), 'the IKE SA goes on after a message that does not decode')
  }
  const exchange = { gateway, sa, request: opened.message, answer, before, after }
  for (const rule of rules) rule(exchange)
}

function openReply(sa: IkeSaContext, keys: ReturnType<typeof directionKeys>, datagrams: readonly Bytes[]): readonly Payload[] {
  const opened = datagrams.map((datagram) => openMessage(nodeIkeCrypto, sa.suite, keys, datagram))
  const [first] = opened
  const whole =
    first?.type === 'fragment'
      ? openWhole({
          ...first.fragment,
          inner: concat(...opened.map((one) => (one.type === 'fragment' ? one.fragment.inner : new Uint8Array(0)))),
        })
      : first
  assert.ok(whole?.type === 'message', `the answer is ${whole?.type}: ${whole !== undefined && 'problem' in whole ? whole.problem : ''}`)
  return whole.message.payloads
}

function errorsOf(payloads: readonly Payload[]): readonly number[] {
  return payloads.flatMap((payload) => (payload.type === 'notify' && payload.notify < firstStatusType ? [payload.notify] : []))
}

const notifiesOf = (payloads: readonly Payload[], type: number): readonly Notify[] =>
  payloads.flatMap((payload) => (payload.type === 'notify' && payload.notify === type ? [payload] : []))

function hasEnded(sa: IkeSaContext, after: SessionContext): boolean {
  return after.phase === 'tombstone' || after.ikeSas.every((one) => one.responderSpi !== sa.responderSpi || one.deletedAt !== 0)
}

const addedChildren = ({ before, after }: Exchange): readonly ChildSaContext[] =>
  after.children.filter(({ spiIn }) => before.children.every((one) => one.spiIn !== spiIn))
const addedIkeSas = ({ before, after }: Exchange): readonly IkeSaContext[] =>
  after.ikeSas.filter(({ responderSpi }) => before.ikeSas.every((one) => one.responderSpi !== responderSpi))

const rules: readonly ((exchange: Exchange) => void)[] = [
  unknownCritical,
  newChild,
  rekeyNotification,
  newIkeSa,
  nonces,
  authenticated,
  cookie2,
  deletions,
  eapProgress,
  endings,
]

/** "If the critical flag is set ... the message MUST be rejected" (RFC 7296 §2.5). */
function unknownCritical(exchange: Exchange): void {
  const { unsupportedCritical } = exchange.request
  const isTold = notifiesOf(exchange.answer, notifyType.unsupportedCriticalPayload).length > 0
  assert.equal(isTold, unsupportedCritical !== null)
  if (unsupportedCritical === null) return
  assert.deepEqual([addedChildren(exchange), addedIkeSas(exchange)], [[], []])
  assert.notEqual(exchange.after.phase === 'established', exchange.before.phase === 'half-open')
}

function newChild(exchange: Exchange): void {
  const added = addedChildren(exchange)
  assert.ok(added.length <= 1, `${added.length} Child SAs of one exchange`)
  const [child] = added
  if (child === undefined) return
  const wants = exchange.before.halfOpen?.eap === null || exchange.before.halfOpen === null ? exchange.request.payloads : null
  for (const list of [child.localTs, child.remoteTs]) {
    assert.ok(list.length >= 1, 'no selectors')
    assert.ok(list.length <= maximumSelectors, `${list.length} selectors`)
  }
  for (const one of child.remoteTs)
    assert.ok(
      exchange.after.virtualIps.some((ip) => equalBytes(ip, one.start) && equalBytes(ip, one.end)),
      'a selector of another address',
    )
  if (wants === null) return
  for (const [type, list] of [
    ['tsI', child.remoteTs],
    ['tsR', child.localTs],
  ] as const) {
    const offered = wants.find((payload) => payload.type === type)
    assert.ok(offered?.type === type)
    for (const one of list)
      assert.ok(
        offered.selectors.some((wire) => wire.type === 'range' && isWithin(one, wire.selector)),
        'a selector that nobody offered',
      )
  }
  const sa = wants.find((payload) => payload.type === 'sa')
  assert.ok(
    sa?.proposals.some(({ protocol, spi }) => protocol === 3 && spi.length === 4 && dataView(spi).getUint32(0) === child.spiOut),
    'an SPI that nobody offered',
  )
}

function isWithin(inner: TrafficSelector, outer: TrafficSelector): boolean {
  return (
    (outer.protocol === 0 || outer.protocol === inner.protocol) &&
    outer.startPort <= inner.startPort &&
    inner.endPort <= outer.endPort &&
    outer.start.length === inner.start.length &&
    compareBytes(outer.start, inner.start) <= 0 &&
    compareBytes(inner.end, outer.end) <= 0
  )
}

/** "The REKEY_SA notification ... the SPI field identifies the SA being rekeyed", of ESP and of 4 octets (§1.3.3, §3.10). */
function rekeyNotification(exchange: Exchange): void {
  if (exchange.request.header.exchange !== exchangeType.createChildSa) return
  const [rekey] = notifiesOf(exchange.request.payloads, notifyType.rekeySa)
  if (rekey === undefined) return
  const named = rekey.protocol === 3 && rekey.spi.length === 4 ? dataView(rekey.spi).getUint32(0) : null
  const old = exchange.before.children.find(({ spiOut }) => spiOut === named)
  assert.deepEqual(addedIkeSas(exchange), [], 'an IKE SA of a rekeying of a Child SA')
  if (old === undefined) assert.deepEqual(addedChildren(exchange), [], 'a successor of a Child SA that there is not')
  for (const child of addedChildren(exchange)) assert.equal(child.name, old!.name)
}

/** "SPI Size ... 8 octets when rekeying the IKE SA", and "MUST NOT be zero" (§3.3.1, §3.1). */
function newIkeSa(exchange: Exchange): void {
  const added = addedIkeSas(exchange)
  assert.ok(added.length <= 1, `${added.length} IKE SAs of one exchange`)
  const [sa] = added
  if (sa === undefined) return
  const offer = exchange.request.payloads.find((payload) => payload.type === 'sa')
  assert.notEqual(sa.initiatorSpi, 0n)
  assert.ok(
    offer?.proposals.some(({ protocol, spi }) => protocol === 1 && spi.length === 8 && dataView(spi).getBigUint64(0) === sa.initiatorSpi),
    'an SPI that nobody offered',
  )
}

/** "The size of the Nonce Data MUST be between 16 and 256 octets" (§3.9). */
function nonces(exchange: Exchange): void {
  const isNew =
    exchange.request.header.exchange === exchangeType.createChildSa && addedChildren(exchange).length + addedIkeSas(exchange).length > 0
  if (!isNew) return
  const nonce = exchange.request.payloads.find((payload) => payload.type === 'nonce')?.nonce.length ?? 0
  assert.ok(nonce >= 16 && nonce <= 256, `a nonce of ${nonce} octets`)
  assert.ok(
    exchange.answer.some((payload) => payload.type === 'nonce' && payload.nonce.length === 32),
    'no nonce in the answer',
  )
}

/** Nobody is let in without proof, or as somebody else. */
function authenticated({ gateway, sa, request, before, after }: Exchange): void {
  if (before.phase !== 'half-open' || after.phase !== 'established') return
  const { payloads } = request
  const auth = payloads.find((payload) => payload.type === 'auth')
  const octets = signedOctets(gateway, sa, rawParts(payloads))
  assert.ok(auth !== undefined && octets !== null, 'let in without AUTH')
  assert.ok((after.identity?.data.length ?? 0) <= 512, 'an identity of more than 512 octets')
  const idI = payloads.find((payload) => payload.type === 'idI')
  if (before.halfOpen!.eap === null) assert.deepEqual(after.identity, idI?.identity)
  if (gateway.isSigning && before.halfOpen!.eap === null) return
  assert.equal(auth.method, authMethod.sharedKeyMic)
  assert.ok(equalBytes(auth.data, sharedProof(gateway, sa, octets)), 'let in with a wrong AUTH')
}

/** "COOKIE2 ... 8 to 64 octets", returned as it came (RFC 4555 §4.2.5, §3.7). */
function cookie2({ request, answer, before }: Exchange): void {
  const returned = notifiesOf(answer, notifyType.cookie2)
  for (const { data } of returned) assert.ok(data.length >= 8 && data.length <= 64, `a COOKIE2 of ${data.length} octets returned`)
  const [sent] = notifiesOf(request.payloads, notifyType.cookie2)
  const isAsked = request.header.exchange === exchangeType.informational && before.phase === 'established' && errorsOf(answer).length === 0
  const ends =
    errorsOf(request.payloads).length > 0 || request.payloads.some((payload) => payload.type === 'delete' && payload.protocol === 1)
  if (isAsked && !ends)
    assert.deepEqual(
      returned.map(({ data }) => data),
      sent === undefined ? [] : [sent.data],
    )
}

/** Child SAs go by a DELETE of ESP that names them, or with the session (§1.4.1, §3.11). */
function deletions({ request, before, after }: Exchange): void {
  if (after.phase !== 'established') return
  const isInformational = request.header.exchange === exchangeType.informational
  const named = request.payloads.flatMap((payload) =>
    payload.type === 'delete' && payload.protocol === 3 && payload.spiSize === 4
      ? payload.spis.map((spi) => dataView(spi).getUint32(0))
      : [],
  )
  for (const { spiIn, spiOut } of before.children) {
    const isGone = after.children.every((one) => one.spiIn !== spiIn)
    if (isGone) assert.ok(isInformational && named.includes(spiOut), `Child SA ${spiIn} is gone, and nobody deleted it`)
  }
}

/** EAP goes on by a response to the request that was sent (RFC 3748 §4.1), and what it keeps is bounded. */
function eapProgress({ request, before, after }: Exchange): void {
  const next = after.halfOpen?.eap ?? null
  if (next === null) return
  assert.ok(next.idI.length <= 4 + 512, `an IDi of ${next.idI.length} octets`)
  assert.ok(next.user.length <= 255, `a user of ${next.user.length} octets`)
  assert.ok(next.wants.bytes.length <= contextLimits.eapWantsOctets && next.failures <= 3)
  const last = before.halfOpen?.eap ?? null
  if (last === null || last === next) return
  const response = request.payloads.find((payload) => payload.type === 'eap')
  assert.ok(response !== undefined && response.code === 2 && response.identifier === last.identifier, 'EAP went on without a response')
  // "A peer acknowledges success by the OpCode alone" (draft-kamath-pppext-eap-mschapv2-02 §2.4).
  if (next.stage === 'auth') assert.deepEqual([last.stage, response.eapType, response.data[0]], ['success', 26, 3])
  if (next.stage === 'success') assert.deepEqual([last.stage, response.eapType], ['response', 26])
}

/** A session ends by what its client says, or when it is told why (§2.21). */
function endings({ sa, request, answer, before, after }: Exchange): void {
  if (!hasEnded(sa, after) || hasEnded(sa, before)) return
  const isDeleted = request.payloads.some((payload) => payload.type === 'delete' && payload.protocol === 1)
  assert.ok(isDeleted || errorsOf(request.payloads).length > 0 || errorsOf(answer).length > 0, 'an IKE SA ends, and nobody is told why')
}
