/**
 * Who belongs to the Raft group of a world's gateways: what is committed, and whatever may yet be in force. It is by this that the world knows
 * which gateways it may take away at a time.
 */

import type { Membership } from '../../raft/membership.ts'
import type { Message } from '../../raft/message.ts'
import { members } from '../../raft/quorum.ts'
import type { Cluster } from './cluster.ts'
import type { Judges } from './judges.ts'
import { committedMembership, configurationsUnderWay, isQuorumOfAll } from './raft/membership.ts'
import type { Machine } from './raft/machine.ts'
import { mayChangeMembership } from './raft/healing.ts'

export class Memberships {
  readonly #cluster: Cluster
  readonly #judges: Judges
  readonly #first: readonly string[]
  #era = 0

  constructor(first: readonly string[], cluster: Cluster, judges: Judges) {
    this.#first = first
    this.#cluster = cluster
    this.#judges = judges
  }

  get present(): Membership {
    return committedMembership(this.#first, this.#judges.raft.committed)
  }

  /** The present one, and those that are under way. */
  get possible(): readonly Membership[] {
    const holders = [...this.#cluster.hosts].map(([id, { machine }]) => ({
      machine,
      raft: this.#cluster.nodes.get(id)?.member.raft ?? null,
    }))
    return [this.present, ...configurationsUnderWay(holders, this.#judges.raft.committed)]
  }

  /** How many were committed. */
  get count(): number {
    return this.#judges.raft.committed.filter(({ kind }) => kind === 'configuration').length
  }

  /** Whether those that `has` are a majority whichever configuration is in force, or will be. */
  isEnough(has: (id: string) => boolean): boolean {
    return isQuorumOfAll(this.possible, has)
  }

  /** Those of members, in whichever configuration. */
  get machines(): readonly Machine[] {
    const ids = new Set(this.possible.flatMap(members))
    return this.#cluster.machines.filter(({ id }) => ids.has(id))
  }

  /** A disk is being brought in order: until then an operator leaves the others as they are. */
  get mayChange(): boolean {
    return this.machines.every(({ isAmnesiac }) => !isAmnesiac)
  }

  /** It is being settled who may be missing: what is on its way, asked for or appended, is lost, so that nobody else is needed afterwards. */
  settle(): void {
    this.#era += 1
  }

  /** Whether what was asked for now was lost, when somebody wants to know. */
  request(): () => boolean {
    const era = this.#era
    return () => era !== this.#era
  }

  /** The same of a message that leaves now. */
  sent(message: Message): () => boolean {
    return mayChangeMembership(message) ? this.request() : () => false
  }
}
