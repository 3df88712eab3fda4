/** Sessions by whom they belong to (context/holder.ts): found by a hash, told apart by their contexts. */

import { holderHash, holderOf } from '../context/holder.ts'
import { decodeSessionContext } from '../context/session-context-codec.ts'
import type { State } from './state.ts'

/** Null: nobody's. */
export function holderOfRow({ sessions, slab }: State, row: number): string | null {
  return sessions.holder[row] === 0 ? null : holderOf(decodeSessionContext(slab.get(sessions.context[row]!)))
}

/** Rows of the holder's sessions, in the order of the sessions' numbers: rows differ from gateway to gateway. There are few (MAX_SESSIONS). */
export function rowsOfHolder(state: State, holder: string): number[] {
  const { id } = state.sessions
  const rows = state.sessions.withHolder(holderHash(holder)).filter((row) => holderOfRow(state, row) === holder)
  return rows.sort((a, b) => id[a]! - id[b]!)
}

/** A holder that may be connected several times is not let in more often: its sessions are found one by one. */
export const MAX_SESSIONS = 256
