/**
 * What the cluster must survive, counted as it really is: who is out, from the moment that something was done to a gateway until it serves again. Pure.
 *
 * A majority of the voters must be left, also of one voter fewer while the membership changes: on who leaves and on who joins nobody counts meanwhile.
 */

import type { GatewayId } from '../lab/network.ts'

export class Survival {
  readonly #voters: number
  /** Those of a link that is cut are one outage: it takes one of them away, whichever. */
  readonly #outages = new Set<readonly GatewayId[]>()
  /** Who is being replaced. */
  #leaving: GatewayId | null = null

  constructor(voters: number) {
    this.#voters = voters
  }

  /** How many outages there may be at once. */
  get tolerated(): number {
    const voters = this.#leaving === null ? this.#voters : this.#voters - 1
    return voters - (Math.floor(voters / 2) + 1)
  }

  get out(): GatewayId[] {
    return [...[...this.#outages].flat(), ...(this.#leaving === null ? [] : [this.#leaving])]
  }

  /** Counts these as one outage and returns true; or false, and nothing changes: one of them is out, or too few would be left. */
  take(machines: readonly GatewayId[]): boolean {
    if (machines.some((machine) => this.out.includes(machine)) || this.#outages.size + 1 > this.tolerated) return false
    this.#outages.add(machines)
    return true
  }

  /** They serve again. `machines`: what was taken. */
  giveBack(machines: readonly GatewayId[]): void {
    this.#outages.delete(machines)
  }

  /** The same for a change of the members, of which there is one at a time. */
  beginChange(machine: GatewayId): boolean {
    if (this.#leaving !== null || this.out.includes(machine)) return false
    this.#leaving = machine
    if (this.#outages.size <= this.tolerated) return true
    this.#leaving = null
    return false
  }

  endChange(): void {
    this.#leaving = null
  }
}
