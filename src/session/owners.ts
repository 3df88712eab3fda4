/** Looking at the moves of sessions (moves.ts), and the command by which their owners say for how long sessions stood still. */

import { motionPart } from './changes.ts'
import { derive } from './derive.ts'
import type { Interruptions } from './interruptions-command.ts'
import type { Interruption, Way } from './move-table.ts'
import { MAX_MOVES, TAKEOVER, ways } from './move-table.ts'
import { FIRST_EPOCH } from './moves.ts'
import type { Result } from './results.ts'
import { refused } from './results.ts'
import type { State } from './state.ts'
import { isEstablished } from './state.ts'

/** One of a session's owners, and how it came to it. */
export interface Tenancy {
  readonly gateway: string
  readonly epoch: number
  /** Wall-clock ms; 0: not known. */
  readonly sinceMs: number
  readonly way: Way
  /** Null: not known, or none. */
  readonly interruption: Interruption | null
}

/** Of an established session, the oldest first, as far as they are known; the last is the present one. */
export function ownersOf(state: State, session: number): Tenancy[] {
  const { sessions, moves, incarnations } = state
  const row = sessions.find(session)
  if (row === -1 || !isEstablished(state, row)) return []
  const present = incarnations.get(derive(state, row))!.gateway
  const rows = moves.rowsOf(row)
  const first = (gateway: string): Tenancy => {
    return { gateway, epoch: FIRST_EPOCH, sinceMs: sessions.beganAt[row]!, way: 'established', interruption: null }
  }
  if (rows.length === 0) return sessions.takeovers[row]! + sessions.transfers[row]! > 0 ? [] : [first(present)]
  const owners = rows.map((move, i): Tenancy => {
    const after = rows[i + 1]
    return {
      gateway: after === undefined ? present : incarnations.gatewayAt(moves.from[after]!),
      epoch: moves.epoch[move]!,
      sinceMs: moves.at[move]!,
      way: ways[moves.wayOf(move)]!,
      interruption: moves.interruptionOf(move),
    }
  })
  const [oldest] = rows
  if (moves.isFirst(oldest!)) owners.unshift(first(incarnations.gatewayAt(moves.from[oldest!]!)))
  return owners.slice(-MAX_MOVES)
}

/** An end of an incarnation, as its sessions' moves say it. */
export interface TakeoverNote {
  readonly gateway: string
  readonly atMs: number
}

/** If `owner` has the session in this row since that takeover: which session, and since which epoch. Null: it has not. */
export function takenOver(
  state: State,
  row: number,
  owner: number,
  { gateway, atMs }: TakeoverNote,
): { readonly session: number; readonly epoch: number } | null {
  const { sessions, moves, incarnations } = state
  if (!isEstablished(state, row) || derive(state, row) !== owner) return null
  const latest = moves.latest(row)
  if (latest === -1 || moves.at[latest] !== atMs || moves.wayOf(latest) !== TAKEOVER) return null
  if (moves.from[latest] !== incarnations.placeOf(gateway)) return null
  return { session: sessions.id[row]!, epoch: moves.epoch[latest]! }
}

/** A new owner says for how long sessions stood still. Each move's figure is said once, by whom the session moved to. */
export function interruptions(state: State, command: Interruptions): Result {
  if (state.clusterVersion < 2) return refused('cluster-version')
  const teller = state.incarnations.get(command.incarnation)
  if (!teller?.up) return refused('incarnation-down')
  const { sessions, moves } = state
  const place = state.incarnations.placeOf(teller.gateway)
  const taken: number[] = []
  for (const { session, epoch, ms, isQuiet } of command.figures) {
    const row = sessions.find(session)
    const move = row === -1 ? -1 : moveTo(state, row, place, epoch)
    if (move === -1 || moves.interruption[move] !== 0) continue
    sessions.changes.before(row, motionPart)
    moves.setInterruption(move, { ms, isQuiet })
    taken.push(session)
  }
  return { type: 'batch', taken, refused: [] }
}

/** The move of the session in `row` by which the gateway at `place` has had it since this epoch; -1: there is none. */
function moveTo(state: State, row: number, place: number, epoch: number): number {
  const { moves, incarnations } = state
  let to = incarnations.placeOf(incarnations.get(derive(state, row))!.gateway)
  for (let move = moves.latest(row); move !== -1; move = moves.before(move)) {
    if (moves.epoch[move] === epoch) return to === place ? move : -1
    to = moves.from[move]!
  }
  return -1
}
