/**
 * S5: a stale owner changes nothing. Judges every command on its own copy of the agreed state, just before it applies it there: a command
 * that takes effect must come from the session's owner, in its epoch and, where the rules say so, of its version, with a higher serial or
 * the expected Message ID. An incarnation ends once (rule 3), and its tick never goes back (rule 4).
 */

import { apply } from '../../../src/session/apply.ts'
import type { Command, CommitExchange } from '../../../src/session/commands.ts'
import { decodeCommand } from '../../../src/session/commands.ts'
import type { Result } from '../../../src/session/results.ts'
import type { State } from '../../../src/session/state.ts'
import { createState } from '../../../src/session/state.ts'
import type { SessionView } from '../../../src/session/view.ts'
import { digest, ownership, sessionView } from '../../../src/session/view.ts'
import type { Bytes } from '../../../src/kit/bytes.ts'
import type { ApplyHook } from '../hook.ts'
import { withHook } from '../hook.ts'
import { Violation } from './violation.ts'

interface Claim {
  readonly session: number
  readonly incarnation: number
  readonly epoch: number
  readonly version: number | null
  /** Of a grant record: must be higher than the last one. */
  readonly serial: number | null
  readonly exchange: CommitExchange | null
}

export class StaleOwner {
  readonly state: State = createState()
  /** Incarnations that have ended, the latest last. */
  readonly ended: number[] = []
  readonly #hook: ApplyHook | null
  commands = 0

  constructor(hook: ApplyHook | null = null) {
    this.#hook = hook
  }

  /** What `apply` made of it. */
  committed(octets: Bytes): Result {
    const command = decodeCommand(octets)
    const claims = claimsOf(command)
    const stale = claims.filter((claim) => this.#isStale(claim))
    const fresh = claims.filter((claim) => !stale.includes(claim))
    const ticks = new Map(this.state.incarnations.up().map(({ number, tick }) => [number, tick]))
    const wasUp = command.type === 'gateway-down' && this.state.incarnations.isUp(command.incarnation)
    const result = withHook(this.#hook, this.state, octets, () => apply(this.state, command))
    this.commands += 1
    for (const { session } of stale) {
      const allowed = fresh.filter((claim) => claim.session === session).length
      if (timesTaken(command, result, session) > allowed)
        throw new Violation('S5', `${command.type} of a stale owner changed session ${session}`)
    }
    this.#checkIncarnations(command, result, wasUp, ticks)
    return result
  }

  digest(): string {
    return digest(this.state)
  }

  #checkIncarnations(command: Command, result: Result, wasUp: boolean, ticks: ReadonlyMap<number, number>): void {
    if (command.type === 'gateway-down' && result.type === 'ended') {
      if (!wasUp) throw new Violation('S5', `incarnation ${command.incarnation} ended twice`)
      this.ended.push(command.incarnation)
    }
    for (const [number, before] of ticks) {
      const after = this.state.incarnations.get(number)?.tick ?? before
      if (after < before) throw new Violation('S5', `the tick of incarnation ${number} went back from ${before} to ${after}`)
    }
  }

  #isStale(claim: Claim): boolean {
    const now = ownership(this.state, claim.session)
    if (now === null || !now.ownerUp) return true
    if (now.owner !== claim.incarnation || now.epoch !== claim.epoch) return true
    if (claim.serial !== null && claim.serial <= now.serial) return true
    if (claim.exchange !== null && !isExpected(sessionView(this.state, claim.session)!, claim.exchange)) return true
    return claim.version !== null && now.version !== claim.version
  }
}

function isExpected(view: SessionView, { ikeSpi, direction, messageId }: CommitExchange): boolean {
  const ike = view.ikes.find(({ spi }) => spi === ikeSpi)
  if (ike === undefined) return false
  if (direction === 'request') return messageId === ike.expectedRequest
  return direction === 'own-request' ? messageId === ike.nextRequest : messageId === ike.nextRequest - 1
}

function claimsOf(command: Command): Claim[] {
  const none = { version: null, serial: null, exchange: null }
  switch (command.type) {
    case 'advance':
      return command.grants.map(({ session, epoch, serial }) => ({ ...none, session, incarnation: command.incarnation, epoch, serial }))
    case 'transfer':
      return command.sessions.map(({ session, epoch, version }) => ({ ...none, session, incarnation: command.incarnation, epoch, version }))
    case 'reclaim':
      return [{ ...none, session: command.session, incarnation: command.incarnation, epoch: command.epoch }]
    case 'commit-exchange':
    case 'end-session': {
      const { session, incarnation, epoch, version } = command
      return [{ session, incarnation, epoch, version, serial: null, exchange: command.type === 'commit-exchange' ? command : null }]
    }
    default:
      return []
  }
}

/** A command may hold several records of a session, some of them stale: then as many are taken as are not. */
function timesTaken(command: Command, result: Result, session: number): number {
  if (result.type === 'refused') return 0
  if (result.type !== 'batch') return 1
  const taken = result.taken.filter((one) => one === session).length
  // A renewal names no epoch and may take a session that a stale record beside it named: it lowers nothing.
  return command.type === 'advance' && command.renewals.includes(session) ? taken - 1 : taken
}
