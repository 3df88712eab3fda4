/**
 * Compaction and snapshots (§7), as far as the core goes: which entries may be forgotten, who needs a snapshot, and what a log is after one.
 * The parts themselves are the shell's (snapshot-sender.ts, snapshot-receiver.ts), and what is in them the application's.
 */

import { assert } from './assert.ts'
import { configurationAt, configurationsCompacted, configurationsReset } from './configurations.ts'
import type { Membership } from './membership.ts'
import type { InstallSnapshot, InstallSnapshotResponse, ServerId } from './message.ts'
import { acknowledge, heardFollower, hearLeader } from './replication.ts'
import { maybeRejoined } from './standing.ts'
import type { Leader, Raft } from './state.ts'
import { knownLeader } from './state.ts'

/**
 * The application holds the effects of everything up to `index` durably: the log need not. A tail stays for followers that are a little
 * behind. While somebody's snapshot is on its way, what comes after it stays, too.
 */
export function compact(raft: Raft, index: number): void {
  assert(index <= raft.lastApplied, `compaction to ${index}, but ${raft.lastApplied} is applied`)
  const to = Math.min(tailStart(raft, index), snapshotsOnTheirWay(raft), raft.durableIndex)
  if (to <= raft.log.base.index) return
  raft.log.compactTo(to)
  configurationsCompacted(raft, to)
  raft.outbox.compactTo = { ...raft.log.base, configuration: configurationAt(raft, to) }
}

/** The last index that may go when about the tail's octets are to stay before `index`. */
function tailStart(raft: Raft, index: number): number {
  const { log, options } = raft
  let [low, high] = [log.base.index, index]
  while (low < high) {
    const middle = Math.ceil((low + high) / 2)
    if (log.octetsBetween(middle + 1, index) >= options.compactionTailOctets) low = middle
    else high = middle - 1
  }
  return low
}

function snapshotsOnTheirWay(raft: Raft): number {
  if (raft.phase.type !== 'leader') return Infinity
  const underWay = [...raft.phase.progress.values()].filter(({ state }) => state === 'snapshotting')
  return Math.min(Infinity, ...underWay.map(({ snapshotIndex }) => snapshotIndex))
}

/** The shell begins to send a snapshot that ends with `index`. */
export function snapshotStarted(leader: Leader, peer: ServerId, index: number): void {
  const progress = leader.progress.get(peer)
  if (progress?.state === 'snapshotting') progress.snapshotIndex = index
}

/** A snapshot came to nothing; the follower's next answer to a heartbeat begins another. */
export function snapshotFailed(leader: Leader, peer: ServerId): void {
  const progress = leader.progress.get(peer)
  if (progress?.state === 'snapshotting') progress.probeFrom(progress.nextIndex)
}

export function receiveInstallSnapshotResponse(raft: Raft, from: ServerId, message: InstallSnapshotResponse): void {
  if (heardFollower(raft, from, message.term) !== null) raft.outbox.snapshotParts.push({ from, message })
}

/** A part for us; or news for the leader: we hold everything that the snapshot could bring. */
export function receiveInstallSnapshot(raft: Raft, from: ServerId, message: InstallSnapshot): void {
  if (!hearLeader(raft, from, message.term)) return
  if (message.lastIncludedIndex > raft.commitIndex) raft.outbox.snapshotParts.push({ from, message })
  else acknowledge(raft, from, raft.commitIndex)
}

/**
 * The application has taken a snapshot over, durably, and begins anew with what it holds. "If existing log entry has same index and term as
 * snapshot's last included entry, retain log entries following it"; otherwise the log begins anew, too.
 */
export function snapshotInstalled(raft: Raft, index: number, term: number, configuration: Membership): void {
  const { base } = raft.log
  assert(index >= base.index, `the application begins anew after ${index}, but the log begins after ${base.index}`)
  if (raft.log.term(index) !== term) {
    raft.log.reset({ index, term })
    configurationsReset(raft, index, configuration)
    raft.durableIndex = index
    for (const write of raft.pendingWrites) write.lastIndex = Math.min(write.lastIndex, index)
    raft.outbox.firstChangedIndex = Infinity
    raft.outbox.reset = { index, term, configuration }
  }
  raft.durableIndex = Math.max(raft.durableIndex, index)
  raft.commitIndex = Math.max(raft.commitIndex, index)
  raft.lastApplied = index
  const leader = knownLeader(raft)
  if (leader !== null && leader !== raft.id) acknowledge(raft, leader, index)
  maybeRejoined(raft)
}
