/**
 * The IKEv2 responder (RFC 7296), without I/O and without state: a datagram, the session's context and what is expected next go in, a
 * decision comes out. The caller commits it before it sends anything, so that whichever gateway comes next gives the same answer.
 *
 *   datagram ── responder SPI 0 ──▶ decideInit ── create, answer, drop
 *            └─ known SPI ────────▶ decide ────── commit, repeat, response, fragment, drop
 *
 * Window size is 1 both ways (§2.3). "An endpoint MUST NOT ... reuse a Message ID": the IV of a message comes from `nextIv`, never from its
 * Message ID, so a decision that was thrown away costs an IV and no more.
 */

import type { Bytes } from '../kit/bytes.ts'
import type { IkeCrypto } from '../kit/ike-crypto.ts'
import type { Endpoint, IkeSaContext, SessionContext } from '../context/session-context.ts'
import { features, localIkeSpi } from '../context/session-context.ts'
import { decideAuth } from './auth.ts'
import { decideCreateChild } from './create-child.ts'
import type { Decision, IkeEnvironment, OpenSession, Path, Reply } from './decision.ts'
import { drop, endIkeSa } from './decision.ts'
import type { Answer, Request } from './exchange.ts'
import { answerError, answerFatal } from './exchange.ts'
import { comesTooSoon } from './eap/eap-authentication.ts'
import { decideInformational, endsIkeSa } from './informational.ts'
import type { IkeKeys } from './key-schedule.ts'
import { directionKeys } from './key-schedule.ts'
import type { OwnRequest } from './own-request.ts'
import { prepareRequest } from './own-request.ts'
import { completeRequest } from './own-response.ts'
import type { IkeHeader } from './wire/header.ts'
import { exchangeType, headerFlag, ikeVersion, isFromInitiator, isResponse, peekHeader, receiverSpi } from './wire/header.ts'
import { followed } from './mobility.ts'
import type { WholeMessage } from './wire/fragment.ts'
import type { MessageHead, Opened } from './wire/message.ts'
import { openMessage, openWhole, sealDatagrams, sealMessage } from './wire/message.ts'
import { notifyType } from './wire/notify.ts'
import type { Payload } from './wire/payloads.ts'
import { notification } from './wire/payloads.ts'

/** Message IDs of the IKE SA: of the client's next request, and of our own request that is unanswered, or null. */
export interface ExpectedMessageIds {
  readonly request: number
  readonly response: number | null
  /** False: the peer has had as many exchanges as it may just now, and its next request is dropped; it will send it again. */
  readonly mayRequest?: boolean
}

interface OpenSa {
  readonly sa: IkeSaContext
  readonly keys: IkeKeys
  readonly ikeSpi: bigint
}

/** What came for an IKE SA: a datagram, or the message whose last fragment it was. */
export type Arrived = Bytes | WholeMessage

/** Decides about what came for an IKE SA of the session. Never throws for what a peer sent. */
export function decide(env: IkeEnvironment, session: OpenSession, expected: ExpectedMessageIds, arrived: Arrived, path: Path): Decision {
  const header = 'header' in arrived ? arrived.header : peekHeader(arrived)
  if (header === null) return drop('short')
  if (!('header' in arrived) && header.length !== arrived.length) return drop('header')
  if (header.version >> 4 !== ikeVersion >> 4) return drop('version')
  const open = findSa(session, receiverSpi(header))
  if (open === null || !isOf(open.sa, header)) return drop('unknown-spi')
  const incoming = { env, session, open, expected, header, arrived, path }
  return isResponse(header) ? decideResponse(incoming) : decideRequest(incoming)
}

/** A message of the peer's under one of the session's IKE SAs, not yet opened. */
interface Incoming {
  readonly env: IkeEnvironment
  readonly session: OpenSession
  readonly open: OpenSa
  readonly expected: ExpectedMessageIds
  readonly header: IkeHeader
  readonly arrived: Arrived
  readonly path: Path
}

function findSa(session: OpenSession, ikeSpi: bigint): OpenSa | null {
  const keys = session.ikeKeys.get(ikeSpi)
  const sa = session.context.ikeSas.find((one) => localIkeSpi(one) === ikeSpi)
  return keys === undefined || sa === undefined ? null : { sa, keys, ikeSpi }
}

function isOf(sa: IkeSaContext, header: IkeHeader): boolean {
  return sa.initiatorSpi === header.initiatorSpi && sa.responderSpi === header.responderSpi && isFromInitiator(header) !== sa.initiatedByUs
}

function openFrom(env: IkeEnvironment, open: OpenSa, arrived: Arrived): Opened {
  if ('header' in arrived) return openWhole(arrived)
  return openMessage(env.crypto, open.sa.suite, directionKeys(open.keys, !open.sa.initiatedByUs), arrived)
}

function decideRequest({ env, session, open, expected, header, arrived, path }: Incoming): Decision {
  const { messageId } = header
  const isRepeated = messageId === expected.request - 1
  if (messageId !== expected.request && !isRepeated) return drop('message-id')
  const opened = openFrom(env, open, arrived)
  if (opened.type === 'forged') return drop('forged')
  if (isRepeated) return isFurtherFragment(opened) ? drop('fragment-repeated') : { type: 'repeat', ikeSpi: open.ikeSpi, messageId }
  if (hasEnded(session, open, expected)) return drop('ended')
  if (expected.mayRequest === false) return drop('exchange-limit')
  if (opened.type === 'fragment') return { type: 'fragment', ikeSpi: open.ikeSpi, fragment: opened.fragment }
  if (opened.type === 'malformed') return commitMalformed(env, session, open, header, path)
  const request: Request = { env, session, ...open, message: opened.message, path }
  const eap = session.context.halfOpen?.eap ?? null
  if (eap !== null && comesTooSoon(request, eap)) return drop('login-delay')
  const isProbe = header.exchange === exchangeType.informational && opened.message.payloads.length === 0
  return commit(env, session, open, opened.message.header, answerRequest(request), path, isProbe)
}

/** Of a request that is sent again in fragments, the first asks for the response, all of it (RFC 7383 §2.6.1). */
function isFurtherFragment(opened: Opened): boolean {
  return opened.type === 'fragment' && opened.fragment.number !== 1
}

/** While our DELETE of it is unanswered, it has not ended for the peer yet, whose requests may have crossed it (§2.25.2). */
function hasEnded(session: OpenSession, open: OpenSa, expected: ExpectedMessageIds): boolean {
  if (open.sa.deletedAt !== 0) return true
  return session.context.phase === 'tombstone' && expected.response === null
}

/** An authentic message that does not decode: INVALID_SYNTAX, and "the IKE SA MUST be closed" (§2.21.3). */
function commitMalformed(env: IkeEnvironment, session: OpenSession, open: OpenSa, header: IkeHeader, path: Path): Decision {
  const payloads = [notification(notifyType.invalidSyntax)]
  return commit(env, session, open, header, { payloads, context: endIkeSa(session.context, open.sa, env.nowMs) }, path)
}

function answerRequest(request: Request): Answer {
  const { header, unsupportedCritical } = request.message
  const { phase, halfOpen } = request.session.context
  const established = phase === 'established'
  if (unsupportedCritical !== null) {
    const data = Uint8Array.of(unsupportedCritical)
    const { unsupportedCriticalPayload } = notifyType
    return established ? answerError(unsupportedCriticalPayload, data) : answerFatal(request, unsupportedCriticalPayload, data)
  }
  if (halfOpen !== null) return header.exchange === exchangeType.ikeAuth ? decideAuth(request, halfOpen) : endHalfOpen(request)
  if (header.exchange === exchangeType.informational) return decideInformational(request)
  if (header.exchange === exchangeType.createChildSa) return decideCreateChild(request)
  return answerError(notifyType.invalidSyntax)
}

/** Before it is authenticated a client may only say, beside IKE_AUTH, that it goes away: it does not trust our certificate, say (§2.21.2). */
function endHalfOpen(request: Request): Answer {
  const { header, payloads } = request.message
  const isFarewell = header.exchange === exchangeType.informational && endsIkeSa(payloads)
  return isFarewell
    ? { payloads: [], context: endIkeSa(request.session.context, request.sa, request.env.nowMs) }
    : answerFatal(request, notifyType.invalidSyntax)
}

function commit(
  env: IkeEnvironment,
  session: OpenSession,
  open: OpenSa,
  header: IkeHeader,
  answer: Answer,
  path: Path,
  isProbe = false,
): Decision {
  const { exchange, messageId } = header
  const { payloads, uniqueness = 'none', problem = null } = answer
  const context = followed(answer.context ?? session.context, path, isProbe) ?? answer.context
  const effectFree = payloads.length === 0 && context === null && exchange === exchangeType.informational
  const head = { exchange, messageId, flag: headerFlag.response }
  const reply: Reply = effectFree
    ? { type: 'empty', iv: env.nextIv() }
    : { type: 'datagrams', datagrams: sealParts(env, open, head, payloads, context ?? session.context, path.remote) }
  return { type: 'commit', ikeSpi: open.ikeSpi, messageId, context, reply, uniqueness, problem }
}

interface OwnHead {
  readonly exchange: number
  readonly messageId: number
  /** `headerFlag.response`, or 0 for a request of ours. */
  readonly flag: number
}

function messageHead({ sa }: OpenSa, { exchange, messageId, flag }: OwnHead): MessageHead {
  const { initiatorSpi, responderSpi, initiatedByUs } = sa
  return { initiatorSpi, responderSpi, exchange, messageId, flags: flag | (initiatedByUs ? headerFlag.initiator : 0) }
}

/** Outer IP header, UDP header and non-ESP marker; where there is no marker (port 500) a datagram is shorter by it. */
const overheadOctets = { ipv4: 20 + 8 + 4, ipv6: 40 + 8 + 4 } as const

/** The message, in fragments if it is long and the peer of a session with this context takes them. */
function sealParts(
  env: IkeEnvironment,
  open: OpenSa,
  head: OwnHead,
  payloads: readonly Payload[],
  context: SessionContext,
  remote: Endpoint,
): Bytes[] {
  const keys = directionKeys(open.keys, open.sa.initiatedByUs)
  const overhead = remote.address.length === 4 ? overheadOctets.ipv4 : overheadOctets.ipv6
  const maximum = (context.features & features.fragmentation) === 0 ? null : env.fragmentSize - overhead
  return sealDatagrams(env.crypto, open.sa.suite, keys, messageHead(open, head), payloads, () => env.nextIv(), maximum)
}

function decideResponse({ env, session, open, expected, header, arrived, path }: Incoming): Decision {
  const { messageId } = header
  if (messageId !== expected.response) return drop('unexpected-response')
  const opened = openFrom(env, open, arrived)
  if (opened.type === 'forged') return drop('forged')
  if (opened.type === 'fragment') return { type: 'fragment', ikeSpi: open.ikeSpi, fragment: opened.fragment }
  if (opened.type === 'malformed') return drop('malformed-response')
  const completion = completeRequest({ env, session, sa: open.sa, keys: open.keys, message: opened.message })
  const context = followed(completion.context ?? session.context, path, true) ?? completion.context
  return { type: 'response', ikeSpi: open.ikeSpi, messageId, ...completion, context }
}

/** The datagrams of a committed reply: the same octets on whichever gateway. Null when the session has no such IKE SA. */
export function renderReply(
  env: { readonly crypto: IkeCrypto },
  session: OpenSession,
  ikeSpi: bigint,
  messageId: number,
  reply: Reply,
): readonly Bytes[] | null {
  if (reply.type === 'datagrams') return reply.datagrams
  const open = findSa(session, ikeSpi)
  if (open === null) return null
  const head = messageHead(open, { exchange: exchangeType.informational, messageId, flag: headerFlag.response })
  return [sealMessage(env.crypto, open.sa.suite, directionKeys(open.keys, open.sa.initiatedByUs), head, [], reply.iv)]
}

/**
 * The octets of our own request with this Message ID, to be committed before they are first sent and repeated as they are, and the context
 * after it (null when it stays). Null when the session has no such IKE SA, or `prepareRequest` can't.
 */
export function buildRequest(
  env: IkeEnvironment,
  session: OpenSession,
  ikeSpi: bigint,
  messageId: number,
  request: OwnRequest,
): { readonly datagrams: readonly Bytes[]; readonly context: SessionContext | null } | null {
  const open = findSa(session, ikeSpi)
  const prepared = open === null ? null : prepareRequest(env, session.context, open.sa, request)
  if (open === null || prepared === null) return null
  const { exchange, payloads, context } = prepared
  const { remote } = session.context
  return { datagrams: sealParts(env, open, { exchange, messageId, flag: 0 }, payloads, session.context, remote), context }
}
