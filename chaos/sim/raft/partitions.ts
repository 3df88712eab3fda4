/** Servers that are cut off from others: by direction, in shapes that Raft finds hard, or a leader with a few, whose log grows an end of its own. */

import type { ServerId } from '../../../raft/message.ts'
import type { Cluster } from './cluster.ts'
import type { Server } from './server.ts'

export class Partitions {
  readonly #cluster: Cluster
  /** A leader that is cut off until then. */
  #stranded: { readonly leader: Server; readonly until: number } | null = null

  constructor(cluster: Cluster) {
    this.#cluster = cluster
  }

  inject(): void {
    const { draw, swarm, network } = this.#cluster
    if (draw.chance(swarm.partition)) this.#partition()
    if (this.#stranded !== null) this.#mindStranded(this.#stranded)
    else if (draw.chance(swarm.strand)) this.strandLeader()
    else if (draw.chance(swarm.join)) network.join()
  }

  #partition(): void {
    const cluster = this.#cluster
    const { draw } = cluster
    cluster.network.join()
    const leader = cluster.pickLeader().id
    const withLeader = [...cluster.servers.keys()].filter((id) => id === leader || draw.chance(300))
    const centre = cluster.pick().id
    switch (draw.below(5)) {
      case 0:
        return cluster.cutWhere(() => draw.chance(300))
      case 1:
        return cluster.cutWhere((from, to) => withLeader.includes(from) !== withLeader.includes(to))
      // The leader is heard and does not hear; or the other way round.
      case 2:
        return cluster.cutWhere((_, to) => to === leader)
      case 3:
        return cluster.cutWhere((from) => from === leader)
      // A star.
      default:
        return cluster.cutWhere((from, to) => from !== centre && to !== centre)
    }
  }

  /** Cut off, alone or with few, it goes on for a while: its log grows an end that nobody else has. */
  strandLeader(): void {
    const cluster = this.#cluster
    const { draw } = cluster
    const leader = cluster.pickLeader()
    const few = [...cluster.servers.keys()].filter((id) => id === leader.id || draw.chance(200))
    cluster.network.join()
    cluster.cutWhere((from, to) => few.includes(from) !== few.includes(to))
    for (let i = draw.below(40); i >= 0; i--) cluster.clients.write(leader)
    this.#stranded = { leader, until: cluster.now + 150 + draw.below(400) }
  }

  /** The others go on, too. When it is back they may have compacted what it lacks, and their own leader may be gone. */
  #mindStranded({ leader, until }: { readonly leader: Server; readonly until: number }): void {
    const cluster = this.#cluster
    const other = cluster.all.findLast((server) => server !== leader && server.raft?.phase.type === 'leader')
    if (other !== undefined && cluster.draw.chance(50)) cluster.clients.write(other)
    if (cluster.now < until) return
    this.#stranded = null
    if (cluster.draw.chance(600)) for (const server of cluster.servers.values()) if (!server.isFrozen) server.checkpoint(true)
    cluster.network.join()
    if (other !== undefined && cluster.draw.chance(300)) cluster.crash(other)
  }

  /** Those that vote now, from who is to make a change and those that are to vote. */
  cutOffOldVoters({ id }: Server): void {
    const { voters } = this.#cluster.membership
    const isOld = (other: ServerId): boolean => other !== id && voters.includes(other)
    this.#cluster.cutWhere((from, to) => isOld(from) !== isOld(to))
  }
}
