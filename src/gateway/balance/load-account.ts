/**
 * How much each gateway carries, summed up from the rates that owners record in the log. The one account that the balancer and drains go by.
 *
 * Nothing is looked at twice: a pass goes over all sessions in slices of a fraction of a millisecond, a million of them in five seconds, and what
 * it found is in force when it ends. Sessions are not sorted: those of a gateway that may be moved are counted by classes of weight.
 */

import type { State } from '../../session/state.ts'
import { establishedOwner } from '../../session/view.ts'
import { WEIGHT_CLASSES, classOf, weightOf } from './weights.ts'

/** Of one owner, at the end of a pass. Loads are sums of weights. */
export class OwnerLoad {
  sessions = 0
  load = 0
  /** The weight of the heaviest session. */
  heaviest = 0
  /** Of sessions that may be moved, by class of weight: how many, and what they weigh together. */
  readonly counts = new Uint32Array(WEIGHT_CLASSES)
  readonly loads = new Float64Array(WEIGHT_CLASSES)
}

/** What a pass asks about sessions as it comes to them. */
export interface Guide {
  /** Whom the session counts for: its owner, or whom it is on its way to. */
  destination(session: number, owner: number, weight: number): number
  /** Whether it may be moved, now that it counts for its owner. */
  mayMove(session: number): boolean
}

/** Rows looked at in a tick of 10 ms. */
const ROWS = 2048

export class LoadAccount {
  readonly #state: State
  readonly #passMs: number
  #finished = new Map<number, OwnerLoad>()
  #running = new Map<number, OwnerLoad>()
  #row = 0
  #startedMs = -Infinity
  #isUnderWay = false
  /** How long the last pass took, ms. */
  lastPassMs = 0

  /** `passMs`: a pass begins no sooner after the one before has begun. */
  constructor(state: State, passMs: number) {
    this.#state = state
    this.#passMs = passMs
  }

  /** What the last pass found, by the number of the incarnation; and what was moved since. */
  get owners(): ReadonlyMap<number, OwnerLoad> {
    return this.#finished
  }

  loadOf(incarnation: number): number {
    return this.#finished.get(incarnation)?.load ?? 0
  }

  /** Looks at the next rows. True when a pass has ended. */
  tick(nowMs: number, guide: Guide): boolean {
    if (!this.#isUnderWay && nowMs - this.#startedMs < this.#passMs) return false
    if (!this.#isUnderWay) this.#begin(nowMs)
    const end = Math.min(this.#state.sessions.end, this.#row + ROWS)
    for (; this.#row < end; this.#row++) this.#look(this.#row, guide)
    if (end < this.#state.sessions.end) return false
    this.#isUnderWay = false
    this.lastPassMs = nowMs - this.#startedMs
    this.#finished = this.#running
    return true
  }

  /** A session is on its way from one to the other, and counts there from now on. */
  moved(session: number, from: number, to: number): void {
    const { sessions } = this.#state
    const row = sessions.find(session)
    if (row === -1) return
    const weight = weightOf(sessions.packetsPerSecond[row]!)
    shift(this.#finished, from, to, weight)
    if (this.#isUnderWay && row < this.#row) shift(this.#running, from, to, weight)
  }

  #begin(nowMs: number): void {
    this.#isUnderWay = true
    this.#startedMs = nowMs
    this.#row = 0
    this.#running = new Map()
  }

  #look(row: number, guide: Guide): void {
    const owner = establishedOwner(this.#state, row)
    if (owner === 0) return
    const { sessions } = this.#state
    const session = sessions.id[row]!
    const weight = weightOf(sessions.packetsPerSecond[row]!)
    const destination = guide.destination(session, owner, weight)
    const account = accountOf(this.#running, destination)
    account.sessions += 1
    account.load += weight
    if (weight > account.heaviest) account.heaviest = weight
    if (destination !== owner || !guide.mayMove(session)) return
    const weightClass = classOf(weight)
    account.counts[weightClass]! += 1
    account.loads[weightClass]! += weight
  }
}

function accountOf(accounts: Map<number, OwnerLoad>, incarnation: number): OwnerLoad {
  const known = accounts.get(incarnation)
  if (known !== undefined) return known
  const account = new OwnerLoad()
  accounts.set(incarnation, account)
  return account
}

function shift(accounts: Map<number, OwnerLoad>, from: number, to: number, weight: number): void {
  const [giver, taker] = [accountOf(accounts, from), accountOf(accounts, to)]
  giver.load = Math.max(0, giver.load - weight)
  giver.sessions = Math.max(0, giver.sessions - 1)
  taker.load += weight
  taker.sessions += 1
}
