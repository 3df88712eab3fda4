/** What `apply` answers. */

/**
 * Why a command changed nothing. All but `address-taken`, `spi-taken`, `identity-taken` and `no-spi-range` are for ever: a copy of the command that is
 * committed later will be refused, too (protocol.md R7).
 */
export type RefusalReason =
  | 'nonce-known'
  | 'gateway-unknown'
  | 'incarnation-down'
  | 'session-unknown'
  | 'not-owner'
  | 'epoch'
  | 'serial'
  | 'version'
  | 'target-down'
  | 'children'
  | 'message-id'
  | 'context'
  | 'address-taken'
  | 'spi-taken'
  /** The identity is connected already, and its connection lets it in once. */
  | 'identity-taken'
  | 'no-spi-range'
  | 'vpn-version'
  /** It would fall, or is too old for that. */
  | 'cluster-version'
  /** Another key is in force. */
  | 'sealing-key'
  | 'undecodable'

export type Result =
  /** `ended`: sessions that had to make room for this one's identity. */
  | { readonly type: 'done'; readonly ended?: readonly number[] }
  /** `ended`: the number of the incarnation that this one ended, or 0; `left`: established sessions that it had. */
  | { readonly type: 'up'; readonly incarnation: number; readonly ended: number; readonly left: number; readonly firstSpi: number | null }
  /** An incarnation of this gateway ended, and left so many established sessions to others. */
  | { readonly type: 'ended'; readonly gateway: string; readonly left: number }
  | { readonly type: 'spis'; readonly firstSpi: number }
  /** Of a batch: sessions for which it took effect, and those for which not. */
  | { readonly type: 'batch'; readonly taken: readonly number[]; readonly refused: readonly { session: number; reason: RefusalReason }[] }
  | { readonly type: 'created'; readonly session: number }
  /** Another gateway's answer to the same IKE_SA_INIT request was first. */
  | { readonly type: 'exists'; readonly session: number }
  | { readonly type: 'refused'; readonly reason: RefusalReason }

export const done: Result = { type: 'done' }

/** Refused for now: somebody else was first to take an address, an SPI or an identity. Decided anew it may succeed, or be answered otherwise. */
export function isTaken(result: Result): boolean {
  return result.type === 'refused' && takenReasons.has(result.reason)
}

export function refused(reason: RefusalReason): Result {
  return { type: 'refused', reason }
}

const takenReasons: ReadonlySet<RefusalReason> = new Set(['address-taken', 'spi-taken', 'identity-taken'])
