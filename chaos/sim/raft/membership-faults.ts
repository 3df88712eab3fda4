/** Changes of the membership while things go wrong: what is half done then is what matters. */

import type { MembershipChange } from '../../../raft/membership.ts'
import type { ServerId } from '../../../raft/message.ts'
import type { Cluster } from './cluster.ts'
import { drawChanges, nextId, turned } from './membership.ts'
import type { Partitions } from './partitions.ts'
import type { Server } from './server.ts'

/** A request for a change is not on its way for longer. */
const underWayMs = 1200

export class MembershipFaults {
  readonly #cluster: Cluster
  readonly #partitions: Partitions
  #askedAt = -Infinity

  constructor(cluster: Cluster, partitions: Partitions) {
    this.#cluster = cluster
    this.#partitions = partitions
  }

  /** Whether a change that was asked for may still begin. */
  get isUnderWay(): boolean {
    return this.#cluster.now - this.#askedAt < underWayMs
  }

  /** Asked for at a leader, or at any server; one that is added starts at once. */
  change(): void {
    const cluster = this.#cluster
    const { leader } = cluster
    const server = leader !== undefined && cluster.draw.chance(900) ? leader : cluster.pick()
    // An operator does not remove voters while the disks of others are being brought in order.
    if (server.isFrozen || cluster.all.some(({ machine }) => machine.isAmnesiac)) return
    const id = nextId(cluster.servers)
    const changes = this.#drawChanges(server, id)
    if (changes.length === 0) return
    if (id !== null && changes[0]!.type === 'add') cluster.join(id)
    server.changeMembership(changes)
    this.#askedAt = cluster.now
    const draw = cluster.draw.below(4)
    if (draw === 0) cluster.crashNowOrSoon(server)
    if (draw === 1) this.#partitions.strandLeader()
    if (draw === 2) this.#partitions.cutOffOldVoters(server)
  }

  /** Often the leader itself is to go. */
  #drawChanges({ id, raft }: Server, newId: ServerId | null): MembershipChange[] {
    const { membership, draw } = this.#cluster
    const mayGo = raft?.phase.type === 'leader' && membership.voters.length > 1 && membership.voters.includes(id)
    return mayGo && draw.chance(300) ? turned(membership, id) : drawChanges(draw.random, membership, newId)
  }
}
