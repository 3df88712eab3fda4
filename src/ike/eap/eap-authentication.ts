/**
 * IKE_AUTH with EAP, as the responder and EAP server (RFC 7296 §2.16): the client proves who it is in rounds.
 *
 *   IDi, [IDr], CP, SA, TSi, TSr ──▶ beginEap ────▶ IDr, [CERT], AUTH, EAP(Request/Identity)
 *   EAP(Response/Identity) ────────▶ continueEap ─▶ EAP(Request/Challenge)        with a fixed `eap_id` already in the first answer
 *   EAP(Response) ─────────────────▶ continueEap ─▶ EAP(Success request) or EAP(Failure request) with another challenge
 *   EAP(Success response) ─────────▶ continueEap ─▶ EAP-Success
 *   AUTH, made with the MSK ───────▶ continueEap ─▶ AUTH, made with the MSK ‖ establish
 *
 * Everything between two rounds is in `EapProgress`, so each may be another gateway's. Their number is bounded by the wrong responses that are
 * allowed, what they leave in the context by its limits. A name that nobody has is treated as a wrong password is, to the octet.
 */

import type { Bytes } from '../../kit/bytes.ts'
import { emptyBytes, equalConstantTime, toUtf8 } from '../../kit/bytes.ts'
import { Reader, decodedOrNull } from '../../kit/wire.ts'
import { mskField } from '../../context/sealed-parts.ts'
import type { EapProgress, HalfOpen, SessionContext } from '../../context/session-context.ts'
import { contextLimits } from '../../context/session-context-codec.ts'
import type { ConnectionConfiguration } from '../../context/vpn-configuration.ts'
import type { Parties } from '../connection-choice.ts'
import { endIkeSa, roundMs, roundsMs } from '../decision.ts'
import { establish } from '../establish.ts'
import type { Answer, Request } from '../exchange.ts'
import { answerFatal } from '../exchange.ts'
import { authOctets, sharedKeyAuth } from '../key-schedule.ts'
import type { EapPacket } from '../wire/eap.ts'
import { eapCode, eapResult, eapType } from '../wire/eap.ts'
import type { MsChapV2Packet } from '../wire/eap-mschapv2.ts'
import { challengeOctets, failureMessage, msChapV2, opCode } from '../wire/eap-mschapv2.ts'
import { notifyType } from '../wire/notify.ts'
import type { Payload } from '../wire/payloads.ts'
import { decodePayloads, encodePayloads, findPayload, notification } from '../wire/payloads.ts'
import type { Identification } from '../wire/simple-payloads.ts'
import { authMethod, identification, identificationBody } from '../wire/simple-payloads.ts'
import { authenticatorResponse, masterSessionKey, ntResponse, withoutDomain } from './mschapv2.ts'
import type { User } from './users.ts'
import { findUser, isStillUser, isUserPattern, matchesUser, nameOf, openNtHash, userIdentity, userKey } from './users.ts'

/** So many wrong responses end it. */
export const maximumFailures = 3
/** ERROR_AUTHENTICATION_FAILURE (RFC 2759 §6). */
const authenticationFailure = 691
const firstIdentifier = 1
/** "identifies the authenticator"; clients only show it. */
const ourName = toUtf8('evpc')

/** The first answer. `proof`: our IDr and what proves it. */
export function beginEap(
  request: Request,
  halfOpen: HalfOpen,
  parties: Parties,
  own: { readonly idI: Identification; readonly proof: readonly Payload[] },
): Answer {
  const { connection, client } = parties
  const { eapId = '' } = connection.remote
  const user = eapId === '' ? nameOf(client) : toUtf8(eapId)
  const idR = identificationBody(identification(parties.own))
  const wants = encodePayloads(request.message.payloads.filter(isWanted))
  const { eapWantsOctets, eapUserOctets, identityOctets } = contextLimits
  const fits = wants.bytes.length <= eapWantsOctets && user.length <= eapUserOctets && idR.length <= identityOctets
  if (!fits) return answerFatal(request, notifyType.invalidSyntax)
  const isAsked = isUserPattern(eapId)
  const begun: EapProgress = {
    connection: connection.name,
    idI: identificationBody(own.idI),
    idR,
    wants,
    stage: 'identity',
    identifier: firstIdentifier,
    failures: 0,
    user: emptyBytes,
    challenge: emptyBytes,
    msk: emptyBytes,
  }
  const step = isAsked ? { next: begun, packet: eapRequest(begun, eapType.identity, emptyBytes) } : challengeUser(request, begun, user)
  return { payloads: [...own.proof, { type: 'eap', ...step.packet }], context: halfOpenAt(request, halfOpen, step.next) }
}

/** What the last round will need. */
function isWanted({ type }: Payload): boolean {
  return type === 'configuration' || type === 'sa' || type === 'tsI' || type === 'tsR' || type === 'notify'
}

/** The next request of IKE_AUTH. */
export function continueEap(request: Request, halfOpen: HalfOpen, eap: EapProgress): Answer {
  const connection = request.env.vpn.connections.find(({ name }) => name === eap.connection)
  // The configuration may have changed meanwhile.
  if (connection?.remote.auth !== 'eap-mschapv2') return answerFatal(request, notifyType.authenticationFailed)
  if (eap.stage === 'auth') return finishEap(request, halfOpen, eap, connection)
  const response = findPayload(request.message.payloads, 'eap')
  if (response === null) return answerFatal(request, notifyType.invalidSyntax)
  const step = takeResponse(request, eap, connection, response)
  if (step === null) return endWithFailure(request, response)
  return { payloads: [{ type: 'eap', ...step.packet }], context: halfOpenAt(request, halfOpen, step.next) }
}

interface Step {
  readonly next: EapProgress
  readonly packet: EapPacket
}

/** Null: EAP has failed. A Nak does, too: there is no other method. */
function takeResponse(request: Request, eap: EapProgress, connection: ConnectionConfiguration, response: EapPacket): Step | null {
  if (response.code !== eapCode.response || response.identifier !== eap.identifier) return null
  if (eap.stage === 'identity') return takeIdentity(request, eap, response)
  const packet = msChapV2Of(response)
  if (packet === null) return null
  switch (eap.stage) {
    case 'response':
      return packet.type === 'response' ? judge(request, eap, connection, packet) : null
    case 'success':
      if (acknowledged(packet) !== opCode.success) return null
      return { next: { ...eap, stage: 'auth' }, packet: eapResult(eapCode.success, eap.identifier) }
    default:
      return null
  }
}

function takeIdentity(request: Request, eap: EapProgress, { eapType: type, data }: EapPacket): Step | null {
  if (type !== eapType.identity || data.length > contextLimits.eapUserOctets) return null
  return challengeUser(request, { ...eap, identifier: eap.identifier + 1 }, data.slice())
}

function challengeUser(request: Request, eap: EapProgress, user: Bytes): Step {
  const challenge = request.env.random.bytes(challengeOctets)
  const next: EapProgress = { ...eap, stage: 'response', user, challenge }
  return { next, packet: methodRequest(next, { type: 'challenge', id: next.identifier, challenge, name: ourName }) }
}

/** Right or wrong. */
function judge(request: Request, eap: EapProgress, connection: ConnectionConfiguration, packet: PeerResponse): Step {
  const { env, path } = request
  const key = userKey(eap.user)
  const next = { ...eap, identifier: eap.identifier + 1 }
  const user = userOf(request, eap, connection)
  const hash = openNtHash(env.sealer, env.vpn, user)
  const values = { authenticatorChallenge: eap.challenge, peerChallenge: packet.peerChallenge, userName: withoutDomain(packet.name) }
  const expected = ntResponse(env.crypto, hash ?? new Uint8Array(16), values)
  const isRight = equalConstantTime(expected, packet.ntResponse)
  if (user === null || hash === null || !isRight) {
    env.logins.failed(key, path.remote.address)
    return refuse(request, { ...next, failures: eap.failures + 1 })
  }
  env.logins.succeeded(key, path.remote.address)
  const message = toUtf8(`${authenticatorResponse(env.crypto, hash, values, packet.ntResponse)} M=OK`)
  const msk = env.sealer.seal(mskField(request.sa.responderSpi), masterSessionKey(env.crypto, hash, packet.ntResponse))
  const proven: EapProgress = { ...next, stage: 'success', user: user.identity.data, challenge: emptyBytes, msk }
  return { next: proven, packet: methodRequest(proven, { type: 'success', id: proven.identifier, message }) }
}

type PeerResponse = Extract<MsChapV2Packet, { type: 'response' }>

/** Whose password is wanted: whom the client said it is, whatever name the response has. Null: nobody's would do. */
function userOf({ env }: Request, eap: EapProgress, { remote }: ConnectionConfiguration): User | null {
  const { eapId = '' } = remote
  return eapId === '' || matchesUser(eapId, eap.user) ? findUser(env.vpn, eap.user) : null
}

/** Another challenge, or with too many wrong responses none: then the client takes note, and that is the end. */
function refuse(request: Request, eap: EapProgress): Step {
  const challenge = request.env.random.bytes(challengeOctets)
  const mayRetry = eap.failures < maximumFailures
  const next: EapProgress = { ...eap, stage: mayRetry ? 'response' : 'failure', challenge }
  const message = failureMessage({ error: authenticationFailure, mayRetry, challenge }, 'Authentication failed')
  return { next, packet: methodRequest(next, { type: 'failure', id: next.identifier, message }) }
}

/** AUTH of both sides is made with the MSK (§2.16). */
function finishEap(request: Request, halfOpen: HalfOpen, eap: EapProgress, connection: ConnectionConfiguration): Answer {
  const { env, sa, keys, message } = request
  const auth = findPayload(message.payloads, 'auth')
  const msk = env.sealer.open(mskField(sa.responderSpi), eap.msk)
  const identity = userIdentity(eap.user)
  if (auth?.method !== authMethod.sharedKeyMic || msk === null || !isStillUser(env.vpn, connection, identity)) return refuseAuth(request)
  const macOf = (side: Parameters<typeof authOctets>[2]): Bytes =>
    sharedKeyAuth(env.crypto, sa.suite.prf, msk, authOctets(env.crypto, sa.suite.prf, side))
  const expected = macOf({ message: halfOpen.initRequest, peerNonce: halfOpen.nr, skP: keys.skPi, idBody: eap.idI })
  if (!equalConstantTime(expected, auth.data)) return refuseAuth(request)
  const data = macOf({ message: halfOpen.initResponse, peerNonce: halfOpen.ni, skP: keys.skPr, idBody: eap.idR })
  const { first, bytes } = eap.wants
  const { payloads: wants } = decodePayloads(new Reader('kept payloads', bytes), first)
  const client = { connection, identity, personal: true, credential: { type: 'user' } } as const
  const established = establish(request, halfOpen, client, wants)
  // Who is turned away at the last step is told nothing but that.
  if (established.context?.phase !== 'established') return established
  return { ...established, payloads: [{ type: 'auth', method: authMethod.sharedKeyMic, data }, ...established.payloads] }
}

/** After EAP's success, which can only mean that somebody else speaks, or that the user is gone since. */
function refuseAuth(request: Request): Answer {
  return { ...answerFatal(request, notifyType.authenticationFailed), problem: 'eap-auth' }
}

/** EAP-Failure, and what it means to IKE. */
function endWithFailure(request: Request, { identifier }: EapPacket): Answer {
  return {
    payloads: [{ type: 'eap', ...eapResult(eapCode.failure, identifier) }, notification(notifyType.authenticationFailed)],
    context: endIkeSa(request.session.context, request.sa, request.env.nowMs),
    problem: 'eap-failed',
  }
}

/** A good round prolongs the life of a half-open session, so that somebody can type a password; not beyond a bound for all rounds. */
function halfOpenAt({ env, sa, session }: Request, halfOpen: HalfOpen, eap: EapProgress): SessionContext {
  const expiresAt = Math.min(env.nowMs + roundMs, sa.establishedAt + roundsMs)
  return { ...session.context, halfOpen: { ...halfOpen, eap }, expiresAt }
}

function eapRequest({ identifier }: EapProgress, type: number, data: Bytes): EapPacket {
  return { code: eapCode.request, identifier, eapType: type, data }
}

function methodRequest(eap: EapProgress, packet: MsChapV2Packet): EapPacket {
  return eapRequest(eap, eapType.msChapV2, msChapV2.encode(packet))
}

/** Null: it is of another type, or does not decode. */
function msChapV2Of({ eapType: type, data }: EapPacket): MsChapV2Packet | null {
  return type === eapType.msChapV2 ? decodedOrNull((octets) => msChapV2.decode(new Reader('MSCHAPv2', octets)), data) : null
}

/** The OpCode of an acknowledgement; 0: it is none. */
function acknowledged(packet: MsChapV2Packet): number {
  return packet.type === 'acknowledgement' ? packet.opCode : packet.type === 'success' ? opCode.success : 0
}

/**
 * Whether the request is a response to our challenge that comes too soon after wrong ones, by its user and its source: it is dropped, and the
 * client sends it again.
 */
export function comesTooSoon({ env, message, path }: Request, eap: EapProgress): boolean {
  if (eap.stage !== 'response') return false
  const response = findPayload(message.payloads, 'eap')
  if (response === null || msChapV2Of(response)?.type !== 'response') return false
  return env.logins.waitMs(userKey(eap.user), path.remote.address) > 0
}
