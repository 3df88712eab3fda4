/**
 * Which gateways have had a session, and for how long it stood still each time. From cluster version 2 on: an older build has none of it.
 *
 * A takeover says when it was in the incarnation that ended, once for all its sessions; where a session is derived through that one (derive.ts), the move
 * is noted with it, so that it is the same whenever somebody looks. What had a session while it was half-open is left out: nobody had proved who he is.
 * Nothing is decided by any of it.
 */

import type { Incarnation } from './incarnations.ts'
import { ESTABLISHED, TAKEOVER, TRANSFER } from './move-table.ts'
import type { State } from './state.ts'
import { isEstablished } from './state.ts'

/** The session in `row` has just passed from an ended incarnation to its successor, and has its new epoch. */
export function noteTakeover(state: State, row: number, ended: Incarnation, successor: Incarnation): void {
  if (ended.endedAtMs === 0 || !isEstablished(state, row)) return
  // Nobody had it while there was no successor.
  note(state, row, ended.gateway, Math.max(ended.endedAtMs, successor.upAtMs), TAKEOVER)
}

/** The session in `row`, which was at the gateway `from`, has just been handed to another one. */
export function noteTransfer(state: State, row: number, from: string, atMs: number): void {
  if (state.clusterVersion >= 2) note(state, row, from, atMs, TRANSFER)
}

/** The session in `row` was established by an owner that is not its first: it began there, as far as anybody cares. */
export function noteBegin(state: State, row: number, gateway: string): void {
  if (state.clusterVersion >= 2 && state.sessions.epoch[row] !== FIRST_EPOCH)
    note(state, row, gateway, state.sessions.beganAt[row]!, ESTABLISHED)
}

/** Of a session that is established by whom it was begun with. */
export const FIRST_EPOCH = 1

/** Of one that has moved unseen nobody knows where it began. */
function note({ sessions, moves, incarnations }: State, row: number, from: string, atMs: number, way: number): void {
  const isFirst = way !== ESTABLISHED && sessions.takeovers[row]! + sessions.transfers[row]! - 1 === 0
  moves.add(row, { from: incarnations.placeOf(from), epoch: sessions.epoch[row]!, atMs, way, isFirst })
}
