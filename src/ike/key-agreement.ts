/** The key exchange inside a CREATE_CHILD_SA, as the responder (RFC 7296 §1.3, §2.7; RFC 6989). */

import type { Bytes } from '../kit/bytes.ts'
import { emptyBytes } from '../kit/bytes.ts'
import { keyExchangeMethod } from '../kit/ike-crypto.ts'
import { Writer } from '../kit/wire.ts'
import type { Answer, Request } from './exchange.ts'
import { answerError, answerFatal } from './exchange.ts'
import { notifyType } from './wire/notify.ts'
import type { Payload } from './wire/payloads.ts'
import { findPayload } from './wire/payloads.ts'

export type KeyAgreement =
  | { readonly refusal: Answer }
  /** Our KE payload, if any, and g^ir; empty without a key exchange. */
  | { readonly refusal: null; readonly payloads: readonly Payload[]; readonly sharedSecret: Bytes }

/**
 * Agrees on a key by the method that was selected. A client that sent none or another is told which it has to send; without a method
 * what it sent is ignored.
 */
export function agreeOnKey(request: Request, group: number): KeyAgreement {
  if (group === keyExchangeMethod.none) return { refusal: null, payloads: [], sharedSecret: emptyBytes }
  const ke = findPayload(request.message.payloads, 'ke')
  if (ke?.group !== group) return { refusal: answerError(notifyType.invalidKePayload, new Writer(2).u16(group).finish()) }
  const keyExchange = request.env.crypto.keyExchange(group)
  const sharedSecret = keyExchange.sharedSecret(ke.publicValue)
  // RFC 6989 §2.5: INVALID_SYNTAX, and the IKE SA is dropped.
  if (sharedSecret === null) return { refusal: answerFatal(request, notifyType.invalidSyntax) }
  return { refusal: null, payloads: [{ type: 'ke', group, publicValue: keyExchange.publicValue }], sharedSecret }
}
