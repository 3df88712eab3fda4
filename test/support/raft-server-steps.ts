/** One server's core, stepped by hand: what it holds at the start, and what it answers. */

import type { Effects, Lives } from '../../raft/effects.ts'
import type { Entry } from '../../raft/entry.ts'
import { makeEntry } from '../../raft/entry.ts'
import { RaftLog } from '../../raft/log.ts'
import type { AppendEntries, Envelope, Message, ServerId } from '../../raft/message.ts'
import type { Input } from '../../raft/raft.ts'
import { createRaft, step } from '../../raft/raft.ts'
import type { Raft, RaftOptions } from '../../raft/state.ts'
import { SeededRandom } from '../../src/kit/random.ts'

type WithoutNow<T> = T extends unknown ? Omit<T, 'now'> : never

/** An entry whose data tells its term. */
export function entryOf(index: number, term: number): Entry {
  return makeEntry(index, term, 'command', Uint8Array.of(term))
}

/** Entries from `from` on with these terms. */
export function entriesOf(terms: readonly number[], from = 1): Entry[] {
  return terms.map((term, i) => entryOf(from + i, term))
}

export class SteppedServer {
  readonly raft: Raft
  now = 0
  #persistTo = 0

  /** `logTerms`: the terms of its log, from index 1. */
  constructor(
    id: ServerId,
    voters: readonly ServerId[],
    currentTerm = 0,
    logTerms: readonly number[] = [],
    votedFor: ServerId | null = null,
    options: Partial<RaftOptions> = {},
    lives: (Lives & { readonly nonce: number }) | null = null,
  ) {
    this.raft = createRaft({
      id,
      configuration: { voters, outgoingVoters: null, learners: [] },
      random: new SeededRandom(7),
      hardState: { currentTerm, votedFor },
      log: new RaftLog(entriesOf(logTerms)),
      ...(lives === null ? {} : { lives }),
      now: 0,
      options: { heartbeatMs: 50, electionTimeoutMs: 300, ...options },
    })
  }

  step(input: WithoutNow<Input>): Effects {
    const effects = step(this.raft, { ...input, now: this.now })
    this.#persistTo = effects.persist?.sequence ?? this.#persistTo
    return effects
  }

  receive(from: ServerId, message: Message): Effects {
    return this.step({ type: 'message', from, message })
  }

  /** Everything handed out so far is durable. */
  persisted(sequence = this.#persistTo): Effects {
    return this.step({ type: 'persisted', sequence })
  }

  /** Lets time pass, then ticks once. */
  after(ms: number): Effects {
    this.now += ms
    return this.step({ type: 'tick' })
  }

  /** Wins the next election with the votes of `voters`, and has its no-op on disk. */
  lead(voters: readonly ServerId[]): Effects {
    this.after(450)
    const nextTerm = this.raft.currentTerm + 1
    for (const voter of voters) this.receive(voter, { type: 'preVoteResponse', term: nextTerm - 1, nextTerm, voteGranted: true })
    this.persisted()
    for (const voter of voters) this.receive(voter, { type: 'requestVoteResponse', term: nextTerm, voteGranted: true })
    return this.persisted()
  }
}

/** The answers in these envelopes, without their addressees. */
export function messagesTo(envelopes: readonly Envelope[], to: ServerId): Message[] {
  return envelopes.filter((envelope) => envelope.to === to).map(({ message }) => message)
}

export function append(
  term: number,
  prevLogIndex: number,
  prevLogTerm: number,
  entries: readonly Entry[],
  leaderCommit = 0,
): AppendEntries {
  return { type: 'appendEntries', term, prevLogIndex, prevLogTerm, leaderCommit, entries }
}

export function appended(term: number, index: number): Message {
  return { type: 'appendEntriesResponse', term, success: true, index, hintIndex: 0, hintTerm: 0 }
}
