/**
 * The last step of IKE_AUTH: a client that has proved who it is gets its addresses and its first Child SA (RFC 7296 §1.2, §2.19).
 *
 * What the client wants stands in its first request; with EAP that is some rounds ago. What is wrong with the Child SA only (§1.2: "If the
 * failure is related to creating the Child SA ... the IKE SA is still created") leaves the IKE SA standing.
 */

import { emptyBytes } from '../kit/bytes.ts'
import type { Uniqueness } from '../context/holder.ts'
import type { ChildSaContext, Credential, HalfOpen, Identity, IkeSaContext, SessionContext } from '../context/session-context.ts'
import { features } from '../context/session-context.ts'
import type { ConnectionConfiguration } from '../context/vpn-configuration.ts'
import type { ChildOffer } from './child-negotiation.ts'
import { childOfferOf, makeChild, matchChild } from './child-negotiation.ts'
import { assignAddresses } from './configuration-exchange.ts'
import type { AddressHolder, Claimant, IkeEnvironment } from './decision.ts'
import type { Answer, Request } from './exchange.ts'
import { answerFatal } from './exchange.ts'
import { sendsFragments } from './init.ts'
import { additionalAddresses } from './mobility.ts'
import { sealIkeKeys } from './open-session.ts'
import { notifyType } from './wire/notify.ts'
import type { Payload } from './wire/payloads.ts'
import { findNotify, findPayload, notification } from './wire/payloads.ts'

/** A client that has proved who it is. */
export interface AuthenticatedClient {
  readonly connection: ConnectionConfiguration
  readonly identity: Identity
  /** Whether only this one client could give the proof: a key that several have does not tell them apart. */
  readonly personal: boolean
  readonly credential: Credential | null
}

/** The session is established. `request`: the last one of IKE_AUTH; `wants`: the payloads of the first. The answer has no proof of ours in it. */
export function establish(request: Request, halfOpen: HalfOpen, client: AuthenticatedClient, wants: readonly Payload[]): Answer {
  if (!mayBeChildless(client, wants)) return answerFatal(request, notifyType.invalidSyntax)
  const uniqueness = uniquenessOf(client, wants)
  if (!mayConnect(request.env, client, uniqueness)) return answerFatal(request, notifyType.authenticationFailed)
  const first = firstChild(request, halfOpen, client, { wants, uniqueness })
  const mobike = client.connection.mobike && findNotify(wants, notifyType.mobikeSupported) !== null
  const fragmentation = sendsFragments(client.connection) ? request.session.context.features & features.fragmentation : 0
  const mobility = mobike ? [notification(notifyType.mobikeSupported), ...additionalAddresses(request.env, request.path)] : []
  const context: SessionContext = {
    ...request.session.context,
    phase: 'established',
    connection: client.connection.name,
    identity: client.identity,
    local: request.path.local,
    remote: request.path.remote,
    features: fragmentation | (mobike ? features.mobike : 0) | (client.personal ? features.provenIdentity : 0),
    virtualIps: first.virtualIps,
    ikeSas: [establishedSa(request)],
    children: first.child === null ? [] : [first.child],
    halfOpen: null,
    expiresAt: 0,
    credential: client.credential,
  }
  return { payloads: [...first.payloads, ...mobility], context, uniqueness }
}

/** RFC 6023 §3: an IKE_AUTH request without SA and selectors. */
function mayBeChildless({ connection }: AuthenticatedClient, wants: readonly Payload[]): boolean {
  const isChildless = findPayload(wants, 'sa') === null
  return connection.childless !== (isChildless ? 'never' : 'force')
}

/** INITIAL_CONTACT says that the client knows of no other session of its own, so there is none that it still uses (§2.4). */
function uniquenessOf({ connection, personal }: AuthenticatedClient, wants: readonly Payload[]): Uniqueness {
  if (!personal || connection.unique === 'never') return 'none'
  if (connection.unique === 'replace' || findNotify(wants, notifyType.initialContact) !== null) return 'replace'
  return connection.unique === 'keep' ? 'keep' : 'none'
}

/** Of one identity that may be connected several times. */
const maximumSessions = 200

function mayConnect(env: IkeEnvironment, client: AuthenticatedClient, uniqueness: Uniqueness): boolean {
  const holder = holderOf(client)
  if (holder === null || uniqueness === 'replace') return true
  return env.sessionsOf(holder) < (uniqueness === 'keep' ? 1 : maximumSessions)
}

function holderOf({ connection, identity, personal }: AuthenticatedClient): AddressHolder | null {
  return personal ? { connection: connection.name, identity } : null
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

/** The Child SA that IKE_AUTH brings, or the notification that says why there is none. A client may want none (childless, RFC 6023). */
function firstChild(
  request: Request,
  halfOpen: HalfOpen,
  client: AuthenticatedClient,
  { wants, uniqueness }: { readonly wants: readonly Payload[]; readonly uniqueness: Uniqueness },
): FirstChild {
  const offer = childOfferOf(wants)
  const claimant = { holder: holderOf(client), replaces: uniqueness === 'replace' }
  const result =
    offer === null
      ? assignOnly(request, client, wants, claimant)
      : assignAndNegotiate(request, halfOpen, client, { wants, offer, claimant })
  return typeof result === 'number' ? { virtualIps: [], child: null, payloads: [notification(result)] } : result
}

/** A client that wants its Child SAs later may ask for its addresses at once. */
function assignOnly(
  { env }: Request,
  { connection }: AuthenticatedClient,
  wants: readonly Payload[],
  claimant: Claimant,
): FirstChild | number {
  const asked = findPayload(wants, 'configuration')
  if (asked === null) return { virtualIps: [], child: null, payloads: [] }
  const assignment = assignAddresses(env, connection, asked, claimant)
  return typeof assignment === 'number' ? assignment : { ...assignment, child: null }
}

function assignAndNegotiate(
  request: Request,
  halfOpen: HalfOpen,
  client: AuthenticatedClient,
  { wants, offer, claimant }: { readonly wants: readonly Payload[]; readonly offer: ChildOffer; readonly claimant: Claimant },
): FirstChild | number {
  const { env, sa, keys } = request
  const { connection } = client
  const assignment = assignAddresses(env, connection, findPayload(wants, 'configuration'), claimant)
  if (typeof assignment === 'number') return assignment
  const match = matchChild(env, connection.children, offer, assignment.virtualIps, false)
  if (typeof match === 'number') return match
  const source = { prf: sa.suite.prf, skD: keys.skD, ni: halfOpen.ni, nr: halfOpen.nr, sharedSecret: emptyBytes }
  const made = makeChild(env, match, source)
  if (made === null) return notifyType.noAdditionalSas
  return { virtualIps: assignment.virtualIps, child: made.child, payloads: [...assignment.payloads, made.sa, ...made.selectors] }
}
