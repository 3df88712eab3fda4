/**
 * `npm run sim -- --mutants`: programs that are wrong in one place, each run over seeds until a checker sees it. A mutant that nothing sees
 * says that the simulator would not see that mistake either. Here are those of the gateway; Raft's, whose core is functions, are patched as
 * text (raft/mutants.ts).
 *
 * Nothing in src knows of this: a mutant patches a prototype while it runs, or stands around `apply` on every gateway (hook.ts).
 */

import { PendingExchanges } from '../../src/gateway/ike/pending-exchanges.ts'
import { IkeResources } from '../../src/gateway/ike/resources.ts'
import { OwnedChild, OwnedSession } from '../../src/gateway/packets/owned-session.ts'
import { ReplyPath } from '../../src/gateway/packets/reply-path.ts'
import { ReplayWindow } from '../../src/esp/replay-window.ts'
import { Proposals } from '../../src/gateway/proposals.ts'
import { Changes } from '../../src/session/changes.ts'
import type { Command } from '../../src/session/commands.ts'
import { Incarnations } from '../../src/session/incarnations.ts'
import type { State } from '../../src/session/state.ts'
import { ikeRows } from '../../src/session/state.ts'
import { ownership } from '../../src/session/view.ts'
import type { ApplyHook } from './hook.ts'
import type { Caught } from './run.ts'
import { findProblem } from './run.ts'

export interface Mutant {
  readonly name: string
  /** Patches prototypes; returns what undoes it. */
  readonly patch?: () => () => void
  readonly hook?: ApplyHook
  /** False: looked for where no client rekeys, for it shows only on a Child SA that lives long. */
  readonly hasRekeys?: boolean
  /** It shows in one seed of a hundred or fewer; so many are passed over, for it is known not to show in them. */
  readonly skips?: number
}

/** Replaces a method, given the original; returns what undoes it. */
function patch<T extends object, K extends keyof T>(prototype: T, name: K, make: (original: T[K]) => T[K]): () => void {
  const original = prototype[name]
  prototype[name] = make(original)
  return () => void (prototype[name] = original)
}

export const mutants: readonly Mutant[] = [
  { name: 'a grant is taken whatever its serial (rule 6)', hook: forgetSerials },
  { name: 'a grant is taken whatever its epoch (rule 6)', hook: forgetGrantEpochs },
  { name: 'a second GatewayDown applies again (H4)', patch: () => patch(Incarnations.prototype, 'end', endAgain) },
  { name: 'a late Tick sets the tick back (H2)', hook: setTickBack },
  { name: 'an exchange is taken whatever its Message ID (rule 9)', hook: forgetMessageIds },
  { name: 'an exchange is taken whatever its version (rule 9)', hook: forgetVersions },
  { name: 'under a new IKE SA Message IDs do not begin at 0 (RFC 7296 §2.18)', hook: goOnUnderNewIkeSas },
  { name: 'with an IKE SA that was replaced its last answer is forgotten', hook: forgetLastAnswers },
  { name: 'a takeover forgets the tick of who ended (rule 5)', patch: () => patch(Incarnations.prototype, 'end', forgetTicks) },
  { name: 'a shrink is proposed without a stop (rule 12)', patch: () => patch(OwnedChild.prototype, 'stopAt', () => () => undefined) },
  { name: 'any record lifts the stop (H5)', patch: () => patch(OwnedChild.prototype, 'granted', liftStops), hasRekeys: false },
  { name: 'numbers are sent beyond the ceiling (rule 11)', patch: () => patch(OwnedChild.prototype, 'maySend', sendOn) },
  {
    name: 'numbers are accepted beyond the horizon (rule 11)',
    patch: () => patch(OwnedChild.prototype, 'isWithinHorizon', () => () => true),
  },
  { name: 'numbers are accepted again (RFC 4303 §3.4.3)', patch: () => patch(ReplayWindow.prototype, 'mayAccept', () => () => true) },
  { name: 'a Reclaim leaves the session frozen (rule 10)', patch: () => patch(OwnedSession.prototype, 'reclaim', () => () => undefined) },
  { name: 'two exchanges of a session are under way (rule 14)', patch: () => patch(PendingExchanges.prototype, 'has', () => () => false) },
  { name: 'IKE messages share an initialization vector', patch: () => patch(IkeResources.prototype, 'environment', shareVector) },
  { name: 'a checkpoint is told of a change after it', patch: () => patch(Changes.prototype, 'before', tellLate) },
  {
    name: 'a proposal without a certain outcome is proposed anew',
    patch: () => patch(Proposals.prototype, 'failed', forgetUncertainty),
    skips: 260,
  },
  { name: 'a proposal without outcome is not proposed again', patch: () => patch(Proposals.prototype, 'tick', () => () => undefined) },
  { name: 'replies leave directly in spite of via-holder', patch: () => patch(ReplyPath.prototype, 'through', () => () => null) },
  { name: 'who holds the address is told once and never again', patch: () => patch(ReplyPath.prototype, 'update', tellOnce) },
]

/** Runs a mutant over seeds until something is seen; null: nothing was. */
export function tryMutant({ patch: install, hook, hasRekeys, skips = 0 }: Mutant, firstSeed: number, seeds: number): Caught | null {
  const undo = install?.() ?? (() => undefined)
  try {
    return findProblem(firstSeed + skips, seeds, { hook: hook ?? null, hasRekeys: hasRekeys ?? true })
  } finally {
    undo()
  }
}

// ---- around apply

function forgetSerials(state: State, command: Command): undefined {
  if (command.type !== 'advance') return
  for (const { session, serial } of command.grants) {
    const row = state.sessions.find(session)
    if (row !== -1) state.sessions.serial[row] = Math.min(state.sessions.serial[row]!, serial - 1)
  }
}

function forgetGrantEpochs(state: State, command: Command): (() => void) | undefined {
  if (command.type !== 'advance') return
  const before: [number, number][] = []
  for (const { session, epoch } of command.grants) {
    if (ownership(state, session)?.owner !== command.incarnation) continue
    const row = state.sessions.find(session)
    before.push([row, state.sessions.epoch[row]!])
    state.sessions.epoch[row] = epoch
  }
  return () => before.forEach(([row, epoch]) => void (state.sessions.epoch[row] = epoch))
}

function setTickBack(state: State, command: Command): undefined {
  const incarnation = command.type === 'advance' && command.tick > 0 ? state.incarnations.get(command.incarnation) : undefined
  if (command.type === 'advance' && incarnation?.up) incarnation.tick = Math.min(incarnation.tick, command.tick)
}

function forgetMessageIds(state: State, command: Command): undefined {
  if (command.type !== 'commit-exchange' || command.direction !== 'request') return
  const ike = state.ikes.find(command.ikeSpi)
  if (ike !== -1) state.ikes.expectedRequest[ike] = command.messageId
}

function forgetVersions(state: State, command: Command): undefined {
  if (command.type !== 'commit-exchange') return
  const row = state.sessions.find(command.session)
  if (row !== -1) state.sessions.version[row] = command.version
}

function goOnUnderNewIkeSas(state: State, command: Command): (() => void) | undefined {
  if (command.type !== 'commit-exchange' || command.context === null) return
  const known = ikesOf(state, command.session)
  return () => {
    if (known.length > 0) for (const ike of ikesOf(state, command.session)) if (!known.includes(ike)) state.ikes.expectedRequest[ike] = 1
  }
}

function forgetLastAnswers(state: State, command: Command): (() => void) | undefined {
  if (command.type !== 'commit-exchange') return
  return () => {
    const rows = ikesOf(state, command.session)
    for (const ike of rows.slice(0, -1)) state.ikes.reply[ike] = state.slab.replace(state.ikes.reply[ike]!, null)
  }
}

function ikesOf(state: State, session: number): number[] {
  const row = state.sessions.find(session)
  return row === -1 ? [] : [...ikeRows(state, row)]
}

// ---- in place of methods

function endAgain(original: Incarnations['end']): Incarnations['end'] {
  return function (this: Incarnations, number, pass, clockMs) {
    const incarnation = this.get(number)
    if (incarnation !== undefined) incarnation.up = true
    return original.call(this, number, pass, clockMs)
  }
}

/** The frozen tick is lost, and with it what the limits had grown. */
function forgetTicks(original: Incarnations['end']): Incarnations['end'] {
  return function (this: Incarnations, number, pass, clockMs) {
    const ended = original.call(this, number, pass, clockMs)
    const incarnation = this.get(number)
    if (ended && incarnation !== undefined) incarnation.tick = 0
    return ended
  }
}

function liftStops(original: OwnedChild['granted']): OwnedChild['granted'] {
  return function (this: OwnedChild, ceiling, horizon, serial) {
    original.call(this, ceiling, horizon, serial)
    this.stop = Infinity
  }
}

function sendOn(): OwnedChild['maySend'] {
  return function (this: OwnedChild) {
    return !this.session.frozen
  }
}

/** Of each change only when the next one comes. */
function tellLate(original: Changes['before']): Changes['before'] {
  const late = new WeakMap<Changes, readonly [number, number]>()
  return function (this: Changes, row, parts) {
    const last = late.get(this)
    late.set(this, [row, parts])
    if (last !== undefined) original.call(this, ...last)
  }
}

/** What was dropped once counts as dropped, whatever became of earlier copies. */
function forgetUncertainty(original: Proposals['failed']): Proposals['failed'] {
  return function (this: Proposals, serial, failure, nowMs) {
    return original.call(this, serial, failure === 'dropped' ? 'expired' : failure, nowMs)
  }
}

function tellOnce(original: ReplyPath['update']): ReplyPath['update'] {
  const told = new WeakSet<ReplyPath>()
  return function (this: ReplyPath, holders) {
    if (!told.has(this)) original.call(this, holders)
    told.add(this)
  }
}

function shareVector(original: IkeResources['environment']): IkeResources['environment'] {
  return function (this: IkeResources, now, addresses) {
    return { ...original.call(this, now, addresses), nextIv: () => new Uint8Array(8) }
  }
}
