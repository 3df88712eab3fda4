/**
 * Proposals: a leader appends them, a follower sends them on to the leader it knows. A forwarded proposal names the term, and only the leader
 * of that very term takes it: so once a later term has committed over the place it was given, it is certainly lost.
 */

import type { DropReason, Life } from './effects.ts'
import type { EntryKind } from './entry.ts'
import { makeEntry } from './entry.ts'
import type { Forward, ForwardResponse, ServerId } from './message.ts'
import type { ProposalPriority } from './priority.ts'
import { shareOf } from './priority.ts'
import { replicate } from './replication.ts'
import type { Leader, Raft } from './state.ts'
import { appendToLog, countDrop, knownLeader, send } from './state.ts'

export interface Proposal {
  /** Rises from proposal to proposal of a life and priority (`newId`). */
  readonly id: number
  readonly kind: EntryKind
  readonly priority: ProposalPriority
  readonly data: Uint8Array
}

const idsOfALife = 2 ** 32
/** Of so many lives of a server the ids are remembered: copies of older messages are long gone. */
const rememberedLives = 4

/**
 * The id of what a server asks for as its `count`th. It names the life, by the number that was drawn for it: not by the count of lives, which
 * begins anew with a disk that forgot everything, and then a leader would take new proposals for copies of old ones.
 */
export function newId({ nonce }: Life, count: number): number {
  return (nonce % 2 ** 21) * idsOfALife + count
}

export function propose(raft: Raft, proposals: readonly Proposal[]): void {
  if (raft.phase.type === 'leader') {
    appendProposals(raft, raft.phase, proposals)
    return
  }
  const leader = knownLeader(raft)
  for (const proposal of proposals) {
    if (leader === null) dropped(raft, proposal.id, 'noLeader')
    else forward(raft, leader, proposal)
  }
}

function appendProposals(raft: Raft, leader: Leader, proposals: readonly Proposal[]): void {
  for (const proposal of proposals) {
    const index = appendProposal(raft, leader, proposal)
    if (index === 0) dropped(raft, proposal.id, leader.transfer === null ? 'full' : 'leadershipTransfer')
    else raft.outbox.outcomes.push({ id: proposal.id, type: 'appended', index, term: raft.currentTerm })
  }
  replicate(raft, leader)
}

/**
 * The index, or 0 when the uncommitted part of the log is as full as proposals of this priority may make it, or leadership is being handed
 * over. One entry is always allowed: it may be larger than the bound.
 */
function appendProposal(raft: Raft, leader: Leader, proposal: Pick<Proposal, 'kind' | 'priority' | 'data'>): number {
  if (leader.transfer !== null) return 0
  const index = raft.log.lastIndex + 1
  const uncommitted = raft.log.octetsBetween(raft.commitIndex + 1, raft.log.lastIndex)
  const maximum = shareOf(raft.options.maxUncommittedOctets, proposal.priority)
  if (uncommitted > 0 && uncommitted + proposal.data.length > maximum) return 0
  appendToLog(raft, makeEntry(index, raft.currentTerm, proposal.kind, proposal.data))
  return index
}

function dropped(raft: Raft, id: number, reason: DropReason): void {
  raft.outbox.outcomes.push({ id, type: 'dropped', reason })
}

function forward(raft: Raft, leader: ServerId, proposal: Proposal): void {
  const { id, kind, priority, data } = proposal
  send(raft, leader, { type: 'forward', term: raft.currentTerm, id, kind, priority, data })
  raft.outbox.outcomes.push({ id, type: 'forwarded' })
}

/** A proposal that another server sent on. */
export interface ForwardedProposal {
  readonly from: ServerId
  readonly message: Forward
}

/** What came together is replicated together. */
export function receiveForwards(raft: Raft, forwards: readonly ForwardedProposal[]): void {
  for (const { from, message } of forwards) receiveForward(raft, from, message)
  if (raft.phase.type === 'leader') replicate(raft, raft.phase)
}

/** Appends and answers; or refuses, when the proposal was not appended and never will be; or is silent. */
function receiveForward(raft: Raft, from: ServerId, message: Forward): void {
  if (message.id <= (raft.forwarded.get(from)?.get(lifeOf(message.id))?.[message.priority] ?? 0)) {
    countDrop(raft, 'copy of a forwarded proposal')
    return
  }
  if (raft.phase.type === 'leader' && message.term === raft.currentTerm) acceptForward(raft, raft.phase, from, message)
  else if (message.term > raft.startTerm && raft.standing.type === 'member') answerForward(raft, from, message, 0)
  // Of terms before this process started, or that we may have forgotten, we cannot tell: as their leader we may have appended an earlier copy.
  else countDrop(raft, 'forwarded proposal of an old term')
}

function acceptForward(raft: Raft, leader: Leader, from: ServerId, message: Forward): void {
  const lives = raft.forwarded.get(from) ?? new Map<number, number[]>()
  const life = lifeOf(message.id)
  const last = lives.get(life) ?? [0, 0, 0]
  last[message.priority] = message.id
  lives.delete(life)
  lives.set(life, last)
  if (lives.size > rememberedLives) lives.delete(lives.keys().next().value!)
  raft.forwarded.set(from, lives)
  answerForward(raft, from, message, appendProposal(raft, leader, message))
}

function lifeOf(id: number): number {
  return Math.floor(id / idsOfALife)
}

function answerForward(raft: Raft, from: ServerId, message: Forward, index: number): void {
  send(raft, from, { type: 'forwardResponse', term: message.term, id: message.id, index })
}

export function receiveForwardResponse(raft: Raft, message: ForwardResponse): void {
  if (message.index === 0) dropped(raft, message.id, 'refusedByLeader')
  else raft.outbox.outcomes.push({ id: message.id, type: 'appended', index: message.index, term: message.term })
}
