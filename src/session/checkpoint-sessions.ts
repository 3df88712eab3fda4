/**
 * The two records of a session in a checkpoint. `context` changes with its exchanges, `motion` with its grants and owners, which is far more
 * often, and is small.
 *
 *     context  version u8 | request hash (0 or 32 octets), when it and large replies are forgotten | context | of each IKE SA, in the context's order: expected
 *              and next Message ID, reply, pending request
 *     motion   version u8 (2: numbers beyond 2^32; 3: the same, and what is in brackets) | owner | epoch | since | version | serial | rate | takeovers | transfers | moved remote | of each Child SA, in the
 *              context's order: SPI, start, ceiling, floor, horizon, window | [when it was established, packets and octets in and out] | (version 4) its
 *              moves, the oldest first: place of the gateway that it came from, epoch, since when, how, interruption
 */

import type { Bytes } from '../kit/bytes.ts'
import { emptyBytes } from '../kit/bytes.ts'
import { DecodeError, Reader, Writer } from '../kit/wire.ts'
import { MAX_EXTENDED_SEQUENCE_NUMBER, MAX_SEQUENCE_NUMBER } from '../context/grants.ts'
import { ContextOutline } from '../context/context-outline.ts'
import { decodeSessionContext } from '../context/session-context-codec.ts'
import { MAX_INTERRUPTION_MS } from './interruptions-command.ts'
import { readVersion, recordVersion } from './checkpoint-globals.ts'
import { MAX_MOVES, ways } from './move-table.ts'
import type { State } from './state.ts'
import { childRows, ikeRows } from './state.ts'

/** Of a motion record that has extended sequence numbers beyond 2^32. */
const wideVersion = 2
/** Of one that says when the session began and what it has carried; it may have such numbers, too. */
const countedVersion = 3
/** Of one that says which owners it had: of a session that has moved. */
const movedVersion = 4
const HASH_OCTETS = 32
const MAX_CONTEXT = 65_536
const MAX_REPLY = 131_072
const MAX_SEEN = 1024
const MAX_SAS = 255

export function encodeContextRecord(state: State, row: number): Bytes {
  const { sessions, ikes, slab } = state
  const hash = sessions.requestHash[row]!
  const w = new Writer()
  w.u8(recordVersion).blob(hash === 0 ? emptyBytes : slab.get(hash))
  const session = sessions.id[row]!
  w.varint(state.rememberedRequests.get(session) ?? 0).varint(state.rememberedReplies.get(session) ?? 0)
  w.blob(slab.get(sessions.context[row]!))
  let count = 0
  for (let link = sessions.firstIke[row]!; link !== 0; link = ikes.next[link - 1]!) count += 1
  w.varint(count)
  for (const ike of ikeRows(state, row)) {
    w.u32(ikes.expectedRequest[ike]!).u32(ikes.nextRequest[ike]!)
    w.blob(optional(state, ikes.reply[ike]!)).blob(optional(state, ikes.pending[ike]!))
  }
  return w.finish()
}

export function encodeMotionRecord(state: State, row: number): Bytes {
  const { sessions, children } = state
  const w = new Writer()
  const moves = state.moves.rowsOf(row)
  const isCounted = moves.length > 0 || hasCounts(state, row)
  w.u8(moves.length > 0 ? movedVersion : isCounted ? countedVersion : isWide(state, row) ? wideVersion : recordVersion)
    .varint(sessions.owner[row]!)
    .varint(sessions.epoch[row]!)
    .varint(sessions.since[row]!)
  w.varint(sessions.version[row]!).varint(sessions.serial[row]!).varint(sessions.packetsPerSecond[row]!)
  w.varint(sessions.takeovers[row]!).varint(sessions.transfers[row]!).blob(optional(state, sessions.remote[row]!))
  let count = 0
  for (let link = sessions.firstChild[row]!; link !== 0; link = children.next[link - 1]!) count += 1
  w.varint(count)
  for (const child of childRows(state, row)) {
    w.u32(children.spiIn[child]!).varint(children.start[child]!)
    w.varint(children.ceilingBase[child]!).varint(children.ceilingRate[child]!).varint(children.ceilingTick[child]!)
    w.varint(children.floor[child]!)
    w.varint(children.horizonBase[child]!).varint(children.horizonRate[child]!).varint(children.horizonTick[child]!)
    w.varint(children.highest[child]!).blob(optional(state, children.seen[child]!))
  }
  if (isCounted) for (const column of countColumns(state)) w.varint(column[row]!)
  if (moves.length > 0) encodeMoves(w, state, moves)
  return w.finish()
}

function encodeMoves(w: Writer, { moves }: State, rows: readonly number[]): void {
  w.varint(rows.length)
  for (const row of rows) {
    w.varint(moves.from[row]!).varint(moves.epoch[row]!).varint(moves.at[row]!)
    w.u8(2 * moves.wayOf(row) + (moves.isFirst(row) ? 1 : 0))
    const interruption = moves.interruptionOf(row)
    // 0: not known.
    w.varint(interruption === null ? 0 : 1 + 2 * interruption.ms + (interruption.isQuiet ? 1 : 0))
  }
}

function restoreMoves({ moves, incarnations }: State, session: number, r: Reader): void {
  const count = r.count('moves', MAX_MOVES)
  if (count === 0) r.fail('moves', 'expected one at least')
  for (let i = 0; i < count; i++) {
    const [from, epoch, atMs] = [r.count('from', incarnations.gatewayCount - 1), r.count('moveEpoch', 0xffff_ffff), r.varint('at')]
    const way = r.u8('way')
    if (way >= 2 * ways.length) r.fail('way', `expected below ${2 * ways.length}, got ${way}`)
    const row = moves.add(session, { from, epoch, atMs, way: way >> 1, isFirst: way % 2 === 1 })
    const told = r.count('interruption', 2 * MAX_INTERRUPTION_MS + 2)
    if (told !== 0) moves.setInterruption(row, { ms: Math.floor((told - 1) / 2), isQuiet: told % 2 === 0 })
  }
}

function countColumns({ sessions }: State): readonly Float64Array[] {
  return [sessions.beganAt, sessions.packetsIn, sessions.packetsOut, sessions.octetsIn, sessions.octetsOut]
}

function hasCounts(state: State, row: number): boolean {
  return countColumns(state).some((column) => column[row] !== 0)
}

/** Whether a sequence number of the session, or a limit, has more than 32 bits. */
function isWide(state: State, row: number): boolean {
  const { children } = state
  for (const child of childRows(state, row)) {
    const numbers = [children.start, children.ceilingBase, children.floor, children.horizonBase, children.highest]
    if (children.esn[child] === 1 && numbers.some((column) => column[child]! > MAX_SEQUENCE_NUMBER)) return true
  }
  return false
}

function optional(state: State, ref: number): Bytes {
  return ref === 0 ? emptyBytes : state.slab.get(ref)
}

/** Adds a session to the state from its two records. Throws `DecodeError`, and then the state is of no use. */
export function restoreSession(state: State, session: number, contextRecord: Bytes, motionRecord: Bytes): void {
  try {
    const row = restoreContext(state, session, new Reader('context record', contextRecord))
    restoreMotion(state, row, new Reader('motion record', motionRecord))
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error
    throw new DecodeError(`session ${session}: ${error.message}`, { cause: error })
  }
}

// One for all, as the writer.
const outline = new ContextOutline()

function restoreContext(state: State, session: number, r: Reader): number {
  const { sessions, ikes, addresses, slab } = state
  readVersion(r)
  const hash = r.blob('requestHash', HASH_OCTETS)
  if (hash.length !== 0 && hash.length !== HASH_OCTETS) r.fail('requestHash', `expected 0 or ${HASH_OCTETS} octets, got ${hash.length}`)
  const [requestMs, replyMs] = [r.varint('requestUntil'), r.varint('replyUntil')]
  const encoded = r.blob('context', MAX_CONTEXT)
  const whole = outline.read(encoded) ? null : decodeSessionContext(encoded)
  if (whole !== null) outline.take(whole)
  if (sessions.find(session) !== -1) r.fail('session', 'expected once')
  const row = sessions.add(session, hash)
  if (requestMs !== 0) state.rememberedRequests.set(session, requestMs)
  if (replyMs !== 0) state.rememberedReplies.set(session, replyMs)
  const count = r.count('ikeSas', MAX_SAS)
  if (count !== outline.ikeSas) r.fail('ikeSas', `expected ${outline.ikeSas} as in the context, got ${count}`)
  let last = 0
  for (let i = 0; i < count; i++) {
    const [high, low] = [outline.spiHigh[i]!, outline.spiLow[i]!]
    if (ikes.findHalves(high, low) !== -1) r.fail('ikeSas', `expected IKE SPI ${high.toString(16)} ${low.toString(16)} once`)
    const ike = ikes.addHalves(row, high, low)
    if (last === 0) sessions.firstIke[row] = ike + 1
    else ikes.next[last - 1] = ike + 1
    last = ike + 1
    ikes.expectedRequest[ike] = r.u32('expectedRequest')
    ikes.nextRequest[ike] = r.u32('nextRequest')
    ikes.reply[ike] = putOptional(state, r.blob('reply', MAX_REPLY))
    ikes.pending[ike] = putOptional(state, r.blob('pending', MAX_REPLY))
  }
  r.end()
  for (let i = 0; i < outline.addresses; i++) {
    const address = outline.address(i)
    if (addresses.find(address) !== -1) r.fail('context', `expected address ${address.join('.')} once`)
    addresses.add(row, address)
  }
  last = 0
  for (let i = 0; i < outline.children; i++) {
    const spiIn = outline.spiIn[i]!
    if (state.children.find(spiIn) !== -1) r.fail('context', `expected inbound SPI ${spiIn} once`)
    const child = state.children.add(row, spiIn, outline.esn[i] === 1 ? 1 : 0)
    if (last === 0) sessions.firstChild[row] = child + 1
    else state.children.next[last - 1] = child + 1
    last = child + 1
    state.spiRanges.taken(spiIn)
  }
  sessions.setSealingKey(row, outline.sealingKey)
  sessions.setPhase(row, outline.phase)
  if (whole !== null) state.unauthenticated.update(row, whole)
  sessions.expiresAt[row] = outline.expiresAt
  sessions.context[row] = slab.put(encoded)
  sessions.setHolder(row, outline.holder)
  return row
}

function restoreMotion(state: State, row: number, r: Reader): void {
  const { sessions, children } = state
  const version = r.u8('version')
  if (version < recordVersion || version > movedVersion) r.fail('version', `expected ${recordVersion} to ${movedVersion}, got ${version}`)
  const largest = version !== recordVersion ? MAX_EXTENDED_SEQUENCE_NUMBER : MAX_SEQUENCE_NUMBER
  const owner = r.count('owner', 0xffff_ffff)
  if (state.incarnations.get(owner) === undefined) r.fail('owner', `expected a known incarnation, got ${owner}`)
  sessions.setOwner(row, owner)
  sessions.epoch[row] = r.count('epoch', 0xffff_ffff)
  sessions.since[row] = r.count('since', 0xffff_ffff)
  sessions.version[row] = r.count('sessionVersion', 0xffff_ffff)
  sessions.serial[row] = r.count('serial', 0xffff_ffff)
  sessions.setPacketsPerSecond(row, r.count('packetsPerSecond', 0xffff_ffff))
  sessions.takeovers[row] = r.count('takeovers', 0xffff)
  sessions.transfers[row] = r.count('transfers', 0xffff)
  sessions.remote[row] = putOptional(state, r.blob('remote', 32))
  const rows = childRows(state, row)
  const count = r.count('children', MAX_SAS)
  if (count !== rows.length) r.fail('children', `expected ${rows.length} as in the context, got ${count}`)
  for (const child of rows) {
    const spiIn = r.u32('spiIn')
    if (spiIn !== children.spiIn[child]) r.fail('spiIn', `expected ${children.spiIn[child]} as in the context, got ${spiIn}`)
    const maximum = Math.min(largest, children.maximum(child))
    children.start[child] = r.count('start', maximum + 1)
    children.setCeiling(child, grant(r, 'ceiling', maximum))
    children.floor[child] = r.count('floor', maximum)
    children.setHorizon(child, grant(r, 'horizon', maximum))
    children.highest[child] = r.count('highest', maximum)
    children.seen[child] = putOptional(state, r.blob('seen', MAX_SEEN))
  }
  if (version === wideVersion && !isWide(state, row)) r.fail('version', `expected ${recordVersion}, got ${version}`)
  if (version >= countedVersion) for (const column of countColumns(state)) column[row] = r.varint('count')
  if (version === countedVersion && !hasCounts(state, row)) r.fail('version', `expected ${recordVersion} or ${wideVersion}, got ${version}`)
  if (version === movedVersion) restoreMoves(state, row, r)
  r.end()
}

function grant(r: Reader, field: string, maximum: number): { base: number; rate: number; tick: number } {
  const [base, rate, tick] = [
    r.count(`${field}.base`, maximum),
    r.count(`${field}.rate`, 0xffff_ffff),
    r.count(`${field}.tick`, 0xffff_ffff),
  ]
  return { base, rate, tick }
}

function putOptional(state: State, octets: Bytes): number {
  return octets.length === 0 ? 0 : state.slab.put(octets)
}
