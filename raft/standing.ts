/**
 * Whether this server may vote. Raft leans on servers that never forget what they acknowledged; a disk can. So a server that starts asks
 * the others what they know of it, and does not vote before: another copy of its folder, or an empty one, is consistent in itself, and only
 * somebody else can tell.
 *
 *     unconfirmed ── a majority knows of no life that we forgot ─▶ member
 *          │                                                        │
 *          └────────────── somebody knows of one ───────────────────┤
 *                                                                   ▼
 *     member ◀── caught up, and everybody's term is known ─── rejoining ◀── the storage was found damaged at open
 *
 * A life is one start of a server: a count of its starts, and a number drawn for this one. A server keeps the numbers of its own lives on
 * disk, and the last life of each other server. So who is told of a life that it has no record of has lost what that life wrote: a count
 * alone would not tell, for a copy that was put back counts to the same values again. A member goes on until all others have noted its own
 * life; a majority must be enough to start, so a life is missed if only servers that are down now ever heard of it, or if the copy is from
 * before a change of the membership and only those who left since are asked. What was lost within one
 * life shows by how far others saw this server come; they keep that in memory only.
 *
 * What a server says before it is a member counts for nothing, neither for commitment nor for reads nor in elections: it may have voted in a later
 * term, and a majority with it; a leader of an earlier term, who was asleep and has no other follower, would commit what that majority never
 * had. So it says only how far its log has come (`entriesHeld`), and repeats that when it is a member. It is one again when
 *
 * - its log holds all that was ever committed: it has what the log of a leader held that had been confirmed, after we asked, by a majority
 *   without us and without others that rejoin. Such a leader's log is complete (§5.4.3): every earlier leader's majority has a server, not
 *   us, in common with this one, which would not have confirmed an older term;
 * - it cannot vote twice in a term: it has heard every other server's term, so that of whomever it once voted for, too, and does not vote
 *   in the term in which it ends up, nor in any before.
 */

import { assert } from './assert.ts'
import type { PlacedMembership } from './configurations.ts'
import type { Life, Lives } from './effects.ts'
import type { Message, Recall, RecallResponse, RejoinTarget, ServerId } from './message.ts'
import { maxNonces } from './message.ts'
import { hasQuorum, isVoter, members } from './quorum.ts'
import type { Leader, Raft } from './state.ts'
import { becomeFollower, countDrop, knownLeader, send, sendAfterPersist, setTerm } from './state.ts'

/** `answered`: who has noted our present life, and told what it knew of earlier ones. */
export type Standing =
  | { readonly type: 'member'; readonly answered: Set<ServerId> }
  | { readonly type: 'unconfirmed'; readonly answered: Set<ServerId> }
  | { readonly type: 'rejoining'; readonly answered: Set<ServerId>; target: RejoinTarget | null }

/** Our life, the numbers of all that we remember, and the last life of each other server that has said so. */
export interface KnownLives {
  own: Life
  nonces: readonly number[]
  caughtUpIn: number
  readonly peers: Map<ServerId, Life>
}

const noLife: Life = { bootCounter: 0, nonce: 0 }

/** Of a server that starts for the first time. */
export const firstLife: Lives = { bootCounter: 1, nonces: [], isRejoining: false, caughtUpIn: 0, peers: new Map() }

/** The lives that a server knows of as it begins one more. */
export function knownLives({ bootCounter, nonces, caughtUpIn, peers }: Lives, nonce: number): KnownLives {
  return { own: { bootCounter, nonce }, nonces: withNonce(nonces, nonce), caughtUpIn, peers: new Map(peers) }
}

/** Who starts so often without ever reaching a peer is taken for one that forgot: it rejoins, which costs little. */
function withNonce(nonces: readonly number[], nonce: number): readonly number[] {
  return [...nonces, nonce].slice(-maxNonces)
}

/** How a server starts. A server alone has nobody to ask. */
export function initialStanding(raft: Raft, isRejoining: boolean): Standing {
  if (isRejoining) return { type: 'rejoining', answered: new Set(), target: null }
  const isConfirmed = hasQuorum(raft.configuration, (id) => id === raft.id)
  return { type: isConfirmed ? 'member' : 'unconfirmed', answered: new Set() }
}

/** What is kept on disk of it. */
export function livesOf(raft: Raft): Lives {
  const { own, nonces, caughtUpIn, peers } = raft.lives
  const isRejoining = raft.standing.type === 'rejoining'
  return { bootCounter: own.bootCounter, nonces, isRejoining, caughtUpIn, peers: new Map(peers) }
}

/** Asks again whoever has not answered, and, while we don't know how far to catch up, the leader. */
export function tickStanding(raft: Raft): void {
  if (raft.now < raft.recallDeadline || raft.isRemoved) return
  raft.recallDeadline = raft.now + raft.options.heartbeatMs
  // Who the voters are may have been learnt after they answered.
  if (raft.standing.type === 'unconfirmed') maybeConfirmed(raft, raft.standing.answered)
  for (const peer of whomToAsk(raft)) if (isToBeAsked(raft, peer)) sendRecall(raft, peer)
}

/** Our own latest configuration, or a later one that somebody told. */
function latestKnown(raft: Raft): PlacedMembership {
  const own = raft.configurations.at(-1)!
  return raft.heardConfiguration !== null && raft.heardConfiguration.index > own.index ? raft.heardConfiguration : own
}

/** A leader that our configuration doesn't know, too: it may be of a later one, and know of us. */
function whomToAsk(raft: Raft): readonly ServerId[] {
  const leader = knownLeader(raft)
  const { membership } = latestKnown(raft)
  return [...new Set([...members(raft.configuration), ...members(membership), ...(leader === null ? [] : [leader])])]
}

function isToBeAsked(raft: Raft, peer: ServerId): boolean {
  const { standing } = raft
  if (peer === raft.id) return false
  // While we wait for others its configuration may change, and with it for whom we wait.
  if (!standing.answered.has(peer) || standing.type === 'unconfirmed') return true
  return standing.type === 'rejoining' && peer === knownLeader(raft) && standing.target?.term !== raft.currentTerm
}

/** The connection to `peer` is new. */
export function recallAtConnection(raft: Raft, peer: ServerId): void {
  if (isToBeAsked(raft, peer)) sendRecall(raft, peer)
}

/** After the disk: an answer lets us vote under this life, which nobody may be told of before it is written. */
function sendRecall(raft: Raft, peer: ServerId): void {
  const { own, nonces } = raft.lives
  const isRejoining = raft.standing.type === 'rejoining'
  sendAfterPersist(raft, peer, { type: 'recall', term: raft.currentTerm, ...own, nonces, isRejoining })
}

/**
 * Notes a later life of the sender before the answer leaves; but not over one that the sender has forgotten: the answer that tells it of that
 * one may be lost, and the next would tell it of this one. A leader forgets what one that rejoins had acknowledged.
 */
export function receiveRecall(raft: Raft, from: ServerId, message: Recall): void {
  const { bootCounter, nonce, nonces } = message
  const known = raft.lives.peers.get(from) ?? noLife
  if (bootCounter > known.bootCounter && (known.bootCounter === 0 || nonces.includes(known.nonce))) {
    raft.lives.peers.set(from, { bootCounter, nonce })
    raft.outbox.livesChanged = true
  }
  const { term: seenTerm, index: seenIndex } = raft.seen.get(from) ?? { term: 0, index: 0 }
  const { index: configurationIndex, membership: configuration } = raft.configurations.at(-1)!
  const whatWeKnow = {
    knownBootCounter: known.bootCounter,
    knownNonce: known.nonce,
    seenTerm,
    seenIndex,
    configurationIndex,
    configuration,
  }
  sendAfterPersist(raft, from, { type: 'recallResponse', term: raft.currentTerm, nonce, ...whatWeKnow })
  if (message.isRejoining) raft.seen.delete(from)
  if (raft.phase.type === 'leader' && message.isRejoining) noteRejoining(raft, raft.phase, from, nonce)
}

/** Remembers how far a server has come: such answers leave it only once what they say is on its disk. */
export function noteSeen(raft: Raft, from: ServerId, message: Message): void {
  if (!tellsTerm(message)) return
  const { term } = message
  const isHeld = message.type === 'entriesHeld' || (message.type === 'appendEntriesResponse' && message.success)
  const index = isHeld ? message.index : 0
  const seen = raft.seen.get(from)
  if (seen === undefined || term > seen.term) raft.seen.set(from, { term, index })
  else if (term === seen.term && index > seen.index) raft.seen.set(from, { term, index })
}

const termTellers = ['appendEntriesResponse', 'entriesHeld', 'requestVoteResponse', 'requestVote'] as const
type TermTeller = Extract<Message, { readonly type: (typeof termTellers)[number] }>

function tellsTerm(message: Message): message is TermTeller {
  return (termTellers as readonly string[]).includes(message.type)
}

/** In one term a server's log only grows, and its term never falls. */
function hasBeenFurther(raft: Raft, { seenTerm, seenIndex }: RecallResponse): boolean {
  return seenTerm > raft.currentTerm || (seenTerm === raft.currentTerm && seenIndex > raft.log.lastIndex)
}

/** The leader knows of entries that we acknowledged and do not hold: the disk lost them, and nothing about this life told us. */
export function hasForgottenEntries(raft: Raft): void {
  countDrop(raft, 'entries that were acknowledged and are gone')
  beginRejoining(raft, raft.lives.own.bootCounter + 1)
}

export function receiveRecallResponse(raft: Raft, from: ServerId, message: RecallResponse): void {
  const { own } = raft.lives
  if (message.nonce !== own.nonce) {
    countDrop(raft, 'recallResponse to an earlier life')
    return
  }
  const isBehind = hasBeenFurther(raft, message)
  if (message.term > raft.currentTerm) becomeFollower(raft, message.term, null)
  const isUnknown = message.knownBootCounter > 0 && !raft.lives.nonces.includes(message.knownNonce)
  // What came before the life in which we have caught up we hold again, whoever names it, now that its own disk went back, say.
  const isForgotten = isUnknown && message.knownBootCounter >= raft.lives.caughtUpIn
  if (isBehind && raft.standing.type === 'unconfirmed') {
    beginRejoining(raft, Math.max(own.bootCounter, message.knownBootCounter) + 1)
    return
  }
  const isRejoining = raft.standing.type === 'rejoining'
  if (isUnknown) remember(raft, message.knownNonce)
  if (isForgotten && (!isRejoining || message.knownBootCounter >= own.bootCounter)) {
    beginRejoining(raft, Math.max(own.bootCounter, message.knownBootCounter) + 1)
    return
  }
  // It has not noted our life, since we did not know of the one that it named. Now we do, and ask again.
  if (isUnknown) return
  raft.standing.answered.add(from)
  hearConfiguration(raft, from, { index: message.configurationIndex, membership: message.configuration })
  if (raft.standing.type === 'rejoining') maybeRejoined(raft)
  if (raft.standing.type === 'unconfirmed') maybeConfirmed(raft, raft.standing.answered)
}

/** Who told of a configuration may have lost it since, to a leader that did not have it: what it tells now counts. */
function hearConfiguration(raft: Raft, from: ServerId, told: PlacedMembership): void {
  raft.toldConfigurations.set(from, told)
  const latest = [...raft.toldConfigurations.values()].reduce((a, b) => (b.index > a.index ? b : a))
  const heard = latest.index > raft.configurations.at(-1)!.index ? latest : null
  if (heard?.index === raft.heardConfiguration?.index) return
  raft.heardConfiguration = heard
  raft.outbox.statusChanged = true
}

/** Somebody knows a life of ours that we have no record of. Our next life comes after that one. */
function beginRejoining(raft: Raft, bootCounter: number): void {
  const nonce = raft.random.uint32()
  raft.lives.own = { bootCounter, nonce }
  remember(raft, nonce)
  raft.standing = { type: 'rejoining', answered: new Set(), target: null }
  raft.recallDeadline = raft.now
  if (raft.phase.type !== 'follower') becomeFollower(raft, raft.currentTerm, null)
  raft.outbox.statusChanged = true
  tickStanding(raft)
}

function remember(raft: Raft, nonce: number): void {
  raft.lives.nonces = withNonce(raft.lives.nonces, nonce)
  raft.outbox.livesChanged = true
}

function maybeConfirmed(raft: Raft, answered: Set<ServerId>): void {
  if (!hasQuorum(latestKnown(raft).membership, (id) => id === raft.id || answered.has(id))) return
  raft.standing = { type: 'member', answered }
  raft.outbox.statusChanged = true
}

/** From the leader that we follow. */
export function receiveRejoinTarget(raft: Raft, from: ServerId, message: RejoinTarget): void {
  const isOurs = raft.standing.type === 'rejoining' && message.nonce === raft.lives.own.nonce
  if (!isOurs || message.term !== raft.currentTerm || knownLeader(raft) !== from) {
    countDrop(raft, 'rejoinTarget for another life or term')
    return
  }
  // The first of a term is enough, and later ones move on: whoever lags a little would run after them for ever.
  if (raft.standing.type === 'rejoining' && raft.standing.target?.term !== message.term) {
    raft.standing.target = message
  }
  maybeRejoined(raft)
}

/** Called when the log became durable further on, and when something was learnt. */
export function maybeRejoined(raft: Raft): void {
  const { standing } = raft
  if (standing.type !== 'rejoining' || standing.target === null) return
  if (standing.target.term !== raft.currentTerm || raft.durableIndex < standing.target.index) return
  if (!holdsTarget(raft, standing.target)) return
  if (!members(raft.configuration).every((id) => id === raft.id || !isVoter(raft.configuration, id) || standing.answered.has(id))) return
  assert(raft.phase.type === 'follower', `a server that rejoins follows, and is ${raft.phase.type}`)
  raft.standing = { type: 'member', answered: standing.answered }
  raft.startTerm = raft.currentTerm
  raft.lives.caughtUpIn = raft.lives.own.bootCounter
  raft.outbox.livesChanged = true
  raft.outbox.statusChanged = true
  // We may have voted in this very term before we forgot it.
  if (raft.votedFor === null) setTerm(raft, raft.currentTerm, raft.id)
}

/** Our log may be as long, and not be the leader's yet: another one's, of an earlier term. Of equal entries those before are equal (§5.3). */
function holdsTarget(raft: Raft, { index, entryTerm }: RejoinTarget): boolean {
  return index <= raft.commitIndex || raft.log.term(index) === entryTerm
}

// The leader's side

/** A follower that rejoins, until it says that it is a member again. */
export interface Rejoining {
  readonly nonce: number
  /** The first round of heartbeats that was sent after it asked. */
  readonly fromRound: number
}

function noteRejoining(raft: Raft, leader: Leader, from: ServerId, nonce: number): void {
  const progress = leader.progress.get(from)
  if (progress === undefined) return
  if (progress.rejoining?.nonce !== nonce) {
    progress.rejoining = { nonce, fromRound: leader.round + 1 }
    progress.forget(raft.log.lastIndex + 1)
  }
  sendRejoinTargets(raft, leader)
}

/** Tells those that rejoin how far they have to come, once a majority without them has confirmed that we still lead. */
export function sendRejoinTargets(raft: Raft, leader: Leader): void {
  for (const [peer, { rejoining }] of leader.progress) {
    if (rejoining === null) continue
    // Whoever rejoins answers heartbeats, and its rounds don't count.
    const hasConfirmed = (id: ServerId): boolean => id === raft.id || (leader.progress.get(id)?.memberRound ?? 0) >= rejoining.fromRound
    if (!hasQuorum(raft.configuration, hasConfirmed)) continue
    const { lastIndex: index, lastTerm: entryTerm } = raft.log
    send(raft, peer, { type: 'rejoinTarget', term: raft.currentTerm, nonce: rejoining.nonce, index, entryTerm })
  }
}
