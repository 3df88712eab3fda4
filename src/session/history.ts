/**
 * The hash of everything that was applied: equal on two gateways exactly if, but for chance, every command so far had the same effect on both,
 * whatever was looked at, derived or folded in between. Costs what the command touched, so it sees a difference between two states when a
 * command touches it, not before.
 *
 * Of a command it takes the result, and afterwards whatever the command may have changed: of sessions who owns them, epochs, serials and limits;
 * after an exchange all of the session; of incarnations that rose or ended their ticks and successors.
 */

import type { Bytes } from '../kit/bytes.ts'
import { hashBytes, hashText, mixInto } from '../kit/hash.ts'
import type { Command } from './commands.ts'
import type { Incarnation } from './incarnations.ts'
import type { Result } from './results.ts'
import type { State } from './state.ts'
import { ikeRows } from './state.ts'

/** The hash is kept after every so many commands. */
export const HASHED_COMMANDS = 1024
/** Of so many of them. */
const KEPT_HASHES = 8

/** 53 bits of hash in two lanes of 32. */
class Mixer {
  #low: number
  #high: number

  constructor(hash: number) {
    this.#low = hash >>> 0
    this.#high = Math.floor(hash / 2 ** 32)
  }

  /** An integer from 0 to 2^53 − 1. */
  add(value: number): void {
    const low = value >>> 0
    this.#word(low)
    if (value !== low) this.#word(Math.floor(value / 2 ** 32))
  }

  octets(bytes: Bytes): void {
    this.#word(bytes.length)
    this.#word(hashBytes(bytes))
  }

  get hash(): number {
    return (this.#high & 0x1f_ffff) * 2 ** 32 + this.#low
  }

  #word(word: number): void {
    this.#low = mixInto(this.#low, word)
    this.#high = mixInto(this.#high ^ 0x5bd1_e995, word)
  }
}

/** Takes a command into the history, just after it was applied and before anything is forgotten. */
export function recordHistory(state: State, command: Command, result: Result): void {
  const mixer = new Mixer(state.historyHash)
  mixResult(mixer, result)
  mixEffect(mixer, state, command, result)
  state.historyHash = mixer.hash
  state.applied += 1
  if (state.applied % HASHED_COMMANDS !== 0) return
  state.hashes.set(state.applied, state.historyHash)
  if (state.hashes.size > KEPT_HASHES) state.hashes.delete(state.hashes.keys().next().value!)
}

function mixResult(mixer: Mixer, result: Result): void {
  mixer.add(hashText(result.type))
  switch (result.type) {
    case 'done':
      for (const session of result.ended ?? []) mixer.add(session)
      break
    case 'up':
      mixer.add(result.incarnation)
      mixer.add(result.ended)
      mixer.add(result.firstSpi ?? 0)
      break
    case 'ended':
      mixer.add(hashText(result.gateway))
      break
    case 'spis':
      mixer.add(result.firstSpi)
      break
    case 'batch':
      mixer.add(result.taken.length)
      for (const session of result.taken) mixer.add(session)
      for (const { session, reason } of result.refused) {
        mixer.add(session)
        mixer.add(hashText(reason))
      }
      break
    case 'created':
    case 'exists':
      mixer.add(result.session)
      break
    case 'refused':
      mixer.add(hashText(result.reason))
      break
  }
}

function mixEffect(mixer: Mixer, state: State, command: Command, result: Result): void {
  switch (command.type) {
    case 'gateway-up':
      if (result.type === 'up') mixIncarnations(mixer, state, [result.incarnation, result.ended])
      break
    case 'gateway-down':
      if (result.type === 'ended') mixIncarnations(mixer, state, [command.incarnation])
      break
    case 'advance':
      // Of one that has ended it depends on the fold whether it is still known.
      if (result.type === 'batch') mixer.add(state.incarnations.get(command.incarnation)!.tick)
      mixTaken(mixer, state, result)
      break
    case 'transfer':
      mixTaken(mixer, state, result)
      break
    case 'create-session':
      mixer.add(state.clockMs)
      if (result.type === 'created') mixSession(mixer, state, result.session, true)
      break
    case 'commit-exchange':
    case 'end-session':
      mixer.add(state.clockMs)
      if (result.type === 'done') mixSession(mixer, state, command.session, true)
      break
    case 'reclaim':
      if (result.type === 'done') mixSession(mixer, state, command.session, false)
      break
    case 'put-vpn':
      mixer.add(state.vpn.version)
      if (result.type === 'done') mixer.octets(state.vpn.configuration)
      break
    case 'set-draining':
      mixer.add(state.incarnations.gateway(command.gateway)?.draining ? 1 : 0)
      break
    case 'move-address':
      mixHolders(mixer, state)
      break
    case 'account':
      if (result.type === 'batch') for (const session of result.taken) mixTraffic(mixer, state, session)
      break
    case 'interruptions':
      if (result.type === 'batch') for (const session of result.taken) mixMoves(mixer, state, state.sessions.find(session))
      break
    case 'lease-spis':
      break
    case 'set-cluster-version':
      mixer.add(state.clusterVersion)
      break
    case 'reserve-addresses':
      mixer.add(state.clockMs)
      mixer.add(state.reserved.size)
      break
    case 'set-sealing-key':
      mixer.add(state.sealing.current)
      break
    case 'reseal-vpn':
      if (result.type === 'done') mixer.octets(state.vpn.configuration)
      break
    case 'reseal-sessions':
      if (result.type === 'batch') for (const session of result.taken) mixSession(mixer, state, session, true)
      break
  }
}

/** Of one that is up its tick, of one that ended also its successors and theirs; and who holds the cluster's addresses now. */
function mixIncarnations(mixer: Mixer, state: State, numbers: readonly number[]): void {
  for (const number of numbers) {
    const incarnation = state.incarnations.get(number)
    if (incarnation === undefined) continue
    mixer.add(state.incarnations.gateway(incarnation.gateway)!.steadyAtMs)
    mixer.add(number)
    mixer.add(incarnation.tick)
    if (incarnation.successors !== null) mixSuccessors(mixer, incarnation.successors, incarnation)
  }
  mixHolders(mixer, state)
}

function mixSuccessors(mixer: Mixer, successors: Uint32Array, { successorTicks }: Incarnation): void {
  for (const successor of successors) mixer.add(successor)
  for (const successor of [...successorTicks.keys()].sort((a, b) => a - b)) mixer.add(successorTicks.get(successor)!)
}

function mixHolders(mixer: Mixer, { holders }: State): void {
  for (const address of [...holders.keys()].sort()) {
    mixer.add(hashText(address))
    mixer.add(holders.get(address)!)
  }
}

function mixTaken(mixer: Mixer, state: State, result: Result): void {
  if (result.type !== 'batch') return
  for (const session of result.taken) mixSession(mixer, state, session, false)
}

/** `inFull`: its context and IKE SAs, too. The command derived it, so its row is up to date. */
function mixSession(mixer: Mixer, state: State, session: number, inFull: boolean): void {
  const { sessions, children, slab } = state
  const row = sessions.find(session)
  if (row === -1) return
  for (const column of [sessions.owner, sessions.epoch, sessions.since, sessions.version, sessions.serial]) mixer.add(column[row]!)
  for (const column of [sessions.packetsPerSecond, sessions.takeovers, sessions.transfers]) mixer.add(column[row]!)
  if (sessions.remote[row] !== 0) mixer.octets(slab.get(sessions.remote[row]!))
  for (let link = sessions.firstChild[row]!; link !== 0; link = children.next[link - 1]!) mixChild(mixer, state, link - 1)
  mixMoves(mixer, state, row)
  if (inFull) mixContext(mixer, state, row)
}

/** Of one that has not moved there are none; in a cluster with an older build there never are. */
function mixMoves(mixer: Mixer, { moves }: State, session: number): void {
  for (let row = moves.latest(session); row !== -1; row = moves.before(row)) {
    for (const column of [moves.from, moves.epoch, moves.at, moves.way, moves.interruption]) mixer.add(column[row]!)
  }
}

function mixTraffic(mixer: Mixer, { sessions }: State, session: number): void {
  const row = sessions.find(session)
  for (const column of [sessions.packetsIn, sessions.packetsOut, sessions.octetsIn, sessions.octetsOut]) mixer.add(column[row]!)
}

function mixChild(mixer: Mixer, { children, slab }: State, child: number): void {
  mixer.add(children.spiIn[child]!)
  mixer.add(children.start[child]!)
  mixer.add(children.ceilingBase[child]!)
  mixer.add(children.ceilingRate[child]!)
  mixer.add(children.ceilingTick[child]!)
  mixer.add(children.floor[child]!)
  mixer.add(children.horizonBase[child]!)
  mixer.add(children.horizonRate[child]!)
  mixer.add(children.horizonTick[child]!)
  mixer.add(children.highest[child]!)
  if (children.seen[child] !== 0) mixer.octets(slab.get(children.seen[child]!))
}

function mixContext(mixer: Mixer, state: State, row: number): void {
  const { sessions, ikes, slab } = state
  mixer.add(sessions.phase[row]!)
  mixer.add(sessions.expiresAt[row]!)
  mixer.octets(slab.get(sessions.context[row]!))
  for (const ike of ikeRows(state, row)) {
    mixer.add(ikes.spiHigh[ike]!)
    mixer.add(ikes.spiLow[ike]!)
    mixer.add(ikes.expectedRequest[ike]!)
    mixer.add(ikes.nextRequest[ike]!)
    if (ikes.reply[ike] !== 0) mixer.octets(slab.get(ikes.reply[ike]!))
    if (ikes.pending[ike] !== 0) mixer.octets(slab.get(ikes.pending[ike]!))
  }
}
