/**
 * Raises the version that the cluster goes by (context/cluster-version.ts), once nobody is left who would not understand: the leader proposes it when
 * every member has a connection to it and has said on it what its build knows. Who says nothing knows the oldest version alone.
 */

import { oldestClusterVersion } from '../context/cluster-version.ts'
import type { LogStatus } from '../context/log-status.ts'
import type { SetClusterVersion } from '../session/commands.ts'
import type { State } from '../session/state.ts'
import { SingleProposal } from './single-proposal.ts'

export interface ClusterUpgradeOptions {
  readonly self: string
  /** What this build knows. */
  readonly newest: number
  readonly state: State
  readonly propose: (command: SetClusterVersion, settled: () => void) => void
  readonly outdated: (problem: string) => void
}

/** A version that no build has. */
const MAX_VERSION = 65_535

export class ClusterUpgrade {
  readonly #o: ClusterUpgradeOptions
  /** Of members that are connected, the newest version that their builds know. */
  readonly #known = new Map<string, number>()
  readonly #proposal: SingleProposal<SetClusterVersion>

  constructor(options: ClusterUpgradeOptions) {
    this.#o = options
    this.#proposal = new SingleProposal(options.propose)
  }

  /** What a member's build knows, as it says now and then. */
  announced(gateway: string, newest: number): void {
    this.#known.set(gateway, Math.min(newest, MAX_VERSION))
  }

  /** The connection to it has ended: it may come back as another build. */
  lost(gateway: string): void {
    this.#known.delete(gateway)
  }

  /** The newest version that all members are known to know. */
  common(members: readonly string[]): number {
    const { self, newest } = this.#o
    return Math.min(newest, ...members.map((id) => (id === self ? newest : (this.#known.get(id) ?? oldestClusterVersion))))
  }

  /** Only a build that was put in the place of a newer one can be told of what it does not know. */
  applied(version: number): void {
    const { newest, outdated } = this.#o
    if (version > newest) outdated(`the cluster goes by version ${version}, and this build knows ${newest}`)
  }

  tick(status: LogStatus | null): void {
    const { newest, state } = this.#o
    if (status?.role !== 'leader' || this.#proposal.isUnderWay || state.clusterVersion >= newest) return
    const version = this.common(status.members.map(({ id }) => id))
    if (version <= state.clusterVersion) return
    this.#proposal.propose({ type: 'set-cluster-version', version })
  }
}
