/**
 * A run of the raft-only world: a seed draws the cluster's size and every delay, loss, copy, partition and crash. A minority's disks are found
 * damaged, are wiped, or get an older copy back. The application, a few registers that clients of every server use, checkpoints what was
 * applied, the log is compacted, and followers that were left behind get snapshots. First faults, then healing, and then the cluster must
 * make progress: all of it, or a majority while the rest stays as it is. At the end what the clients were told must be linearizable.
 */

import type { ServerId } from '../../../raft/message.ts'
import type { RaftCheckers } from './checkers.ts'
import { Cluster } from './cluster.ts'
import type { Counts } from './counts.ts'
import { demandProgress, demandQuiet, demandRejoining, demandWorkingLeader } from './demands.ts'
import { Faults } from './faults.ts'
import { healAll, healMajority } from './healing.ts'
import type { Server } from './server.ts'

export class RaftWorld {
  readonly #cluster: Cluster
  readonly #faults: Faults

  constructor(seed: number, print: ((line: string) => void) | null = null) {
    this.#cluster = new Cluster(seed, print)
    this.#faults = new Faults(this.#cluster)
  }

  get now(): number {
    return this.#cluster.now
  }

  get servers(): ReadonlyMap<ServerId, Server> {
    return this.#cluster.servers
  }

  get checkers(): RaftCheckers {
    return this.#cluster.checkers
  }

  get counts(): Counts {
    return this.#cluster.counts
  }

  /** Of everything that happened: equal for two runs of one seed. */
  get fingerprint(): string {
    return this.#cluster.trace.fingerprint
  }

  /** Faults for so long. */
  runWithFaults(ms: number): void {
    for (const end = this.now + ms; this.now < end;) {
      this.#faults.inject()
      this.#cluster.turn()
    }
  }

  /** Heals everything; then clients of every server must have answers within so long. Throws `NoProgress`. */
  runUntilProgress(ms: number): void {
    const cluster = this.#cluster
    const healed = healAll(cluster)
    demandProgress(cluster, ms, healed)
    demandQuiet(cluster, healed)
    demandRejoining(cluster)
  }

  /** Heals a majority for good; the rest stays as it is. The majority must get there. */
  runUntilMajorityProgress(ms: number): void {
    const cluster = this.#cluster
    const healed = healMajority(cluster)
    demandProgress(cluster, ms, healed)
    demandQuiet(cluster, healed)
    demandWorkingLeader(cluster)
  }

  /** At the end: what the clients were told, and what the log holds. */
  checkHistory(): void {
    this.#cluster.clients.check()
  }
}
