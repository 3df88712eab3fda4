/**
 * The gateway's CREATE_CHILD_SA requests, as the built-in client answers them (RFC 7296 §1.3, §2.8): it rekeys its Child SAs and the IKE SA,
 * and makes no further Child SA that it did not ask for.
 */

import type { Bytes } from '../kit/bytes.ts'
import { dataView, emptyBytes } from '../kit/bytes.ts'
import { keyExchangeMethod } from '../kit/ike-crypto.ts'
import { Writer } from '../kit/wire.ts'
import { narrowSelectors } from '../context/address.ts'
import type { EspProposal, IkeProposal } from '../context/vpn-configuration.ts'
import { lowerNonce } from './collision.ts'
import type { ClientChild, Tools } from './initiator-rekey.ts'
import { InitiatorSa } from './initiator-sa.ts'
import { deriveChildKeys, deriveRekeyedIkeKeys } from './key-schedule.ts'
import { espAnswer, ikeAnswer, selectEspProposal, selectIkeProposal } from './proposal-selection.ts'
import { notifyType } from './wire/notify.ts'
import type { Payload } from './wire/payloads.ts'
import { findPayload, notification } from './wire/payloads.ts'
import { selectorRanges, wireSelectors } from './wire/traffic-selectors.ts'

/** What was made for the gateway. `nonce`: the lower one of the exchange. */
export interface Granted<T> {
  readonly payloads: readonly Payload[]
  readonly made: T
  readonly nonce: Bytes
}

/** Nothing was made, and why. */
export interface Refused {
  readonly payloads: readonly Payload[]
  readonly made: null
}

export function refuse(notify: number, data: Bytes = emptyBytes): Refused {
  return { payloads: [notification(notify, data)], made: null }
}

const nonceOctets = 32
/** SPIs 1 to 255 are reserved (RFC 4303 §2.1). */
const firstSpi = 256

/** A successor of the Child SA `old`. The gateway is the exchange's initiator: its side is TSi. */
export function answerChildRekey(
  tools: Tools,
  sa: InitiatorSa,
  old: ClientChild,
  proposals: readonly EspProposal[],
  payloads: readonly Payload[],
): Granted<ClientChild> | Refused {
  const { crypto, random } = tools
  const [offer, ni, tsI, tsR] = [
    findPayload(payloads, 'sa'),
    findPayload(payloads, 'nonce')?.nonce,
    findPayload(payloads, 'tsI'),
    findPayload(payloads, 'tsR'),
  ]
  if (offer === null || ni === undefined || tsI === null || tsR === null) return refuse(notifyType.invalidSyntax)
  const selected = selectEspProposal(crypto, offer.proposals, proposals, true)
  if (selected === null) return refuse(notifyType.noProposalChosen)
  const remoteTs = narrowSelectors(old.remoteTs, selectorRanges(tsI.selectors))
  const localTs = narrowSelectors(old.localTs, selectorRanges(tsR.selectors))
  if (remoteTs.length === 0 || localTs.length === 0) return refuse(notifyType.tsUnacceptable)
  const agreed = agree(tools, selected.ke, payloads)
  if (agreed.made === null) return agreed
  const nr = random.bytes(nonceOctets)
  const spiIn = Math.max(firstSpi, random.uint32())
  const keymat = deriveChildKeys(crypto, sa.suite.prf, sa.keys.skD, selected.suite, { ni, nr, sharedSecret: agreed.made })
  return {
    payloads: [
      { type: 'sa', proposals: [espAnswer(selected, new Writer(4).u32(spiIn).finish())] },
      { type: 'nonce', nonce: nr },
      ...agreed.payloads,
      { type: 'tsI', selectors: wireSelectors(remoteTs) },
      { type: 'tsR', selectors: wireSelectors(localTs) },
    ],
    made: {
      spiIn,
      spiOut: dataView(selected.spi).getUint32(0),
      suite: selected.suite,
      keyIn: keymat.initiatorToResponder,
      keyOut: keymat.responderToInitiator,
      localTs,
      remoteTs,
    },
    nonce: lowerNonce(ni, nr).slice(),
  }
}

/** A successor of the IKE SA, whose original initiator is the gateway (§2.18). */
export function answerIkeRekey(
  tools: Tools,
  old: InitiatorSa,
  proposals: readonly IkeProposal[],
  payloads: readonly Payload[],
): Granted<InitiatorSa> | Refused {
  const { crypto, random } = tools
  const offer = findPayload(payloads, 'sa')
  const ni = findPayload(payloads, 'nonce')?.nonce
  if (offer === null || ni === undefined) return refuse(notifyType.invalidSyntax)
  const selected = selectIkeProposal(crypto, offer.proposals, proposals)
  if (selected?.spi.length !== 8) return refuse(notifyType.noProposalChosen)
  const agreed = agree(tools, selected.suite.ke, payloads)
  if (agreed.made === null) return agreed
  const nr = random.bytes(nonceOctets)
  const spis = { initiatorSpi: dataView(selected.spi).getBigUint64(0), responderSpi: dataView(random.bytes(8)).getBigUint64(0) || 1n }
  const basis = { skD: old.keys.skD, prf: old.suite.prf }
  const keys = deriveRekeyedIkeKeys(crypto, selected.suite, basis, agreed.made, { ni, nr, ...spis })
  return {
    payloads: [
      { type: 'sa', proposals: [ikeAnswer(selected, new Writer(8).u64(spis.responderSpi).finish())] },
      { type: 'nonce', nonce: nr },
      ...agreed.payloads,
    ],
    made: new InitiatorSa(crypto, { ...spis, suite: selected.suite, keys, fragmentOctets: old.fragmentOctets }, 0, false),
    nonce: lowerNonce(ni, nr).slice(),
  }
}

/** g^ir, empty without a key exchange, and our KE payload. */
function agree({ crypto }: Tools, group: number, payloads: readonly Payload[]): { payloads: readonly Payload[]; made: Bytes } | Refused {
  if (group === keyExchangeMethod.none) return { payloads: [], made: emptyBytes }
  const ke = findPayload(payloads, 'ke')
  if (ke?.group !== group) return refuse(notifyType.invalidKePayload, new Writer(2).u16(group).finish())
  const keyExchange = crypto.keyExchange(group)
  const sharedSecret = keyExchange.sharedSecret(ke.publicValue)
  if (sharedSecret === null) return refuse(notifyType.invalidSyntax)
  return { payloads: [{ type: 'ke', group, publicValue: keyExchange.publicValue }], made: sharedSecret }
}
