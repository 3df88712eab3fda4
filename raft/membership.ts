/**
 * Who belongs to a cluster, and how that changes: by joint consensus (§6, thesis §4.3). A configuration is an entry of the log and holds
 * all of it; a server goes by the latest one in its log, committed or not. Learners come and go with one entry. A change of the voters takes two:
 * the first one needs majorities of the old voters and of the new ones, for everything; once it is committed, whoever leads appends the second,
 * which knows the new ones alone.
 *
 * An id is never used again: what a server with this id once acknowledged, or whom it voted for, must not be asked of an empty disk.
 */

import type { ServerId } from './message.ts'
import type { Configuration } from './quorum.ts'
import { hasQuorum, isVoter, members } from './quorum.ts'
import { Reader, Writer } from './wire.ts'

export interface Membership extends Configuration {
  /** `host:port` of every member that has said one. */
  readonly addresses: ReadonlyMap<ServerId, string>
  /** Who was a member once. */
  readonly removed: readonly ServerId[]
}

/** One step of a change; several make one change, in their order. */
export type MembershipChange =
  /** As a learner. */
  | { readonly type: 'add'; readonly server: ServerId; readonly address: string }
  /** A learner that has caught up becomes a voter. */
  | { readonly type: 'promote'; readonly server: ServerId }
  | { readonly type: 'remove'; readonly server: ServerId }
  /** It is dialled elsewhere from now on. */
  | { readonly type: 'move'; readonly server: ServerId; readonly address: string }

/**
 * `conflict`: another change, or a transfer of leadership, is under way, or the leader has committed nothing in its term yet. `idUsed`: it is
 * a member, or was one. `unknownServer`: it is no member. `notLearner`: it votes already. `notCaughtUp`: too much of the log is missing
 * there, or it doesn't answer. `wouldLoseQuorum`: fewer than a majority of the voters that would be are answering. `full`: there are
 * as many members, or were as many, as there may be.
 */
export type MembershipRefusal = (typeof membershipRefusals)[number]

export const membershipRefusals = [
  'noLeader',
  'conflict',
  'idUsed',
  'unknownServer',
  'notLearner',
  'notCaughtUp',
  'wouldLoseQuorum',
  'full',
] as const

/** The most members, and the most steps of one change. */
export const maxMembers = 64
/** The most former members that are remembered; no more can be removed then. */
export const maxRemoved = 4096
/** The most octets of an encoded configuration. */
export const maxConfigurationOctets = 1024 * 1024
const maxIdOctets = 64
const maxAddressOctets = 300

/** What the leader knows of servers, as far as a change depends on it. */
export interface MembershipView {
  /** It has answered within an election timeout. */
  isHeard(id: ServerId): boolean
  isCaughtUp(id: ServerId): boolean
}

/** A configuration as a whole: without addresses or former members unless given. */
export function membershipOf(configuration: Configuration & Partial<Membership>): Membership {
  return { addresses: new Map(), removed: [], ...configuration }
}

/** What follows from these changes: joint if the voters change. Or why not. */
export function changedMembership(
  present: Membership,
  changes: readonly MembershipChange[],
  view: MembershipView,
): Membership | MembershipRefusal {
  if (present.outgoingVoters !== null || changes.length === 0) return 'conflict'
  let next = present
  for (const change of changes) {
    const changed = changedOnce(next, change, view)
    if (typeof changed === 'string') return changed
    next = changed
  }
  const isSame = next.voters.length === present.voters.length && next.voters.every((id) => present.voters.includes(id))
  if (isSame) return next
  if (!hasQuorum(next, (id) => view.isHeard(id))) return 'wouldLoseQuorum'
  return { ...next, outgoingVoters: present.voters }
}

function changedOnce(present: Membership, change: MembershipChange, view: MembershipView): Membership | MembershipRefusal {
  const { server } = change
  if (change.type === 'add') return added(present, server, change.address)
  if (!isMember(present, server)) return 'unknownServer'
  if (change.type === 'remove') return removed(present, server)
  if (change.type === 'move') return { ...present, addresses: new Map([...present.addresses, [server, change.address]]) }
  if (present.voters.includes(server)) return 'notLearner'
  if (!view.isCaughtUp(server)) return 'notCaughtUp'
  return { ...present, voters: [...present.voters, server].toSorted(), learners: present.learners.filter((id) => id !== server) }
}

function added(present: Membership, server: ServerId, address: string): Membership | MembershipRefusal {
  if (isMember(present, server) || present.removed.includes(server)) return 'idUsed'
  if (members(present).length >= maxMembers) return 'full'
  const addresses = new Map([...present.addresses, [server, address] as const])
  return { ...present, learners: [...present.learners, server].toSorted(), addresses }
}

/** A voter is among the former members only when the change is complete. */
function removed(present: Membership, server: ServerId): Membership | MembershipRefusal {
  if (present.removed.length >= maxRemoved) return 'full'
  if (present.voters.includes(server)) return { ...present, voters: present.voters.filter((id) => id !== server) }
  return formerMembers({ ...present, learners: present.learners.filter((id) => id !== server) }, [server])
}

/** The second entry of a change: the new voters alone (thesis §4.3, C_new). */
export function completedMembership(joint: Membership): Membership {
  const gone = (joint.outgoingVoters ?? []).filter((id) => !joint.voters.includes(id) && !joint.learners.includes(id))
  return formerMembers({ ...joint, outgoingVoters: null }, gone)
}

function formerMembers(membership: Membership, gone: readonly ServerId[]): Membership {
  const addresses = new Map([...membership.addresses].filter(([id]) => !gone.includes(id)))
  return { ...membership, addresses, removed: [...membership.removed, ...gone] }
}

export function isMember(configuration: Configuration, id: ServerId): boolean {
  return isVoter(configuration, id) || configuration.learners.includes(id)
}

// As an entry's data:
// version u8 | voters: count, each id | joint u8 [outgoing voters: count, each id] | learners: count, each id
// | addresses: count, each id, address | removed: count, each id

const membershipVersion = 1

export function encodeMembership({ voters, outgoingVoters, learners, addresses, removed: former }: Membership): Uint8Array {
  const writer = new Writer(256).u8(membershipVersion)
  encodeIds(writer, voters)
  writer.boolean(outgoingVoters !== null)
  if (outgoingVoters !== null) encodeIds(writer, outgoingVoters)
  encodeIds(writer, learners)
  writer.varint(addresses.size)
  for (const [id, address] of addresses) writer.text(id).text(address)
  encodeIds(writer, former)
  return writer.finish()
}

/** Throws `DecodeError`. */
export function decodeMembership(bytes: Uint8Array): Membership {
  const reader = new Reader('configuration', bytes)
  const version = reader.u8('version')
  if (version !== membershipVersion) reader.fail('version', `expected ${membershipVersion}, got ${version}`)
  const voters = decodeIds(reader, 'voters', maxMembers)
  const outgoingVoters = reader.boolean('joint') ? decodeIds(reader, 'outgoingVoters', maxMembers) : null
  const learners = decodeIds(reader, 'learners', maxMembers)
  const addresses = new Map<ServerId, string>()
  const count = reader.count('addresses', 2 * maxMembers)
  for (let i = 0; i < count; i++) addresses.set(reader.text('server', maxIdOctets), reader.text('address', maxAddressOctets))
  const former = decodeIds(reader, 'removed', maxRemoved + maxMembers)
  reader.end()
  return { voters, outgoingVoters, learners, addresses, removed: former }
}

export function encodeChanges(writer: Writer, changes: readonly MembershipChange[]): void {
  writer.varint(changes.length)
  for (const change of changes) {
    writer.u8(changeTypes.indexOf(change.type)).text(change.server)
    if (hasAddress(change)) writer.text(change.address)
  }
}

const changeTypes = ['add', 'promote', 'remove', 'move'] as const satisfies readonly MembershipChange['type'][]

export function hasAddress(change: MembershipChange): change is Extract<MembershipChange, { readonly address: string }> {
  return change.type === 'add' || change.type === 'move'
}

/** Throws `DecodeError`. */
export function decodeChanges(reader: Reader): MembershipChange[] {
  return Array.from({ length: reader.count('changes', maxMembers) }, () => {
    const type = changeTypes[reader.u8('change')] ?? reader.fail('change', 'expected 0 to 3')
    const server = reader.text('server', maxIdOctets)
    return type === 'add' || type === 'move' ? { type, server, address: reader.text('address', maxAddressOctets) } : { type, server }
  })
}

function encodeIds(writer: Writer, ids: readonly ServerId[]): void {
  writer.varint(ids.length)
  for (const id of ids) writer.text(id)
}

function decodeIds(reader: Reader, field: string, maximum: number): ServerId[] {
  return Array.from({ length: reader.count(field, maximum) }, () => reader.text(field, maxIdOctets))
}
