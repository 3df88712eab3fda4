/**
 * The VPN configuration as the cluster replicates it: vpn.yaml after checking, names resolved, algorithms as transform IDs, secrets
 * sealed for the field `secret/<name>`, of users (`eap…`, `ntlm…`) the NT hash for `nt-hash/<name>`.
 */

import type { Bytes } from '../kit/bytes.ts'
import type { TrafficSelector } from './session-context.ts'

/** An encryption transform with its key length in bits (0 where the algorithm has one size only). */
export interface EncryptionChoice {
  readonly encr: number
  readonly keyBits: number
}

/** What one proposal allows, most wanted first (RFC 7296 §3.3). `integ` is empty for AEAD. */
export interface IkeProposal {
  readonly encryption: readonly EncryptionChoice[]
  readonly integ: readonly number[]
  readonly prf: readonly number[]
  readonly ke: readonly number[]
}

/** `ke` is for CREATE_CHILD_SA with PFS; empty: without. `esn` lists 0 and 1. */
export interface EspProposal {
  readonly encryption: readonly EncryptionChoice[]
  readonly integ: readonly number[]
  readonly ke: readonly number[]
  readonly esn: readonly (0 | 1)[]
}

/**
 * When we rekey a Child SA, and when we delete it: swanctl.conf's words. Seconds; octets and packets of either direction; 0: never. Of a
 * `rekey…` a random part of the `rand…` is taken off.
 */
export interface ChildLifetimes {
  readonly rekeyTime: number
  readonly lifeTime: number
  readonly randTime: number
  readonly rekeyBytes: number
  readonly lifeBytes: number
  readonly randBytes: number
  readonly rekeyPackets: number
  readonly lifePackets: number
  readonly randPackets: number
}

/** When we rekey the IKE SA, and how much later we delete it; and after how long without a word from the client we ask whether it lives. Seconds; 0: never. */
export interface IkeLifetimes {
  readonly rekeyTime: number
  readonly overTime: number
  readonly randTime: number
  readonly dpdDelay: number
}

export const noChildLifetimes: ChildLifetimes = {
  rekeyTime: 0,
  lifeTime: 0,
  randTime: 0,
  rekeyBytes: 0,
  lifeBytes: 0,
  randBytes: 0,
  rekeyPackets: 0,
  lifePackets: 0,
  randPackets: 0,
}
export const noIkeLifetimes: IkeLifetimes = { rekeyTime: 0, overTime: 0, randTime: 0, dpdDelay: 0 }

export interface ChildConfiguration {
  readonly name: string
  readonly localTs: readonly TrafficSelector[]
  readonly espProposals: readonly EspProposal[]
  /** Without: none. */
  readonly lifetimes?: ChildLifetimes
}

/** How the cluster proves who it is: with a pre-shared key, or with the key of a certificate; `rsa/pss`: RSA keys then sign by PSS. */
export interface LocalAuthentication {
  readonly auth: 'psk' | 'pubkey' | 'rsa/pss'
  /** As written, for example `vpn.example.org`. */
  readonly id: string
  /** Names of `VpnConfiguration.certificates`, the most wanted first; empty with `psk`. */
  readonly certs: readonly string[]
}

/** What must be known of a client's certificate: that it is not revoked, always or if it says where to ask, or only not that it is. */
export type Revocation = 'strict' | 'ifuri' | 'relaxed'

/** How a client proves who it is. */
export interface RemoteAuthentication {
  readonly auth: 'psk' | 'pubkey' | 'eap-mschapv2'
  /** As written; `%any`, or with `*` wildcards. */
  readonly id: string
  /** Names of authorities one of which must have a part in a client's certificate; empty: any. */
  readonly cacerts: readonly string[]
  readonly revocation: Revocation
  /**
   * With EAP: the user. `%any`, or with `*` wildcards: asked for by EAP-Identity; a name: this one, unasked; empty: the name that is the client's
   * identity, unasked.
   */
  readonly eapId?: string
}

/**
 * How often an identity that proves itself may be connected, as swanctl.conf's `unique` says. `no`: as often as it likes, until it sends
 * INITIAL_CONTACT; `never`: INITIAL_CONTACT changes nothing; `keep`: a second session is refused; `replace`: it takes the place of the first.
 */
export type UniquePolicy = 'no' | 'never' | 'keep' | 'replace'

export const uniquePolicies = ['no', 'never', 'keep', 'replace'] as const satisfies readonly UniquePolicy[]

/** Whether IKE SAs may, or must, be set up without a Child SA (RFC 6023), as swanctl.conf's `childless` says to a responder. */
export type ChildlessPolicy = 'allow' | 'force' | 'never'

export const childlessPolicies = ['allow', 'force', 'never'] as const satisfies readonly ChildlessPolicy[]

/**
 * IKE fragmentation (RFC 7383), in the words of swanctl.conf: `yes`: long messages leave in fragments; `accept`: the client may fragment, we
 * don't; `force`: as `yes` (it means more in IKEv1 only); `no`: it is not announced. Fragments are taken whatever it says.
 */
export const fragmentationModes = ['yes', 'accept', 'force', 'no'] as const
export type FragmentationMode = (typeof fragmentationModes)[number]

export interface ConnectionConfiguration {
  readonly name: string
  readonly ikeProposals: readonly IkeProposal[]
  /** Names of pools, tried in order. */
  readonly pools: readonly string[]
  readonly local: LocalAuthentication
  readonly remote: RemoteAuthentication
  readonly unique: UniquePolicy
  readonly childless: ChildlessPolicy
  readonly children: readonly ChildConfiguration[]
  readonly fragmentation: FragmentationMode
  /** Whether the client may change its address (RFC 4555). */
  readonly mobike: boolean
  /** Without: none. */
  readonly lifetimes?: IkeLifetimes
}

/** A network: its first address and the length of its prefix in bits. */
export interface Subnet {
  readonly address: Bytes
  readonly prefix: number
}

export interface PoolConfiguration {
  readonly name: string
  /** Inclusive ranges of addresses of 4 or 16 octets. */
  readonly ranges: readonly { readonly start: Bytes; readonly end: Bytes }[]
  readonly dns: readonly Bytes[]
  /** Networks behind the gateway that a client is told of (RFC 7296 §3.15.1: INTERNAL_IP4_SUBNET, INTERNAL_IP6_SUBNET), as prefixes. */
  readonly subnets: readonly Subnet[]
  /** NetBIOS name servers (INTERNAL_IP4_NBNS). */
  readonly nbns: readonly Bytes[]
  /** Domains whose names the DNS servers know (RFC 8598: INTERNAL_DNS_DOMAIN). */
  readonly domains: readonly string[]
}

export interface SharedSecret {
  readonly name: string
  /** Identities as written; empty: any. */
  readonly ids: readonly string[]
  readonly secret: Bytes
}

/** A certificate of the cluster's own. */
export interface OwnCertificate {
  readonly name: string
  /** DER, the certificate first, then those that lead to an authority. */
  readonly chain: readonly Bytes[]
  /** The name of the secret that is its key, in PKCS #8. */
  readonly secret: string
}

/** A certificate authority whose word about clients counts. */
export interface AuthorityConfiguration {
  readonly name: string
  /** DER, as its revocation lists are. */
  readonly certificate: Bytes
  readonly crls: readonly Bytes[]
}

export interface VpnConfiguration {
  readonly connections: readonly ConnectionConfiguration[]
  readonly pools: readonly PoolConfiguration[]
  readonly secrets: readonly SharedSecret[]
  readonly certificates: readonly OwnCertificate[]
  readonly authorities: readonly AuthorityConfiguration[]
}

/** What a connection and a pool have where nothing is said, and had before there was anything to say. */
export const connectionDefaults = {
  unique: 'no',
  childless: 'allow',
  fragmentation: 'yes',
  mobike: true,
} as const satisfies Partial<ConnectionConfiguration>
export const poolDefaults = { dns: [], nbns: [], subnets: [], domains: [] } as const satisfies Partial<PoolConfiguration>

export const emptyVpnConfiguration: VpnConfiguration = { connections: [], pools: [], secrets: [], certificates: [], authorities: [] }
