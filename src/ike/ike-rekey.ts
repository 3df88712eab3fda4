/**
 * Rekeying of the IKE SA, as the responder (RFC 7296 §1.3.2, §2.18): a new one beside the old one, with SPIs of its own and Message IDs
 * from 0. It inherits the Child SAs; the client deletes the old one.
 */

import type { Bytes } from '../kit/bytes.ts'
import { dataView, emptyBytes } from '../kit/bytes.ts'
import { Writer } from '../kit/wire.ts'
import type { IkeSaContext } from '../context/session-context.ts'
import type { IkeProposal } from '../context/vpn-configuration.ts'
import { lowerNonce, noteRival } from './collision.ts'
import { keptIkeSas } from './decision.ts'
import type { Answer, Request } from './exchange.ts'
import { answerError } from './exchange.ts'
import { nonceOctets } from './init.ts'
import { agreeOnKey } from './key-agreement.ts'
import { deriveRekeyedIkeKeys } from './key-schedule.ts'
import { sealIkeKeys } from './open-session.ts'
import type { SelectedIke } from './proposal-selection.ts'
import { ikeAnswer, selectIkeProposal } from './proposal-selection.ts'
import { notifyType } from './wire/notify.ts'
import type { Proposal } from './wire/security-association.ts'

/** Of a session, deleted ones that still repeat an answer included. A client that deletes none loses the oldest. */
export const maximumIkeSas = 4
const spiOctets = 8

export function decideIkeRekey(request: Request, proposals: readonly Proposal[], ni: Bytes): Answer {
  const { env, sa, session } = request
  // §2.25.2: not while we rekey or close a Child SA under it. A rekeying of ours goes on: one of the two new IKE SAs will be redundant.
  if (sa.task !== null && sa.task.type !== 'rekey-ike') return answerError(notifyType.temporaryFailure)
  const connection = env.vpn.connections.find(({ name }) => name === session.context.connection)
  const configured = (connection?.ikeProposals ?? []).map((proposal) => preferPrf(proposal, sa.suite.prf))
  const selected = selectIkeProposal(env.crypto, proposals.filter(hasSpi), configured)
  if (selected === null) return answerError(notifyType.noProposalChosen)
  const agreement = agreeOnKey(request, selected.suite.ke)
  if (agreement.refusal !== null) return agreement.refusal
  const nr = env.random.bytes(nonceOctets.own)
  const next = successor(request, selected, { ni, nr, sharedSecret: agreement.sharedSecret })
  const ownSpi = new Writer(spiOctets).u64(next.responderSpi).finish()
  const rivalled = noteRival(session.context, sa.task, { spi: next.responderSpi, nonce: lowerNonce(ni, nr) })
  return {
    payloads: [{ type: 'sa', proposals: [ikeAnswer(selected, ownSpi)] }, { type: 'nonce', nonce: nr }, ...agreement.payloads],
    context: { ...rivalled, ikeSas: [...keptIkeSas(rivalled, env.nowMs, maximumIkeSas - 1), next] },
  }
}

/** An SPI of 0 names no IKE SA (§3.1). */
function hasSpi({ spi }: Proposal): boolean {
  return spi.length === spiOctets && dataView(spi).getBigUint64(0) !== 0n
}

/**
 * The old PRF first: SKEYSEED comes from the old one and the keys from the new one (§2.18), which not every peer does (strongSwan takes the
 * old one for both), so that two are better the same.
 */
function preferPrf(proposal: IkeProposal, prf: number): IkeProposal {
  return proposal.prf.includes(prf) ? { ...proposal, prf: [prf, ...proposal.prf.filter((other) => other !== prf)] } : proposal
}

function successor(
  { env, sa, keys }: Request,
  { suite, spi }: SelectedIke,
  values: { readonly ni: Bytes; readonly nr: Bytes; readonly sharedSecret: Bytes },
): IkeSaContext {
  const spis = { initiatorSpi: dataView(spi).getBigUint64(0), responderSpi: env.newIkeSpi() }
  const old = { skD: keys.skD, prf: sa.suite.prf }
  const derived = deriveRekeyedIkeKeys(env.crypto, suite, old, values.sharedSecret, { ...values, ...spis })
  // SK_pi and SK_pr are for AUTH alone (§2.15): nobody needs them here.
  const secrets = sealIkeKeys(env.sealer, spis.responderSpi, { ...derived, skPi: emptyBytes, skPr: emptyBytes })
  return { ...spis, initiatedByUs: false, suite, secrets, establishedAt: env.nowMs, deletedAt: 0, closing: false, task: null }
}
