/** Commands of owners about how far they may go, and about whom a session goes to: grants, transfers, reclaims. */

import type { ChildGrant, GrantRecord } from '../context/grants.ts'
import { limitAt } from '../context/grants.ts'
import { Writer } from '../kit/wire.ts'
import { motionPart } from './changes.ts'
import type { Advance, Reclaim, Transfer, TransferredChild } from './commands.ts'
import { encodeEndpoint } from './commands.ts'
import { derive, firstCeiling, firstHorizon } from './derive.ts'
import type { Incarnation } from './incarnations.ts'
import { noteTransfer } from './moves.ts'
import type { RefusalReason, Result } from './results.ts'
import { done, refused } from './results.ts'
import type { State } from './state.ts'
import { childRows } from './state.ts'

type Check = { readonly row: number; readonly reason: null } | { readonly row: -1; readonly reason: RefusalReason }

/** S5: the session's row if `incarnation` is up and owns it in this epoch (and this version, unless null). Derives first. */
export function checkOwner(state: State, id: number, incarnation: number, epoch: number, version: number | null): Check {
  const row = state.sessions.find(id)
  if (row === -1) return { row, reason: 'session-unknown' }
  const owner = derive(state, row)
  if (owner !== incarnation) return { row: -1, reason: 'not-owner' }
  if (!state.incarnations.isUp(incarnation)) return { row: -1, reason: 'incarnation-down' }
  if (state.sessions.epoch[row] !== epoch) return { row: -1, reason: 'epoch' }
  if (version !== null && state.sessions.version[row] !== version) return { row: -1, reason: 'version' }
  return { row, reason: null }
}

/** Rule 4 (`tick := max(tick, k)`, only of an incarnation that is up), then rule 6 for each record, then the renewals. */
export function advance(state: State, command: Advance): Result {
  const incarnation = state.incarnations.get(command.incarnation)
  if (!incarnation?.up) return refused('incarnation-down')
  incarnation.tick = Math.max(incarnation.tick, command.tick)
  const taken: number[] = []
  const refusals: { session: number; reason: RefusalReason }[] = []
  for (const record of command.grants) {
    const reason = grant(state, command.incarnation, record)
    if (reason === null) taken.push(record.session)
    else refusals.push({ session: record.session, reason })
  }
  for (const session of command.renewals) if (renew(state, command.incarnation, session)) taken.push(session)
  return { type: 'batch', taken, refused: refusals }
}

function grant(state: State, incarnation: number, record: GrantRecord): RefusalReason | null {
  const { row, reason } = checkOwner(state, record.session, incarnation, record.epoch, null)
  if (reason !== null) return reason
  const { sessions } = state
  if (record.serial <= sessions.serial[row]!) return 'serial'
  sessions.changes.before(row, motionPart)
  sessions.serial[row] = record.serial
  sessions.setPacketsPerSecond(row, record.packetsPerSecond)
  if (record.remote !== null) {
    const writer = new Writer()
    encodeEndpoint(writer, record.remote)
    sessions.remote[row] = state.slab.replace(sessions.remote[row]!, writer.finish())
  }
  const tick = state.incarnations.get(incarnation)!.tick
  for (const part of record.children) grantChild(state, row, part, tick)
  return null
}

/** Rule 6. A record never lowers a limit, except a horizon that says `shrink`; it lowers the rate at will. */
function grantChild(state: State, session: number, part: ChildGrant, tick: number): void {
  const { children } = state
  const child = children.find(part.spiIn)
  if (child === -1) return
  if (children.session[child] !== session) return
  const maximum = children.maximum(child)
  if (part.ceiling !== null) {
    const base = Math.max(part.ceiling.wanted, limitAt(children.ceiling(child), tick, maximum))
    children.setCeiling(child, { base: Math.min(maximum, base), rate: part.ceiling.rate, tick })
  }
  if (part.horizon === null) return
  if (part.horizon.shrink) {
    children.setHorizon(child, { base: Math.min(maximum, part.horizon.wanted), rate: 0, tick })
  } else {
    const base = Math.max(part.horizon.wanted, limitAt(children.horizon(child), tick, maximum))
    children.setHorizon(child, { base: Math.min(maximum, base), rate: part.horizon.rate, tick })
  }
}

/**
 * A record for all Child SAs that wants nothing and keeps the rates. It needs no epoch and no serial: it never lowers a limit, and a stop
 * (rule 12) holds whatever the horizon does.
 */
function renew(state: State, incarnation: number, id: number): boolean {
  const row = state.sessions.find(id)
  if (row === -1) return false
  if (derive(state, row) !== incarnation) return false
  state.sessions.changes.before(row, motionPart)
  const { children } = state
  const tick = state.incarnations.get(incarnation)!.tick
  for (const child of childRows(state, row)) {
    const ceiling = children.ceiling(child)
    const horizon = children.horizon(child)
    const maximum = children.maximum(child)
    children.setCeiling(child, { base: limitAt(ceiling, tick, maximum), rate: ceiling.rate, tick })
    children.setHorizon(child, { base: limitAt(horizon, tick, maximum), rate: horizon.rate, tick })
  }
  return true
}

/** Rule 7, for each session alone: owner, epoch and version equal, and the target up. */
export function transfer(state: State, command: Transfer): Result {
  const target = state.incarnations.get(command.to)
  const taken: number[] = []
  const refusals: { session: number; reason: RefusalReason }[] = []
  for (const item of command.sessions) {
    const check = checkOwner(state, item.session, command.incarnation, item.epoch, item.version)
    const reason = check.reason ?? (target?.up ? transferReason(state, check.row, item.children) : 'target-down')
    if (reason !== null) {
      refusals.push({ session: item.session, reason })
      continue
    }
    handOver(state, check.row, target!, { nowMs: command.nowMs ?? 0, children: item.children })
    taken.push(item.session)
  }
  return { type: 'batch', taken, refused: refusals }
}

/** The version says that the Child SAs are those that the owner knew; this says that it named them all, with numbers that they can have. */
function transferReason(state: State, session: number, named: readonly TransferredChild[]): RefusalReason | null {
  const bySpi = new Map(named.map((child) => [child.spiIn, child]))
  let count = 0
  for (const child of childRows(state, session)) {
    const part = bySpi.get(state.children.spiIn[child]!)
    if (part === undefined) return 'children'
    const maximum = state.children.maximum(child)
    if (part.next > maximum + 1 || part.window.highest > maximum) return 'children'
    count += 1
  }
  return count === named.length ? null : 'children'
}

/** The floor stays: whatever the window says, an earlier owner may have accepted what lies at or below it. */
function handOver(
  state: State,
  session: number,
  { number: to, tick }: Incarnation,
  { nowMs, children: named }: { readonly nowMs: number; readonly children: readonly TransferredChild[] },
): void {
  const { sessions, children, incarnations, slab } = state
  sessions.changes.before(session, motionPart)
  const epoch = sessions.epoch[session]! + 1
  const from = sessions.owner[session]!
  sessions.setOwner(session, to)
  sessions.epoch[session] = epoch
  if (from !== to) {
    sessions.transfers[session]! += 1
    noteTransfer(state, session, incarnations.get(from)!.gateway, nowMs)
  }
  sessions.since[session] = epoch
  sessions.serial[session] = 0
  for (const part of named) {
    const child = children.find(part.spiIn)
    children.start[child] = part.next
    const maximum = children.maximum(child)
    children.setCeiling(child, firstCeiling(part.next, children.ceilingRate[child]!, tick, maximum))
    children.highest[child] = part.window.highest
    children.seen[child] = slab.replace(children.seen[child]!, part.window.seen)
    children.setHorizon(child, firstHorizon(part.window.highest, children.horizonRate[child]!, tick, maximum))
  }
}

/** Rule 8: a new epoch voids the Transfer that was proposed under the old one. Nothing else changes. */
export function reclaim(state: State, command: Reclaim): Result {
  const { row, reason } = checkOwner(state, command.session, command.incarnation, command.epoch, null)
  if (reason !== null) return refused(reason)
  state.sessions.changes.before(row, motionPart)
  state.sessions.epoch[row]! += 1
  return done
}
