/**
 * CREATE_CHILD_SA as who starts it sees it (RFC 7296 §1.3): what is asked for, and what the answer makes. The built-in client's, and the
 * gateway's in requests of its own: "our side" is that of the exchange's initiator.
 */

import type { Bytes } from '../kit/bytes.ts'
import { dataView, emptyBytes } from '../kit/bytes.ts'
import type { IkeCrypto, KeyExchange } from '../kit/ike-crypto.ts'
import { keyExchangeMethod } from '../kit/ike-crypto.ts'
import type { Random } from '../kit/random.ts'
import { Writer } from '../kit/wire.ts'
import type { EspSuite, IkeSuite, TrafficSelector } from '../context/session-context.ts'
import type { EspProposal, IkeProposal } from '../context/vpn-configuration.ts'
import { grantedChild, offerEsp, offerIke } from './initiator-messages.ts'
import type { IkeSaValues } from './initiator-sa.ts'
import type { IkeKeys } from './key-schedule.ts'
import { deriveChildKeys, deriveRekeyedIkeKeys } from './key-schedule.ts'
import { selectIkeProposal } from './proposal-selection.ts'
import { notifyType } from './wire/notify.ts'
import type { Payload } from './wire/payloads.ts'
import { findPayload } from './wire/payloads.ts'
import { protocolId } from './wire/security-association.ts'
import { wireSelectors } from './wire/traffic-selectors.ts'

/** A Child SA as its exchange's initiator has it; the client has all of its own so. */
export interface ClientChild {
  readonly spiIn: number
  readonly spiOut: number
  readonly suite: EspSuite
  readonly keyIn: Bytes
  readonly keyOut: Bytes
  /** Our side and the peer's. */
  readonly localTs: readonly TrafficSelector[]
  readonly remoteTs: readonly TrafficSelector[]
}

export interface Tools {
  readonly crypto: IkeCrypto
  readonly random: Random
}

interface Agreement {
  readonly ni: Bytes
  /** Null: without a key exchange of its own. */
  readonly keyExchange: KeyExchange | null
  readonly group: number
  /** The peer may ask for another group so often, and no more. */
  readonly attempts: number
}

/** A Child SA that was asked for. */
export interface ChildTask extends Agreement {
  readonly type: 'child'
  readonly spiIn: number
  /** The Child SA that it is to replace; null: a further one. */
  readonly replaces: Pick<ClientChild, 'spiIn'> | null
  readonly proposals: readonly EspProposal[]
  readonly localTs: readonly TrafficSelector[]
  readonly remoteTs: readonly TrafficSelector[]
}

/** The successor of the IKE SA that was asked for: we are its original initiator. */
export interface IkeTask extends Agreement {
  readonly type: 'ike'
  readonly initiatorSpi: bigint
  readonly proposals: readonly IkeProposal[]
}

export type CreateTask = ChildTask | IkeTask

const nonceOctets = 32
const minimumNonceOctets = 16

export function childTask(
  { crypto, random }: Tools,
  values: Pick<ChildTask, 'spiIn' | 'replaces' | 'proposals' | 'localTs' | 'remoteTs'> & { readonly groups: readonly number[] },
): ChildTask {
  const { groups, ...task } = values
  const group = groups[0] ?? 0
  const keyExchange = group === 0 ? null : crypto.keyExchange(group)
  const proposals = values.proposals.map((proposal) => ({ ...proposal, ke: groups }))
  return { type: 'child', ...task, proposals, ni: random.bytes(nonceOctets), keyExchange, group, attempts: 1 }
}

export function ikeTask({ crypto, random }: Tools, proposals: readonly IkeProposal[], group: number): IkeTask {
  const initiatorSpi = dataView(random.bytes(8)).getBigUint64(0) || 1n
  return { type: 'ike', initiatorSpi, proposals, ni: random.bytes(nonceOctets), keyExchange: crypto.keyExchange(group), group, attempts: 1 }
}

export function createPayloads(task: CreateTask): Payload[] {
  const ke: Payload[] = task.keyExchange === null ? [] : [{ type: 'ke', group: task.group, publicValue: task.keyExchange.publicValue }]
  const nonce: Payload = { type: 'nonce', nonce: task.ni }
  if (task.type === 'ike') {
    return [{ type: 'sa', proposals: offerIke(task.proposals, new Writer(8).u64(task.initiatorSpi).finish()) }, nonce, ...ke]
  }
  return [
    ...(task.replaces === null ? [] : [rekeyNotification(task.replaces)]),
    { type: 'sa', proposals: offerEsp(task.proposals, task.spiIn) },
    nonce,
    ...ke,
    { type: 'tsI', selectors: wireSelectors(task.localTs) },
    { type: 'tsR', selectors: wireSelectors(task.remoteTs) },
  ]
}

/** It names the SPI that we receive with (§1.3.3). */
function rekeyNotification({ spiIn }: Pick<ClientChild, 'spiIn'>): Payload {
  const spi = new Writer(4).u32(spiIn).finish()
  return { type: 'notify', protocol: protocolId.esp, spi, notify: notifyType.rekeySa, data: emptyBytes }
}

const maximumAttempts = 5

/** The same with another group, if we offered it and were not sent back too often (§1.3, §2.7); else null. */
export function withGroup({ crypto }: Tools, task: CreateTask, data: Bytes): CreateTask | null {
  const group = offeredGroup({ crypto }, task, data)
  if (group === null || task.attempts >= maximumAttempts) return null
  return { ...task, group, keyExchange: crypto.keyExchange(group), attempts: task.attempts + 1 }
}

/** The group of an INVALID_KE_PAYLOAD, if it was offered and is another one; else null. */
export function offeredGroup(
  { crypto }: Pick<Tools, 'crypto'>,
  asked: { readonly proposals: readonly { readonly ke: readonly number[] }[]; readonly group: number },
  data: Bytes,
): number | null {
  const group = data.length === 2 ? dataView(data).getUint16(0) : 0
  const isOffered = asked.proposals.some(({ ke }) => ke.includes(group)) && crypto.publicValueLength(group) !== null
  return isOffered && group !== asked.group ? group : null
}

/** Nr and g^ir (empty without a key exchange); null: the answer is not acceptable. */
function agree(task: CreateTask, payloads: readonly Payload[]): { readonly nr: Bytes; readonly sharedSecret: Bytes } | null {
  const nr = findPayload(payloads, 'nonce')?.nonce
  if (nr === undefined || nr.length < minimumNonceOctets) return null
  if (task.keyExchange === null) return { nr, sharedSecret: emptyBytes }
  const ke = findPayload(payloads, 'ke')
  const sharedSecret = ke?.group === task.group ? task.keyExchange.sharedSecret(ke.publicValue) : null
  return sharedSecret === null ? null : { nr, sharedSecret }
}

/** The IKE SA that an exchange is under. */
interface Above {
  readonly suite: IkeSuite
  readonly keys: Pick<IkeKeys, 'skD'>
}

/** The Child SA that the answer under `sa` grants; null when it is not what was asked for. */
export function acceptChild(
  { crypto }: Pick<Tools, 'crypto'>,
  task: ChildTask,
  sa: Above,
  payloads: readonly Payload[],
): ClientChild | null {
  const granted = grantedChild(crypto, payloads, task.proposals, true)
  // Where NONE was among the methods that were offered, it may have been chosen though a public value was sent.
  const isWithout = granted?.ke === keyExchangeMethod.none
  const agreed = agree(isWithout ? { ...task, keyExchange: null } : task, payloads)
  if (granted === null || agreed === null || (!isWithout && granted.ke !== task.group)) return null
  const { spiOut, suite, localTs, remoteTs } = granted
  const keymat = deriveChildKeys(crypto, sa.suite.prf, sa.keys.skD, suite, { ni: task.ni, ...agreed })
  const keys = { keyIn: keymat.responderToInitiator, keyOut: keymat.initiatorToResponder }
  return { spiIn: task.spiIn, spiOut, suite, ...keys, localTs, remoteTs }
}

/** The IKE SA that the answer under `old` makes; null when it is not what was asked for. */
export function acceptIke({ crypto }: Pick<Tools, 'crypto'>, task: IkeTask, old: Above, payloads: readonly Payload[]): IkeSaValues | null {
  const sa = findPayload(payloads, 'sa')
  const selected = sa?.proposals.length === 1 ? selectIkeProposal(crypto, sa.proposals, task.proposals) : null
  const agreed = agree(task, payloads)
  if (selected === null || agreed === null || selected.suite.ke !== task.group || selected.spi.length !== 8) return null
  const { initiatorSpi } = task
  const responderSpi = dataView(selected.spi).getBigUint64(0)
  if (responderSpi === 0n) return null
  const { suite } = selected
  const values = { ni: task.ni, nr: agreed.nr, initiatorSpi, responderSpi }
  const keys = deriveRekeyedIkeKeys(crypto, suite, { skD: old.keys.skD, prf: old.suite.prf }, agreed.sharedSecret, values)
  return { initiatorSpi, responderSpi, suite, keys }
}
