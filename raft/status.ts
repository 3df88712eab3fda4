/** What a server tells about itself: for people and for liveness, never for safety. */

import type { ServerId } from './message.ts'
import { isVoter, members } from './quorum.ts'
import type { Standing } from './standing.ts'
import type { Raft } from './state.ts'
import { isHeard, knownLeader } from './state.ts'

export interface MemberStatus {
  readonly id: ServerId
  readonly address: string
  readonly role: 'voter' | 'learner'
  /** `unknown` where this server does not lead. */
  readonly state: 'leader' | 'replicating' | 'probing' | 'snapshotting' | 'unreachable' | 'unknown'
  readonly matchIndex: number | null
}

export interface RaftStatus {
  readonly id: ServerId
  readonly role: 'leader' | 'follower' | 'candidate' | 'learner'
  readonly term: number
  readonly leader: ServerId | null
  readonly commitIndex: number
  readonly lastApplied: number
  /** `unconfirmed` and `rejoining` don't vote (standing.ts); `removed` is no longer a member, for good. */
  readonly standing: Standing['type'] | 'removed'
  /** The voters of the latest configuration; in a joint one those of both, each of which needs a majority. */
  readonly voterSets: readonly (readonly ServerId[])[]
  /** Of that configuration's entry, or where the log begins with it in force. */
  readonly configurationIndex: number
  readonly members: readonly MemberStatus[]
}

export function statusOf(raft: Raft): RaftStatus {
  const { id, currentTerm: term, commitIndex, lastApplied } = raft
  const { addresses, voters, outgoingVoters } = raft.configuration
  const memberStatuses = members(raft.configuration).map((member) => memberStatus(raft, member, addresses.get(member) ?? ''))
  return {
    id,
    role: roleOf(raft),
    term,
    leader: knownLeader(raft),
    commitIndex,
    lastApplied,
    standing: raft.isRemoved ? 'removed' : raft.standing.type,
    voterSets: [voters, outgoingVoters].filter((set) => set !== null),
    configurationIndex: raft.configurations.at(-1)!.index,
    members: memberStatuses,
  }
}

function roleOf(raft: Raft): RaftStatus['role'] {
  if (!isVoter(raft.configuration, raft.id)) return 'learner'
  return raft.phase.type === 'preCandidate' ? 'candidate' : raft.phase.type
}

function memberStatus(raft: Raft, id: ServerId, address: string): MemberStatus {
  const role = isVoter(raft.configuration, id) ? 'voter' : 'learner'
  if (raft.phase.type !== 'leader') return { id, address, role, state: id === knownLeader(raft) ? 'leader' : 'unknown', matchIndex: null }
  if (id === raft.id) return { id, address, role, state: 'leader', matchIndex: raft.durableIndex }
  const progress = raft.phase.progress.get(id)
  if (progress === undefined) return { id, address, role, state: 'unknown', matchIndex: null }
  return { id, address, role, state: isHeard(raft, progress) ? progress.state : 'unreachable', matchIndex: progress.heldIndex }
}
