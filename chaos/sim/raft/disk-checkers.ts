/**
 * What must be on disks before it is told or counted (thesis §3.8, §3.10), and what a server must hold again that had forgotten it (standing.ts).
 * These see a fault where it is made; the properties of figure 3 see it only where it has done harm.
 */

import type { HardState } from '../../../raft/effects.ts'
import type { Entry } from '../../../raft/entry.ts'
import type { AppendEntriesResponse, EntriesHeld, Envelope, Message, Recall, RecallResponse, ServerId } from '../../../raft/message.ts'
import type { Leader, Raft } from '../../../raft/state.ts'
import { Violation } from '../checkers/violation.ts'
import type { Disk } from './disk.ts'
import { holds } from './disk.ts'
import type { Machine } from './machine.ts'

/** What of a core was checked last. */
interface Checked {
  durableIndex: number
  term: number
  readonly matches: Map<ServerId, { readonly matchIndex: number; readonly life: number }>
}

export class DiskCheckers {
  readonly #machineOf: (id: ServerId) => Machine
  readonly #checked = new WeakMap<Raft, Checked>()
  /** The first question of each life, by its number: later ones remember no less. */
  readonly #recalls = new Map<number, Recall>()

  constructor(machineOf: (id: ServerId) => Machine) {
    this.#machineOf = machineOf
  }

  afterStep(raft: Raft): void {
    const checked = this.#checked.get(raft) ?? { durableIndex: 0, term: 0, matches: new Map() }
    this.#checked.set(raft, checked)
    this.#checkDurableIndex(raft, checked)
    if (raft.phase.type !== 'leader') return
    if (checked.term !== raft.currentTerm) checked.matches.clear()
    checked.term = raft.currentTerm
    this.#checkProgress(raft, raft.phase, checked)
  }

  /** When a message leaves. */
  onSent(raft: Raft, { to, message }: Envelope): void {
    const { disk, lost } = this.#machineOf(raft.id)
    const { hardState } = disk
    if (waitsForTerm(message) && hardState.currentTerm < message.term)
      fail('durability', `${raft.id} sends a ${message.type} of term ${message.term}, and has ${hardState.currentTerm} on disk`)
    if (message.type === 'requestVoteResponse' && message.voteGranted) this.#checkVote(raft, message.term, to, lost)
    if (message.type === 'requestVote') this.#checkVote(raft, message.term, raft.id, lost)
    if (message.type === 'appendEntriesResponse' && message.success) this.#checkCounted(raft, lost)
    if (message.type === 'heartbeatResponse' && message.isMember) this.#checkCounted(raft, lost)
    if ((message.type === 'appendEntriesResponse' && message.success) || message.type === 'entriesHeld')
      checkAcknowledgement(raft, disk, message)
    if (message.type === 'timeoutNow') this.#checkTarget(raft, to)
    if (message.type === 'recall' && !this.#recalls.has(message.nonce)) this.#recalls.set(message.nonce, message)
    if (message.type === 'recallResponse') this.#checkNoted(raft, disk, to, message)
  }

  /** A server that had lost its disk is a member again. `committed`: what was committed when it lost it. */
  onRecovered(id: ServerId, lost: HardState, committed: readonly Entry[], cores: readonly Raft[]): void {
    const { disk } = this.#machineOf(id)
    const { currentTerm, votedFor } = disk.hardState
    // Of a vote for itself nobody else knows, and nobody campaigns with it any more.
    const hadVoted = lost.votedFor !== null && lost.votedFor !== id
    if (hadVoted && (currentTerm < lost.currentTerm || (currentTerm === lost.currentTerm && votedFor === null)))
      fail('rejoining', `${id} votes again in term ${currentTerm}, and voted for ${lost.votedFor} in ${lost.currentTerm}`)
    const missing = committed.find((entry) => !holds(disk, entry))
    if (missing !== undefined) fail('rejoining', `${id} votes again, and lacks ${missing.index} of ${committed.length}`)
    for (const raft of cores) {
      const progress = raft.phase.type === 'leader' ? raft.phase.progress.get(id) : undefined
      if (progress !== undefined) this.#checkMatch(raft, id, progress.matchIndex)
    }
  }

  #checkDurableIndex(raft: Raft, checked: Checked): void {
    const { durableIndex, log, id } = raft
    if (durableIndex === checked.durableIndex) return
    checked.durableIndex = durableIndex
    const entry = log.entry(durableIndex)
    if (entry !== null && !holds(this.#machineOf(id).disk, entry))
      fail('durableIndex', `${id} takes ${durableIndex} of term ${entry.term} to be on its disk`)
  }

  /** Figure 2: matchIndex, "index of highest log entry known to be replicated on server (initialized to 0, increases monotonically)". */
  #checkProgress(raft: Raft, { progress }: Leader, { matches }: Checked): void {
    for (const [peer, { matchIndex, nextIndex, rejoining }] of progress) {
      if (nextIndex <= matchIndex) fail('nextIndex', `${raft.id} sends ${peer} from ${nextIndex}, which has ${matchIndex}`)
      const known = matches.get(peer)
      const life = rejoining?.nonce ?? known?.life ?? 0
      if (known?.matchIndex === matchIndex && known.life === life) continue
      if (known !== undefined && rejoining === null && matchIndex < known.matchIndex)
        fail('matchIndex', `${raft.id} goes back from ${known.matchIndex} to ${matchIndex} for ${peer}`)
      matches.set(peer, { matchIndex, life })
      this.#checkMatch(raft, peer, matchIndex)
    }
  }

  #checkMatch(raft: Raft, peer: ServerId, matchIndex: number): void {
    const machine = this.#machineOf(peer)
    const entry = raft.log.entry(matchIndex)
    // One that has seen a later term may have replaced what it once acknowledged.
    if (entry === null || machine.disk.hardState.currentTerm > raft.currentTerm) return
    if (!machine.hasDurably(entry)) fail('matchIndex', `${raft.id} counts ${peer} for ${matchIndex} of term ${entry.term}`)
  }

  /** And who has forgotten something does not vote. */
  #checkVote({ id }: Raft, term: number, candidate: ServerId, lost: Disk | null): void {
    const { currentTerm, votedFor } = this.#machineOf(id).disk.hardState
    if (currentTerm === term && votedFor !== candidate) fail('durability', `${id} votes for ${candidate}, and has ${votedFor} on disk`)
    if (lost !== null) fail('rejoining', `${id} votes in term ${term}, and has forgotten what it did before`)
  }

  /** Commitment and reads lean on it that a server knows in which term it voted last. */
  #checkCounted({ id, currentTerm }: Raft, lost: Disk | null): void {
    if (lost !== null) fail('rejoining', `${id} is counted on in term ${currentTerm}, and has forgotten what it did before`)
  }

  /** "The prior leader fully updates the target server's log to match its own log" (thesis §3.10). */
  #checkTarget(raft: Raft, to: ServerId): void {
    const machine = this.#machineOf(to)
    const last = raft.log.entry(raft.log.lastIndex)
    if (last === null || machine.disk.hardState.currentTerm > raft.currentTerm) return
    if (!machine.hasDurably(last)) fail('leadership transfer', `${raft.id} lets ${to} campaign, which lacks ${last.index}`)
  }

  /** A life is noted before it is answered, unless it has forgotten the one that was. */
  #checkNoted(raft: Raft, { lives }: Disk, asker: ServerId, { nonce, knownBootCounter, knownNonce }: RecallResponse): void {
    const noted = lives.peers.get(asker)?.bootCounter ?? 0
    const asked = this.#recalls.get(nonce)
    if (asked === undefined || noted >= asked.bootCounter) return
    if (knownBootCounter > 0 && !asked.nonces.includes(knownNonce)) return
    fail('rejoining', `${raft.id} answers life ${asked.bootCounter} of ${asker}, and has noted ${noted}`)
  }
}

function checkAcknowledgement(
  { id }: Raft,
  { base, entries, checkpoint, hardState }: Disk,
  { term, index }: AppendEntriesResponse | EntriesHeld,
): void {
  const last = Math.max(base.index + entries.length, checkpoint.index)
  if (hardState.currentTerm === term && index > last) fail('durability', `${id} acknowledges ${index}, and has ${last} on disk`)
}

/** Whatever asks for, grants or acknowledges; and what only a leader says. */
function waitsForTerm({ type }: Message): boolean {
  switch (type) {
    case 'requestVote':
    case 'requestVoteResponse':
    case 'appendEntries':
    case 'appendEntriesResponse':
    case 'entriesHeld':
    case 'heartbeat':
    case 'heartbeatResponse':
    case 'commit':
    case 'recall':
    case 'recallResponse':
    case 'timeoutNow':
      return true
    default:
      return false
  }
}

function fail(property: string, message: string): never {
  throw new Violation(property, message)
}
