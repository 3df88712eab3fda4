/**
 * Who owns a session now, and from where it may go on (protocol.md rule 5).
 *
 * While the stored owner has ended and has a successor, the session passes to it: a new epoch, numbers from the end of the last grant,
 * the floor at the last horizon. The result depends only on what GatewayDown stored, so it is the same whenever it is worked out:
 * looking may store it, and a sweep over all sessions at the takeover itself would give the same (the twin in the tests).
 */

import { INBOUND_LEAD_TICKS, OUTBOUND_LEAD, RATE_SCALE, limitAt } from '../context/grants.ts'
import type { Grant } from '../context/grants.ts'
import { assert } from '../kit/assert.ts'
import { motionPart } from './changes.ts'
import type { Incarnation } from './incarnations.ts'
import { bucketOf } from './incarnations.ts'
import { noteTakeover } from './moves.ts'
import type { State } from './state.ts'
import { childRows } from './state.ts'

/** The ceiling of a tenure that starts to send at `start`, at the owner's tick. `maximum`: the SA's largest number. */
export function firstCeiling(start: number, rate: number, tick: number, maximum: number): Grant {
  return { base: Math.min(maximum, start + OUTBOUND_LEAD), rate, tick }
}

/** The horizon of a tenure whose highest number accepted so far is `highest`, at the owner's tick. */
export function firstHorizon(highest: number, rate: number, tick: number, maximum: number): Grant {
  return { base: Math.min(maximum, highest + Math.floor((rate * INBOUND_LEAD_TICKS) / RATE_SCALE)), rate, tick }
}

/** Brings a session's row up to date and returns its owner's number: one that is up, or one that ended and has no successor yet. */
export function derive(state: State, session: number): number {
  const { incarnations, sessions } = state
  for (;;) {
    const owner = incarnations.get(sessions.owner[session]!)
    assert(owner !== undefined, `session ${sessions.id[session]}: its owner ${sessions.owner[session]} is known`)
    if (owner.up) return owner.number
    const successor = owner.successors![bucketOf(sessions.id[session]!)]!
    if (successor === 0) return owner.number
    passOn(state, session, owner, successor)
  }
}

function passOn(state: State, session: number, ended: Incarnation, successor: number): void {
  const { sessions, children, incarnations } = state
  const tick = ended.successorTicks.get(successor)
  assert(tick !== undefined, `incarnation ${ended.number}: its successor ${successor} has a tick`)
  sessions.changes.before(session, motionPart)
  const epoch = sessions.epoch[session]! + 1
  sessions.setOwner(session, successor)
  sessions.epoch[session] = epoch
  sessions.since[session] = epoch
  sessions.serial[session] = 0
  sessions.takeovers[session]! += 1
  noteTakeover(state, session, ended, incarnations.get(successor)!)
  for (const child of childRows(state, session)) {
    const ceiling = children.ceiling(child)
    const horizon = children.horizon(child)
    const maximum = children.maximum(child)
    const start = limitAt(ceiling, ended.tick, maximum)
    const highest = limitAt(horizon, ended.tick, maximum)
    children.start[child] = start
    children.setCeiling(child, firstCeiling(start, ceiling.rate, tick, maximum))
    children.floor[child] = highest
    children.setHorizon(child, firstHorizon(highest, horizon.rate, tick, maximum))
    children.highest[child] = highest
    children.seen[child] = state.slab.replace(children.seen[child]!, null)
  }
}

/** Rows that the fold brings up to date with every command, so that ended incarnations can be forgotten. */
const FOLD_ROWS = 256

/** The background fold: a few rows a command, as long as ended incarnations are kept. */
export function fold(state: State): void {
  if (state.incarnations.endedCount === 0) return
  for (let i = 0; i < FOLD_ROWS; i++) {
    if (state.foldRow >= state.sessions.end) {
      state.foldRow = 0
      state.foldPass += 1
      break
    }
    if (state.sessions.isUsed(state.foldRow)) derive(state, state.foldRow)
    state.foldRow += 1
  }
  state.incarnations.forget(state.foldPass)
}

/** The pass at whose end every row has been folded after now. */
export function passThatFoldsAll(state: State): number {
  return state.foldPass + (state.foldRow === 0 ? 1 : 2)
}
