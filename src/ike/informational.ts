/**
 * INFORMATIONAL, as the responder (RFC 7296 §1.4; MOBIKE: RFC 4555).
 *
 * Liveness checks and address lists get an empty response. NAT detection is answered in kind, for a client that watches its mapping.
 * UPDATE_SA_ADDRESSES moves the session to the path that the request came on (mobility.ts); COOKIE2 goes back as it came (RFC 4555 §3.7).
 */

import type { Bytes } from '../kit/bytes.ts'
import { dataView } from '../kit/bytes.ts'
import { Writer } from '../kit/wire.ts'
import type { ChildSaContext, SessionContext } from '../context/session-context.ts'
import { isBeingDeleted } from './collision.ts'
import { endIkeSa } from './decision.ts'
import type { Answer, Request } from './exchange.ts'
import { answerError } from './exchange.ts'
import { hasForbiddenNat, movedByUpdate } from './mobility.ts'
import { gatewayNatDetection } from './nat-detection.ts'
import type { Delete } from './wire/notify.ts'
import { notifyType } from './wire/notify.ts'
import type { Payload } from './wire/payloads.ts'
import { findNotify, notification } from './wire/payloads.ts'
import { protocolId } from './wire/security-association.ts'

/** RFC 4555 §4.2.5: 8 to 64 octets. */
const cookie2Octets = { minimum: 8, maximum: 64 } as const

export function decideInformational(request: Request): Answer {
  const { env, session } = request
  const { payloads } = request.message
  if (endsIkeSa(payloads)) return { payloads: [], context: endIkeSa(session.context, request.sa, env.nowMs) }
  const deletion = deleteChildren(session.context, payloads)
  const isNatForbidden = hasForbiddenNat(payloads, request.path)
  const moved = isNatForbidden ? null : movedByUpdate(request, deletion.context ?? session.context)
  const cookie2 = findNotify(payloads, notifyType.cookie2)
  if (cookie2 !== null && !isCookie2(cookie2.data)) return answerError(notifyType.invalidSyntax)
  const response = [...natDetectionAnswer(request), ...deletion.payloads]
  if (cookie2 !== null) response.push(notification(notifyType.cookie2, cookie2.data))
  if (isNatForbidden) response.push(notification(notifyType.unexpectedNatDetected))
  return { payloads: response, context: moved ?? deletion.context }
}

/** DELETE of the IKE SA, or an error that means the same (§2.21.2, §2.21.3: the peer has deleted the SA). */
export function endsIkeSa(payloads: readonly Payload[]): boolean {
  return payloads.some((payload) => {
    if (payload.type === 'delete') return payload.protocol === protocolId.ike
    return payload.type === 'notify' && (payload.notify === notifyType.authenticationFailed || payload.notify === notifyType.invalidSyntax)
  })
}

function isCookie2(data: Bytes): boolean {
  return data.length >= cookie2Octets.minimum && data.length <= cookie2Octets.maximum
}

/** "The responses in the INFORMATIONAL exchange will contain Delete payloads for the paired SAs going in the other direction" (§1.4.1). */
function deleteChildren(
  context: SessionContext,
  payloads: readonly Payload[],
): { payloads: readonly Payload[]; context: SessionContext | null } {
  const deleted = new Set<ChildSaContext>()
  for (const payload of payloads) {
    if (payload.type !== 'delete' || payload.protocol !== protocolId.esp || payload.spiSize !== 4) continue
    for (const child of pairedChildren(context, payload)) deleted.add(child)
  }
  if (deleted.size === 0) return { payloads: [], context: null }
  // §2.25.1: what we are deleting, too, is in the answer to neither side's request.
  const told = [...deleted].filter((child) => !isBeingDeleted(context, child.spiIn))
  const spis = told.map((child) => new Writer(4).u32(child.spiIn).finish())
  return {
    payloads: spis.length === 0 ? [] : [{ type: 'delete', protocol: protocolId.esp, spiSize: 4, spis }],
    context: { ...context, children: context.children.filter((child) => !deleted.has(child)) },
  }
}

/** The SPIs are those that the sender receives with: ours of the other direction. */
function pairedChildren(context: SessionContext, deletion: Delete): ChildSaContext[] {
  const outbound = new Set(deletion.spis.map((spi) => dataView(spi).getUint32(0)))
  return context.children.filter((child) => outbound.has(child.spiOut))
}

function natDetectionAnswer(request: Request): Payload[] {
  const asked =
    findNotify(request.message.payloads, notifyType.natDetectionSourceIp) ??
    findNotify(request.message.payloads, notifyType.natDetectionDestinationIp)
  return asked === null ? [] : gatewayNatDetection(request.env, request.sa, request.path)
}
