/**
 * CREATE_CHILD_SA, as the responder (RFC 7296 §1.3, §2.8): a further Child SA, the rekeying of one, or of the IKE SA (ike-rekey.ts).
 *
 * A Child SA that is rekeyed stays beside its successor until the client, who started it, deletes it (§2.8): nothing that is on its way is
 * lost.
 */

import type { Bytes } from '../kit/bytes.ts'
import { dataView } from '../kit/bytes.ts'
import type { ChildSaContext, SessionContext } from '../context/session-context.ts'
import type { ChildMatch } from './child-negotiation.ts'
import { childOfferOf, makeChild, matchChild } from './child-negotiation.ts'
import type { Rival } from './collision.ts'
import { lowerNonce, noteRival, rekeyingOf } from './collision.ts'
import { isReplaced, keptIkeSas } from './decision.ts'
import type { Answer, Request } from './exchange.ts'
import { answerError, answerFatal } from './exchange.ts'
import { decideIkeRekey, maximumIkeSas } from './ike-rekey.ts'
import { nonceOctets } from './init.ts'
import { agreeOnKey } from './key-agreement.ts'
import { notifyType } from './wire/notify.ts'
import type { Notify } from './wire/notify.ts'
import { findNotify, findPayload } from './wire/payloads.ts'
import { protocolId } from './wire/security-association.ts'

/** A client gets no further Child SA beyond this; with those that it rekeys and has not deleted yet it may have twice as many. */
export const maximumChildren = 8

export function decideCreateChild(request: Request): Answer {
  const { payloads } = request.message
  // §2.25.2: no more SAs under one that we are closing.
  if (request.session.context.phase === 'tombstone') return answerError(notifyType.temporaryFailure)
  // §2.25.2: whoever is rekeying an IKE SA refuses to create or rekey SAs under it; its successor has the Child SAs.
  if (isReplaced(request.session.context, request.sa)) return answerError(notifyType.temporaryFailure)
  const sa = findPayload(payloads, 'sa')
  const ni = findPayload(payloads, 'nonce')?.nonce
  if (sa === null || ni === undefined || !isNonce(ni)) return answerFatal(request, notifyType.invalidSyntax)
  const rekeySa = findNotify(payloads, notifyType.rekeySa)
  if (rekeySa === null && sa.proposals.some((proposal) => proposal.protocol === protocolId.ike)) {
    return decideIkeRekey(request, sa.proposals, ni)
  }
  if (request.sa.task?.type === 'rekey-ike') return answerError(notifyType.temporaryFailure)
  const rekeyed = rekeySa === null ? null : rekeyedChild(request, rekeySa)
  // What we don't know may be what an answer to our own request has made that is on its way.
  const mayExist = request.sa.task?.type === 'rekey-child'
  if (rekeySa !== null && rekeyed === null) return mayExist ? answerError(notifyType.temporaryFailure) : answerNotFound(rekeySa)
  // §2.25.1: a Child SA that we are closing.
  if (rekeyed?.state === 'closing') return answerError(notifyType.temporaryFailure)
  return decideChild(request, rekeyed, ni)
}

/** §2.10. */
function isNonce(ni: Bytes): boolean {
  return ni.length >= nonceOctets.minimum && ni.length <= nonceOctets.maximum
}

/** REKEY_SA carries the SPI that its sender receives with: our outbound one. */
function rekeyedChild(request: Request, { protocol, spi }: Notify): ChildSaContext | null {
  if (protocol !== protocolId.esp || spi.length !== 4) return null
  const spiOut = dataView(spi).getUint32(0)
  return request.session.context.children.find((child) => child.spiOut === spiOut) ?? null
}

/** §2.25: the notification names the SPI that was asked for. */
function answerNotFound({ protocol, spi }: Notify): Answer {
  return {
    payloads: [{ type: 'notify', protocol, spi, notify: notifyType.childSaNotFound, data: new Uint8Array(0) }],
    context: null,
  }
}

/** `rekeyed`: the Child SA that the new one replaces; null: a further one. */
function decideChild(request: Request, rekeyed: ChildSaContext | null, ni: Bytes): Answer {
  const { context } = request.session
  // A client that may have no further one would, at a rekeying, give up the whole session: it has only to delete first.
  if (rekeyed === null && context.children.length >= maximumChildren) return answerError(notifyType.noAdditionalSas)
  if (context.children.length >= 2 * maximumChildren) return answerError(notifyType.temporaryFailure)
  const match = matchFor(request, rekeyed)
  if (match === null) return answerFatal(request, notifyType.invalidSyntax)
  return typeof match === 'number' ? answerError(match) : createChild(request, match, rekeyed, ni)
}

/** Null: selectors are missing. What is rekeyed stays what it is: the child of the same name. */
function matchFor(request: Request, rekeyed: ChildSaContext | null): ChildMatch | number | null {
  const { env, session } = request
  const offer = childOfferOf(request.message.payloads)
  if (offer === null) return null
  const connection = env.vpn.connections.find(({ name }) => name === session.context.connection)
  const children = connection?.children.filter(({ name }) => rekeyed === null || name === rekeyed.name) ?? []
  return matchChild(env, children, offer, session.context.virtualIps, true)
}

function createChild(request: Request, match: ChildMatch, rekeyed: ChildSaContext | null, ni: Bytes): Answer {
  const { env, sa, keys } = request
  const { context } = request.session
  const agreement = agreeOnKey(request, match.selected.ke)
  if (agreement.refusal !== null) return agreement.refusal
  const nr = env.random.bytes(nonceOctets.own)
  const made = makeChild(env, match, { prf: sa.suite.prf, skD: keys.skD, ni, nr, sharedSecret: agreement.sharedSecret })
  if (made === null) return answerError(notifyType.temporaryFailure)
  return {
    payloads: [made.sa, { type: 'nonce', nonce: nr }, ...agreement.payloads, ...made.selectors],
    context: withSuccessor(
      { ...context, ikeSas: keptIkeSas(context, env.nowMs, maximumIkeSas), children: [...context.children, made.child] },
      rekeyed,
      { spi: BigInt(made.child.spiIn), nonce: lowerNonce(ni, nr) },
    ),
  }
}

/** Whoever rekeyed a Child SA deletes it, unless a rekeying of ours of the same turns out to have won. */
function withSuccessor(context: SessionContext, rekeyed: ChildSaContext | null, rival: Rival): SessionContext {
  if (rekeyed === null) return context
  const children = context.children.map((child): ChildSaContext => (child === rekeyed ? { ...child, state: 'replaced' } : child))
  return noteRival({ ...context, children }, rekeyingOf(context, rekeyed.spiIn), rival)
}
