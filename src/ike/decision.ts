/**
 * What the responder is given and what it decides: values only. The caller commits a decision before it sends what the decision says.
 */

import type { Bytes } from '../kit/bytes.ts'
import type { IkeCrypto } from '../kit/ike-crypto.ts'
import type { Random } from '../kit/random.ts'
import type { Sealer } from '../kit/sealer.ts'
import type { Uniqueness } from '../context/holder.ts'
import type { Endpoint, Identity, IkeSaContext, OwnTask, SessionContext } from '../context/session-context.ts'
import { features, localIkeSpi } from '../context/session-context.ts'
import type { PoolConfiguration, VpnConfiguration } from '../context/vpn-configuration.ts'
import type { IkeKeys } from './key-schedule.ts'
import type { Fragment } from './wire/fragment.ts'

/** A client whose key proves who it is: uniqueness and returning addresses go by it. */
export interface AddressHolder {
  readonly connection: string
  readonly identity: Identity
}

/** Who wants an address. */
export interface Claimant {
  /** Null: the client's key does not prove who it is. */
  readonly holder: AddressHolder | null
  /** The holder's other sessions are to end, so their addresses are free for this one. */
  readonly replaces: boolean
}

/** What is remembered of logins with a password, so that guessing is slow. `user`: a name in one spelling; `source`: the client's address. */
export interface LoginGuard {
  /** How long this user's next attempt from there has to wait; 0: not at all. */
  waitMs(user: string, source: Bytes): number
  failed(user: string, source: Bytes): void
  succeeded(user: string, source: Bytes): void
}

export interface IkeEnvironment {
  readonly crypto: IkeCrypto
  readonly random: Random
  readonly sealer: Sealer
  readonly vpn: VpnConfiguration
  /** Wall clock. */
  readonly nowMs: number
  /** The longest IP datagram, in octets, that a message for a peer with fragmentation (RFC 7383) leaves in. */
  readonly fragmentSize: number
  /** The cluster's addresses, of all sites: a client may use any. */
  readonly addresses: readonly Bytes[]
  /** 8 octets that the cluster never uses twice. */
  nextIv(): Bytes
  /** An SPI that no IKE SA of the cluster has; not 0. */
  newIkeSpi(): bigint
  /** An SPI that no Child SA of the cluster receives with, above 255; 0: there is none just now. */
  newChildSpi(): number
  /**
   * An address of the pool's ranges that is free in the present state, `wanted` if it is; null when the pool is used up.
   */
  chooseAddress(pool: PoolConfiguration, wanted: Bytes | null, claimant: Claimant): Bytes | null
  /** How many sessions this holder has; a few hundred are enough. */
  sessionsOf(holder: AddressHolder): number
  readonly logins: LoginGuard
}

/** Where a datagram arrived, and from where. */
export interface Path {
  readonly local: Endpoint
  readonly remote: Endpoint
}

/** A session opened for work: the context and its unsealed keys by local SPI. The caller may keep it as long as the context is the present one. */
export interface OpenSession {
  readonly context: SessionContext
  readonly ikeKeys: ReadonlyMap<bigint, IkeKeys>
}

/** `empty`: an empty INFORMATIONAL response, which anyone with the keys makes again from the Message ID and the 8 octets of IV seed. */
export type Reply = { readonly type: 'datagrams'; readonly datagrams: readonly Bytes[] } | { readonly type: 'empty'; readonly iv: Bytes }

/** Why a datagram is dropped: counted by these names. */
export const ikeDropReasons = [
  'short',
  'version',
  'header',
  'malformed',
  'unexpected-exchange',
  'unexpected-response',
  'nonce',
  'public-value',
  'busy',
  'unknown-spi',
  'message-id',
  'forged',
  'malformed-response',
  'ended',
  'fragment-repeated',
  'exchange-limit',
  'login-delay',
] as const

export type IkeDropReason = (typeof ikeDropReasons)[number]

export type Decision =
  | { readonly type: 'drop'; readonly reason: IkeDropReason }
  /** Sent at once: nothing is remembered (COOKIE, INVALID_KE_PAYLOAD, NO_PROPOSAL_CHOSEN, INVALID_MAJOR_VERSION …). */
  | { readonly type: 'answer'; readonly datagrams: readonly Bytes[]; readonly isCookie?: true }
  /** A new half-open session; its IKE SA's next request has Message ID 1. */
  | { readonly type: 'create'; readonly context: SessionContext; readonly reply: Reply }
  /** A request was done. `context`: the new one, or null when it stays. */
  | {
      readonly type: 'commit'
      readonly ikeSpi: bigint
      readonly messageId: number
      readonly context: SessionContext | null
      readonly reply: Reply
      /** What becomes of other sessions of whom the new context belongs to: INITIAL_CONTACT with a key that proves the identity (§2.4). */
      readonly uniqueness: Uniqueness
      /** Why the client was refused, to be counted; null: it was not, or there is nothing more to say than the notification does. */
      readonly problem: string | null
    }
  /** An authentic retransmission of the last request: the caller sends the stored reply. */
  | { readonly type: 'repeat'; readonly ikeSpi: bigint; readonly messageId: number }
  /** An authentic fragment of the message that is expected: the caller keeps it, and decides again once the message is whole. */
  | { readonly type: 'fragment'; readonly ikeSpi: bigint; readonly fragment: Fragment }
  /** An authentic response to our own request. `context`: the new one, or null when it stays. */
  | {
      readonly type: 'response'
      readonly ikeSpi: bigint
      readonly messageId: number
      readonly context: SessionContext | null
      readonly outcome: Outcome
    }

/** What became of a request of ours. */
export type Outcome =
  | { readonly type: 'done' }
  /** The peer wants another group, which we have: to be asked for again with that (§1.3). */
  | { readonly type: 'other-group'; readonly task: OwnTask; readonly group: number }
  /** It was refused with this notification. Null: the peer's answer was not acceptable, and what it may have made is to be deleted. */
  | { readonly type: 'refused'; readonly task: OwnTask; readonly notify: number | null }
  /** A rekeying of ours met one of the peer's (§2.8.1, §2.8.2). */
  | { readonly type: 'collided'; readonly won: boolean }
  /** The client has the cluster's addresses. */
  | { readonly type: 'told-addresses' }

export function drop(reason: IkeDropReason): Decision {
  return { type: 'drop', reason }
}

/** Half-open sessions end after this. */
export const halfOpenMs = 30_000
/** With EAP so long after its last round, while somebody types a password; and so long after IKE_SA_INIT at the latest. */
export const roundMs = 60_000
export const roundsMs = 180_000
/** How long a session that has ended repeats its last response. */
export const tombstoneMs = 180_000

/** What is left of a session that ended: its keys, so that a lost answer can be repeated. */
export function tombstoneOf(context: SessionContext, nowMs: number): SessionContext {
  return {
    ...context,
    ikeSas: context.ikeSas.map((sa) => ({ ...sa, closing: false, task: null })),
    phase: 'tombstone',
    connection: '',
    identity: null,
    virtualIps: [],
    children: [],
    halfOpen: null,
    ...remembered(context, nowMs),
    credential: null,
  }
}

/** A stranger is not remembered for longer than it may take to authenticate: else failing would cost us more than not even trying. */
function remembered({ phase, features: before }: SessionContext, nowMs: number): Pick<SessionContext, 'features' | 'expiresAt'> {
  if (phase !== 'half-open') return { features: before, expiresAt: nowMs + tombstoneMs }
  return { features: before | features.unauthenticated, expiresAt: nowMs + halfOpenMs }
}

/** Whether a rekeying has replaced the IKE SA by a newer one (RFC 7296 §2.18): the session goes on with that. */
export function isReplaced(context: SessionContext, sa: Pick<IkeSaContext, 'initiatorSpi' | 'responderSpi'>): boolean {
  const newest = context.ikeSas.at(-1)
  return newest !== undefined && (newest.initiatorSpi !== sa.initiatorSpi || newest.responderSpi !== sa.responderSpi)
}

/**
 * The context once the peer has ended this IKE SA: one that was replaced goes alone, the newest takes the session along. One that the peer made
 * while a rekeying of ours is unanswered has lost against that (§2.8.2), whose answer was overtaken: what both rekey is the newest again.
 */
export function endIkeSa(context: SessionContext, sa: IkeSaContext, nowMs: number): SessionContext {
  const marked = withIkeSa(context, sa, { deletedAt: nowMs })
  const rekeyed = marked.ikeSas.find(
    ({ task, deletedAt }) => deletedAt === 0 && task?.type === 'rekey-ike' && task.rival?.spi === localIkeSpi(sa),
  )
  if (rekeyed !== undefined) return { ...marked, ikeSas: [...marked.ikeSas.filter((one) => one !== rekeyed), rekeyed] }
  return isReplaced(context, sa) ? marked : tombstoneOf(marked, nowMs)
}

/** The context with something else in one of its IKE SAs. */
export function withIkeSa(context: SessionContext, sa: IkeSaContext, changes: Partial<IkeSaContext>): SessionContext {
  return { ...context, ikeSas: context.ikeSas.map((one) => (isSameSa(one, sa) ? { ...one, ...changes } : one)) }
}

/** The context without one of its IKE SAs, which both sides have forgotten. */
export function withoutIkeSa(context: SessionContext, sa: IkeSaContext): SessionContext {
  return { ...context, ikeSas: context.ikeSas.filter((one) => !isSameSa(one, sa)) }
}

function isSameSa(a: IkeSaContext, b: IkeSaContext): boolean {
  return a.initiatorSpi === b.initiatorSpi && a.responderSpi === b.responderSpi
}

/** The IKE SAs to keep in a new context, at most so many: deleted ones for as long as a lost answer may be asked for again. */
export function keptIkeSas(context: SessionContext, nowMs: number, maximum: number): readonly IkeSaContext[] {
  return context.ikeSas.filter(({ deletedAt }) => deletedAt === 0 || nowMs - deletedAt < tombstoneMs).slice(-maximum)
}
