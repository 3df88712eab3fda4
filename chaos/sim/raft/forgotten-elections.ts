/**
 * A leader sleeps, and its clock with it. Meanwhile another is elected, and commits something. Then one of those that elected it forgets that, and
 * the new leader is cut off; and the old one, which wakes and knows of nothing, goes on with who has forgotten.
 */

import { isVoter } from '../../../raft/quorum.ts'
import type { Cluster } from './cluster.ts'
import type { Server } from './server.ts'

/** By then another leads, or it came to nothing. */
const sleepMs = 600

export class ForgottenElections {
  readonly #cluster: Cluster
  #asleep: Server | null = null

  constructor(cluster: Cluster) {
    this.#cluster = cluster
  }

  begin(): void {
    const { leader, now } = this.#cluster
    if (leader === undefined || leader.isFrozen) return
    leader.frozenUntil = now + sleepMs
    this.#asleep = leader
  }

  /** In every turn. `loseDisk`: ends the server's process, and makes it forget what its disk held. */
  advance(loseDisk: (server: Server) => void): void {
    const cluster = this.#cluster
    const former = this.#asleep
    if (former === null) return
    if (!former.isFrozen || former.raft === null) return void (this.#asleep = null)
    const next = cluster.all.find((server) => server !== former && hasCommitted(server))
    const voter = next === undefined ? undefined : cluster.all.find((server) => hasElected(server, next) && server !== former)
    if (next === undefined || voter === undefined) return
    this.#asleep = null
    cluster.network.join()
    cluster.cutWhere((from, to) => from === next.id || to === next.id)
    loseDisk(voter)
    if (voter.raft === null) cluster.boot(voter)
    former.frozenUntil = 0
    for (let i = 0; i < 3; i++) cluster.clients.write(former)
  }
}

/** Something of its own term. */
function hasCommitted({ raft }: Server): boolean {
  return raft !== null && raft.phase.type === 'leader' && raft.log.term(raft.commitIndex) === raft.currentTerm
}

function hasElected(server: Server, { id, raft }: Server): boolean {
  const { currentTerm, votedFor } = server.machine.disk.hardState
  return server.id !== id && raft !== null && votedFor === id && currentTerm === raft.currentTerm && isVoter(raft.configuration, server.id)
}
