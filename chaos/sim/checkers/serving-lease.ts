/**
 * The serving lease: who sends ESP or delivers to the trusted network has heard, within a lease, a majority of the voters, itself among them if it
 * votes: of the configuration that was committed then, or of one that came after it. Not a property of safety; but only so an operator can
 * say when a gateway that was cut off has stopped.
 */

import type { Membership } from '../../../raft/membership.ts'
import { hasQuorum } from '../../../raft/quorum.ts'
import { Violation } from './violation.ts'

interface Committed {
  readonly membership: Membership
  readonly atMs: number
}

export class ServingLease {
  readonly #leaseMs: number
  #configurations: Committed[]
  /** When a gateway last heard another, by `gateway>other`. */
  readonly #heardMs = new Map<string, number>()

  /** `leaseMs`: of the slowest clock. */
  constructor(leaseMs: number, first: Membership) {
    this.#leaseMs = leaseMs
    this.#configurations = [{ membership: first, atMs: -Infinity }]
  }

  /** Once a joint one is committed, the one of the new voters alone may be in a log, and in force there (§6). */
  committed(membership: Membership, nowMs: number): void {
    this.#configurations.push({ membership: { ...membership, outgoingVoters: null }, atMs: nowMs })
  }

  /** The gateway reads a message of the other's from the mesh. */
  heard(gateway: string, other: string, nowMs: number): void {
    this.#heardMs.set(`${gateway}>${other}`, nowMs)
  }

  serves(gateway: string, nowMs: number): void {
    const sinceMs = nowMs - this.#leaseMs
    const all = this.#configurations
    while (all.length > 1 && all[1]!.atMs < sinceMs) all.shift()
    const hasHeard = (id: string): boolean => id === gateway || (this.#heardMs.get(`${gateway}>${id}`) ?? -Infinity) >= sinceMs
    if (all.some(({ membership }) => hasQuorum(membership, hasHeard))) return
    const voters = all.map(({ membership }) => membership.voters.join(' ')).join(', then ')
    throw new Violation('serving lease', `${gateway} serves, and has not heard a majority of the voters lately: ${voters}`)
  }
}
