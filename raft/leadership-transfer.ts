/**
 * Leadership transfer (thesis §3.10): the leader stops taking proposals, waits until the target's log equals its own, and tells it by
 * TimeoutNow to campaign at once. The target asks for no pre-vote, and its RequestVote says that the leader wants it, so that servers which
 * hear that leader vote all the same. After an election timeout the leader gives up and takes proposals again.
 */

import { mayCampaign } from './configurations.ts'
import { campaignNow } from './election.ts'
import type { ServerId, TimeoutNow, TransferLeadership, TransferLeadershipResponse, TransferResult } from './message.ts'
import type { Leader, Raft, TransferRequest } from './state.ts'
import { countDrop, isDiskStalled, isHeard, knownLeader, send } from './state.ts'

/** The most requests for one transfer that are answered. */
const maxRequests = 64

/** A request made at this server, whether it leads or not. That it succeeded shows in who leads; only failures are told. */
export function transferLeadership(raft: Raft, id: number, to: ServerId): void {
  const leader = knownLeader(raft)
  if (raft.phase.type === 'leader') startTransfer(raft, raft.phase, { from: raft.id, id }, to)
  else if (leader === null) tell(raft, { from: raft.id, id }, 'noLeader')
  else send(raft, leader, { type: 'transferLeadership', term: raft.currentTerm, id, to })
}

export function receiveTransferLeadership(raft: Raft, from: ServerId, message: TransferLeadership): void {
  const request = { from, id: message.id }
  if (raft.phase.type === 'leader' && message.term === raft.currentTerm) startTransfer(raft, raft.phase, request, message.to)
  else tell(raft, request, 'noLeader')
}

export function receiveTransferLeadershipResponse(raft: Raft, message: TransferLeadershipResponse): void {
  raft.outbox.transfers.push({ id: message.id, result: message.result })
}

function startTransfer(raft: Raft, leader: Leader, request: TransferRequest, to: ServerId): void {
  if (to === raft.id) return
  const { transfer } = leader
  if (transfer !== null && transfer.to !== to) tell(raft, request, 'conflict')
  else if (!canLead(raft, leader, to)) tell(raft, request, 'targetNotUp')
  else if (transfer === null) beginTransfer(raft, leader, to, request)
  else if (transfer.requests.length < maxRequests) transfer.requests.push(request)
  else tell(raft, request, 'conflict')
}

/** Takes no more proposals until the target leads, or an election timeout has passed. */
export function beginTransfer(raft: Raft, leader: Leader, to: ServerId, ...requests: TransferRequest[]): void {
  leader.transfer = { to, deadline: raft.now + raft.options.electionTimeoutMs, requests, timeoutNowSent: false }
  advanceTransfer(raft)
}

function canLead(raft: Raft, leader: Leader, id: ServerId): boolean {
  const progress = leader.progress.get(id)
  return progress !== undefined && progress.rejoining === null && raft.configuration.voters.includes(id) && isHeard(raft, progress)
}

/** Which other voter would take the least time to lead: the one that answers and has most of the log. Null: there is none. */
export function bestSuccessor(raft: Raft): ServerId | null {
  if (raft.phase.type !== 'leader') return null
  const leader = raft.phase
  const able = [...leader.progress].filter(([id]) => canLead(raft, leader, id))
  able.sort(([, a], [, b]) => b.matchIndex - a.matchIndex)
  return able[0]?.[0] ?? null
}

/** After every step: sends TimeoutNow as soon as the target's log equals ours; gives up when an election timeout has passed. */
export function advanceTransfer(raft: Raft): void {
  if (raft.phase.type !== 'leader' || raft.phase.transfer === null) return
  const { transfer, progress } = raft.phase
  if (raft.now >= transfer.deadline) {
    raft.phase.transfer = null
    for (const request of transfer.requests) tell(raft, request, transfer.timeoutNowSent ? 'unanswered' : 'targetNotUp')
  } else if (!transfer.timeoutNowSent && progress.get(transfer.to)?.matchIndex === raft.log.lastIndex) {
    transfer.timeoutNowSent = true
    send(raft, transfer.to, { type: 'timeoutNow', term: raft.currentTerm })
  }
}

/** The target still follows us: TimeoutNow, or what it asked for then, was lost. */
export function repeatTimeoutNow(raft: Raft, from: ServerId): void {
  const transfer = raft.phase.type === 'leader' ? raft.phase.transfer : null
  if (transfer?.to === from && transfer.timeoutNowSent) send(raft, from, { type: 'timeoutNow', term: raft.currentTerm })
}

export function receiveTimeoutNow(raft: Raft, message: TimeoutNow): void {
  const follows = raft.phase.type === 'follower' || raft.phase.type === 'preCandidate'
  if (message.term !== raft.currentTerm || !follows || !mayCampaign(raft)) countDrop(raft, 'timeoutNow out of place')
  else if (isDiskStalled(raft)) countDrop(raft, 'timeoutNow while the disk hangs')
  else campaignNow(raft)
}

function tell(raft: Raft, { from, id }: TransferRequest, result: TransferResult): void {
  if (from === raft.id) raft.outbox.transfers.push({ id, result })
  else send(raft, from, { type: 'transferLeadershipResponse', term: raft.currentTerm, id, result })
}
