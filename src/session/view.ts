/** Looking at the state: everything that reads it without a command. A look may store what was derived for a session (derive.ts). */

import type { Bytes } from '../kit/bytes.ts'
import { copyOf, emptyBytes, equalBytes, toHex } from '../kit/bytes.ts'
import { Reader } from '../kit/wire.ts'
import type { Grant, WindowState } from '../context/grants.ts'
import { RATE_SCALE, SPAN_TICKS } from '../context/grants.ts'
import type { Endpoint, Identity, SessionContext, SessionPhase } from '../context/session-context.ts'
import { decodeSessionContext, decodeSessionIdentity, phases } from '../context/session-context-codec.ts'
import type { Traffic } from '../context/traffic.ts'
import { trafficOfRow } from './accounts.ts'
import { decodeEndpoint } from './commands.ts'
import { derive } from './derive.ts'
import { holderOfRow, rowsOfHolder } from './holders.ts'
import { ownersOf } from './owners.ts'
import type { State } from './state.ts'
import { childRows, ikeRows, isEstablished } from './state.ts'
import type { OwnerCount } from './owner-counts.ts'

/** A session's ownership, without opening its context. */
export interface Ownership {
  readonly session: number
  readonly owner: number
  /** The owner's gateway, and whether it is up: it may have ended and wait for a successor. */
  readonly gateway: string
  readonly ownerUp: boolean
  readonly epoch: number
  readonly since: number
  readonly version: number
  readonly serial: number
  readonly phase: SessionPhase
}

/** Null when there is no such session. */
export function ownership(state: State, session: number): Ownership | null {
  const row = state.sessions.find(session)
  return row === -1 ? null : ownershipOf(state, row)
}

export function ownershipOf(state: State, row: number): Ownership {
  const owner = state.incarnations.get(derive(state, row))!
  const { sessions } = state
  return {
    session: sessions.id[row]!,
    owner: owner.number,
    gateway: owner.gateway,
    ownerUp: owner.up,
    epoch: sessions.epoch[row]!,
    since: sessions.since[row]!,
    version: sessions.version[row]!,
    serial: sessions.serial[row]!,
    phase: phases[sessions.phase[row]!]!,
  }
}

/** The session that an IKE SPI of ours, an inbound SPI, a virtual address or an IKE_SA_INIT request belongs to; null: none. */
export function sessionByIkeSpi(state: State, spi: bigint): number | null {
  const row = state.ikes.find(spi)
  return row === -1 ? null : state.sessions.id[state.ikes.session[row]!]!
}

export function sessionBySpi(state: State, spiIn: number): number | null {
  const row = state.children.find(spiIn)
  return row === -1 ? null : state.sessions.id[state.children.session[row]!]!
}

export function sessionByAddress(state: State, address: Bytes): number | null {
  const row = state.addresses.find(address)
  return row === -1 ? null : state.sessions.id[state.addresses.session[row]!]!
}

export function sessionByRequest(state: State, requestHash: Bytes): number | null {
  const row = state.sessions.findByRequest(requestHash)
  return row === -1 ? null : state.sessions.id[row]!
}

/** Message IDs of an IKE SA, and what waits for its answer. The reply that is stored: `storedReply`. */
export interface IkeState {
  readonly spi: bigint
  readonly expectedRequest: number
  readonly nextRequest: number
  /** Our request that waits for its answer (Message ID `nextRequest − 1`), encoded as a reply; null: none. A copy. */
  readonly pending: Bytes | null
}

export interface ChildState {
  readonly spiIn: number
  /** The largest sequence number of the SA. */
  readonly maximum: number
  readonly start: number
  readonly ceiling: Grant
  readonly floor: number
  readonly horizon: Grant
  readonly window: WindowState
}

/** A session in full. */
export interface SessionView extends Ownership {
  /** With the client's present address. */
  readonly context: SessionContext
  readonly ikes: readonly IkeState[]
  readonly children: readonly ChildState[]
  readonly packetsPerSecond: number
  readonly takeovers: number
  readonly transfers: number
  /** When it was established, wall-clock ms; 0: not known. */
  readonly beganAt: number
  /** What is agreed that it has carried: what its owner has not told yet is more. */
  readonly traffic: Traffic
}

/** A session's context as it was decoded last, and from what; null: it was not yet. */
export interface ContextMemo {
  /** Without the address that the client has moved to since. */
  decoded: { readonly octets: Bytes; readonly context: SessionContext } | null
}

/** `memo`: of an earlier look at the session; what it was decoded from is compared, and it is written anew when that has changed. */
export function sessionView(state: State, session: number, memo?: ContextMemo): SessionView | null {
  const row = state.sessions.find(session)
  if (row === -1) return null
  // By name: to spread it takes longer than all of these.
  const { owner, gateway, ownerUp, epoch, since, version, serial, phase } = ownershipOf(state, row)
  const { sessions } = state
  return {
    session,
    owner,
    gateway,
    ownerUp,
    epoch,
    since,
    version,
    serial,
    phase,
    context: contextOf(state, row, memo),
    ikes: ikeRows(state, row).map((ike) => ikeState(state, ike)),
    children: childRows(state, row).map((child) => childState(state, child)),
    packetsPerSecond: sessions.packetsPerSecond[row]!,
    takeovers: sessions.takeovers[row]!,
    transfers: sessions.transfers[row]!,
    beganAt: sessions.beganAt[row]!,
    traffic: trafficOfRow(sessions, row),
  }
}

/**
 * Only a client behind a NAT is where its packets came from: another is where its last exchange says. A record that was proposed while it was behind one,
 * and is committed after the exchange in which it left that (MOBIKE), must not bring it back: nothing would move it from there again.
 */
function contextOf(state: State, row: number, memo?: ContextMemo): SessionContext {
  const context = writtenContext(state.slab.get(state.sessions.context[row]!), memo)
  const ref = state.sessions.remote[row]!
  if (ref === 0 || !context.behindNat) return context
  // What is looked at may be kept for longer than the record stays.
  const remote: Endpoint = decodeEndpoint(new Reader('remote', copyOf(state.slab.get(ref))))
  return { ...context, remote }
}

function writtenContext(octets: Bytes, memo: ContextMemo | undefined): SessionContext {
  const known = memo?.decoded ?? null
  if (known !== null && equalBytes(known.octets, octets)) return known.context
  const context = decodeSessionContext(octets)
  if (memo !== undefined) memo.decoded = { octets: copyOf(octets), context }
  return context
}

/** Whose session it is; null: there is none, or nobody has said. Opens nothing else of its context. */
export function identityOf(state: State, session: number): Identity | null {
  const row = state.sessions.find(session)
  return row === -1 ? null : decodeSessionIdentity(state.slab.get(state.sessions.context[row]!))
}

/** The cluster address that the session's client uses, in octets; null: there is no such session. Opens its context. */
export function localAddressOf(state: State, session: number): Bytes | null {
  const row = state.sessions.find(session)
  return row === -1 ? null : contextOf(state, row).local.address
}

function ikeState(state: State, row: number): IkeState {
  const { ikes, slab } = state
  const pending = ikes.pending[row]!
  return {
    spi: ikes.spi(row),
    expectedRequest: ikes.expectedRequest[row]!,
    nextRequest: ikes.nextRequest[row]!,
    pending: pending === 0 ? null : copyOf(slab.get(pending)),
  }
}

/** The encoded reply to the peer's last request under an IKE SPI of ours; empty: none yet, or forgotten after some minutes. A copy. */
export function storedReply({ ikes, slab }: State, spi: bigint): Bytes {
  const row = ikes.find(spi)
  const ref = row === -1 ? 0 : ikes.reply[row]!
  return ref === 0 ? emptyBytes : copyOf(slab.get(ref))
}

function childState(state: State, row: number): ChildState {
  const { children, slab } = state
  const seen = children.seen[row]!
  return {
    spiIn: children.spiIn[row]!,
    maximum: children.maximum(row),
    start: children.start[row]!,
    ceiling: children.ceiling(row),
    floor: children.floor[row]!,
    horizon: children.horizon(row),
    window: { highest: children.highest[row]!, seen: seen === 0 ? null : copyOf(slab.get(seen)) },
  }
}

/** Limits in force of a session's Child SAs. */
export function grantsOf(state: State, session: number): readonly { spiIn: number; ceiling: Grant; horizon: Grant }[] {
  const row = state.sessions.find(session)
  if (row === -1) return []
  const { children } = state
  return childRows(state, row).map((child) => ({
    spiIn: children.spiIn[child]!,
    ceiling: children.ceiling(child),
    horizon: children.horizon(child),
  }))
}

/** Sessions in the order of their rows from `fromRow` on, at most `limit` rows looked at; `next` is -1 at the end. */
export function scanSessions(state: State, fromRow: number, limit: number): { sessions: Ownership[]; next: number } {
  const sessions: Ownership[] = []
  const end = Math.min(state.sessions.end, fromRow + limit)
  for (let row = fromRow; row < end; row++) if (state.sessions.isUsed(row)) sessions.push(ownershipOf(state, row))
  return { sessions, next: end < state.sessions.end ? end : -1 }
}

/** Sessions whose deadline has passed, of this owner, among the rows from `fromRow` on. */
export function scanExpired(
  state: State,
  owner: number,
  nowMs: number,
  fromRow: number,
  limit: number,
): { expired: Ownership[]; next: number } {
  const { sessions } = state
  const expired: Ownership[] = []
  const end = Math.min(sessions.end, fromRow + limit)
  for (let row = fromRow; row < end; row++) {
    if (!sessions.isUsed(row)) continue
    const at = sessions.expiresAt[row]!
    if (at === 0 || at > nowMs) continue
    if (derive(state, row) === owner) expired.push(ownershipOf(state, row))
  }
  return { expired, next: end < sessions.end ? end : 0 }
}

/** The number of the session in this row, if it is established and of this owner; else null. Does not open its context. */
export function establishedRow(state: State, row: number, owner: number): number | null {
  return isEstablished(state, row) && derive(state, row) === owner ? state.sessions.id[row]! : null
}

/** The phase of the session in this row, if it is this owner's; else null. */
export function phaseOf(state: State, row: number, owner: number): SessionPhase | null {
  if (!state.sessions.isUsed(row) || derive(state, row) !== owner) return null
  return phases[state.sessions.phase[row]!]!
}

/** The owner of the session in this row, if it is established and its owner up; else 0. */
export function establishedOwner(state: State, row: number): number {
  const owner = isEstablished(state, row) ? derive(state, row) : 0
  return state.incarnations.isUp(owner) ? owner : 0
}

/** At least as many as any of the session's Child SAs has sent or received: what its present grants come to at the most. */
export function mostPackets(state: State, row: number): number {
  const { children } = state
  let most = 0
  for (let link = state.sessions.firstChild[row]!; link !== 0; link = children.next[link - 1]!) {
    const child = link - 1
    const ceiling = lastLimit(children.ceilingBase[child]!, children.ceilingRate[child]!)
    most = Math.max(most, ceiling, lastLimit(children.horizonBase[child]!, children.horizonRate[child]!))
  }
  return most
}

/** The same of one Child SA. */
export function mostPacketsOf({ ceiling, horizon }: Pick<ChildState, 'ceiling' | 'horizon'>): number {
  return Math.max(lastLimit(ceiling.base, ceiling.rate), lastLimit(horizon.base, horizon.rate))
}

/** Where a grant's growth ends. */
function lastLimit(base: number, rate: number): number {
  return base + (rate * SPAN_TICKS) / RATE_SCALE
}

/** Established sessions of this owner among the rows from `fromRow` on, at most so many rows and sessions; `next` is -1 at the end. */
export function scanEstablished(
  state: State,
  owner: number,
  fromRow: number,
  limits: { readonly rows: number; readonly sessions: number },
): { sessions: { readonly session: number; readonly context: SessionContext }[]; next: number } {
  const { sessions: table } = state
  const sessions: { session: number; context: SessionContext }[] = []
  const end = Math.min(table.end, fromRow + limits.rows)
  let row = fromRow
  for (; row < end && sessions.length < limits.sessions; row++) {
    if (!table.isUsed(row) || phases[table.phase[row]!] !== 'established' || derive(state, row) !== owner) continue
    sessions.push({ session: table.id[row]!, context: contextOf(state, row) })
  }
  return { sessions, next: row < table.end ? row : -1 }
}

/** The contexts of established sessions, whoever owns them, from a row on; `next`: where to go on, −1 at the end. Looks at 1,024 rows at the most. */
export function establishedContexts(
  state: State,
  fromRow: number,
  maximum: number,
): { readonly contexts: readonly SessionContext[]; readonly next: number } {
  const { sessions: table } = state
  const contexts: SessionContext[] = []
  const end = Math.min(table.end, fromRow + 1024)
  let row = fromRow
  for (; row < end && contexts.length < maximum; row++)
    if (table.isUsed(row) && phases[table.phase[row]!] === 'established') contexts.push(contextOf(state, row))
  return { contexts, next: row < table.end ? row : -1 }
}

/** How many established sessions each incarnation owns, and their packets a second. Looks at none. */
export function establishedByOwner({ sessions, incarnations }: State): ReadonlyMap<number, OwnerCount> {
  return sessions.ownerCounts.byOwner(incarnations)
}

/** Sessions of this holder (context/holder.ts), in the order of their numbers. */
export function sessionsOfHolder(state: State, holder: string): number[] {
  return rowsOfHolder(state, holder).map((row) => state.sessions.id[row]!)
}

/** Whether `holder` (null: nobody who is known) could take a virtual address now; `replaces`: his other sessions are to end. */
export function isAddressFree(state: State, address: Bytes, holder: string | null, replaces = false): boolean {
  const held = state.addresses.find(address)
  if (held === -1) return !state.resting.isResting(address, state.clockMs, holder)
  return replaces && holder !== null && holderOfRow(state, state.addresses.session[held]!) === holder
}

/** The cluster addresses that an incarnation holds, as hexadecimal octets. */
export function heldBy(state: State, incarnation: number): string[] {
  return [...state.holders].filter(([, holder]) => holder === incarnation).map(([address]) => address)
}

/** Each cluster address, as hexadecimal octets, and its holder's gateway; null: nobody holds it. */
export function addressHolders(state: State): { readonly address: string; readonly gateway: string | null }[] {
  return [...state.holders].map(([address, holder]) => {
    const incarnation = state.incarnations.get(holder)
    return { address, gateway: incarnation?.up ? incarnation.gateway : null }
  })
}

/**
 * Everything that the state means, as text in one order, whatever the rows: equal on two gateways that applied the same commands. For tests;
 * its cost grows with the number of sessions.
 */
export function digest(state: State): string {
  const lines: string[] = []
  for (const incarnation of state.incarnations.up())
    lines.push(`incarnation ${incarnation.number} ${incarnation.gateway} tick ${incarnation.tick}`)
  for (const { id, incarnation, draining, nonces } of [...state.incarnations.gateways()].sort((a, b) => (a.id < b.id ? -1 : 1)))
    lines.push(`gateway ${id} ${incarnation} ${nonces.join()}${draining ? ' draining' : ''}`)
  for (const [address, holder] of [...state.holders].sort(([a], [b]) => (a < b ? -1 : 1))) lines.push(`address ${address} ${holder}`)
  lines.push(
    `vpn ${state.vpn.version} ${toHex(state.vpn.configuration)}`,
    `clock ${state.clockMs}`,
    `next ${state.nextSession}`,
    `spis ${state.spiRanges.last}`,
    `unauthenticated ${[...state.unauthenticated.counts()].sort(([a], [b]) => (a < b ? -1 : 1)).join(' ')}`,
  )
  const { sessions } = scanSessions(state, 0, state.sessions.end)
  for (const { session } of sessions.sort((a, b) => a.session - b.session)) {
    const view = sessionView(state, session)!
    const row = state.sessions.find(session)
    lines.push(`session ${session} ${view.owner} ${view.epoch} ${view.since} ${view.version} ${view.serial} ${view.phase}`)
    lines.push(
      `  request ${state.rememberedRequests.get(session) ?? 0} reply ${state.rememberedReplies.get(session) ?? 0} counts ${view.packetsPerSecond} ${view.takeovers} ${view.transfers}`,
    )
    lines.push(
      `  context ${toHex(state.slab.get(state.sessions.context[row]!))} ${state.sessions.remote[row] === 0 ? '' : toHex(state.slab.get(state.sessions.remote[row]!))}`,
    )
    lines.push(`  began ${view.beganAt} carried ${Object.values(view.traffic).join(' ')}`)
    if (state.moves.latest(row) !== -1) for (const owner of ownersOf(state, session)) lines.push(`  owner ${JSON.stringify(owner)}`)
    for (const ike of view.ikes) {
      lines.push(
        `  ike ${ike.spi} ${ike.expectedRequest} ${ike.nextRequest} ${toHex(storedReply(state, ike.spi))} ${ike.pending ? toHex(ike.pending) : ''}`,
      )
    }
    for (const child of view.children)
      lines.push(`  child ${JSON.stringify({ ...child, window: [child.window.highest, child.window.seen && toHex(child.window.seen)] })}`)
  }
  for (const [address, { untilMs, holder }] of state.resting.entries()) lines.push(`resting ${address} ${untilMs} ${holder}`)
  for (const [address, { untilMs, holder }] of state.reserved.entries()) lines.push(`reserved ${address} ${untilMs} ${holder}`)
  lines.push(`cluster version ${state.clusterVersion}`, `sealing ${state.sealing.current} ${state.sealing.former.join()}`)
  return lines.join('\n')
}
