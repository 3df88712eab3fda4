/**
 * Commands of IKE: half-open sessions, exchanges, ends (protocol.md rule 9).
 *
 * A context is replaced whole. What it claims of the shared state - SPIs, virtual addresses - is read off the difference to the context
 * that it replaces: all of it is taken, or the command is refused and nothing changes.
 */

import type { Bytes } from '../kit/bytes.ts'
import { equalBytes } from '../kit/bytes.ts'
import { decodedOrNull } from '../kit/wire.ts'
import type { SessionContext } from '../context/session-context.ts'
import { holderHash, holderOf } from '../context/holder.ts'
import { sealingKeyOf } from '../context/sealed-parts.ts'
import { localIkeSpi } from '../context/session-context.ts'
import { decodeSessionContext, phases } from '../context/session-context-codec.ts'
import { bothParts } from './changes.ts'
import type { CommitExchange, CreateSession, EndSession } from './commands.ts'
import { maximumSequence } from '../context/grants.ts'
import { firstCeiling, firstHorizon } from './derive.ts'
import { MAX_SESSIONS, rowsOfHolder } from './holders.ts'
import { noteBegin } from './moves.ts'
import { checkOwner } from './ownership.ts'
import type { RefusalReason, Result } from './results.ts'
import { done, refused } from './results.ts'
import type { State } from './state.ts'
import { advanceClock, childRows, ikeRows, rememberReply, rememberRequest } from './state.ts'

export function createSession(state: State, command: CreateSession): Result {
  const owner = state.incarnations.get(command.incarnation)
  if (!owner?.up) return refused('incarnation-down')
  advanceClock(state, command.nowMs)
  const first = state.sessions.findByRequest(command.requestHash)
  if (first !== -1) return { type: 'exists', session: state.sessions.id[first]! }
  const context = decodedOrNull(decodeSessionContext, command.context)
  if (context === null) return refused('context')
  const reason = claimsReason(state, -1, context)
  if (reason !== null) return refused(reason)
  const { sessions } = state
  const id = state.nextSession
  state.nextSession += 1
  const row = sessions.add(id, command.requestHash)
  sessions.setOwner(row, command.incarnation)
  sessions.epoch[row] = 1
  sessions.since[row] = 1
  sessions.version[row] = 1
  install(state, row, context, command.context, owner.tick)
  const ike = sessions.firstIke[row]! - 1
  state.ikes.expectedRequest[ike] = 1
  state.ikes.reply[ike] = state.slab.put(command.reply)
  return { type: 'created', session: id }
}

export function commitExchange(state: State, command: CommitExchange): Result {
  const { row, reason } = checkOwner(state, command.session, command.incarnation, command.epoch, command.version)
  if (reason !== null) return refused(reason)
  advanceClock(state, command.nowMs)
  const ike = state.ikes.find(command.ikeSpi)
  if (ike === -1) return refused('message-id')
  if (state.ikes.session[ike] !== row) return refused('message-id')
  if (!isExpected(state, ike, command)) return refused('message-id')
  const context = command.context === null ? null : decodedOrNull(decodeSessionContext, command.context)
  if (command.context !== null && context === null) return refused('context')
  const others = context === null ? [] : othersOfHolder(state, row, context)
  if (command.uniqueness === 'keep' && others.length > 0) return refused('identity-taken')
  if (command.uniqueness === 'none' && others.length >= MAX_SESSIONS) return refused('identity-taken')
  const ending = command.uniqueness === 'replace' ? others : []
  const claims = context === null ? null : claimsReason(state, row, context, ending)
  if (claims !== null) return refused(claims)
  const ended = ending.map((other) => state.sessions.id[other]!)
  for (const other of ending) removeSession(state, other)
  state.sessions.changes.before(row, bothParts)
  storeExchange(state, ike, command)
  if (command.direction === 'request') rememberReply(state, command.session, command.reply)
  state.sessions.version[row]! += 1
  const isBegin = context?.phase === 'established' && phases[state.sessions.phase[row]!] === 'half-open'
  // Records of sessions that say it are none that an older build reads.
  if (isBegin && state.clusterVersion >= 2) state.sessions.beganAt[row] = command.nowMs
  const owner = state.incarnations.get(command.incarnation)!
  if (context !== null) install(state, row, context, command.context!, owner.tick)
  if (isBegin) noteBegin(state, row, owner.gateway)
  return ended.length === 0 ? done : { type: 'done', ended }
}

/** Rows of the other sessions of whom the session in `row` belongs to with this context, when it has not belonged to him before. */
function othersOfHolder(state: State, row: number, context: SessionContext): number[] {
  if (state.sessions.holder[row] !== 0) return []
  const holder = holderOf(context)
  return holder === null ? [] : rowsOfHolder(state, holder)
}

function isExpected(state: State, ike: number, command: CommitExchange): boolean {
  const { ikes } = state
  switch (command.direction) {
    case 'request':
      return ikes.expectedRequest[ike] === command.messageId
    case 'own-request':
      return ikes.pending[ike] === 0 && ikes.nextRequest[ike] === command.messageId
    case 'own-response':
      return ikes.pending[ike] !== 0 && ikes.nextRequest[ike] === command.messageId + 1
  }
}

function storeExchange(state: State, ike: number, command: CommitExchange): void {
  const { ikes, slab } = state
  switch (command.direction) {
    case 'request':
      ikes.expectedRequest[ike]! += 1
      ikes.reply[ike] = slab.replace(ikes.reply[ike]!, command.reply)
      break
    case 'own-request':
      ikes.nextRequest[ike]! += 1
      ikes.pending[ike] = slab.put(command.reply)
      break
    case 'own-response':
      ikes.pending[ike] = slab.replace(ikes.pending[ike]!, null)
      break
  }
}

export function endSession(state: State, command: EndSession): Result {
  const { row, reason } = checkOwner(state, command.session, command.incarnation, command.epoch, command.version)
  if (reason !== null) return refused(reason)
  advanceClock(state, command.nowMs)
  removeSession(state, row)
  return done
}

/** Nothing of it is left but its addresses' rest. */
function removeSession(state: State, row: number): void {
  state.sessions.changes.before(row, bothParts)
  for (const ike of ikeRows(state, row)) state.ikes.remove(ike)
  for (const child of childRows(state, row)) removeChild(state, child)
  state.sessions.firstIke[row] = 0
  state.sessions.firstChild[row] = 0
  const context = decodeSessionContext(state.slab.get(state.sessions.context[row]!))
  releaseAddresses(state, context.virtualIps, holderOf(context))
  state.rememberedRequests.delete(state.sessions.id[row]!)
  state.rememberedReplies.delete(state.sessions.id[row]!)
  state.unauthenticated.remove(row)
  state.moves.forget(row)
  state.sessions.remove(row)
}

const MAX_IKE_SAS = 8
const MAX_CHILDREN = 64
const MAX_ADDRESSES = 16

/** Why the context can't be that of the session in `row` (-1: a new one) once those in `ending` have ended; null: it can. */
function claimsReason(state: State, row: number, context: SessionContext, ending: readonly number[] = []): RefusalReason | null {
  if (context.ikeSas.length === 0 || context.ikeSas.length > MAX_IKE_SAS) return 'context'
  if (context.children.length > MAX_CHILDREN || context.virtualIps.length > MAX_ADDRESSES) return 'context'
  for (const sa of context.ikeSas) {
    const ike = state.ikes.find(localIkeSpi(sa))
    if (ike !== -1 && state.ikes.session[ike] !== row) return 'spi-taken'
  }
  for (const { spiIn, suite } of context.children) {
    const child = state.children.find(spiIn)
    if (child !== -1 && state.children.session[child] !== row) return 'spi-taken'
    // Its numbers may be beyond those of the other kind.
    if (child !== -1 && state.children.esn[child] !== suite.esn) return 'context'
  }
  for (const address of context.virtualIps) {
    const held = state.addresses.find(address)
    const by = held === -1 ? row : state.addresses.session[held]!
    if (by !== row && !ending.includes(by)) return 'address-taken'
    if (held === -1 && state.resting.isResting(address, state.clockMs, holderOf(context))) return 'address-taken'
  }
  return hasDuplicates(context) ? 'context' : null
}

function hasDuplicates(context: SessionContext): boolean {
  const keys = [
    ...context.ikeSas.map((sa) => `ike ${localIkeSpi(sa)}`),
    ...context.children.map((child) => `child ${child.spiIn}`),
    ...context.virtualIps.map((address) => `address ${address.join('.')}`),
  ]
  return new Set(keys).size !== keys.length
}

/**
 * Replaces the session's context and what hangs on it. New Child SAs start at number 1 with an empty window, and with the horizon that the
 * traffic of the session's busiest one wants: that of the one that they replace is theirs in a moment, and would have to wait for a commit.
 */
function install(state: State, row: number, context: SessionContext, encoded: Bytes, tick: number): void {
  const { sessions, slab } = state
  const former = sessions.context[row] === 0 ? null : decodeSessionContext(slab.get(sessions.context[row]!))
  installIkeSas(state, row, context)
  installChildren(state, row, context, tick)
  const formerAddresses = former?.virtualIps ?? []
  releaseAddresses(
    state,
    formerAddresses.filter((address) => !context.virtualIps.some((kept) => equalBytes(kept, address))),
    former === null ? null : holderOf(former),
  )
  for (const address of context.virtualIps) {
    if (state.addresses.find(address) === -1) state.addresses.add(row, address)
    state.reserved.drop(address)
  }
  if (context.phase !== 'half-open' && phases[sessions.phase[row]!] === 'half-open') rememberRequest(state, sessions.id[row]!)
  sessions.setHolder(row, holderHash(holderOf(context)))
  sessions.setSealingKey(row, sealingKeyOf(context))
  sessions.setPhase(row, context.phase)
  state.unauthenticated.update(row, context)
  sessions.expiresAt[row] = context.expiresAt
  sessions.remote[row] = slab.replace(sessions.remote[row]!, null)
  sessions.context[row] = slab.replace(sessions.context[row]!, encoded)
}

function installIkeSas(state: State, row: number, context: SessionContext): void {
  const { ikes } = state
  const wanted = context.ikeSas.map(localIkeSpi)
  for (const ike of ikeRows(state, row)) if (!wanted.includes(ikes.spi(ike))) ikes.remove(ike)
  let link = 0
  for (const spi of wanted.toReversed()) {
    const known = ikes.find(spi)
    const ike = known === -1 ? ikes.add(row, spi) : known
    ikes.next[ike] = link
    link = ike + 1
  }
  state.sessions.firstIke[row] = link
}

function installChildren(state: State, row: number, context: SessionContext, tick: number): void {
  const { children } = state
  const wanted = context.children.map((child) => child.spiIn)
  const rate = Math.max(0, ...childRows(state, row).map((child) => children.horizonRate[child]!))
  for (const child of childRows(state, row)) if (!wanted.includes(children.spiIn[child]!)) removeChild(state, child)
  let link = 0
  for (const { spiIn, suite } of context.children.toReversed()) {
    const known = children.find(spiIn)
    const child = known === -1 ? addChild(state, row, { spiIn, esn: suite.esn }, { rate, tick }) : known
    children.next[child] = link
    link = child + 1
  }
  state.sessions.firstChild[row] = link
}

/** `rate`: of the horizon, at the owner's `tick`. */
function addChild(
  state: State,
  row: number,
  { spiIn, esn }: { readonly spiIn: number; readonly esn: 0 | 1 },
  { rate, tick }: { readonly rate: number; readonly tick: number },
): number {
  const { children } = state
  const child = children.add(row, spiIn, esn)
  children.start[child] = 1
  children.setCeiling(child, firstCeiling(1, 0, tick, maximumSequence(esn)))
  children.setHorizon(child, firstHorizon(0, rate, tick, maximumSequence(esn)))
  state.spiRanges.taken(spiIn)
  return child
}

function removeChild(state: State, child: number): void {
  state.spiRanges.freed(state.children.spiIn[child]!)
  state.children.remove(child)
}

function releaseAddresses(state: State, addresses: readonly Bytes[], holder: string | null): void {
  for (const address of addresses) {
    const held = state.addresses.find(address)
    if (held === -1) continue
    state.addresses.remove(held)
    state.resting.rest(address, state.clockMs, holder)
  }
}
