/**
 * Who a session belongs to, for all that goes by it: that an identity is connected once, and that it gets its address again. Only of a
 * session whose client's key proves who it is (RFC 7296 §2.4: INITIAL_CONTACT is for authenticated identities); others belong to nobody.
 */

import { toHex } from '../kit/bytes.ts'
import { hashText } from '../kit/hash.ts'
import { identityKey } from './identity.ts'
import type { Identity, SessionContext } from './session-context.ts'
import { features } from './session-context.ts'

/** An identity as a connection knows it. Equal texts: the same client. */
export function holderKey(holder: { readonly connection: string; readonly identity: Identity }): string {
  return `${holder.connection} ${holder.identity.type} ${toHex(identityKey(holder.identity))}`
}

/** The holder of an established session; null: nobody's. */
export function holderOf(context: SessionContext): string | null {
  const { phase, connection, identity } = context
  const isProven = phase === 'established' && (context.features & features.provenIdentity) !== 0
  return isProven && identity !== null ? holderKey({ connection, identity }) : null
}

/** What becomes of other sessions of the same holder when one is established: nothing; they end, without a DELETE; or it is refused. */
export type Uniqueness = 'none' | 'replace' | 'keep'

/** 32 bits; 0 for nobody, and for nobody else. */
export function holderHash(key: string | null): number {
  return key === null ? 0 : hashText(key) || 1
}
