/**
 * Requests of our own (RFC 7296 §1.3, §1.4): what they carry, and what the context has to keep so that any gateway takes their answers.
 */

import type { Bytes } from '../kit/bytes.ts'
import { emptyBytes } from '../kit/bytes.ts'
import { Writer } from '../kit/wire.ts'
import { requestField } from '../context/sealed-parts.ts'
import type { ChildSaContext, IkeSaContext, OwnTask, SessionContext } from '../context/session-context.ts'
import type { EspProposal, IkeProposal, VpnConfiguration } from '../context/vpn-configuration.ts'
import type { IkeEnvironment } from './decision.ts'
import { isReplaced, tombstoneOf, withIkeSa } from './decision.ts'
import { nonceOctets } from './init.ts'
import { addressList } from './mobility.ts'
import type { ChildTask, IkeTask } from './initiator-rekey.ts'
import { createPayloads } from './initiator-rekey.ts'
import { exchangeType } from './wire/header.ts'
import type { Payload } from './wire/payloads.ts'
import { protocolId } from './wire/security-association.ts'

/** `group`: the key exchange method that the peer has asked for; null: it is ours to choose. */
export type OwnRequest =
  /** An empty INFORMATIONAL: "are you there?" (§2.4). */
  | { readonly type: 'liveness' }
  /** DELETE of the IKE SA (§1.4.1): of the newest one, and so of everything, or of one that was replaced. */
  | { readonly type: 'delete' }
  /** DELETE of Child SAs. */
  | { readonly type: 'delete-children'; readonly spisIn: readonly number[] }
  | { readonly type: 'rekey-child'; readonly spiIn: number; readonly group: number | null }
  | { readonly type: 'rekey-ike'; readonly group: number | null }
  /** The cluster's addresses (RFC 4555 §3.6), to be sent from another than the client speaks to: see mobility.ts. */
  | { readonly type: 're-anchor' }

export interface PreparedRequest {
  readonly exchange: number
  readonly payloads: readonly Payload[]
  /** The context once the request is under way; null: as it is. */
  readonly context: SessionContext | null
}

/** Null: what it is about is not there any more, or there is no SPI just now. */
export function prepareRequest(
  env: IkeEnvironment,
  context: SessionContext,
  sa: IkeSaContext,
  request: OwnRequest,
): PreparedRequest | null {
  const { informational } = exchangeType
  switch (request.type) {
    case 'liveness':
      return { exchange: informational, payloads: [], context: null }
    case 'delete': {
      const payloads: Payload[] = [{ type: 'delete', protocol: protocolId.ike, spiSize: 0, spis: [] }]
      return { exchange: informational, payloads, context: isReplaced(context, sa) ? null : tombstoneOf(context, env.nowMs) }
    }
    case 'delete-children':
      return deleteChildren(context, sa, request.spisIn)
    case 'rekey-child':
      return rekeyChild(env, context, sa, request)
    case 'rekey-ike':
      return rekeyIke(env, context, sa, request.group)
    case 're-anchor':
      return { exchange: informational, payloads: addressList(env), context: withIkeSa(context, sa, { task: { type: 're-anchor' } }) }
  }
}

/** Also of one that the context does not have: the peer may have made it in an answer that was not acceptable. */
function deleteChildren(context: SessionContext, sa: IkeSaContext, spisIn: readonly number[]): PreparedRequest {
  const spis = spisIn.map((spiIn) => new Writer(4).u32(spiIn).finish())
  const children = context.children.map((child): ChildSaContext => (spisIn.includes(child.spiIn) ? { ...child, state: 'closing' } : child))
  return {
    exchange: exchangeType.informational,
    payloads: [{ type: 'delete', protocol: protocolId.esp, spiSize: 4, spis }],
    context: withIkeSa({ ...context, children }, sa, { task: { type: 'delete-children', spisIn } }),
  }
}

function rekeyChild(
  env: IkeEnvironment,
  context: SessionContext,
  sa: IkeSaContext,
  { spiIn, group }: Extract<OwnRequest, { type: 'rekey-child' }>,
): PreparedRequest | null {
  const child = context.children.find((one) => one.spiIn === spiIn)
  if (child?.state !== 'live') return null
  const newSpiIn = env.newChildSpi()
  if (newSpiIn === 0) return null
  const proposals = espOffer(env.vpn, context, child)
  const agreement = newAgreement(env, BigInt(newSpiIn), group ?? preferredGroup(env, proposals, sa.suite.ke))
  const { localTs, remoteTs } = child
  const asked: ChildTask = { type: 'child', spiIn: newSpiIn, replaces: child, proposals, localTs, remoteTs, ...agreement.asked }
  const task: OwnTask = { type: 'rekey-child', spiIn, newSpiIn, ...agreement.kept }
  return { exchange: exchangeType.createChildSa, payloads: createPayloads(asked), context: withIkeSa(context, sa, { task }) }
}

function rekeyIke(env: IkeEnvironment, context: SessionContext, sa: IkeSaContext, group: number | null): PreparedRequest {
  const newSpi = env.newIkeSpi()
  const proposals = ikeOffer(env.vpn, context, sa)
  const agreement = newAgreement(env, newSpi, group ?? preferredGroup(env, proposals, sa.suite.ke))
  const asked: IkeTask = { type: 'ike', initiatorSpi: newSpi, proposals, ...agreement.asked }
  const task: OwnTask = { type: 'rekey-ike', newSpi, ...agreement.kept }
  return { exchange: exchangeType.createChildSa, payloads: createPayloads(asked), context: withIkeSa(context, sa, { task }) }
}

/** Nonce and key exchange: as they are asked with, and as they are kept. */
function newAgreement(env: IkeEnvironment, newSpi: bigint, ke: number) {
  const ni = env.random.bytes(nonceOctets.own)
  const keyExchange = ke === 0 ? null : env.crypto.keyExchange(ke)
  const secret: Bytes = keyExchange === null ? emptyBytes : env.sealer.seal(requestField(newSpi), keyExchange.privateValue)
  return { asked: { ni, keyExchange, group: ke, attempts: 1 }, kept: { ni, ke, secret, rival: null } }
}

/** As the child is configured; one that is not any more stays what it is. */
export function espOffer(vpn: VpnConfiguration, context: SessionContext, child: ChildSaContext): readonly EspProposal[] {
  const connection = vpn.connections.find(({ name }) => name === context.connection)
  const configured = connection?.children.find(({ name }) => name === child.name)
  const { encr, keyBits, integ, esn } = child.suite
  return configured?.espProposals ?? [{ encryption: [{ encr, keyBits }], integ: integ === 0 ? [] : [integ], ke: [], esn: [esn] }]
}

/** As the connection is configured; with the present PRF only, where that may stay: peers differ in which of two they take (see ike-rekey.ts). */
export function ikeOffer(vpn: VpnConfiguration, context: SessionContext, sa: IkeSaContext): readonly IkeProposal[] {
  const { encr, keyBits, integ, prf, ke } = sa.suite
  const present = { encryption: [{ encr, keyBits }], integ: integ === 0 ? [] : [integ], prf: [prf], ke: [ke] }
  const configured = vpn.connections.find(({ name }) => name === context.connection)?.ikeProposals ?? [present]
  return configured.map((proposal) => (proposal.prf.includes(prf) ? { ...proposal, prf: [prf] } : proposal))
}

/** The group that the peer is known to have, if it may be; else the first that we have. 0: without a key exchange. */
function preferredGroup({ crypto }: IkeEnvironment, proposals: readonly { readonly ke: readonly number[] }[], known: number): number {
  const groups = proposals.flatMap(({ ke }) => ke)
  return groups.includes(known) ? known : (groups.find((group) => crypto.publicValueLength(group) !== null) ?? 0)
}
