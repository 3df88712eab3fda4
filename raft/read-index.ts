/**
 * Linearizable reads that cost no entry of the log (ReadIndex, thesis §6.4). The leader notes its commit index, makes sure by a round of
 * heartbeats that no later leader had been elected when they were sent, and names that index; whoever has applied the log so far may read.
 * A follower asks the leader for the index and reads its own state. One round confirms all reads that wait for it.
 *
 * What acknowledges is the round: a counter of this leader's, in its term. A caller's id would not do: an old answer to the same id would
 * confirm a newer read. Reads belong to a leader and its term; with either they are lost, and the caller asks again.
 */

import type { ReadDropReason } from './effects.ts'
import type { ReadIndex, ReadIndexResponse, ServerId } from './message.ts'
import { hasQuorum } from './quorum.ts'
import { sendHeartbeats } from './replication.ts'
import type { Leader, Raft, Read } from './state.ts'
import { knownLeader, send } from './state.ts'

/** The most reads that wait at a leader; a server sends one for all callers of a turn of its event loop. */
export const maxReads = 4096

/** A read of this server. `id` rises from read to read, over restarts too. */
export function read(raft: Raft, id: number): void {
  const leader = knownLeader(raft)
  if (raft.phase.type === 'leader') queueRead(raft, { from: raft.id, id })
  else if (leader === null) dropRead(raft, id, 'noLeader')
  else if (raft.reads.forwarded.size >= maxReads) dropRead(raft, id, 'full')
  else forwardRead(raft, leader, id)
}

/** Only the leader of the very term that the follower is in answers: another one is not whom it follows. */
export function receiveReadIndex(raft: Raft, from: ServerId, message: ReadIndex): void {
  if (raft.phase.type === 'leader' && message.term === raft.currentTerm) queueRead(raft, { from, id: message.id })
  else answer(raft, { from, id: message.id }, 0)
}

export function receiveReadIndexResponse(raft: Raft, from: ServerId, message: ReadIndexResponse): void {
  if (from !== raft.reads.leader || !raft.reads.forwarded.delete(message.id)) return
  if (message.index === 0) dropRead(raft, message.id, 'refusedByLeader')
  else raft.outbox.reads.push({ id: message.id, type: 'confirmed', index: message.index })
}

/** After every step: confirms what can be confirmed, begins the next round, and gives up what the change of the leader has undone. */
export function advanceReads(raft: Raft): void {
  const { reads } = raft
  if (reads.term !== raft.currentTerm || reads.leader !== knownLeader(raft)) loseReads(raft)
  if (raft.phase.type === 'leader') advanceRounds(raft, raft.phase)
  else repeatForwarded(raft)
}

function loseReads(raft: Raft): void {
  const { waiting, confirming, forwarded } = raft.reads
  for (const lost of [...(confirming?.reads ?? []), ...waiting]) answer(raft, lost, 0)
  for (const id of forwarded.keys()) dropRead(raft, id, 'leaderLost')
  raft.reads = { term: raft.currentTerm, leader: knownLeader(raft), waiting: [], confirming: null, forwarded: new Map() }
}

// The leader's side

function queueRead(raft: Raft, waiting: Read): void {
  if (raft.reads.waiting.length >= maxReads) answer(raft, waiting, 0)
  else raft.reads.waiting.push(waiting)
}

function advanceRounds(raft: Raft, leader: Leader): void {
  confirm(raft, leader)
  const { reads } = raft
  // "If the leader has not yet marked an entry from its current term committed, it waits until it has done so": until then its commit index
  // may be behind what the last leader answered from.
  if (reads.waiting.length === 0 || reads.confirming !== null || raft.log.term(raft.commitIndex) !== raft.currentTerm) return
  sendHeartbeats(raft, leader)
  reads.confirming = { round: leader.round, index: raft.commitIndex, reads: reads.waiting }
  reads.waiting = []
  // A majority of one server is itself.
  confirm(raft, leader)
}

/** An answer to a later round confirms too: whoever gave it had seen no later term by then, so neither had it before. */
function confirm(raft: Raft, leader: Leader): void {
  const { confirming } = raft.reads
  if (confirming === null) return
  // Whoever may have forgotten a later term, and its vote for that leader, confirms nothing.
  const hasAcknowledged = (id: ServerId): boolean => id === raft.id || (leader.progress.get(id)?.memberRound ?? 0) >= confirming.round
  if (!hasQuorum(raft.configuration, hasAcknowledged)) return
  raft.reads.confirming = null
  for (const confirmed of confirming.reads) answer(raft, confirmed, confirming.index)
}

/** Index 0: it was not confirmed. */
function answer(raft: Raft, { from, id }: Read, index: number): void {
  if (from !== raft.id) send(raft, from, { type: 'readIndexResponse', term: raft.currentTerm, id, index })
  else if (index === 0) dropRead(raft, id, raft.phase.type === 'leader' ? 'full' : 'leaderLost')
  else raft.outbox.reads.push({ id, type: 'confirmed', index })
}

// The follower's side

function forwardRead(raft: Raft, leader: ServerId, id: number): void {
  raft.reads.forwarded.set(id, raft.now)
  send(raft, leader, { type: 'readIndex', term: raft.currentTerm, id })
}

/** The question or its answer may be lost. An answer to either copy is as good: both were given after the read began. */
function repeatForwarded(raft: Raft): void {
  const { leader, forwarded } = raft.reads
  if (leader === null) return
  for (const [id, sentAt] of forwarded) if (raft.now - sentAt >= raft.options.electionTimeoutMs) forwardRead(raft, leader, id)
}

function dropRead(raft: Raft, id: number, reason: ReadDropReason): void {
  raft.outbox.reads.push({ id, type: 'dropped', reason })
}
