/**
 * The replicated state: what every gateway knows after applying the same commands. Only `apply` (apply.ts) changes what it means;
 * looking at a session may store what was derived for it anyway (derive.ts).
 */

import type { Bytes } from '../kit/bytes.ts'
import { emptyBytes } from '../kit/bytes.ts'
import { oldestClusterVersion } from '../context/cluster-version.ts'
import type { SealingKeyId } from '../kit/sealer.ts'
import { noSealingKey } from '../kit/sealer.ts'
import { Slab } from '../kit/slab.ts'
import { contextPart } from './changes.ts'
import { ReservedAddresses, RestingAddresses, SpiRanges } from './claims.ts'
import { Incarnations } from './incarnations.ts'
import { UnauthenticatedSessions } from './unauthenticated.ts'
import { MoveTable } from './move-table.ts'
import { phases } from '../context/session-context-codec.ts'
import { AddressTable, ChildTable, IkeTable, SessionTable } from './tables.ts'

/** Which key secrets are sealed under (sealing.ts). */
export interface Sealing {
  /** `noSealingKey`: none is agreed yet, and each gateway seals with the first one that it has. */
  readonly current: SealingKeyId
  /** Those before it, the last one first. */
  readonly former: readonly SealingKeyId[]
}

export interface State {
  readonly incarnations: Incarnations
  readonly slab: Slab
  readonly sessions: SessionTable
  readonly ikes: IkeTable
  readonly children: ChildTable
  readonly addresses: AddressTable
  readonly moves: MoveTable
  readonly unauthenticated: UnauthenticatedSessions
  readonly resting: RestingAddresses
  readonly reserved: ReservedAddresses
  readonly spiRanges: SpiRanges
  /** Cluster address in hexadecimal → the incarnation that holds it. */
  readonly holders: Map<string, number>
  /** What all members know (context/cluster-version.ts). */
  clusterVersion: number
  /** Encoded VPN configuration. */
  vpn: { version: number; configuration: Bytes }
  sealing: Sealing
  /** The log's clock: the highest stamp of a command, wall-clock ms. Orders rests and expiries, nothing that safety needs. */
  clockMs: number
  /** Session that left its half-open phase → when its IKE_SA_INIT request is forgotten; in the order of these. */
  readonly rememberedRequests: Map<number, number>
  /** Session with a large reply → when that is forgotten; in the order of these. */
  readonly rememberedReplies: Map<number, number>
  /** The number that the next session gets. */
  nextSession: number
  /** How many commands were applied, and a hash of all that they did (history.ts). */
  applied: number
  historyHash: number
  /** The hash after the last few multiples of HASHED_COMMANDS commands: gateways compare theirs. */
  readonly hashes: Map<number, number>
  /** Background fold: the next row, and how many times it went round. */
  foldRow: number
  foldPass: number
}

export function createState(): State {
  const slab = new Slab()
  return {
    incarnations: new Incarnations(),
    slab,
    sessions: new SessionTable(slab),
    ikes: new IkeTable(slab),
    children: new ChildTable(slab),
    addresses: new AddressTable(),
    moves: new MoveTable(),
    unauthenticated: new UnauthenticatedSessions(),
    resting: new RestingAddresses(),
    reserved: new ReservedAddresses(),
    spiRanges: new SpiRanges(),
    holders: new Map(),
    clusterVersion: oldestClusterVersion,
    vpn: { version: 0, configuration: emptyBytes },
    sealing: { current: noSealingKey, former: [] },
    clockMs: 0,
    rememberedRequests: new Map(),
    rememberedReplies: new Map(),
    nextSession: 1,
    applied: 0,
    historyHash: 0,
    hashes: new Map(),
    foldRow: 0,
    foldPass: 0,
  }
}

/** A wrong clock may push the log's clock ahead by at most this much a command. */
const MAX_CLOCK_STEP_MS = 60_000

/** A repetition of an IKE_SA_INIT request that the network kept for so long opens a new session. */
const REMEMBER_REQUEST_MS = 60_000

/** The log's clock once it is moved by a command's stamp. */
export function clockAfter({ clockMs }: State, nowMs: number): number {
  return clockMs === 0 ? nowMs : Math.max(clockMs, Math.min(nowMs, clockMs + MAX_CLOCK_STEP_MS))
}

/** Moves the log's clock by a command's stamp. */
export function advanceClock(state: State, nowMs: number): void {
  state.clockMs = clockAfter(state, nowMs)
  state.resting.expire(state.clockMs)
  state.reserved.expire(state.clockMs)
  forgetRequests(state)
  forgetReplies(state)
}

/** The session is not half-open any more; a late copy of its IKE_SA_INIT request must not open another one. */
export function rememberRequest(state: State, session: number): void {
  state.rememberedRequests.set(session, state.clockMs + REMEMBER_REQUEST_MS)
}

function forgetRequests(state: State): void {
  for (const [session, untilMs] of state.rememberedRequests) {
    if (untilMs > state.clockMs) return
    const row = state.sessions.find(session)
    if (row !== -1) state.sessions.dropRequestHash(row)
    state.rememberedRequests.delete(session)
  }
}

/** Replies that are longer are forgotten after a while: an IKE_AUTH reply is a fifth of what an idle session takes. */
const SMALL_REPLY_OCTETS = 128
/**
 * "In order to allow saving memory, responders are allowed to forget the response after a timeout of several minutes. If the responder
 * receives a retransmitted request for which it has already forgotten the response, it MUST ignore the request" (RFC 7296 §2.1).
 */
export const REMEMBER_REPLY_MS = 300_000
/** A command forgets the replies of so many sessions, and of those that are due at the same time as the last of them. */
const FORGOTTEN_AT_ONCE = 64

/** A reply was stored, and large ones have their time. */
export function rememberReply(state: State, session: number, reply: Bytes): void {
  if (reply.length <= SMALL_REPLY_OCTETS) return
  state.rememberedReplies.delete(session)
  state.rememberedReplies.set(session, state.clockMs + REMEMBER_REPLY_MS)
}

/** Which ones a command forgets must not depend on their order among equals: a checkpoint doesn't hold that. */
function forgetReplies(state: State): void {
  const { sessions, ikes, slab, rememberedReplies } = state
  let forgotten = 0
  let lastMs = 0
  for (const [session, untilMs] of rememberedReplies) {
    if (untilMs > state.clockMs || (forgotten >= FORGOTTEN_AT_ONCE && untilMs > lastMs)) return
    forgotten += 1
    lastMs = untilMs
    const row = sessions.find(session)
    sessions.changes.before(row, contextPart)
    rememberedReplies.delete(session)
    for (const ike of ikeRows(state, row)) {
      const ref = ikes.reply[ike]!
      if (ref !== 0 && slab.get(ref).length > SMALL_REPLY_OCTETS) ikes.reply[ike] = slab.replace(ref, null)
    }
  }
}

export function isEstablished({ sessions }: State, row: number): boolean {
  return sessions.isUsed(row) && phases[sessions.phase[row]!] === 'established'
}

/** Rows of a session's IKE SAs. */
export function ikeRows({ sessions, ikes }: State, session: number): number[] {
  return chain(sessions.firstIke[session]!, ikes.next)
}

/** Rows of a session's Child SAs. */
export function childRows({ sessions, children }: State, session: number): number[] {
  return chain(sessions.firstChild[session]!, children.next)
}

/** No generator: every look at a session would pay for it. */
function chain(first: number, next: Uint32Array): number[] {
  const rows: number[] = []
  for (let link = first; link !== 0; link = next[link - 1]!) rows.push(link - 1)
  return rows
}
