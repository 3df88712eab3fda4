/**
 * The context of a session: what every gateway must know to carry the session on. Plain values, replicated whole with each exchange
 * that changes it. The counters that change without an exchange (grants, Message IDs, the client's present address) are not in here:
 * the replicated state machine (src/session) keeps them beside it.
 *
 * Secrets are sealed (`Sealer`): `IkeSaContext.secrets` for the field `ike/<local SPI, 16 hex digits>`, `ChildSaContext.secrets` for
 * `child/<inbound SPI, 8 hex digits>`.
 */

import type { Bytes } from '../kit/bytes.ts'

/** An address of 4 or 16 octets and a UDP port. */
export interface Endpoint {
  readonly address: Bytes
  readonly port: number
}

export function sameEndpoint(a: Endpoint, b: Endpoint): boolean {
  if (a === b) return true
  if (a.port !== b.port || a.address.length !== b.address.length) return false
  return a.address.every((octet, i) => octet === b.address[i])
}

/** RFC 7296 §3.13.1. `start` and `end` are inclusive and have 4 or 16 octets; protocol 0 is any. */
export interface TrafficSelector {
  readonly protocol: number
  readonly startPort: number
  readonly endPort: number
  readonly start: Bytes
  readonly end: Bytes
}

/** RFC 7296 §3.5: ID type and data as on the wire. */
export interface Identity {
  readonly type: number
  readonly data: Bytes
}

/** Transform IDs of RFC 7296 §3.3.2. `keyBits` is 0 where the algorithm has one size only; `integ` is 0 for AEAD. */
export interface IkeSuite {
  readonly encr: number
  readonly keyBits: number
  readonly integ: number
  readonly prf: number
  readonly ke: number
}

export interface EspSuite {
  readonly encr: number
  readonly keyBits: number
  readonly integ: number
  /** 1: extended sequence numbers (RFC 4304). */
  readonly esn: 0 | 1
}

/** One IKE SA of the session. A session has several only while it rekeys. */
export interface IkeSaContext {
  readonly initiatorSpi: bigint
  readonly responderSpi: bigint
  /** Whether the cluster is this SA's original initiator (only after an IKE rekey that the cluster started). */
  readonly initiatedByUs: boolean
  readonly suite: IkeSuite
  readonly secrets: Bytes
  /** Wall-clock ms. */
  readonly establishedAt: number
  /**
   * When the peer deleted this IKE SA, which a rekeying had replaced (wall-clock ms); 0: it lives. A deleted one keeps keys and last response
   * for a while, as a tombstone does, so that a lost answer to its DELETE can be repeated.
   */
  readonly deletedAt: number
  /** Whether it is ours to delete: we replaced it, or made it in a rekeying that another one has won. */
  readonly closing: boolean
  /** What the answer to our unanswered request under it is for; null: there is none, or one whose answer needs nothing (liveness, DELETE of the IKE SA). */
  readonly task: OwnTask | null
}

/** A rekeying of ours that waits for its answer. */
interface OwnRekeying {
  readonly ni: Bytes
  /** The key exchange method; 0: none. */
  readonly ke: number
  /** The private half of the key exchange, sealed for the field `request/<the new SPI, 16 hex digits>`; empty without. */
  readonly secret: Bytes
  /** The peer rekeyed the same SA meanwhile: the new SA by our SPI, and the lower nonce of that exchange (RFC 7296 §2.8.1). */
  readonly rival: { readonly spi: bigint; readonly nonce: Bytes } | null
}

/** What the answer to a request of ours needs, so that any gateway can take it. */
export type OwnTask =
  /** `spiIn` of the Child SA that is rekeyed, `newSpiIn` of its successor. */
  | ({ readonly type: 'rekey-child'; readonly spiIn: number; readonly newSpiIn: number } & OwnRekeying)
  /** `newSpi`: ours of the successor of the IKE SA. */
  | ({ readonly type: 'rekey-ike'; readonly newSpi: bigint } & OwnRekeying)
  | { readonly type: 'delete-children'; readonly spisIn: readonly number[] }
  /** An address list from another address than the client speaks to. */
  | { readonly type: 're-anchor' }

/** The cluster's own SPI of an IKE SA: what the peer's messages are found by, and what its secrets are bound to. */
export function localIkeSpi(sa: Pick<IkeSaContext, 'initiatorSpi' | 'responderSpi' | 'initiatedByUs'>): bigint {
  return sa.initiatedByUs ? sa.initiatorSpi : sa.responderSpi
}

/**
 * `live`: nothing replaces it. `replaced`: the peer has rekeyed it, and deletes it. `closing`: it is ours to delete, because we rekeyed it,
 * because another rekeying has won, or because its time is over.
 */
export type ChildState = 'live' | 'replaced' | 'closing'

export interface ChildSaContext {
  /** The name of the child in the VPN configuration. */
  readonly name: string
  readonly spiIn: number
  readonly spiOut: number
  readonly suite: EspSuite
  readonly secrets: Bytes
  /** Selectors of the trusted side and of the client's side. */
  readonly localTs: readonly TrafficSelector[]
  readonly remoteTs: readonly TrafficSelector[]
  readonly establishedAt: number
  readonly state: ChildState
  /** Whether the exchange that made it was ours: then the client has had it since before we had its answer, and we send by it at once (§2.8). */
  readonly initiatedByUs: boolean
}

/**
 * `half-open`: IKE_SA_INIT answered, AUTH not yet verified. `established`: authenticated. `tombstone`: ended; keeps keys and the last
 * response for some minutes, so that a lost answer can be repeated, and no address, child or identity.
 */
export type SessionPhase = 'half-open' | 'established' | 'tombstone'

/** What names a certificate: the key of its issuer (8 octets, see `keyIdOf`) and its serial number. */
export interface CertificateName {
  readonly issuer: Bytes
  readonly serial: Bytes
}

/**
 * What proved who the client is, as far as a later configuration can take it back. `certificate`: its chain, the client's own first; the last
 * one's issuer is the trust anchor. `user`: the secret of the user that `SessionContext.identity` names, in an EAP method.
 */
export type Credential = { readonly type: 'certificate'; readonly chain: readonly CertificateName[] } | { readonly type: 'user' }

/** What IKE_AUTH needs of IKE_SA_INIT (RFC 7296 §2.15). Dropped when the session is established. */
export interface HalfOpen {
  /** The IKE_SA_INIT messages as sent, without the non-ESP marker. */
  readonly initRequest: Bytes
  readonly initResponse: Bytes
  readonly ni: Bytes
  readonly nr: Bytes
  /** IKE_AUTH with EAP is under way; null: it has not begun. */
  readonly eap: EapProgress | null
}

/**
 * How far EAP has come: what waits for the client's next message. `identity`: its name; `response`: to our challenge; `success`, `failure`: that
 * it has taken note; `auth`: its AUTH, made with the Master Session Key.
 */
export type EapStage = 'identity' | 'response' | 'success' | 'failure' | 'auth'

/** IKE_AUTH with EAP between two of its rounds (RFC 7296 §2.16), and what the last one needs of the first. */
export interface EapProgress {
  /** The connection's name. */
  readonly connection: string
  /** The bodies of the client's IDi and our IDr, which AUTH covers (§2.15). */
  readonly idI: Bytes
  readonly idR: Bytes
  /** What the client wants: the payloads of its first request that say so, encoded, and the type of the first of them. */
  readonly wants: { readonly first: number; readonly bytes: Bytes }
  readonly stage: EapStage
  /** Of our EAP request that is to be answered. */
  readonly identifier: number
  /** How many responses were wrong. */
  readonly failures: number
  /** Whom the client says it is, as it spells it; empty until it was asked. Once it has proved it, as the configuration spells it. */
  readonly user: Bytes
  /** What the next response answers; empty: nothing. */
  readonly challenge: Bytes
  /** The Master Session Key, sealed for the field `eap/<responder SPI, 16 hex digits>`; empty: there is none yet. */
  readonly msk: Bytes
}

/** Bits of `SessionContext.features`. */
export const features = {
  mobike: 1,
  /** Long messages of ours leave in fragments (RFC 7383). */
  fragmentation: 2,
  messageIdSync: 4,
  /** The client's key is its own, so it proves who the client is: a personal pre-shared key, a certificate, a password. */
  provenIdentity: 8,
  /** A tombstone of a session that ended before its client had proved who it is. */
  unauthenticated: 16,
} as const

export interface SessionContext {
  readonly phase: SessionPhase
  /** Name of the connection; empty while half-open. */
  readonly connection: string
  /** The client's authenticated identity; null while half-open. */
  readonly identity: Identity | null
  /** Where the client spoke to us, and from where, in the exchange that last set it. */
  readonly local: Endpoint
  readonly remote: Endpoint
  /** Whether a NAT really is in front of the client (NAT_DETECTION_SOURCE_IP did not match, and the client does not fake it). */
  readonly behindNat: boolean
  readonly features: number
  /** Addresses of 4 or 16 octets that the session holds; inner packets use no other. */
  readonly virtualIps: readonly Bytes[]
  /** The newest last. */
  readonly ikeSas: readonly IkeSaContext[]
  readonly children: readonly ChildSaContext[]
  readonly halfOpen: HalfOpen | null
  /** Wall-clock ms after which the owner ends it; 0: never. */
  readonly expiresAt: number
  /** Null: a pre-shared key, or nothing yet. */
  readonly credential: Credential | null
}
