/**
 * Negotiating a Child SA as the responder (RFC 7296 §1.3, §2.9): which child of the connection, which algorithms, which traffic.
 *
 * The client's side is narrowed to the session's virtual addresses, ours to the child's `local_ts`.
 */

import type { Bytes } from '../kit/bytes.ts'
import { dataView } from '../kit/bytes.ts'
import { Writer } from '../kit/wire.ts'
import { narrowSelectors, selectorOfAddress } from '../context/address.ts'
import type { ChildSaContext, TrafficSelector } from '../context/session-context.ts'
import type { ChildConfiguration } from '../context/vpn-configuration.ts'
import type { IkeEnvironment } from './decision.ts'
import { deriveChildKeys } from './key-schedule.ts'
import { sealChildKeys } from './open-session.ts'
import type { SelectedEsp } from './proposal-selection.ts'
import { espAnswer, selectEspProposal } from './proposal-selection.ts'
import { notifyType } from './wire/notify.ts'
import type { Payload } from './wire/payloads.ts'
import { findPayload } from './wire/payloads.ts'
import type { Proposal } from './wire/security-association.ts'
import { selectorRanges, wireSelectors } from './wire/traffic-selectors.ts'

/** More selectors than this on a side are cut off: contexts stay small. */
export const maximumSelectors = 16

export interface ChildOffer {
  readonly proposals: readonly Proposal[]
  readonly remoteTs: readonly TrafficSelector[]
  readonly localTs: readonly TrafficSelector[]
}

/** The client's offer in an exchange that it started; null when it wants no Child SA or left something out. */
export function childOfferOf(payloads: readonly Payload[]): ChildOffer | null {
  const sa = findPayload(payloads, 'sa')
  const tsI = findPayload(payloads, 'tsI')
  const tsR = findPayload(payloads, 'tsR')
  if (sa === null || tsI === null || tsR === null) return null
  return { proposals: sa.proposals, remoteTs: selectorRanges(tsI.selectors), localTs: selectorRanges(tsR.selectors) }
}

/** A child of the connection that fits, with what is common to both sides. */
export interface ChildMatch {
  readonly child: ChildConfiguration
  readonly selected: SelectedEsp
  readonly localTs: readonly TrafficSelector[]
  readonly remoteTs: readonly TrafficSelector[]
}

/**
 * The first of the children that fits, or the notification that says what does not. `withKe`: whether the exchange may carry a key
 * exchange; IKE_AUTH never does.
 */
export function matchChild(
  env: IkeEnvironment,
  children: readonly ChildConfiguration[],
  offer: ChildOffer,
  virtualIps: readonly Bytes[],
  withKe: boolean,
): ChildMatch | number {
  const held = virtualIps.map(selectorOfAddress)
  const remoteTs = narrowSelectors(held, offer.remoteTs, maximumSelectors)
  let problem: number = notifyType.tsUnacceptable
  for (const child of children) {
    const localTs = narrowSelectors(child.localTs, offer.localTs, maximumSelectors)
    if (localTs.length === 0 || remoteTs.length === 0) continue
    const selected = selectEspProposal(env.crypto, offer.proposals, child.espProposals, withKe)
    if (selected !== null) return { child, selected, localTs, remoteTs }
    problem = notifyType.noProposalChosen
  }
  return problem
}

/** What the keys of the Child SA come from. `sharedSecret`: g^ir of a key exchange of its own, else empty (§2.17). */
export interface ChildKeySource {
  readonly prf: number
  readonly skD: Bytes
  readonly ni: Bytes
  readonly nr: Bytes
  readonly sharedSecret: Bytes
}

/** The Child SA and the payloads that answer it, but for nonce and key exchange; null while there is no SPI for it. The client is the exchange's initiator. */
export function makeChild(
  env: IkeEnvironment,
  match: ChildMatch,
  source: ChildKeySource,
): { readonly child: ChildSaContext; readonly sa: Payload; readonly selectors: readonly Payload[] } | null {
  const { selected, localTs, remoteTs } = match
  const spiIn = env.newChildSpi()
  if (spiIn === 0) return null
  const keymat = deriveChildKeys(env.crypto, source.prf, source.skD, selected.suite, source)
  const child: ChildSaContext = {
    name: match.child.name,
    spiIn,
    spiOut: dataView(selected.spi).getUint32(0),
    suite: selected.suite,
    secrets: sealChildKeys(env.sealer, spiIn, { keyIn: keymat.initiatorToResponder, keyOut: keymat.responderToInitiator }),
    localTs,
    remoteTs,
    establishedAt: env.nowMs,
    state: 'live',
    initiatedByUs: false,
  }
  return {
    child,
    sa: { type: 'sa', proposals: [espAnswer(selected, new Writer(4).u32(spiIn).finish())] },
    selectors: [
      { type: 'tsI', selectors: wireSelectors(remoteTs) },
      { type: 'tsR', selectors: wireSelectors(localTs) },
    ],
  }
}
