/** Who belongs to a simulated cluster, as far as the simulator may know: by what is committed, and by what any disk or process still believes. */

import type { Membership, MembershipChange } from '../../../raft/membership.ts'
import { decodeMembership, membershipOf } from '../../../raft/membership.ts'
import type { Entry } from '../../../raft/entry.ts'
import type { ServerId } from '../../../raft/message.ts'
import { hasQuorum, members } from '../../../raft/quorum.ts'
import type { Raft } from '../../../raft/state.ts'
import type { SeededRandom } from '../../../src/kit/random.ts'
import { randomBelow } from '../../../src/kit/random.ts'
import type { Machine } from './machine.ts'
import type { Server } from './server.ts'

/** At a time; and ids in all, for none is used again. */
const mostMembers = 7
const mostLearners = 3
const mostServers = 12

/** What may hold a configuration: a disk, and the process on it; null: it is down. */
export interface Holder {
  readonly raft: Raft | null
  readonly machine: Machine
}

/** The last that is committed; at first the one that the cluster was started with. */
export function committedMembership(first: readonly ServerId[], committed: readonly Entry[]): Membership {
  const last = committed.findLast(({ kind }) => kind === 'configuration')
  return last === undefined ? membershipOf({ voters: first, outgoingVoters: null, learners: [] }) : decodeMembership(last.data)
}

/**
 * Configurations that some process or disk has in its log and that are not committed: one of them may yet be in force; or it is in the place of a
 * committed entry, and the server goes by it until it is told.
 */
export function configurationsUnderWay(servers: Iterable<Holder>, committed: readonly Entry[]): Membership[] {
  const found: Membership[] = []
  for (const { raft, machine } of servers) {
    const held = [...machine.disk.entries, ...(raft?.log.slice(raft.log.firstIndex, raft.log.lastIndex) ?? [])]
    for (const { index, term, kind, data } of held) {
      if (kind === 'configuration' && committed[index - 1]?.term !== term) found.push(decodeMembership(data))
    }
  }
  return found
}

/** Whether those that `has` are a quorum whichever of these is in force. */
export function isQuorumOfAll(configurations: readonly Membership[], has: (id: ServerId) => boolean): boolean {
  return configurations.every((configuration) => hasQuorum(configuration, has))
}

/** What to ask for: learners, until there are some; then any voters out of those that there are, all at once, or a removal. */
export function drawChanges(random: SeededRandom, present: Membership, newId: ServerId | null): MembershipChange[] {
  const all = members(present)
  const wantsLearners = newId !== null && present.learners.length < mostLearners && all.length < mostMembers
  if (wantsLearners && randomBelow(random, 2) === 0) return [{ type: 'add', server: newId, address: `${newId}:7400` }]
  if (randomBelow(random, 5) === 0) return [{ type: 'remove', server: all[randomBelow(random, all.length)]! }]
  const isEverybody = randomBelow(random, 3) === 0
  return all.flatMap((server) => (isEverybody || randomBelow(random, 2) === 0 ? turned(present, server) : []))
}

/** A learner becomes a voter, and a voter a learner. */
export function turned(present: Membership, server: ServerId): MembershipChange[] {
  if (present.learners.includes(server)) return [{ type: 'promote', server }]
  return [
    { type: 'remove', server },
    { type: 'add', server, address: `${server}:7400` },
  ]
}

/** The next id that nobody has had. Null: there were enough. */
export function nextId(servers: ReadonlyMap<ServerId, Server>): ServerId | null {
  return servers.size >= mostServers ? null : String.fromCharCode('a'.charCodeAt(0) + servers.size)
}
