/**
 * Negotiating a Child SA as the responder (RFC 7296 §1.3, §2.9): which child of the connection, which algorithms, which traffic.
 *
 * The client's side is narrowed to the session's virtual addresses, ours to the child's `local_ts`.
 */

import type { Bytes } from '../kit/bytes.ts'
import { dataView, emptyBytes } from '../kit/bytes.ts'
import { Writer } from '../kit/wire.ts'
import { narrowSelectors, selectorOfAddress } from '../context/address.ts'
import type { ChildSaContext, TrafficSelector } from '../context/session-context.ts'
import type { ChildConfiguration, ConnectionConfiguration } from '../context/vpn-configuration.ts'
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
const maximumSelectors = 16

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

interface ChildMatch {
  readonly child: ChildConfiguration
  readonly selected: SelectedEsp
  readonly localTs: readonly TrafficSelector[]
  readonly remoteTs: readonly TrafficSelector[]
}

/** The first child of the connection that fits, or the notification that says what does not. */
function matchChild(
  env: IkeEnvironment,
  connection: ConnectionConfiguration,
  offer: ChildOffer,
  virtualIps: readonly Bytes[],
): ChildMatch | number {
  const held = virtualIps.map(selectorOfAddress)
  const remoteTs = narrowSelectors(held, offer.remoteTs, maximumSelectors)
  let problem: number = notifyType.tsUnacceptable
  for (const child of connection.children) {
    const localTs = narrowSelectors(child.localTs, offer.localTs, maximumSelectors)
    if (localTs.length === 0 || remoteTs.length === 0) continue
    const selected = selectEspProposal(env.crypto, offer.proposals, child.espProposals, false)
    if (selected !== null) return { child, selected, localTs, remoteTs }
    problem = notifyType.noProposalChosen
  }
  return problem
}

/** What the keys of the Child SA come from. */
export interface ChildKeySource {
  readonly prf: number
  readonly skD: Bytes
  readonly ni: Bytes
  readonly nr: Bytes
}

/** The Child SA and the payloads that answer it, or the type of the error notification. The client is the exchange's initiator. */
export function negotiateChild(
  env: IkeEnvironment,
  connection: ConnectionConfiguration,
  offer: ChildOffer,
  virtualIps: readonly Bytes[],
  source: ChildKeySource,
): { readonly child: ChildSaContext; readonly payloads: readonly Payload[] } | number {
  const match = matchChild(env, connection, offer, virtualIps)
  if (typeof match === 'number') return match
  const { selected, localTs, remoteTs } = match
  const spiIn = env.newChildSpi()
  if (spiIn === 0) return notifyType.noAdditionalSas
  const keymat = deriveChildKeys(env.crypto, source.prf, source.skD, selected.suite, {
    ni: source.ni,
    nr: source.nr,
    sharedSecret: emptyBytes,
  })
  const child: ChildSaContext = {
    name: match.child.name,
    spiIn,
    spiOut: dataView(selected.spi).getUint32(0),
    suite: selected.suite,
    secrets: sealChildKeys(env.sealer, spiIn, { keyIn: keymat.initiatorToResponder, keyOut: keymat.responderToInitiator }),
    localTs,
    remoteTs,
    establishedAt: env.nowMs,
  }
  const payloads: Payload[] = [
    { type: 'sa', proposals: [espAnswer(selected, new Writer(4).u32(spiIn).finish())] },
    { type: 'tsI', selectors: wireSelectors(remoteTs) },
    { type: 'tsR', selectors: wireSelectors(localTs) },
  ]
  return { child, payloads }
}
