/** What the built-in client's IKEv2 is given, and what it says (initiator.ts). */

import type { Bytes } from '../kit/bytes.ts'
import type { IkeCrypto } from '../kit/ike-crypto.ts'
import type { Random } from '../kit/random.ts'
import type { EapCredentials } from './eap/eap-peer.ts'
import type { Endpoint, Identity, IkeSuite, TrafficSelector } from '../context/session-context.ts'
import type { EspProposal, IkeProposal } from '../context/vpn-configuration.ts'
import type { GrantedChild } from './initiator-messages.ts'
import type { ClientChild } from './initiator-rekey.ts'
import type { ClientCertificate, GatewayTrust } from './initiator-proof.ts'

export interface InitiatorOptions {
  readonly crypto: IkeCrypto
  readonly random: Random
  readonly identity: Identity
  /** The identity that the gateway must have; null: any that knows the secret. */
  readonly remoteIdentity: Identity | null
  /** The pre-shared key, for whichever side has no certificate. */
  readonly secret: Bytes
  /** Proves who we are; null or missing: the pre-shared key does. */
  readonly certificate?: ClientCertificate | null
  /** The gateway must prove who it is by a certificate of theirs; null or missing: by the pre-shared key. */
  readonly trust?: GatewayTrust | null
  /** With these we log in by EAP (§2.16), and prove who we are in no other way. */
  readonly eap?: EapCredentials | undefined
  readonly ikeProposals: readonly IkeProposal[]
  readonly espProposals: readonly EspProposal[]
  /** The traffic wanted behind the gateway. */
  readonly remoteTs: readonly TrafficSelector[]
  readonly ipv6: boolean
  readonly local: Endpoint
  readonly remote: Endpoint
  /** The SPI that we receive ESP with. */
  readonly spiIn: number
  /** Whether no other session of the identity is known here (§2.4: INITIAL_CONTACT); true unless told. */
  readonly initialContact?: boolean
  /** The longest IKE message that leaves in one datagram, in octets, if the gateway takes fragments (RFC 7383); 1,232 unless told. */
  readonly fragmentOctets?: number
  /** False: fragmentation is not announced. */
  readonly fragmentation?: boolean
  /** Whether we ask for MOBIKE (RFC 4555), so that we may `move`; not unless told. */
  readonly mobike?: boolean
}

/** A tunnel that is up, with its first Child SA. */
export interface Established extends GrantedChild, ClientChild {
  readonly initiatorSpi: bigint
  readonly responderSpi: bigint
  readonly ikeSuite: IkeSuite
  readonly remoteIdentity: Identity
  /** Whether ESP goes in UDP on port 4500 (§2.23): the gateway always makes it so. */
  readonly encapsulate: boolean
}

export type InitiatorEvent =
  | { readonly type: 'established'; readonly tunnel: Established }
  /** `notify`: the gateway's error notification, or null when its answer was not acceptable. */
  | { readonly type: 'failed'; readonly notify: number | null; readonly problem: string }
  /** The gateway has followed us to our new address; it has not, and says why. */
  | { readonly type: 'moved' }
  | { readonly type: 'not-moved'; readonly notify: number }
  /** Our liveness check, or what we told the gateway in an INFORMATIONAL, was answered. */
  | { readonly type: 'alive' }
  /** A Child SA was created. `replaces`: the inbound SPI of the one that it takes the place of, whose DELETE is on its way; null: a further one. */
  | { readonly type: 'child-created'; readonly child: ClientChild; readonly replaces: number | null }
  /** The gateway has made a successor of the Child SA that we receive by with this SPI, and deletes that when it has our answer: until then we send by the old one. */
  | { readonly type: 'child-offered'; readonly child: ClientChild; readonly replaces: number }
  /** Our rekeying met one of the gateway's and lost (§2.8.1, §2.8.2): what it made is of no use, and its DELETE is on its way. */
  | { readonly type: 'outdone'; readonly what: 'child-rekey' | 'ike-rekey' }
  /** The gateway has confirmed our DELETE of a Child SA: one that was rekeyed, or that was of no more use. */
  | { readonly type: 'child-replaced'; readonly spiIn: number }
  /** The IKE SA has a successor, and the DELETE of the old one is on its way; then, confirmed. */
  | { readonly type: 'ike-rekeyed'; readonly initiatorSpi: bigint; readonly responderSpi: bigint }
  | { readonly type: 'ike-replaced' }
  /** A CREATE_CHILD_SA failed, and all stays as it was. `notify` as above. */
  | { readonly type: 'refused'; readonly what: 'child' | 'child-rekey' | 'ike-rekey'; readonly notify: number | null }
  /** The gateway deleted the Child SAs that we receive by with these SPIs; the IKE SA stays. */
  | { readonly type: 'child-deleted'; readonly spisIn: readonly number[] }
  /** The gateway has made a successor of the IKE SA. */
  | { readonly type: 'ike-offered'; readonly initiatorSpi: bigint; readonly responderSpi: bigint }
  /** The IKE SA is gone: deleted by the gateway, or by us and confirmed. */
  | { readonly type: 'closed' }

export interface InitiatorOutput {
  /** To be sent at once, or null: the first datagram of a message, see `datagramsOf`. */
  readonly send: Bytes | null
  readonly event: InitiatorEvent | null
}

/** How a Child SA is asked for. */
export interface ChildRequest {
  /** The SPI that we will receive with: one that was never used. */
  readonly spiIn: number
  /** Key exchange methods for one of its own, the first is tried first; empty: without. */
  readonly groups: readonly number[]
}

/** Nothing to be sent, nothing to be told. */
export const nothing: InitiatorOutput = { send: null, event: null }
