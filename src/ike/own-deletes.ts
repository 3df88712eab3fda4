/**
 * What the context itself says that we have to ask for next: the DELETE of what is ours to delete after a rekeying (RFC 7296 §2.8), or was
 * the peer's, who has forgotten it. Any gateway that owns the session by then finds it there.
 */

import type { ChildState, SessionContext } from '../context/session-context.ts'
import { localIkeSpi } from '../context/session-context.ts'
import { isBeingDeleted } from './collision.ts'
import type { OwnRequest } from './own-request.ts'

export interface UnderIkeSa {
  readonly ikeSpi: bigint
  readonly request: OwnRequest
}

/** A peer that has not deleted by then what was its to delete never will. */
export const lateDeleteMs = 60_000

/** The next one; null: there is none, or it has to wait. `isFree`: whether no request of ours is unanswered under the IKE SA with this SPI of ours. */
export function dueDelete(context: SessionContext, nowMs: number, isFree: (ikeSpi: bigint) => boolean): UnderIkeSa | null {
  if (context.phase !== 'established' || isRekeyingIke(context)) return null
  const newest = context.ikeSas.at(-1)!
  const areLate = nowMs - newest.establishedAt >= lateDeleteMs
  const old = context.ikeSas.find((sa) => sa !== newest && (sa.closing || areLate) && sa.deletedAt === 0 && isFree(localIkeSpi(sa)))
  if (old !== undefined) return { ikeSpi: localIkeSpi(old), request: { type: 'delete' } }
  const ikeSpi = localIkeSpi(newest)
  if (!isFree(ikeSpi)) return null
  const replacedAt = Math.max(0, ...context.children.map(({ establishedAt }) => establishedAt))
  const isDue = (state: ChildState): boolean => state === 'closing' || (state === 'replaced' && nowMs - replacedAt >= lateDeleteMs)
  const child = context.children.find(({ state, spiIn }) => isDue(state) && !isBeingDeleted(context, spiIn))
  return child === undefined ? null : { ikeSpi, request: { type: 'delete-children', spisIn: [child.spiIn] } }
}

/** Whether our rekeying of the IKE SA is unanswered: until then it is open which one is the newest. */
export function isRekeyingIke({ ikeSas }: SessionContext): boolean {
  return ikeSas.some(({ task, deletedAt }) => task?.type === 'rekey-ike' && deletedAt === 0)
}
