/**
 * IKE_SA_INIT, as the responder (RFC 7296 §1.2, §2.6, §2.7).
 *
 * What can be answered without remembering anything is: a cookie, another group, no common proposal. Only then are Diffie–Hellman and a
 * session paid for. That a retransmitted request gets the same bytes is the caller's matter: it keys half-open sessions by the hash of
 * the request and its source.
 */

import type { Bytes } from '../kit/bytes.ts'
import { emptyBytes } from '../kit/bytes.ts'
import { Writer, decodedOrNull } from '../kit/wire.ts'
import type { IkeSaContext, IkeSuite, SessionContext } from '../context/session-context.ts'
import { features } from '../context/session-context.ts'
import type { ConnectionConfiguration } from '../context/vpn-configuration.ts'
import { certificateRequest } from './certificates.ts'
import type { CookieOptions } from './cookie.ts'
import { isValidCookie, makeCookie } from './cookie.ts'
import type { Decision, IkeEnvironment, Path, Reply } from './decision.ts'
import { drop, halfOpenMs } from './decision.ts'
import { deriveIkeKeys } from './key-schedule.ts'
import { hasForbiddenNat } from './mobility.ts'
import { gatewayNatDetection, isBehindNat } from './nat-detection.ts'
import { sealIkeKeys } from './open-session.ts'
import type { SelectedIke } from './proposal-selection.ts'
import { ikeAnswer, selectIkeProposal } from './proposal-selection.ts'
import { announcedHashes, hashAnnouncement } from './signature.ts'
import type { IkeHeader } from './wire/header.ts'
import { exchangeType, headerFlag, ikeVersion, isFromInitiator, isResponse, peekHeader } from './wire/header.ts'
import type { Message } from './wire/message.ts'
import { decodeMessage, encodeMessage } from './wire/message.ts'
import { notifyType } from './wire/notify.ts'
import type { Payload } from './wire/payloads.ts'
import { findNotify, findPayload, notification } from './wire/payloads.ts'

export const nonceOctets = { own: 32, minimum: 16, maximum: 256 } as const

export interface InitOptions {
  readonly cookie?: CookieOptions
  /** Whether there is time for a key exchange of this group now; asked right before it. */
  readonly mayExchange?: (group: number) => boolean
}

/** What a source that has not shown that it is there gets at most, as a multiple of what it sent: QUIC's factor (RFC 9000 §8). */
const amplification = 3

/** Decides about a datagram whose responder SPI is 0. Never throws for what a peer sent. */
export function decideInit(env: IkeEnvironment, datagram: Bytes, path: Path, options: InitOptions = {}): Decision {
  const header = peekHeader(datagram)
  if (header === null) return drop('short')
  if (header.length !== datagram.length || isResponse(header) || header.initiatorSpi === 0n) return drop('header')
  if (header.version >> 4 !== ikeVersion >> 4) return decideVersion(header)
  if (header.exchange !== exchangeType.ikeSaInit) return drop('unexpected-exchange')
  if (!isFromInitiator(header) || header.messageId !== 0 || header.responderSpi !== 0n) return drop('header')
  const message = decodedOrNull(decodeMessage, datagram)
  return message === null ? drop('malformed') : decideRequest(env, datagram, message, path, options)
}

/** "If an endpoint receives a message with a higher major version number, it MUST drop the message and SHOULD send INVALID_MAJOR_VERSION" (§2.5). */
function decideVersion(header: IkeHeader): Decision {
  return header.version >> 4 > ikeVersion >> 4 ? refuse(header, notification(notifyType.invalidMajorVersion)) : drop('version')
}

/** An answer in the clear that nothing is remembered of. Its responder SPI is 0 (§2.6). */
function refuse(header: IkeHeader, payload: Payload): Extract<Decision, { type: 'answer' }> {
  const { initiatorSpi, exchange, messageId } = header
  const head = { initiatorSpi, responderSpi: 0n, exchange, messageId, flags: headerFlag.response }
  return { type: 'answer', datagrams: [encodeMessage(head, [payload])] }
}

function askForCookie(header: IkeHeader, cookie: Bytes): Decision {
  return { ...refuse(header, notification(notifyType.cookie, cookie)), isCookie: true }
}

function decideRequest(env: IkeEnvironment, datagram: Bytes, message: Message, path: Path, options: InitOptions): Decision {
  const { header, payloads } = message
  if (message.unsupportedCritical !== null) {
    return refuse(header, notification(notifyType.unsupportedCriticalPayload, Uint8Array.of(message.unsupportedCritical)))
  }
  const sa = findPayload(payloads, 'sa')
  const ke = findPayload(payloads, 'ke')
  const ni = findPayload(payloads, 'nonce')?.nonce
  if (sa === null || ke === null || ni === undefined) return drop('malformed')
  if (ni.length < nonceOctets.minimum || ni.length > nonceOctets.maximum) return drop('nonce')

  const cookie = cookieFor(env, message, ni, path, options.cookie)
  if (cookie !== null && options.cookie?.required === true) return askForCookie(header, cookie)
  if (hasForbiddenNat(payloads, path)) return refuse(header, notification(notifyType.unexpectedNatDetected))

  const configured = env.vpn.connections.flatMap((connection) => connection.ikeProposals)
  const selected = selectIkeProposal(env.crypto, sa.proposals, configured)
  if (selected === null) return refuse(header, notification(notifyType.noProposalChosen))
  const group = selected.suite.ke
  if (ke.group !== group) return refuse(header, notification(notifyType.invalidKePayload, new Writer(2).u16(group).finish()))
  if (options.mayExchange?.(group) === false) return drop('busy')
  const decision = createHalfOpen(env, { datagram, message, path, selected, ni, peerPublicValue: ke.publicValue })
  const isLong = decision.type === 'create' && octetsOf(decision.reply) > amplification * datagram.length
  return isLong && cookie !== null ? askForCookie(header, cookie) : decision
}

function octetsOf(reply: Reply): number {
  return reply.type === 'empty' ? 0 : reply.datagrams.reduce((sum, { length }) => sum + length, 0)
}

/** The cookie that the initiator would have to send first; null when it has sent it, or there are none. */
function cookieFor(env: IkeEnvironment, message: Message, ni: Bytes, path: Path, options: CookieOptions | undefined): Bytes | null {
  const present = options?.secrets[0]
  if (options === undefined || present === undefined) return null
  const input = { ni, initiatorSpi: message.header.initiatorSpi, remote: path.remote }
  const sent = findNotify(message.payloads, notifyType.cookie)
  if (sent !== null && isValidCookie(env.crypto, options.secrets, input, sent.data)) return null
  return makeCookie(env.crypto, present, input)
}

interface AcceptedInit {
  readonly datagram: Bytes
  readonly message: Message
  readonly path: Path
  readonly selected: SelectedIke
  readonly ni: Bytes
  readonly peerPublicValue: Bytes
}

function createHalfOpen(env: IkeEnvironment, init: AcceptedInit): Decision {
  const { suite } = init.selected
  const keyExchange = env.crypto.keyExchange(suite.ke)
  const sharedSecret = keyExchange.sharedSecret(init.peerPublicValue)
  if (sharedSecret === null) return drop('public-value')
  const spis = { initiatorSpi: init.message.header.initiatorSpi, responderSpi: env.newIkeSpi() }
  const nr = env.random.bytes(nonceOctets.own)
  const response = encodeMessage({ ...spis, exchange: exchangeType.ikeSaInit, messageId: 0, flags: headerFlag.response }, [
    { type: 'sa', proposals: [ikeAnswer(init.selected, emptyBytes)] },
    { type: 'ke', group: suite.ke, publicValue: keyExchange.publicValue },
    { type: 'nonce', nonce: nr },
    ...gatewayNatDetection(env, spis, init.path),
    ...(env.vpn.connections.some(({ childless }) => childless !== 'never') ? [notification(notifyType.childlessSupported)] : []),
    ...(isAnnounced(env) ? [notification(notifyType.fragmentationSupported)] : []),
    ...certificatePayloads(env, init.message.payloads),
  ])
  const keys = deriveIkeKeys(env.crypto, suite, sharedSecret, { ni: init.ni, nr, ...spis })
  const sa = newIkeSa(spis, suite, sealIkeKeys(env.sealer, spis.responderSpi, keys), env.nowMs)
  const context = halfOpenContext(env, init, sa, response, nr)
  return { type: 'create', context, reply: { type: 'datagrams', datagrams: [response] } }
}

/** RFC 7383 §2.3: announced to whoever; which connection it will be is not known yet. */
function isAnnounced(env: IkeEnvironment): boolean {
  return env.vpn.connections.some(({ fragmentation }) => fragmentation !== 'no')
}

/**
 * Until the connection is known, long messages leave in fragments if any of them wants it: a client that has announced it takes them, and
 * whole ones might never reach it.
 */
function mayFragment(env: IkeEnvironment, message: Message): boolean {
  return findNotify(message.payloads, notifyType.fragmentationSupported) !== null && env.vpn.connections.some(sendsFragments)
}

export function sendsFragments({ fragmentation }: Pick<ConnectionConfiguration, 'fragmentation'>): boolean {
  return fragmentation === 'yes' || fragmentation === 'force'
}

/** What clients with certificates need to know: which authorities' they may be of, and how they may sign (RFC 7296 §3.7, RFC 7427 §4). */
function certificatePayloads({ crypto, vpn }: IkeEnvironment, received: readonly Payload[]): Payload[] {
  const isSigning = vpn.connections.some(({ local, remote }) => local.auth !== 'psk' || remote.auth === 'pubkey')
  const request = certificateRequest(crypto, vpn)
  const hashes = isSigning && announcedHashes(received) !== null ? [hashAnnouncement()] : []
  return request === null ? hashes : [request, ...hashes]
}

function newIkeSa(spis: { initiatorSpi: bigint; responderSpi: bigint }, suite: IkeSuite, secrets: Bytes, nowMs: number): IkeSaContext {
  return { ...spis, initiatedByUs: false, suite, secrets, establishedAt: nowMs, deletedAt: 0, closing: false, task: null }
}

function halfOpenContext(env: IkeEnvironment, init: AcceptedInit, sa: IkeSaContext, response: Bytes, nr: Bytes): SessionContext {
  const { datagram, message, path, ni } = init
  return {
    phase: 'half-open',
    connection: '',
    identity: null,
    local: path.local,
    remote: path.remote,
    behindNat: isBehindNat(env.crypto, { initiatorSpi: sa.initiatorSpi, responderSpi: 0n }, path.remote, message.payloads),
    features: mayFragment(env, message) ? features.fragmentation : 0,
    virtualIps: [],
    ikeSas: [sa],
    children: [],
    halfOpen: { initRequest: datagram.slice(), initResponse: response, ni: ni.slice(), nr, eap: null },
    expiresAt: env.nowMs + halfOpenMs,
    credential: null,
  }
}
