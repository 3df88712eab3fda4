/**
 * Changes of the membership while everything else goes on: voters become learners and learners voters, one or several at once, the leader
 * among them. And what is to come in their middle: the leader's end, its leadership handed on, the old voters cut off from those that are to vote.
 */

import type { Membership, MembershipChange } from '../../raft/membership.ts'
import { isVoter, members } from '../../raft/quorum.ts'
import type { SeededRandom } from '../../src/kit/random.ts'
import { randomBelow } from '../../src/kit/random.ts'
import type { Cluster } from './cluster.ts'
import type { GatewayNode } from './gateway-node.ts'
import type { Memberships } from './memberships.ts'
import { turned } from './raft/membership.ts'
import type { Scheduler } from './scheduler.ts'

/** What follows a change does so within so long: its two entries are on their way then. */
const MIDDLE_MS = 15
const MAX_MESSAGES = 12

export interface MembershipChangesOptions {
  readonly scheduler: Scheduler
  readonly random: SeededRandom
  readonly cluster: Cluster
  readonly memberships: Memberships
  /** Cuts some gateways off from the others for a while. */
  readonly separate: (side: readonly string[], forMs: number) => void
}

export class MembershipChanges {
  readonly #o: MembershipChangesOptions

  constructor(options: MembershipChangesOptions) {
    this.#o = options
  }

  /** Asked for at the leader, or now and then at this gateway. */
  ask(id: string, forMs: number): void {
    const { cluster, memberships, random } = this.#o
    const nodes = [...cluster.nodes.values()]
    const leader = nodes.findLast(({ member }) => member.raft.phase.type === 'leader')
    const node = leader !== undefined && randomBelow(random, 10) > 0 ? leader : cluster.nodes.get(id)
    if (node === undefined || !memberships.mayChange) return
    const changes = drawTurns(random, memberships.present, leader?.id ?? null)
    const isLost = memberships.request()
    node.ask(({ member }) => {
      if (!isLost()) member.changeMembership(changes)
    })
    this.#o.scheduler.after(random.fraction() * MIDDLE_MS, () => {
      if (!isLost()) this.#disturb(node, forMs)
    })
  }

  #disturb(node: GatewayNode, forMs: number): void {
    const { random, cluster, memberships, separate } = this.#o
    const ids = [...cluster.hosts.keys()]
    switch (randomBelow(random, 8)) {
      case 0:
        node.member.messagesLeft = randomBelow(random, MAX_MESSAGES)
        return
      case 1:
        return cluster.crash(node.id, forMs)
      case 2:
        return node.ask(({ member }) => member.handLeadership(null))
      case 3:
        // Those that vote now, from who makes the change and those that are to vote.
        return separate(
          ids.filter((id) => id !== node.id && memberships.present.voters.includes(id)),
          forMs,
        )
      case 4:
        return separate(
          ids.filter((id) => id === node.id || randomBelow(random, 3) === 0),
          forMs,
        )
    }
  }
}

/** The leader, one, some, all, or all that do not vote. */
function drawTurns(random: SeededRandom, present: Membership, leader: string | null): MembershipChange[] {
  const all = members(present)
  const turnAll = (ids: readonly string[]): MembershipChange[] => ids.flatMap((id) => turned(present, id))
  switch (randomBelow(random, 6)) {
    case 0:
      return turnAll(all)
    case 1:
      return turnAll(all.filter((id) => !isVoter(present, id)))
    case 2:
      return turnAll(all.filter((id) => id === leader))
    case 3:
      return turnAll([all[randomBelow(random, all.length)]!])
    default:
      return turnAll(all.filter(() => randomBelow(random, 2) === 0))
  }
}
