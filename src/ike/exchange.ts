/**
 * What the handlers of the encrypted exchanges share: the request as they see it, and the answer that they give.
 */

import type { Uniqueness } from '../context/holder.ts'
import type { SessionContext, IkeSaContext } from '../context/session-context.ts'
import type { IkeEnvironment, OpenSession, Path } from './decision.ts'
import { endIkeSa } from './decision.ts'
import type { IkeKeys } from './key-schedule.ts'
import type { Message } from './wire/message.ts'
import type { Payload } from './wire/payloads.ts'
import { notification } from './wire/payloads.ts'

/** An authentic request whose Message ID is the expected one. */
export interface Request {
  readonly env: IkeEnvironment
  readonly session: OpenSession
  readonly sa: IkeSaContext
  readonly keys: IkeKeys
  readonly message: Message
  readonly path: Path
}

/** The payloads of the response, and the context after the exchange: null when it stays. */
export interface Answer {
  readonly payloads: readonly Payload[]
  readonly context: SessionContext | null
  /** `none` unless told. */
  readonly uniqueness?: Uniqueness
  /** Why the client was refused: for the operator, never for the client. */
  readonly problem?: string
}

/** The exchange failed, the session stays. */
export function answerError(notify: number, data?: Uint8Array): Answer {
  return { payloads: [notification(notify, data)], context: null }
}

/** The exchange failed, and the IKE SA with it: the session's end, but for an IKE SA that was replaced. */
export function answerFatal(request: Request, notify: number, data?: Uint8Array): Answer {
  return { payloads: [notification(notify, data)], context: endIkeSa(request.session.context, request.sa, request.env.nowMs) }
}
