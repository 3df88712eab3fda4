/**
 * Who counts: a configuration has one set of voters, or two during a joint change (§6), when a majority of each is needed.
 */

import type { ServerId } from './message.ts'

export interface Configuration {
  readonly voters: readonly ServerId[]
  /** The old voters while a joint change lasts; otherwise null. */
  readonly outgoingVoters: readonly ServerId[] | null
  /** Receive the log and do not vote. */
  readonly learners: readonly ServerId[]
}

export type VoteResult = 'won' | 'lost' | 'pending'

/** Every server of the configuration once, in a fixed order. */
export function members(configuration: Configuration): ServerId[] {
  const all = [...configuration.voters, ...(configuration.outgoingVoters ?? []), ...configuration.learners]
  return [...new Set(all)].toSorted()
}

export function isVoter(configuration: Configuration, id: ServerId): boolean {
  return configuration.voters.includes(id) || (configuration.outgoingVoters?.includes(id) ?? false)
}

/** The highest index that a quorum has, given what each voter has: in each set the value that a majority reaches, and of those the least. */
export function quorumIndex(configuration: Configuration, matchIndex: (id: ServerId) => number): number {
  const incoming = majorityIndex(configuration.voters, matchIndex)
  if (configuration.outgoingVoters === null) return incoming
  return Math.min(incoming, majorityIndex(configuration.outgoingVoters, matchIndex))
}

/** Whether those for whom `has` holds are a quorum. */
export function hasQuorum(configuration: Configuration, has: (id: ServerId) => boolean): boolean {
  return quorumIndex(configuration, (id) => (has(id) ? 1 : 0)) === 1
}

/** `vote` is undefined for those that have not answered. */
export function voteResult(configuration: Configuration, vote: (id: ServerId) => boolean | undefined): VoteResult {
  if (hasQuorum(configuration, (id) => vote(id) === true)) return 'won'
  return hasQuorum(configuration, (id) => vote(id) !== false) ? 'pending' : 'lost'
}

/** Sorted downwards, the value at ⌊n/2⌋ is reached by ⌊n/2⌋ + 1 voters: a majority. No voters: no majority. */
function majorityIndex(voters: readonly ServerId[], matchIndex: (id: ServerId) => number): number {
  if (voters.length === 0) return 0
  const sorted = voters.map(matchIndex).toSorted((a, b) => b - a)
  return sorted[Math.floor(voters.length / 2)]!
}
