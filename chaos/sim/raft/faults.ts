/** What goes wrong in the first phase, in every turn by chance: each seed has drawn its own mixture (swarm.ts). */

import type { HardState } from '../../../raft/effects.ts'
import type { Cluster } from './cluster.ts'
import { ForgottenElections } from './forgotten-elections.ts'
import { MembershipFaults } from './membership-faults.ts'
import { Partitions } from './partitions.ts'
import type { Server } from './server.ts'

export class Faults {
  readonly #cluster: Cluster
  readonly #partitions: Partitions
  readonly #membership: MembershipFaults
  readonly #forgottenElections: ForgottenElections

  constructor(cluster: Cluster) {
    this.#cluster = cluster
    this.#partitions = new Partitions(cluster)
    this.#membership = new MembershipFaults(cluster, this.#partitions)
    this.#forgottenElections = new ForgottenElections(cluster)
  }

  inject(): void {
    const cluster = this.#cluster
    const { draw, swarm } = cluster
    for (const server of cluster.servers.values()) this.#disturb(server)
    if (draw.chance(swarm.crashLeader)) cluster.crashNowOrSoon(cluster.pickLeader())
    if (draw.chance(swarm.crashAll)) for (const server of cluster.servers.values()) cluster.crash(server)
    if (draw.chance(swarm.copyDisk)) copyDisk(cluster.pick())
    if (draw.chance(swarm.loseDisk)) this.#loseDisk(cluster.pick())
    if (draw.chance(5 * swarm.loseDisk)) this.#forgetVote()
    if (draw.chance(2 * swarm.loseDisk)) this.#forgottenElections.begin()
    this.#forgottenElections.advance((server) => this.#loseDisk(server))
    this.#partitions.inject()
    if (draw.chance(swarm.falseAlarm)) this.#falseAlarm()
    if (draw.chance(swarm.transferLeadership)) this.#transferLeadership()
    if (draw.chance(swarm.changeMembership)) this.#membership.change()
  }

  #disturb(server: Server): void {
    const { draw, swarm, now } = this.#cluster
    if (server.raft === null && draw.chance(swarm.boot)) this.#cluster.boot(server)
    else if (server.raft !== null && draw.chance(swarm.crash)) this.#cluster.crashNowOrSoon(server)
    if (draw.chance(swarm.stall)) server.stalledUntil = now + draw.below(500)
    if (draw.chance(swarm.freeze)) server.frozenUntil = now + draw.below(800)
  }

  #loseDisk(server: Server): void {
    const cluster = this.#cluster
    if (this.#membership.isUnderWay) return
    cluster.crash(server)
    const losses = cluster.possibleLosses(server)
    if (losses.length === 0) return
    cluster.counts.amnesias++
    const loss = cluster.draw.oneOf(losses)
    cluster.trace.line(cluster.now, `lose ${server.id} ${loss}`)
    cluster.loseDisk(server, loss)
    if (cluster.draw.chance(700)) return
    // The leader still takes it for one that has the whole log.
    cluster.boot(server)
    cluster.pickLeader().transferLeadership(server.id)
  }

  /** One that has just voted forgets it, and whom it voted for is gone. */
  #forgetVote(): void {
    const servers = this.#cluster.all
    const candidate = servers.find(({ raft }) => raft?.phase.type === 'candidate')
    const hasVoted = ({ votedFor, currentTerm }: HardState): boolean =>
      votedFor === candidate?.id && currentTerm === candidate.raft?.currentTerm
    const voter = servers.find((server) => server !== candidate && hasVoted(server.machine.disk.hardState))
    if (candidate === undefined || voter === undefined) return
    this.#loseDisk(voter)
    this.#cluster.crash(candidate)
  }

  #falseAlarm(): void {
    const [server, peer] = [this.#cluster.pick(), this.#cluster.pick()]
    if (!server.isFrozen) server.step({ type: 'peerGone', peer: peer.id })
  }

  /** Asked for at any server, for any other. */
  #transferLeadership(): void {
    const [server, target] = [this.#cluster.pick(), this.#cluster.pick()]
    if (!server.isFrozen) server.transferLeadership(target.id)
  }
}

function copyDisk({ machine }: Server): void {
  machine.copy = machine.disk
}
