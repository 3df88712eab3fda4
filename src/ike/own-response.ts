/**
 * Answers to requests of our own (RFC 7296 §1.3, §1.4, §2.8, §2.25): what they make of the context, on whichever gateway gets them.
 */

import { emptyBytes } from '../kit/bytes.ts'
import type { KeyExchange } from '../kit/ike-crypto.ts'
import { narrowSelectors } from '../context/address.ts'
import { requestField } from '../context/sealed-parts.ts'
import type { ChildSaContext, IkeSaContext, OwnTask, SessionContext } from '../context/session-context.ts'
import { maximumSelectors } from './child-negotiation.ts'
import { isRedundant } from './collision.ts'
import type { IkeEnvironment, OpenSession, Outcome } from './decision.ts'
import { endIkeSa, isReplaced, keptIkeSas, tombstoneMs, tombstoneOf, withIkeSa, withoutIkeSa } from './decision.ts'
import { maximumIkeSas } from './ike-rekey.ts'
import { errorNotify } from './initiator-messages.ts'
import type { ChildTask, ClientChild, IkeTask } from './initiator-rekey.ts'
import { acceptChild, acceptIke, offeredGroup } from './initiator-rekey.ts'
import type { IkeSaValues } from './initiator-sa.ts'
import type { IkeKeys } from './key-schedule.ts'
import { sealChildKeys, sealIkeKeys } from './open-session.ts'
import { espOffer, ikeOffer } from './own-request.ts'
import type { Message } from './wire/message.ts'
import { notifyType } from './wire/notify.ts'
import type { Payload } from './wire/payloads.ts'
import { findNotify, findPayload } from './wire/payloads.ts'

/** The authentic answer to our unanswered request under `sa`. */
export interface Response {
  readonly env: IkeEnvironment
  readonly session: OpenSession
  readonly sa: IkeSaContext
  readonly keys: IkeKeys
  readonly message: Message
}

/** The context after the exchange, null when it stays; and what became of the request. */
export interface Completion {
  readonly context: SessionContext | null
  readonly outcome: Outcome
}

type RekeyChild = Extract<OwnTask, { type: 'rekey-child' }>
type RekeyIke = Extract<OwnTask, { type: 'rekey-ike' }>

const done: Outcome = { type: 'done' }

export function completeRequest(response: Response): Completion {
  const { env, session, sa, message } = response
  const { context } = session
  const notify = errorNotify(message.payloads)
  const hasEnded = context.phase === 'tombstone' || sa.deletedAt !== 0
  // §2.21.3: the peer has closed the IKE SA.
  if (notify === notifyType.invalidSyntax && !hasEnded) return { context: endIkeSa(context, sa, env.nowMs), outcome: done }
  // The session's own end was committed with its DELETE.
  if (context.phase === 'tombstone') return { context: null, outcome: done }
  if (sa.task !== null) return complete(response, sa.task, notify)
  return { context: sa.closing ? withoutIkeSa(context, sa) : null, outcome: done }
}

function complete(response: Response, task: OwnTask, notify: number | null): Completion {
  const { sa, message } = response
  const context = withIkeSa(response.session.context, sa, { task: null })
  if (task.type === 'delete-children') return { context: without(context, task.spisIn), outcome: done }
  // Where its answer goes says nothing of where the client will speak to: its next request does.
  if (task.type === 're-anchor') return { context, outcome: { type: 'told-addresses' } }
  if (notify !== null) return refused(response, task, notify, context)
  return task.type === 'rekey-child'
    ? childRekeyed(response, task, context, message.payloads)
    : ikeRekeyed(response, task, context, message.payloads)
}

function without(context: SessionContext, spisIn: readonly number[]): SessionContext {
  return { ...context, children: context.children.filter(({ spiIn }) => !spisIn.includes(spiIn)) }
}

function refused({ env, message, sa }: Response, task: RekeyChild | RekeyIke, notify: number, context: SessionContext): Completion {
  const wanted = findNotify(message.payloads, notifyType.invalidKePayload)
  const child = task.type === 'rekey-child' ? context.children.find(({ spiIn }) => spiIn === task.spiIn) : undefined
  if (wanted !== null) {
    const proposals =
      task.type === 'rekey-ike' ? ikeOffer(env.vpn, context, sa) : child === undefined ? [] : espOffer(env.vpn, context, child)
    const group = offeredGroup(env, { proposals, group: task.ke }, wanted.data)
    if (group !== null) return { context, outcome: { type: 'other-group', task, group } }
  }
  // "… SHOULD silently delete the Child SA (if it still exists)" (§2.25.1); unless the peer may not have our answer yet that made it.
  const isKnown = child !== undefined && (child.initiatedByUs || env.nowMs - child.establishedAt >= tombstoneMs)
  const isGone = notify === notifyType.childSaNotFound && task.type === 'rekey-child' && isKnown
  return { context: isGone ? without(context, [task.spiIn]) : context, outcome: { type: 'refused', task, notify } }
}

/** The peer's answer is not acceptable: for us it never made anything. */
function unacceptable(task: OwnTask, context: SessionContext): Completion {
  return { context, outcome: { type: 'refused', task, notify: null } }
}

/** Null: the sealed private value does not open here, or there never was one. */
function keyExchangeOf(env: IkeEnvironment, task: RekeyChild | RekeyIke): KeyExchange | null {
  const spi = task.type === 'rekey-ike' ? task.newSpi : BigInt(task.newSpiIn)
  const privateValue = task.ke === 0 ? null : env.sealer.open(requestField(spi), task.secret)
  return privateValue === null ? null : env.crypto.keyExchange(task.ke, privateValue)
}

// ---- a Child SA

function childRekeyed(response: Response, task: RekeyChild, context: SessionContext, payloads: readonly Payload[]): Completion {
  const made = acceptedChild(response, task, payloads)
  if (made === null) return unacceptable(task, context)
  const nr = findPayload(payloads, 'nonce')!.nonce
  const hasLost = task.rival !== null && isRedundant(task.ni, nr, task.rival.nonce)
  const { env } = response
  const child: ChildSaContext = {
    name: made.name,
    spiIn: made.granted.spiIn,
    spiOut: made.granted.spiOut,
    suite: made.granted.suite,
    secrets: sealChildKeys(env.sealer, made.granted.spiIn, { keyIn: made.granted.keyIn, keyOut: made.granted.keyOut }),
    localTs: made.granted.localTs,
    remoteTs: made.granted.remoteTs,
    establishedAt: env.nowMs,
    state: hasLost ? 'closing' : 'live',
    initiatedByUs: true,
  }
  const others = hasLost ? context.children : context.children.map((one) => outdone(one, task))
  return {
    context: { ...context, ikeSas: keptIkeSas(context, env.nowMs, maximumIkeSas), children: [...others, child] },
    outcome: task.rival === null ? done : { type: 'collided', won: !hasLost },
  }
}

/** We delete what we have replaced; the peer deletes what it made beside. */
function outdone(child: ChildSaContext, { spiIn, rival }: RekeyChild): ChildSaContext {
  if (child.spiIn === spiIn) return { ...child, state: 'closing' }
  return rival !== null && child.state === 'live' && BigInt(child.spiIn) === rival.spi ? { ...child, state: 'replaced' } : child
}

/** Null: not what was asked for. A Child SA that the peer has deleted meanwhile lives on in its successor, under the name of what took its place. */
function acceptedChild(
  { env, session, sa, keys }: Response,
  task: RekeyChild,
  payloads: readonly Payload[],
): { name: string; granted: ClientChild } | null {
  const { context } = session
  const rivalSpi = task.rival?.spi
  const old = context.children.find(({ spiIn }) => spiIn === task.spiIn) ?? context.children.find(({ spiIn }) => BigInt(spiIn) === rivalSpi)
  const keyExchange = keyExchangeOf(env, task)
  if (old === undefined || (task.ke !== 0 && keyExchange === null)) return null
  const { localTs, remoteTs } = old
  const asked: ChildTask = {
    type: 'child',
    spiIn: task.newSpiIn,
    replaces: old,
    proposals: espOffer(env.vpn, context, old),
    localTs,
    remoteTs,
    ni: task.ni,
    keyExchange,
    group: task.ke,
    attempts: 1,
  }
  const granted = acceptChild(env, asked, { suite: sa.suite, keys }, payloads)
  if (granted === null) return null
  const narrowed = {
    localTs: narrowSelectors(localTs, granted.localTs, maximumSelectors),
    remoteTs: narrowSelectors(remoteTs, granted.remoteTs, maximumSelectors),
  }
  if (narrowed.localTs.length === 0 || narrowed.remoteTs.length === 0) return null
  return { name: old.name, granted: { ...granted, ...narrowed } }
}

// ---- the IKE SA

function ikeRekeyed(response: Response, task: RekeyIke, context: SessionContext, payloads: readonly Payload[]): Completion {
  const { env, sa, keys } = response
  const keyExchange = keyExchangeOf(env, task)
  const asked: IkeTask = {
    type: 'ike',
    initiatorSpi: task.newSpi,
    proposals: ikeOffer(env.vpn, context, sa),
    ni: task.ni,
    keyExchange,
    group: task.ke,
    attempts: 1,
  }
  const made = keyExchange === null ? null : acceptIke(env, asked, { suite: sa.suite, keys }, payloads)
  if (made === null) return unacceptable(task, context)
  const nr = findPayload(payloads, 'nonce')!.nonce
  const hasLost = task.rival !== null && isRedundant(task.ni, nr, task.rival.nonce)
  const next = newIkeSa(env, made, hasLost)
  const kept = keptIkeSas(context, env.nowMs, maximumIkeSas - 1)
  // The newest last: the one that stays. Ours to delete is what we have replaced, or what we made and lost with.
  const ikeSas = hasLost
    ? [...kept.slice(0, -1), next, ...kept.slice(-1)]
    : [...kept.map((one) => (isSame(one, sa) ? { ...one, closing: one.deletedAt === 0 } : one)), next]
  return { context: { ...context, ikeSas }, outcome: task.rival === null ? done : { type: 'collided', won: !hasLost } }
}

/** We are its original initiator, whoever that was of the one before. */
function newIkeSa(env: IkeEnvironment, { initiatorSpi, responderSpi, suite, keys }: IkeSaValues, closing: boolean): IkeSaContext {
  const secrets = sealIkeKeys(env.sealer, initiatorSpi, { ...keys, skPi: emptyBytes, skPr: emptyBytes })
  return { initiatorSpi, responderSpi, initiatedByUs: true, suite, secrets, establishedAt: env.nowMs, deletedAt: 0, closing, task: null }
}

function isSame(a: IkeSaContext, b: IkeSaContext): boolean {
  return a.initiatorSpi === b.initiatorSpi && a.responderSpi === b.responderSpi
}

/**
 * The context once the peer has not answered a request of ours under this IKE SA, however often it was sent: of the newest it is dead (§2.4),
 * and the session ends at once, for there is nobody whom anything could be repeated to; an older one is forgotten.
 */
export function abandon(context: SessionContext, sa: IkeSaContext, nowMs: number): SessionContext {
  return isReplaced(context, sa) ? withoutIkeSa(context, sa) : { ...tombstoneOf(context, nowMs), expiresAt: nowMs }
}
