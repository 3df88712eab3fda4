/**
 * The VPN configuration as the cluster replicates it: vpn.yaml after checking, names resolved, algorithms as transform IDs, secrets
 * sealed for the field `secret/<name>`.
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

export interface ChildConfiguration {
  readonly name: string
  readonly localTs: readonly TrafficSelector[]
  readonly espProposals: readonly EspProposal[]
}

/** How the cluster proves who it is: with a pre-shared key, or with the key of a certificate. */
export interface LocalAuthentication {
  readonly auth: 'psk' | 'pubkey'
  /** As written, for example `vpn.example.org`. */
  readonly id: string
}

/** How a client proves who it is. */
export interface RemoteAuthentication {
  readonly auth: 'psk' | 'pubkey'
  /** As written; `%any`, or with `*` wildcards. */
  readonly id: string
}

export interface ConnectionConfiguration {
  readonly name: string
  readonly ikeProposals: readonly IkeProposal[]
  /** Names of pools, tried in order. */
  readonly pools: readonly string[]
  readonly local: LocalAuthentication
  readonly remote: RemoteAuthentication
  readonly children: readonly ChildConfiguration[]
}

export interface PoolConfiguration {
  readonly name: string
  /** Inclusive ranges of addresses of 4 or 16 octets. */
  readonly ranges: readonly { readonly start: Bytes; readonly end: Bytes }[]
  readonly dns: readonly Bytes[]
}

export interface SharedSecret {
  readonly name: string
  /** Identities as written; empty: any. */
  readonly ids: readonly string[]
  readonly secret: Bytes
}

export interface VpnConfiguration {
  readonly connections: readonly ConnectionConfiguration[]
  readonly pools: readonly PoolConfiguration[]
  readonly secrets: readonly SharedSecret[]
}

export const emptyVpnConfiguration: VpnConfiguration = { connections: [], pools: [], secrets: [] }
