/**
 * Which of the offered algorithms are taken (RFC 7296 §2.7, §3.3).
 *
 * The order is the configuration's, as strongSwan's is unless told otherwise: the first configured proposal that one of the initiator's fits,
 * and within the pair the configured transforms' order. RFC 7296 leaves the choice to the responder (§2.7); a client that puts what is weak first, as
 * Windows does, so gets it only where nothing better is common. An offered proposal must have a
 * transform that we can take for every type that it names (§3.3.6: "if an initiator proposes ... a transform type that the responder does
 * not understand, the proposal is rejected"), and every type that we need. Unknown transforms are skipped, and so are transforms with an
 * attribute that we do not know. AEAD wants no integrity, or NONE.
 */

import type { Bytes } from '../kit/bytes.ts'
import type { IkeCrypto } from '../kit/ike-crypto.ts'
import { encryptionAlgorithm, integrityAlgorithm, keyExchangeMethod } from '../kit/ike-crypto.ts'
import type { EspSuite, IkeSuite } from '../context/session-context.ts'
import type { EncryptionChoice, EspProposal, IkeProposal } from '../context/vpn-configuration.ts'
import type { Proposal, Transform } from './wire/security-association.ts'
import { keyLengthAttribute, protocolId, transformType } from './wire/security-association.ts'

export interface SelectedIke {
  readonly suite: IkeSuite
  /** To be echoed in the answer. */
  readonly number: number
  /** The initiator's SPI in the proposal: empty in IKE_SA_INIT, 8 octets in a rekey. */
  readonly spi: Bytes
}

export interface SelectedEsp {
  readonly suite: EspSuite
  /** The key exchange method of a CREATE_CHILD_SA; 0: none. */
  readonly ke: number
  readonly number: number
  /** The SPI that the initiator receives with. */
  readonly spi: Bytes
}

const ikeTypes: readonly number[] = [transformType.encr, transformType.prf, transformType.integ, transformType.ke]
const espTypes: readonly number[] = [transformType.encr, transformType.integ, transformType.ke, transformType.esn]

/** Null: NO_PROPOSAL_CHOSEN. */
export function selectIkeProposal(crypto: IkeCrypto, offered: readonly Proposal[], configured: readonly IkeProposal[]): SelectedIke | null {
  const understood = offered.filter((proposal) => proposal.protocol === protocolId.ike && namesOnly(proposal, ikeTypes))
  for (const choice of configured) {
    for (const proposal of understood) {
      const suite = matchIke(crypto, proposal, choice)
      if (suite !== null) return { suite, number: proposal.number, spi: proposal.spi }
    }
  }
  return null
}

/** `withKe`: whether the exchange may carry a key exchange; IKE_AUTH never does (§1.2). Null: NO_PROPOSAL_CHOSEN. */
export function selectEspProposal(
  crypto: IkeCrypto,
  offered: readonly Proposal[],
  configured: readonly EspProposal[],
  withKe: boolean,
): SelectedEsp | null {
  const understood = offered.filter((proposal) => {
    return proposal.protocol === protocolId.esp && proposal.spi.length === 4 && namesOnly(proposal, espTypes)
  })
  for (const choice of configured) {
    for (const proposal of understood) {
      const suite = matchEsp(crypto, proposal, choice)
      const ke = withKe ? pickEspKe(proposal, choice) : keyExchangeMethod.none
      if (suite !== null && ke !== null) return { suite, ke, number: proposal.number, spi: proposal.spi }
    }
  }
  return null
}

/** Whether the configuration lets an IKE SA have the suite. */
export function allowsIkeSuite(configured: readonly IkeProposal[], suite: IkeSuite): boolean {
  return configured.some(
    (choice) =>
      choice.encryption.some((one) => one.encr === suite.encr && one.keyBits === suite.keyBits) &&
      (suite.integ === 0 || choice.integ.includes(suite.integ)) &&
      choice.prf.includes(suite.prf) &&
      choice.ke.includes(suite.ke),
  )
}

/** The answer's only proposal for an IKE SA. `spi`: ours, 8 octets, in a rekey; empty in IKE_SA_INIT. */
export function ikeAnswer(selected: SelectedIke, spi: Bytes): Proposal {
  const { encr, keyBits, integ, prf, ke } = selected.suite
  const transforms = [encryptionTransform(encr, keyBits), transform(transformType.prf, prf)]
  if (integ !== 0) transforms.push(transform(transformType.integ, integ))
  transforms.push(transform(transformType.ke, ke))
  return { number: selected.number, protocol: protocolId.ike, spi, transforms }
}

/** The answer's only proposal for a Child SA. `spi`: the one that we receive with. */
export function espAnswer(selected: SelectedEsp, spi: Bytes): Proposal {
  const { encr, keyBits, integ, esn } = selected.suite
  const transforms = [encryptionTransform(encr, keyBits)]
  if (integ !== 0) transforms.push(transform(transformType.integ, integ))
  if (selected.ke !== 0) transforms.push(transform(transformType.ke, selected.ke))
  transforms.push(transform(transformType.esn, esn))
  return { number: selected.number, protocol: protocolId.esp, spi, transforms }
}

export function transform(type: number, id: number): Transform {
  return { type, id, attributes: [] }
}

export function encryptionTransform(encr: number, keyBits: number): Transform {
  return { type: transformType.encr, id: encr, attributes: keyBits === 0 ? [] : [{ type: keyLengthAttribute, value: keyBits }] }
}

/** Whether the algorithm authenticates too, so that no integrity transform goes with it (RFC 5282 §8). */
export function isAead(encr: number): boolean {
  return encr === encryptionAlgorithm.aesGcm16 || encr === encryptionAlgorithm.chacha20Poly1305
}

function namesOnly(proposal: Proposal, types: readonly number[]): boolean {
  return proposal.transforms.every((one) => types.includes(one.type))
}

function matchIke(crypto: IkeCrypto, proposal: Proposal, choice: IkeProposal): IkeSuite | null {
  const cipher = pickCipher(crypto, proposal, choice)
  const prf = choice.prf.find((id) => offers(proposal, transformType.prf, id) && crypto.prfLength(id) !== null)
  const ke = choice.ke.find((id) => offers(proposal, transformType.ke, id) && crypto.publicValueLength(id) !== null)
  if (cipher === null || prf === undefined || ke === undefined) return null
  // It would send SK payloads in the clear: a configuration never names it for IKE.
  if (cipher.encr === encryptionAlgorithm.null) return null
  return { ...cipher, prf, ke }
}

function matchEsp(crypto: IkeCrypto, proposal: Proposal, choice: EspProposal): EspSuite | null {
  const cipher = pickCipher(crypto, proposal, choice)
  const esn = pickEsn(proposal, choice)
  return cipher === null || esn === null ? null : { ...cipher, esn }
}

/** "ESN" is a mandatory type of ESP (§3.3.3): a proposal without it is not taken, nor does strongSwan take it. */
function pickEsn(proposal: Proposal, choice: EspProposal): 0 | 1 | null {
  const wanted: readonly (0 | 1)[] = choice.esn.length === 0 ? [0] : choice.esn
  return wanted.find((id) => offers(proposal, transformType.esn, id)) ?? null
}

/** 0 where neither side insists: the offer has no method, or NONE among them. */
function pickEspKe(proposal: Proposal, choice: EspProposal): number | null {
  const optional = !names(proposal, transformType.ke) || offers(proposal, transformType.ke, keyExchangeMethod.none)
  const common = choice.ke.find((id) => offers(proposal, transformType.ke, id))
  if (common !== undefined) return common
  return optional && (choice.ke.length === 0 || choice.ke.includes(keyExchangeMethod.none)) ? keyExchangeMethod.none : null
}

interface Cipher {
  readonly encr: number
  readonly keyBits: number
  readonly integ: number
}

function pickCipher(
  crypto: IkeCrypto,
  proposal: Proposal,
  choice: { readonly encryption: readonly EncryptionChoice[]; readonly integ: readonly number[] },
): Cipher | null {
  for (const { encr, keyBits } of choice.encryption) {
    if (!offersEncryption(proposal, encr, keyBits) || crypto.encryptionSizes(encr, keyBits) === null) continue
    const integ = isAead(encr) ? pickNoIntegrity(proposal) : pickIntegrity(crypto, proposal, choice.integ)
    if (integ !== null) return { encr, keyBits, integ }
  }
  return null
}

function pickNoIntegrity(proposal: Proposal): number | null {
  const free = !names(proposal, transformType.integ) || offers(proposal, transformType.integ, integrityAlgorithm.none)
  return free ? integrityAlgorithm.none : null
}

function pickIntegrity(crypto: IkeCrypto, proposal: Proposal, wanted: readonly number[]): number | null {
  return wanted.find((id) => offers(proposal, transformType.integ, id) && crypto.integritySizes(id) !== null) ?? null
}

function names(proposal: Proposal, type: number): boolean {
  return proposal.transforms.some((one) => one.type === type)
}

/** Any attribute rejects the transform: types other than encryption have none that we know. */
function offers(proposal: Proposal, type: number, id: number): boolean {
  return proposal.transforms.some((one) => one.type === type && one.id === id && one.attributes.length === 0)
}

/** AES must say its key length (§3.3.5); an algorithm of one size must not. */
function offersEncryption(proposal: Proposal, encr: number, keyBits: number): boolean {
  return proposal.transforms.some((one) => {
    if (one.type !== transformType.encr || one.id !== encr) return false
    if (keyBits === 0) return one.attributes.length === 0
    const [attribute] = one.attributes
    return one.attributes.length === 1 && attribute?.type === keyLengthAttribute && attribute.value === keyBits
  })
}
