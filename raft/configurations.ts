/**
 * Which configuration is in force: "a server always uses the latest configuration in its log, regardless of whether the entry is committed"
 * (§6). So it changes with what is appended, truncated, compacted, and taken over.
 */

import { assert } from './assert.ts'
import type { Entry } from './entry.ts'
import type { Membership } from './membership.ts'
import { decodeMembership } from './membership.ts'
import { isVoter } from './quorum.ts'
import type { Raft } from './state.ts'

/** A configuration, and the index of its entry; of the first one, an index at or before the log's base. */
export interface PlacedMembership {
  readonly index: number
  readonly membership: Membership
}

/** Those in force at the base and after it, in the order of the log. */
export function configurationsOf(base: PlacedMembership, entries: readonly Entry[]): PlacedMembership[] {
  return [base, ...entries.filter(({ kind }) => kind === 'configuration').map(placed)]
}

function placed({ index, data }: Entry): PlacedMembership {
  return { index, membership: decodeMembership(data) }
}

export function configurationAppended(raft: Raft, entry: Entry): void {
  raft.configurations.push(placed(entry))
  use(raft)
}

/** The entries from `index` on are gone. */
export function configurationsTruncated(raft: Raft, index: number): void {
  if (raft.configurations.at(-1)!.index < index) return
  raft.configurations = raft.configurations.filter((each) => each.index < index)
  use(raft)
}

/** The entries up to `index` are no longer in the log. */
export function configurationsCompacted(raft: Raft, index: number): void {
  raft.configurations = raft.configurations.filter(({ index: at }, i, all) => at > index || (all[i + 1]?.index ?? Infinity) > index)
}

/** The log begins anew after `index`, and this was in force there. */
export function configurationsReset(raft: Raft, index: number, membership: Membership): void {
  raft.configurations = [{ index, membership }]
  use(raft)
}

/** In force at `index`, which is not before the log's base. */
export function configurationAt(raft: Raft, index: number): Membership {
  const found = raft.configurations.findLast((each) => each.index <= index)
  assert(found !== undefined, `no configuration at ${index}`)
  return found.membership
}

/** The latest that is committed. */
export function committedConfiguration(raft: Raft): PlacedMembership {
  return raft.configurations.findLast(({ index }) => index <= raft.commitIndex) ?? raft.configurations[0]!
}

/**
 * Whether this server may stand for election: "a server that is not part of its own latest configuration should still start new elections, as it
 * might still be needed until the C_new entry is committed" (thesis §4.2.2). Its own vote does not count then. What is committed may be more than we
 * know: we may just have started.
 */
export function mayCampaign(raft: Raft): boolean {
  if (raft.isRemoved || raft.standing.type !== 'member') return false
  const { index: committed } = committedConfiguration(raft)
  return raft.configurations.some(({ index, membership }) => index >= committed && isVoter(membership, raft.id))
}

function use(raft: Raft): void {
  const latest = raft.configurations.at(-1)
  assert(latest !== undefined, 'a server has a configuration')
  if (raft.configuration === latest.membership) return
  raft.configuration = latest.membership
  raft.outbox.statusChanged = true
}
