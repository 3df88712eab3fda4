/**
 * IKE_AUTH with a pre-shared key, as the responder (RFC 7296 §1.2, §2.15, §2.16).
 *
 * Whatever is wrong with who the client is gets the same answer, AUTHENTICATION_FAILED, and ends the session. What is wrong with the Child
 * SA only (§1.2: "If the failure is related to creating the Child SA ... the IKE SA is still created") leaves the IKE SA standing.
 */

import { emptyBytes, equalConstantTime } from '../kit/bytes.ts'
import type { ChildSaContext, HalfOpen, Identity, IkeSaContext, SessionContext } from '../context/session-context.ts'
import { features } from '../context/session-context.ts'
import type { ConnectionConfiguration } from '../context/vpn-configuration.ts'
import type { ChildOffer } from './child-negotiation.ts'
import { childOfferOf, makeChild, matchChild } from './child-negotiation.ts'
import { assignAddresses } from './configuration-exchange.ts'
import type { ChosenSecret } from './connection-choice.ts'
import { chooseConnection, chooseSecret, ownIdentity } from './connection-choice.ts'
import type { Answer, Request } from './exchange.ts'
import { answerFatal } from './exchange.ts'
import { authOctets, sharedKeyAuth } from './key-schedule.ts'
import { sealIkeKeys } from './open-session.ts'
import { notifyType } from './wire/notify.ts'
import type { Payload } from './wire/payloads.ts'
import { findNotify, findPayload, notification } from './wire/payloads.ts'
import type { Authentication, Identification } from './wire/simple-payloads.ts'
import { authMethod, identification, identificationBody } from './wire/simple-payloads.ts'

/** The longest identity that a context keeps. */
const maximumIdentityOctets = 512

export function decideAuth(request: Request, halfOpen: HalfOpen): Answer {
  const { payloads } = request.message
  const idI = findPayload(payloads, 'idI')
  const auth = findPayload(payloads, 'auth')
  if (idI === null || idI.identity.data.length > maximumIdentityOctets) return answerFatal(request, notifyType.invalidSyntax)
  // Without AUTH the client wants EAP (§2.16), which no connection has.
  if (auth === null) return answerFatal(request, notifyType.authenticationFailed)
  const client = authenticate(request, halfOpen, idI, auth)
  return client === null ? answerFatal(request, notifyType.authenticationFailed) : establish(request, halfOpen, client)
}

/** A client that has proved that it knows the secret. */
interface AuthenticatedClient {
  readonly identity: Identity
  readonly own: Identity
  readonly connection: ConnectionConfiguration
  readonly secret: ChosenSecret
}

function authenticate(request: Request, halfOpen: HalfOpen, idI: Identification, auth: Authentication): AuthenticatedClient | null {
  const { env, sa, keys } = request
  const wanted = findPayload(request.message.payloads, 'idR')?.identity ?? null
  const identity = { type: idI.identity.type, data: idI.identity.data.slice() }
  const connection = chooseConnection(env, { client: identity, wanted, suite: sa.suite })
  if (connection === null || auth.method !== authMethod.sharedKeyMic) return null
  const own = ownIdentity(connection, wanted, request.path.local)
  const secret = chooseSecret(env, own, identity)
  if (secret === null) return null
  const side = { message: halfOpen.initRequest, peerNonce: halfOpen.nr, skP: keys.skPi, idBody: identificationBody(idI) }
  const expected = sharedKeyAuth(env.crypto, sa.suite.prf, secret.secret, authOctets(env.crypto, sa.suite.prf, side))
  return equalConstantTime(expected, auth.data) ? { identity, own, connection, secret } : null
}

function establish(request: Request, halfOpen: HalfOpen, client: AuthenticatedClient): Answer {
  const { payloads } = request.message
  const first = firstChild(request, halfOpen, client)
  const mobike = findNotify(payloads, notifyType.mobikeSupported) !== null
  const response = [...ownAuthentication(request, halfOpen, client), ...first.payloads]
  if (mobike) response.push(notification(notifyType.mobikeSupported))
  const context: SessionContext = {
    ...request.session.context,
    phase: 'established',
    connection: client.connection.name,
    identity: client.identity,
    local: request.path.local,
    remote: request.path.remote,
    features: mobike ? features.mobike : 0,
    virtualIps: first.virtualIps,
    ikeSas: [establishedSa(request)],
    children: first.child === null ? [] : [first.child],
    halfOpen: null,
    expiresAt: 0,
  }
  const initialContact = client.secret.personal && findNotify(payloads, notifyType.initialContact) !== null
  return { payloads: response, context, initialContact }
}

/** IDr and AUTH. */
function ownAuthentication(request: Request, halfOpen: HalfOpen, client: AuthenticatedClient): Payload[] {
  const { env, sa, keys } = request
  const idR = identification(client.own)
  const side = { message: halfOpen.initResponse, peerNonce: halfOpen.ni, skP: keys.skPr, idBody: identificationBody(idR) }
  const octets = authOctets(env.crypto, sa.suite.prf, side)
  const data = sharedKeyAuth(env.crypto, sa.suite.prf, client.secret.secret, octets)
  return [
    { type: 'idR', ...idR },
    { type: 'auth', method: authMethod.sharedKeyMic, data },
  ]
}

/** SK_pi and SK_pr have done their work: they are not kept. */
function establishedSa(request: Request): IkeSaContext {
  const { env, sa, keys } = request
  const kept = { ...keys, skPi: emptyBytes, skPr: emptyBytes }
  return { ...sa, secrets: sealIkeKeys(env.sealer, sa.responderSpi, kept), establishedAt: env.nowMs }
}

interface FirstChild {
  readonly virtualIps: SessionContext['virtualIps']
  readonly child: ChildSaContext | null
  readonly payloads: readonly Payload[]
}

/** The Child SA that IKE_AUTH brings, or the notification that says why there is none. A client may want none (RFC 6023). */
function firstChild(request: Request, halfOpen: HalfOpen, client: AuthenticatedClient): FirstChild {
  const offer = childOfferOf(request.message.payloads)
  if (offer === null) return { virtualIps: [], child: null, payloads: [] }
  const result = assignAndNegotiate(request, halfOpen, client, offer)
  return typeof result === 'number' ? { virtualIps: [], child: null, payloads: [notification(result)] } : result
}

function assignAndNegotiate(request: Request, halfOpen: HalfOpen, client: AuthenticatedClient, offer: ChildOffer): FirstChild | number {
  const { env, sa, keys } = request
  const { connection, identity } = client
  const holder = client.secret.personal ? { connection: connection.name, identity } : null
  const assignment = assignAddresses(env, connection, findPayload(request.message.payloads, 'configuration'), holder)
  if (typeof assignment === 'number') return assignment
  const match = matchChild(env, connection.children, offer, assignment.virtualIps, false)
  if (typeof match === 'number') return match
  const source = { prf: sa.suite.prf, skD: keys.skD, ni: halfOpen.ni, nr: halfOpen.nr, sharedSecret: emptyBytes }
  const made = makeChild(env, match, source)
  if (made === null) return notifyType.noAdditionalSas
  return { virtualIps: assignment.virtualIps, child: made.child, payloads: [...assignment.payloads, made.sa, ...made.selectors] }
}
