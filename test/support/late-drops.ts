/**
 * What gateways of a cluster dropped because the machine was too busy for them. A packet that waits for an agreement for more than 200 ms is dropped and
 * counted as such; and a gateway whose threads stood still for longer than others wait for it drops what comes until it has a new lease. A test that
 * nothing is lost sets these against what is missing: how busy the machine is is not the test's matter.
 */

import { setTimeout as wait } from 'node:timers/promises'
import type { ServeCluster } from './serve-cluster.ts'

/** A gateway reports its drops once a second. */
const REPORTED_MS = 1500
const reasons = ['horizon-expired', 'ceiling-expired', 'held-expired', 'parked-expired']

export class LateDrops {
  readonly #cluster: ServeCluster
  /** By gateway and reason: the highest counts seen, for a process that is gone says nothing more. */
  readonly #drops = new Map<string, number>()
  readonly #leaving = new Set<string>()

  constructor(cluster: ServeCluster) {
    this.#cluster = cluster
  }

  /** What it drops for want of a lease from now on is its own fault: it gives its sessions away. */
  leaves(id: string): void {
    this.#leaving.add(id)
  }

  /** Asks all gateways that answer. */
  async look(): Promise<void> {
    for (const { id } of this.#cluster.layout.gateways) {
      const counts = await this.#cluster.counts(id, 'evpc_drops_total').catch(() => null)
      for (const [reason, count] of counts ?? []) {
        const key = `${id} ${reason}`
        this.#drops.set(key, Math.max(this.#drops.get(key) ?? 0, count))
      }
    }
  }

  /** How many, of all that was dropped by now. */
  async count(): Promise<number> {
    await wait(REPORTED_MS)
    await this.look()
    let count = 0
    for (const [key, drops] of this.#drops) if (this.#isLate(...(key.split(' ') as [string, string]))) count += drops
    return count
  }

  /** Of every gateway and reason, for a message. */
  toString(): string {
    return JSON.stringify([...this.#drops])
  }

  #isLate(gateway: string, reason: string): boolean {
    return reasons.includes(reason) || (reason === 'not-serving' && !this.#leaving.has(gateway))
  }
}
