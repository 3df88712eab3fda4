/** Between the two phases: all are healed, or those that are needed, whichever configuration is in force; the rest stays broken for good. */

import type { Message } from '../../../raft/message.ts'
import { decodeMessage } from '../../../raft/codec.ts'
import type { Cluster } from './cluster.ts'
import { isQuorumOfAll } from './membership.ts'
import type { Server } from './server.ts'

const calmNetwork = { lossPercent: 0, copyPercent: 0, maxDelayMs: 4, latePercent: 0 }

export function healAll(cluster: Cluster): readonly Server[] {
  heal(cluster, cluster.all)
  return cluster.all
}

/** Heals a majority for good; the rest stays as it is, or worse. */
export function healMajority(cluster: Cluster): readonly Server[] {
  cluster.network.drop((bytes) => mayChangeMembership(decodeMessage(bytes)))
  const healed = drawMajority(cluster)
  heal(cluster, healed)
  for (const server of cluster.servers.values()) {
    if (healed.includes(server)) continue
    // And just then it is to lead.
    cluster.pickLeader().transferLeadership(server.id)
    leaveBroken(cluster, server)
  }
  return healed
}

function heal(cluster: Cluster, healed: readonly Server[]): void {
  cluster.isHealed = true
  cluster.network.join()
  // A transfer that was asked for before, and comes late, would unseat a leader that nothing else does.
  cluster.network.drop((bytes) => ['transferLeadership', 'timeoutNow'].includes(decodeMessage(bytes).type))
  cluster.network.faults = calmNetwork
  for (const server of healed) {
    server.stalledUntil = 0
    server.frozenUntil = 0
    server.messagesLeft = Infinity
    if (server.raft === null) cluster.boot(server)
  }
}

/** What is on its way must not change who is needed when it has been drawn who is healed. */
export function mayChangeMembership(message: Message): boolean {
  if (message.type === 'appendEntries') return message.entries.some(({ kind }) => kind === 'configuration')
  return message.type === 'changeMembership'
}

/**
 * Of those whose disks are in order: whose disk forgot something needs all others to find out what. Enough for whichever configuration may be in
 * force. Too few: all of them.
 */
function drawMajority(cluster: Cluster): readonly Server[] {
  const { all, possibleMemberships, draw } = cluster
  const whole = all.filter(({ machine }) => machine.lost === null && !machine.disk.lives.isRejoining)
  const isEnough = (some: readonly Server[]): boolean => isQuorumOfAll(possibleMemberships, (id) => some.some((server) => server.id === id))
  if (!isEnough(whole)) return all
  const leader = draw.chance(500) ? cluster.pickLeader() : null
  const ranks = new Map(whole.map((server) => [server, server === leader ? -1 : draw.below(1000)]))
  for (const server of whole.toSorted((a, b) => ranks.get(a)! - ranks.get(b)!)) {
    const fewer = whole.filter((other) => other !== server)
    if (isEnough(fewer)) whole.splice(whole.indexOf(server), 1)
  }
  return whole
}

/** For good: down, frozen, with a disk that hangs, cut off one way or both ways. */
function leaveBroken(cluster: Cluster, server: Server): void {
  const { draw, network } = cluster
  // A leader that is heard, and does not hear, keeps the others from electing one that works.
  const isLeader = server.raft?.phase.type === 'leader'
  const ways = isLeader ? 1 : draw.below(3)
  if (server.raft === null) return
  switch (isLeader ? 2 + draw.below(2) : draw.below(4)) {
    case 0:
      return cluster.crash(server)
    case 1:
      return void (server.frozenUntil = Infinity)
    case 2:
      return void (server.stalledUntil = Infinity)
    default:
      for (const id of cluster.servers.keys()) {
        if (ways !== 0) network.cut(id, server.id)
        if (ways !== 1) network.cut(server.id, id)
      }
  }
}
