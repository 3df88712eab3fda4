/**
 * CREATE_CHILD_SA, as the responder (RFC 7296 §1.3): what we answer while further Child SAs and rekeying are not supported.
 *
 * A further Child SA gets NO_ADDITIONAL_SAS. A rekeying, of a Child SA or the IKE SA, gets TEMPORARY_FAILURE (§2.25: the peer "MUST wait"
 * and tries again); a Child SA that we don't have gets CHILD_SA_NOT_FOUND with its SPI.
 */

import { dataView } from '../kit/bytes.ts'
import type { Answer, Request } from './exchange.ts'
import { answerError } from './exchange.ts'
import { notifyType } from './wire/notify.ts'
import type { Notify } from './wire/notify.ts'
import { findNotify, findPayload } from './wire/payloads.ts'
import { protocolId } from './wire/security-association.ts'

export function decideCreateChild(request: Request): Answer {
  const { payloads } = request.message
  const rekeyed = findNotify(payloads, notifyType.rekeySa)
  if (rekeyed !== null) return decideChildRekey(request, rekeyed)
  const sa = findPayload(payloads, 'sa')
  if (sa === null) return answerError(notifyType.invalidSyntax)
  const isIkeRekey = sa.proposals.some((proposal) => proposal.protocol === protocolId.ike)
  return answerError(isIkeRekey ? notifyType.temporaryFailure : notifyType.noAdditionalSas)
}

/** REKEY_SA carries the SPI that its sender receives with: our outbound one. */
function decideChildRekey(request: Request, rekeyed: Notify): Answer {
  const spi = rekeyed.spi.length === 4 ? dataView(rekeyed.spi).getUint32(0) : null
  if (request.session.context.children.some((child) => child.spiOut === spi)) return answerError(notifyType.temporaryFailure)
  const { protocol } = rekeyed
  return {
    payloads: [{ type: 'notify', protocol, spi: rekeyed.spi, notify: notifyType.childSaNotFound, data: new Uint8Array(0) }],
    context: null,
  }
}
