/**
 * Rekeyings that meet (RFC 7296 §2.8.1, §2.8.2): both sides rekey the same SA, and two new ones come of it.
 *
 * "... the SA created with the lowest of the four nonces used in the two exchanges SHOULD be closed by the endpoint that created it": the
 * one that initiated that exchange. Who initiated the other deletes the SA that both have replaced.
 */

import type { Bytes } from '../kit/bytes.ts'
import { compareBytes } from '../kit/bytes.ts'
import type { OwnTask, SessionContext } from '../context/session-context.ts'

/** "octet by octet" (§2.8.1): the first that differs decides; a nonce that goes on behind the other's end is the higher one. */
export function lowerNonce(a: Bytes, b: Bytes): Bytes {
  return compareBytes(a, b) <= 0 ? a : b
}

/** Whether what comes of an exchange with these two nonces is the redundant one, beside an exchange whose lower nonce is `rival`. */
export function isRedundant(ni: Bytes, nr: Bytes, rival: Bytes): boolean {
  return compareBytes(lowerNonce(ni, nr), rival) < 0
}

export type Rival = { readonly spi: bigint; readonly nonce: Bytes }

/** The peer has rekeyed what a request of ours, `task`, is for: its answer will say which of the two stays. */
export function noteRival(context: SessionContext, task: OwnTask | null, rival: Rival): SessionContext {
  if (task === null || task.type === 'delete-children') return context
  const kept = { spi: rival.spi, nonce: rival.nonce.slice() }
  return { ...context, ikeSas: context.ikeSas.map((sa) => (sa.task === task ? { ...sa, task: { ...task, rival: kept } } : sa)) }
}

/** Our rekeying of this Child SA that is unanswered; null: there is none. */
export function rekeyingOf(context: SessionContext, spiIn: number): OwnTask | null {
  for (const { task } of context.ikeSas) if (task?.type === 'rekey-child' && task.spiIn === spiIn) return task
  return null
}

/** Whether a request of ours that deletes this Child SA is unanswered. */
export function isBeingDeleted(context: SessionContext, spiIn: number): boolean {
  return context.ikeSas.some(({ task }) => task?.type === 'delete-children' && task.spisIn.includes(spiIn))
}
