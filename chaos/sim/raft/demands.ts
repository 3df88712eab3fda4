/** What a healed cluster owes, in the second phase: progress, quiet while all is well, and that who has lost its disk is a member again soon. */

import { isDeepStrictEqual } from 'node:util'
import { isMember } from '../../../raft/membership.ts'
import type { ServerId } from '../../../raft/message.ts'
import { isVoter } from '../../../raft/quorum.ts'
import type { Raft } from '../../../raft/state.ts'
import { Violation } from '../checkers/violation.ts'
import { NoProgress } from '../no-progress.ts'
import type { Cluster } from './cluster.ts'
import { isQuorumOfAll } from './membership.ts'
import type { Server } from './server.ts'

const rejoiningMs = 3000
/** With one entry a message, and messages out of order. */
const slowestEntryMs = 10

/** At every one of `healed` that is a member in the end a command and a read succeed, and all apply what was committed by then. */
export function demandProgress(cluster: Cluster, ms: number, healed: readonly Server[]): void {
  const { clients, checkers } = cluster
  const end = cluster.now + ms
  clients.forgetAnswers()
  let committed = Infinity
  let needed = healed
  while (cluster.now < end) {
    cluster.turn()
    needed = healed.filter(({ id }) => isMember(cluster.membership, id))
    for (const server of cluster.draw.chance(100) ? needed : []) {
      if (!server.isCalling('command')) clients.write(server)
      if (!server.isCalling('read')) clients.read(server)
    }
    if (committed === Infinity && clients.haveAnswersOf(needed)) committed = checkers.committed.length
    // A change that was under way is complete.
    const isSettled = cluster.membership.outgoingVoters === null
    if (isSettled && needed.every((server) => server.lastApplied >= committed && isWhole(server))) return
  }
  throw new NoProgress(`no progress within ${ms} ms after healing ${needed.map(({ id }) => id).join(', ')}: ${cluster.describe()}`)
}

/**
 * While all is well nobody unseats the leader: not a follower that is wrongly told that it is gone, nor one that alone does not hear it
 * (thesis §4.2.3, §9.6).
 */
export function demandQuiet(cluster: Cluster, healed: readonly Server[]): void {
  cluster.turnFor(300)
  const { membership } = cluster
  const members = healed.filter(({ id }) => isMember(membership, id))
  // Who does not vote any more hands over.
  const leader = members.find(({ id, raft }) => raft?.phase.type === 'leader' && isVoter(membership, id))
  const [first, second] = members.filter((server) => server !== leader)
  if (leader === undefined || first === undefined) return
  const { currentTerm } = leader.raft!
  first.step({ type: 'peerGone', peer: leader.id })
  cluster.turnFor(300)
  const isHeard = (id: ServerId): boolean => members.some((server) => server.id === id && server !== second)
  if (second !== undefined && isQuorumOfAll([membership], isHeard)) cluster.network.cut(leader.id, second.id)
  cluster.turnFor(300)
  // A change of the membership may come to its end meanwhile, and who leads may be removed.
  const isChanging = cluster.possibleMemberships.some((other) => !isDeepStrictEqual(other, membership))
  if (leader.raft!.currentTerm === currentTerm || isChanging) return
  throw new Violation('quiet', `${leader.id} led term ${currentTerm}, and was unseated: ${cluster.describe()}`)
}

/** Whoever leads can write: whose disk hangs leads no more when a write has been on its way for an election timeout and a while. */
export function demandWorkingLeader(cluster: Cluster): void {
  cluster.turnFor(500)
  const hanging = cluster.all.find(({ raft, stalledUntil }) => stalledUntil === Infinity && raft?.phase.type === 'leader' && isLate(raft))
  if (hanging !== undefined) throw new NoProgress(`${hanging.id} still leads, and its disk hangs`)
}

function isLate({ now, pendingWrites, options: { electionTimeoutMs } }: Raft): boolean {
  return pendingWrites.some(({ since }) => now - since > electionTimeoutMs + 50)
}

/** A follower whose disk is found damaged now is a member again soon: as soon as it can have the log. */
export function demandRejoining(cluster: Cluster): void {
  cluster.network.join()
  const follower = cluster.all.find(({ id, raft }) => raft?.phase.type !== 'leader' && isMember(cluster.membership, id))
  if (follower === undefined || cluster.possibleLosses(follower).length === 0) return
  cluster.crash(follower)
  cluster.loseDisk(follower, 'all')
  cluster.boot(follower)
  const entries = Math.max(...cluster.all.map(({ raft }) => (raft === null ? 0 : raft.log.lastIndex - raft.log.base.index)))
  const ms = rejoiningMs + slowestEntryMs * entries
  for (const end = cluster.now + ms; cluster.now < end && !isWhole(follower);) cluster.turn()
  if (!isWhole(follower)) throw new NoProgress(`${follower.id} is no member again after ${ms} ms: ${cluster.describe()}`)
}

/** A server whose disk has lost something is a member again. */
function isWhole({ raft, machine }: Server): boolean {
  return raft?.standing.type === 'member' && machine.lost === null
}
