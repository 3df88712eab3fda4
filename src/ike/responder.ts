/**
 * The IKEv2 responder (RFC 7296), without I/O and without state: a datagram, the session's context and what is expected next go in, a
 * decision comes out. The caller commits it before it sends anything, so that whichever gateway comes next gives the same answer.
 *
 *   datagram ── responder SPI 0 ──▶ decideInit ── create, answer, drop
 *            └─ known SPI ────────▶ decide ────── commit, repeat, response, drop
 *
 * Window size is 1 both ways (§2.3). "An endpoint MUST NOT ... reuse a Message ID": the IV of a message comes from `nextIv`, never from its
 * Message ID, so a decision that was thrown away costs an IV and no more.
 */

import type { Bytes } from '../kit/bytes.ts'
import { assert } from '../kit/assert.ts'
import type { IkeCrypto } from '../kit/ike-crypto.ts'
import type { IkeSaContext, SessionContext } from '../context/session-context.ts'
import { localIkeSpi } from '../context/session-context.ts'
import { decideAuth } from './auth.ts'
import { decideCreateChild } from './create-child.ts'
import type { Decision, IkeEnvironment, OpenSession, Path, Reply } from './decision.ts'
import { drop, endIkeSa, tombstoneOf } from './decision.ts'
import type { Answer, Request } from './exchange.ts'
import { answerError, answerFatal } from './exchange.ts'
import { decideInformational } from './informational.ts'
import type { IkeKeys } from './key-schedule.ts'
import { directionKeys } from './key-schedule.ts'
import type { IkeHeader } from './wire/header.ts'
import { exchangeType, headerFlag, ikeVersion, isFromInitiator, isResponse, peekHeader, receiverSpi } from './wire/header.ts'
import type { Message, Opened } from './wire/message.ts'
import { openMessage, sealMessage } from './wire/message.ts'
import { notifyType } from './wire/notify.ts'
import type { Payload } from './wire/payloads.ts'
import { protocolId } from './wire/security-association.ts'

/** Message IDs of the IKE SA: of the client's next request, and of our own request that is unanswered, or null. */
export interface ExpectedMessageIds {
  readonly request: number
  readonly response: number | null
}

interface OpenSa {
  readonly sa: IkeSaContext
  readonly keys: IkeKeys
  readonly ikeSpi: bigint
}

/** Decides about a datagram for an IKE SA of the session. Never throws for what a peer sent. */
export function decide(env: IkeEnvironment, session: OpenSession, expected: ExpectedMessageIds, datagram: Bytes, path: Path): Decision {
  const header = peekHeader(datagram)
  if (header === null) return drop('short')
  if (header.length !== datagram.length) return drop('header')
  if (header.version >> 4 !== ikeVersion >> 4) return drop('version')
  const open = findSa(session, receiverSpi(header))
  if (open === null || !isOf(open.sa, header)) return drop('unknown-spi')
  return isResponse(header)
    ? decideResponse(env, session, open, expected, datagram)
    : decideRequest(env, session, open, expected, datagram, path)
}

function findSa(session: OpenSession, ikeSpi: bigint): OpenSa | null {
  const keys = session.ikeKeys.get(ikeSpi)
  const sa = session.context.ikeSas.find((one) => localIkeSpi(one) === ikeSpi)
  return keys === undefined || sa === undefined ? null : { sa, keys, ikeSpi }
}

function isOf(sa: IkeSaContext, header: IkeHeader): boolean {
  return sa.initiatorSpi === header.initiatorSpi && sa.responderSpi === header.responderSpi && isFromInitiator(header) !== sa.initiatedByUs
}

function openFrom(env: IkeEnvironment, open: OpenSa, datagram: Bytes): Opened {
  return openMessage(env.crypto, open.sa.suite, directionKeys(open.keys, !open.sa.initiatedByUs), datagram)
}

function decideRequest(
  env: IkeEnvironment,
  session: OpenSession,
  open: OpenSa,
  expected: ExpectedMessageIds,
  datagram: Bytes,
  path: Path,
): Decision {
  const messageId = peekHeader(datagram)?.messageId
  const isRepeated = messageId === expected.request - 1
  if (messageId !== expected.request && !isRepeated) return drop('message-id')
  const opened = openFrom(env, open, datagram)
  if (opened.type === 'forged') return drop('forged')
  if (isRepeated) return { type: 'repeat', ikeSpi: open.ikeSpi, messageId }
  if (hasEnded(session, open)) return drop('ended')
  if (opened.type === 'malformed') return commitMalformed(env, session, open, datagram)
  const answer = answerRequest({ env, session, ...open, message: opened.message, path })
  return commit(env, open, opened.message.header, answer)
}

function hasEnded(session: OpenSession, open: OpenSa): boolean {
  return session.context.phase === 'tombstone' || open.sa.deletedAt !== 0
}

/** An authentic message that does not decode: INVALID_SYNTAX, and "the IKE SA MUST be closed" (§2.21.3). */
function commitMalformed(env: IkeEnvironment, session: OpenSession, open: OpenSa, datagram: Bytes): Decision {
  const header = peekHeader(datagram)
  assert(header !== null, 'an authentic message has a header')
  const payloads: Payload[] = [
    { type: 'notify', protocol: 0, spi: new Uint8Array(0), notify: notifyType.invalidSyntax, data: new Uint8Array(0) },
  ]
  return commit(env, open, header, { payloads, context: endIkeSa(session.context, open.sa, env.nowMs) })
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
  if (halfOpen !== null)
    return header.exchange === exchangeType.ikeAuth ? decideAuth(request, halfOpen) : answerFatal(request, notifyType.invalidSyntax)
  if (header.exchange === exchangeType.informational) return decideInformational(request)
  if (header.exchange === exchangeType.createChildSa) return decideCreateChild(request)
  return answerError(notifyType.invalidSyntax)
}

function commit(env: IkeEnvironment, open: OpenSa, header: IkeHeader, answer: Answer): Decision {
  const { exchange, messageId } = header
  const { payloads, context, uniqueness = 'none' } = answer
  const effectFree = payloads.length === 0 && context === null && exchange === exchangeType.informational
  const iv = env.nextIv()
  const reply: Reply = effectFree
    ? { type: 'empty', iv }
    : { type: 'datagrams', datagrams: [seal(env.crypto, open, { exchange, messageId, flag: headerFlag.response }, payloads, iv)] }
  return { type: 'commit', ikeSpi: open.ikeSpi, messageId, context, reply, uniqueness }
}

interface OwnHead {
  readonly exchange: number
  readonly messageId: number
  /** `headerFlag.response`, or 0 for a request of ours. */
  readonly flag: number
}

function seal(crypto: IkeCrypto, open: OpenSa, head: OwnHead, payloads: readonly Payload[], iv: Bytes): Bytes {
  const { initiatorSpi, responderSpi, initiatedByUs, suite } = open.sa
  const flags = head.flag | (initiatedByUs ? headerFlag.initiator : 0)
  const { exchange, messageId } = head
  return sealMessage(
    crypto,
    suite,
    directionKeys(open.keys, initiatedByUs),
    { initiatorSpi, responderSpi, exchange, flags, messageId },
    payloads,
    iv,
  )
}

function decideResponse(env: IkeEnvironment, session: OpenSession, open: OpenSa, expected: ExpectedMessageIds, datagram: Bytes): Decision {
  const messageId = peekHeader(datagram)?.messageId
  if (messageId === undefined || messageId !== expected.response) return drop('unexpected-response')
  const opened = openFrom(env, open, datagram)
  if (opened.type === 'forged') return drop('forged')
  if (opened.type === 'malformed') return drop('malformed-response')
  const context = isRefusal(opened.message) && !hasEnded(session, open) ? endIkeSa(session.context, open.sa, env.nowMs) : null
  return { type: 'response', ikeSpi: open.ikeSpi, messageId, context }
}

/** INVALID_SYNTAX from an authenticated peer: it has closed the IKE SA (§2.21.3). */
function isRefusal(message: Message): boolean {
  return message.payloads.some((payload) => payload.type === 'notify' && payload.notify === notifyType.invalidSyntax)
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
  return [seal(env.crypto, open, { exchange: exchangeType.informational, messageId, flag: headerFlag.response }, [], reply.iv)]
}

/** Requests of our own. */
export type OwnRequest =
  /** An empty INFORMATIONAL: "are you there?" (§2.4). */
  | { readonly type: 'liveness' }
  /** DELETE of the IKE SA, and so of everything under it (§1.4.1). */
  | { readonly type: 'delete' }

/**
 * The octets of our own request with this Message ID, to be committed before they are first sent and repeated as they are, and the context
 * after it (null when it stays). Null when the session has no such IKE SA.
 */
export function buildRequest(
  env: IkeEnvironment,
  session: OpenSession,
  ikeSpi: bigint,
  messageId: number,
  request: OwnRequest,
): { readonly datagrams: readonly Bytes[]; readonly context: SessionContext | null } | null {
  const open = findSa(session, ikeSpi)
  if (open === null) return null
  const payloads: Payload[] = request.type === 'delete' ? [{ type: 'delete', protocol: protocolId.ike, spiSize: 0, spis: [] }] : []
  const datagram = seal(env.crypto, open, { exchange: exchangeType.informational, messageId, flag: 0 }, payloads, env.nextIv())
  return { datagrams: [datagram], context: request.type === 'delete' ? tombstoneOf(session.context, env.nowMs) : null }
}
