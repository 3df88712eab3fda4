/** The properties of figure 3 of the paper, and those that real disks and processes need, watched over a whole run. Throws `Violation`. */

import type { Effects } from '../../../raft/effects.ts'
import type { Entry } from '../../../raft/entry.ts'
import type { LogBase } from '../../../raft/log.ts'
import type { Envelope, ServerId } from '../../../raft/message.ts'
import { isVoter } from '../../../raft/quorum.ts'
import type { Raft } from '../../../raft/state.ts'
import { Violation } from '../checkers/violation.ts'

interface Observed {
  readonly encoded: Uint8Array
  readonly prevTerm: number
}

/** Where a process was after its last step. */
interface Place {
  term: number
  commitIndex: number
  lastApplied: number
  isLeader: boolean
  lastIndex: number
}

export class RaftCheckers {
  readonly #leaders = new Map<number, ServerId>()
  readonly #votes = new Map<string, ServerId>()
  readonly #entries = new Map<string, Observed>()
  readonly #dropped = new Set<string>()
  readonly #committedNames = new Set<string>()
  readonly #places = new WeakMap<Raft, Place>()
  readonly #hasDurably: (id: ServerId, entry: Entry) => boolean
  readonly #nameOf: (entry: Entry) => string
  /** By index − 1. */
  readonly committed: Entry[] = []
  /** The term of the leader that committed it, at the same place: an entry of term 3 may be committed in term 9. */
  readonly #committedIn: number[] = []

  /** `hasDurably`: whether a server's disk holds an entry, though it be down. `nameOf`: of the proposal that became the entry. */
  constructor(hasDurably: (id: ServerId, entry: Entry) => boolean, nameOf: (entry: Entry) => string) {
    this.#hasDurably = hasDurably
    this.#nameOf = nameOf
  }

  /** After every step of a server, before its effects are performed. Returns how many entries are committed since the step before. */
  afterStep(raft: Raft, effects: Effects): number {
    const before = this.committed.length
    this.#checkProgress(raft, effects)
    if (effects.statusChanged && raft.phase.type === 'leader') this.#checkLeader(raft)
    for (const entry of effects.persist?.entries ?? []) this.#checkLogMatching(raft, entry)
    checkConfiguration(raft, effects)
    // Those that lost something find out before they are members.
    check(!raft.drops.has('entries that were acknowledged and are gone'), 'durability', () => `${raft.id} forgot entries`)
    if (raft.commitIndex > before) for (const entry of raft.log.slice(before + 1, raft.commitIndex)) this.#commit(raft, entry)
    for (const entry of effects.persist?.entries ?? []) if (entry.kind === 'configuration') this.#checkChange(raft, entry)
    for (const entry of effects.committed) this.#checkStateMachine(raft.id, entry)
    return this.committed.length - before
  }

  /** A proposal was said to be in no log, for good. */
  onDropped(name: string): void {
    check(!this.#committedNames.has(name), 'dropped', () => `proposal ${name} is committed, and was reported as dropped`)
    this.#dropped.add(name)
  }

  /** A snapshot includes what was committed, and nothing else. */
  onInstalled(id: ServerId, { index, term }: LogBase): void {
    const isCommitted = this.committed[index - 1]?.term === term
    check(isCommitted, 'state machine safety', () => `${id} takes a snapshot up to ${index} of term ${term}`)
  }

  /** When a message leaves. A vote that was decided and lost in a crash before it was durable never left, and may be cast anew. */
  onSent(from: ServerId, { to, message }: Envelope): void {
    if (message.type === 'requestVoteResponse' && message.voteGranted) this.#checkVote(from, message.term, to)
    if (message.type === 'requestVote') this.#checkVote(from, message.term, from)
  }

  /** "A leader never overwrites or deletes entries in its log; it only appends new entries"; and what only rises. */
  #checkProgress(raft: Raft, effects: Effects): void {
    const { currentTerm: term, commitIndex, lastApplied, log, id } = raft
    const isLeader = raft.phase.type === 'leader'
    const place = this.#places.get(raft)
    if (place === undefined) {
      this.#places.set(raft, { term, commitIndex, lastApplied, isLeader, lastIndex: log.lastIndex })
      return
    }
    check(term >= place.term, 'terms only rise', () => `${id} goes from ${place.term} to ${term}`)
    check(commitIndex >= place.commitIndex, 'commitIndex only rises', () => `${id} goes from ${place.commitIndex} to ${commitIndex}`)
    check(lastApplied >= place.lastApplied, 'lastApplied only rises', () => `${id} goes from ${place.lastApplied} to ${lastApplied}`)
    if (isLeader && place.isLeader && term === place.term) {
      const isOfThisTerm = commitIndex === place.commitIndex || log.term(commitIndex) === term
      check(isOfThisTerm, 'commitment', () => `${id} commits ${commitIndex} of term ${log.term(commitIndex)} in term ${term} (§5.4.2)`)
      const first = effects.persist?.entries[0]?.index ?? Infinity
      check(first > place.lastIndex, 'leader append-only', () => `${id} writes ${first}, and had ${place.lastIndex}`)
      check(log.lastIndex >= place.lastIndex, 'leader append-only', () => `${id} ends at ${log.lastIndex}, and had ${place.lastIndex}`)
    }
    place.term = term
    place.commitIndex = commitIndex
    place.lastApplied = lastApplied
    place.isLeader = isLeader
    place.lastIndex = log.lastIndex
  }

  #commit(raft: Raft, entry: Entry): void {
    const { voters, outgoingVoters } = raft.configuration
    const isDurable = [voters, outgoingVoters ?? voters].every((each) => isMajority(each, (id) => this.#hasDurably(id, entry)))
    check(isDurable, 'commitment', () => `entry ${entry.index} of term ${entry.term} is not on the disks of a majority`)
    // A leader that commits a configuration in which it does not vote may be none any more after that step.
    check(
      raft.phase.type === 'leader' || !isVoter(raft.configuration, raft.id),
      'commitment',
      () => `${raft.id} knows of ${entry.index} before any leader does`,
    )
    const name = entry.kind === 'command' ? this.#nameOf(entry) : ''
    check(!this.#dropped.has(name), 'dropped', () => `proposal ${name} was reported as dropped, and is committed`)
    this.#committedNames.add(name)
    this.committed.push(entry)
    this.#committedIn.push(raft.currentTerm)
  }

  /** "Once C_old,new has been committed, [...] it is now safe for the leader to create a log entry describing C_new" (§6). */
  #checkChange({ id, log, configurations }: Raft, entry: Entry): void {
    const before = configurations.findLast(({ index }) => index < entry.index)
    // What is compacted was applied, and is checked there.
    if (before === undefined || before.membership.outgoingVoters === null || before.index <= log.base.index) return
    const isCommitted = this.committed[before.index - 1]?.term === log.term(before.index)
    check(
      isCommitted,
      'configuration',
      () => `${id} ends a change at ${entry.index} that begins at ${before.index}, which is not committed`,
    )
  }

  /** "At most one leader can be elected in a given term"; "if a log entry is committed in a given term, then that entry will be present in
   * the logs of the leaders for all higher-numbered terms". */
  #checkLeader(raft: Raft): void {
    const { currentTerm: term, id } = raft
    const other = this.#leaders.get(term) ?? id
    check(other === id, 'election safety', () => `${other} and ${id} lead term ${term}`)
    this.#leaders.set(term, id)
    // What was compacted was applied, and is checked there.
    for (let index = raft.log.firstIndex; index <= this.committed.length; index++) {
      if (this.#committedIn[index - 1]! >= term) continue
      check(raft.log.term(index) === this.committed[index - 1]!.term, 'leader completeness', () => `${id} lacks ${index}`)
    }
  }

  /** "If two logs contain an entry with the same index and term, then the logs are identical in all entries up through the given index":
   * by induction, if such entries are equal and follow entries of equal terms. */
  #checkLogMatching(raft: Raft, entry: Entry): void {
    const key = `${entry.index}/${entry.term}`
    const prevTerm = raft.log.term(entry.index - 1)!
    const earlier = this.#entries.get(key)
    if (earlier === undefined) {
      this.#entries.set(key, { encoded: entry.encoded, prevTerm })
      return
    }
    const isSame = prevTerm === earlier.prevTerm && isEqual(entry.encoded, earlier.encoded)
    check(isSame, 'log matching', () => `entry ${key} of ${raft.id} is not what another has there`)
  }

  /** "If a server has applied a log entry at a given index to its state machine, no other server will ever apply a different one." */
  #checkStateMachine(id: ServerId, entry: Entry): void {
    const first = this.committed[entry.index - 1]
    check(first !== undefined, 'state machine safety', () => `${id} applies ${entry.index}, which is not committed`)
    check(isEqual(entry.encoded, first!.encoded), 'state machine safety', () => `entry ${entry.index} of ${id} is not what was committed`)
  }

  /** "Each server will vote for at most one candidate in a given term", over crashes too. */
  #checkVote(id: ServerId, term: number, candidate: ServerId): void {
    const key = `${id}/${term}`
    const earlier = this.#votes.get(key) ?? candidate
    check(candidate === earlier, 'one vote a term', () => `${id} votes for ${earlier} and ${candidate} in term ${term}`)
    this.#votes.set(key, candidate)
  }
}

/** "A server always uses the latest configuration in its log, regardless of whether the entry is committed" (§6). */
function checkConfiguration({ id, log, configurations }: Raft, effects: Effects): void {
  const { index } = configurations.at(-1)!
  const isThere = index <= log.base.index || log.entry(index)?.kind === 'configuration'
  const latest = effects.persist?.entries.findLast(({ kind }) => kind === 'configuration')?.index ?? index
  check(isThere && latest === index, 'configuration', () => `${id} goes by the one at ${index}, and the latest in its log is another`)
}

/** Counted here, not by the core's own arithmetic, which may be wrong. */
function isMajority(voters: readonly ServerId[], has: (id: ServerId) => boolean): boolean {
  return voters.filter(has).length > voters.length / 2
}

function check(condition: boolean, property: string, message: () => string): void {
  if (!condition) throw new Violation(property, message())
}

function isEqual(a: Uint8Array, b: Uint8Array): boolean {
  return a === b || Buffer.compare(a, b) === 0
}
