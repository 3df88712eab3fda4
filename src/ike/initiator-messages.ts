/**
 * What the built-in client puts into its requests and takes from the answers (RFC 7296 §1.2).
 */

import type { Bytes } from '../kit/bytes.ts'
import { dataView, emptyBytes } from '../kit/bytes.ts'
import type { IkeCrypto } from '../kit/ike-crypto.ts'
import { Writer } from '../kit/wire.ts'
import { selectorOfRange } from '../context/address.ts'
import type { Endpoint, EspSuite, Identity, IkeSuite, TrafficSelector } from '../context/session-context.ts'
import type { EspProposal, IkeProposal } from '../context/vpn-configuration.ts'
import { natDetectionHash } from './nat-detection.ts'
import { encryptionTransform, selectEspProposal, selectIkeProposal, transform } from './proposal-selection.ts'
import { hashAnnouncement } from './signature.ts'
import { certificateEncoding } from './wire/certificates.ts'
import { configurationAttribute, configurationType } from './wire/configuration.ts'
import { firstStatusType, notifyType } from './wire/notify.ts'
import type { Payload } from './wire/payloads.ts'
import { findPayload, notification } from './wire/payloads.ts'
import type { Proposal } from './wire/security-association.ts'
import { protocolId, transformType } from './wire/security-association.ts'
import type { Authentication } from './wire/simple-payloads.ts'
import { identification } from './wire/simple-payloads.ts'
import { selectorRanges, wireSelectors } from './wire/traffic-selectors.ts'

/** The proposals for an IKE SA, numbered from 1. `spi`: of 8 octets in a rekeying, empty in IKE_SA_INIT. */
export function offerIke(proposals: readonly IkeProposal[], spi: Bytes = emptyBytes): Proposal[] {
  return proposals.map((one, i) => ({
    number: i + 1,
    protocol: protocolId.ike,
    spi,
    transforms: [
      ...one.encryption.map(({ encr, keyBits }) => encryptionTransform(encr, keyBits)),
      ...one.integ.map((id) => transform(transformType.integ, id)),
      ...one.prf.map((id) => transform(transformType.prf, id)),
      ...one.ke.map((id) => transform(transformType.ke, id)),
    ],
  }))
}

/** The proposals for a Child SA; all have the SPI that we receive with. */
export function offerEsp(proposals: readonly EspProposal[], spi: number): Proposal[] {
  return proposals.map((one, i) => ({
    number: i + 1,
    protocol: protocolId.esp,
    spi: new Writer(4).u32(spi).finish(),
    transforms: [
      ...one.encryption.map(({ encr, keyBits }) => encryptionTransform(encr, keyBits)),
      ...one.integ.map((id) => transform(transformType.integ, id)),
      ...one.ke.map((id) => transform(transformType.ke, id)),
      ...one.esn.map((id) => transform(transformType.esn, id)),
    ],
  }))
}

export interface InitRequestValues {
  readonly crypto: IkeCrypto
  readonly initiatorSpi: bigint
  readonly proposals: readonly IkeProposal[]
  readonly group: number
  readonly publicValue: Bytes
  readonly ni: Bytes
  readonly cookie: Bytes | null
  readonly fragmentation: boolean
  readonly local: Endpoint
  readonly remote: Endpoint
  /** Whether either side signs: then we say what we verify (RFC 7427 §4). */
  readonly signatures: boolean
}

/** "the cookie ... as the first payload" (§2.6). NAT detection is honest: the gateway's answer makes us encapsulate anyhow. */
export function initPayloads(values: InitRequestValues): Payload[] {
  const spis = { initiatorSpi: values.initiatorSpi, responderSpi: 0n }
  return [
    ...(values.cookie === null ? [] : [notification(notifyType.cookie, values.cookie)]),
    { type: 'sa', proposals: offerIke(values.proposals) },
    { type: 'ke', group: values.group, publicValue: values.publicValue },
    { type: 'nonce', nonce: values.ni },
    notification(notifyType.natDetectionSourceIp, natDetectionHash(values.crypto, spis, values.local)),
    notification(notifyType.natDetectionDestinationIp, natDetectionHash(values.crypto, spis, values.remote)),
    ...(values.fragmentation ? [notification(notifyType.fragmentationSupported)] : []),
    ...(values.signatures ? [hashAnnouncement()] : []),
  ]
}

export interface AuthRequestValues {
  readonly identity: Identity
  readonly wanted: Identity | null
  /** Our certificates, the first is ours; none with a pre-shared key. */
  readonly certificates: readonly Bytes[]
  /** Null: none, for EAP is wanted (§2.16). */
  readonly auth: Authentication | null
  readonly espProposals: readonly EspProposal[]
  readonly spiIn: number
  readonly remoteTs: readonly TrafficSelector[]
  readonly ipv6: boolean
  readonly initialContact: boolean
  readonly mobike: boolean
}

export function authPayloads(values: AuthRequestValues): Payload[] {
  const any = (octets: number): TrafficSelector => selectorOfRange({ start: new Uint8Array(octets), end: new Uint8Array(octets).fill(255) })
  const attributes = [configurationAttribute.ip4Address, configurationAttribute.ip4Dns]
  const ipv6Attributes = values.ipv6 ? [configurationAttribute.ip6Address, configurationAttribute.ip6Dns] : []
  return [
    { type: 'idI', ...identification(values.identity) },
    ...values.certificates.map((data) => ({ type: 'cert' as const, encoding: certificateEncoding.x509Signature, data })),
    ...(values.initialContact ? [notification(notifyType.initialContact)] : []),
    ...(values.wanted === null ? [] : [{ type: 'idR' as const, ...identification(values.wanted) }]),
    ...(values.auth === null ? [] : [{ type: 'auth' as const, ...values.auth }]),
    {
      type: 'configuration',
      cfgType: configurationType.request,
      attributes: [...attributes, ...ipv6Attributes].map((type) => ({ type, value: emptyBytes })),
    },
    // No key exchange in IKE_AUTH (§1.2).
    { type: 'sa', proposals: offerEsp(withoutKe(values.espProposals), values.spiIn) },
    { type: 'tsI', selectors: wireSelectors(values.ipv6 ? [any(4), any(16)] : [any(4)]) },
    { type: 'tsR', selectors: wireSelectors(values.remoteTs) },
    ...(values.mobike ? [notification(notifyType.mobikeSupported)] : []),
  ]
}

/** UPDATE_SA_ADDRESSES of a client that is at `local` now (RFC 4555 §3.5). */
export function updatePayloads(
  crypto: IkeCrypto,
  spis: { readonly initiatorSpi: bigint; readonly responderSpi: bigint },
  path: { readonly local: Endpoint; readonly remote: Endpoint },
  cookie2: Bytes,
): Payload[] {
  return [
    notification(notifyType.updateSaAddresses),
    notification(notifyType.natDetectionSourceIp, natDetectionHash(crypto, spis, path.local)),
    notification(notifyType.natDetectionDestinationIp, natDetectionHash(crypto, spis, path.remote)),
    notification(notifyType.cookie2, cookie2),
    notification(notifyType.noAdditionalAddresses),
  ]
}

function withoutKe(proposals: readonly EspProposal[]): EspProposal[] {
  return proposals.map((proposal) => ({ ...proposal, ke: [] }))
}

/** The chosen suite; null when the responder chose what was not offered. */
export function chosenIkeSuite(crypto: IkeCrypto, answer: readonly Proposal[], offered: readonly IkeProposal[]): IkeSuite | null {
  return answer.length === 1 ? (selectIkeProposal(crypto, answer, offered)?.suite ?? null) : null
}

/** The Child SA as the gateway granted it. */
export interface GrantedChild {
  readonly virtualIps: readonly Bytes[]
  readonly dns: readonly Bytes[]
  readonly spiOut: number
  readonly suite: EspSuite
  /** The key exchange method of a CREATE_CHILD_SA; 0: none. */
  readonly ke: number
  /** Our side and the gateway's. */
  readonly localTs: readonly TrafficSelector[]
  readonly remoteTs: readonly TrafficSelector[]
}

/** What the answer of IKE_AUTH, or with `withKe` of CREATE_CHILD_SA, grants; null when a part is missing or was not offered. */
export function grantedChild(
  crypto: IkeCrypto,
  payloads: readonly Payload[],
  offered: readonly EspProposal[],
  withKe: boolean,
): GrantedChild | null {
  const sa = findPayload(payloads, 'sa')
  const tsI = findPayload(payloads, 'tsI')
  const tsR = findPayload(payloads, 'tsR')
  if (sa === null || sa.proposals.length !== 1 || tsI === null || tsR === null) return null
  const selected = selectEspProposal(crypto, sa.proposals, offered, withKe)
  if (selected === null) return null
  return {
    ...assignedAddresses(payloads),
    spiOut: dataView(selected.spi).getUint32(0),
    suite: selected.suite,
    ke: selected.ke,
    localTs: selectorRanges(tsI.selectors),
    remoteTs: selectorRanges(tsR.selectors),
  }
}

function assignedAddresses(payloads: readonly Payload[]): { virtualIps: Bytes[]; dns: Bytes[] } {
  const virtualIps: Bytes[] = []
  const dns: Bytes[] = []
  for (const { type, value } of findPayload(payloads, 'configuration')?.attributes ?? []) {
    if (type === configurationAttribute.ip4Address && value.length === 4) virtualIps.push(value.slice())
    if (type === configurationAttribute.ip6Address && value.length === 17) virtualIps.push(value.slice(0, 16))
    if (type === configurationAttribute.ip4Dns && value.length === 4) dns.push(value.slice())
    if (type === configurationAttribute.ip6Dns && value.length === 16) dns.push(value.slice())
  }
  return { virtualIps, dns }
}

/** The first error among the notifications, or null. */
export function errorNotify(payloads: readonly Payload[]): number | null {
  for (const payload of payloads) if (payload.type === 'notify' && payload.notify < firstStatusType) return payload.notify
  return null
}
