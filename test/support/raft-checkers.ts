/** The properties of figure 3 of the paper, and two that real disks need, watched over a whole run. */

import assert from 'node:assert/strict'
import type { Effects } from '../../raft/effects.ts'
import type { Entry } from '../../raft/entry.ts'
import type { LogBase } from '../../raft/log.ts'
import type { Envelope, ServerId } from '../../raft/message.ts'
import type { Raft } from '../../raft/state.ts'
import { toHex } from '../../src/kit/bytes.ts'

interface Observed {
  readonly encoded: string
  readonly prevTerm: number
}

export class RaftCheckers {
  readonly #leaders = new Map<number, ServerId>()
  readonly #votes = new Map<string, ServerId>()
  readonly #entries = new Map<string, Observed>()
  readonly #dropped = new Set<string>()
  /** By index − 1. */
  readonly committed: Entry[] = []
  /** The term of the leader that committed it, at the same place: an entry of term 3 may be committed in term 9. */
  readonly #committedIn: number[] = []

  /** After every step of a server. `hasDurably` tells how many disks hold an entry, those of crashed servers included. */
  afterStep(raft: Raft, effects: Effects, hasDurably: (entry: Entry) => number, quorum: number): void {
    if (effects.statusChanged && raft.phase.type === 'leader') this.#checkLeader(raft)
    for (const entry of effects.persist?.entries ?? []) this.#checkLogMatching(raft, entry)
    // Those that lost something find out before they are members.
    assert.equal(raft.drops.get('entries that were acknowledged and are gone'), undefined, `${raft.id} forgot entries`)
    for (const entry of raft.log.slice(this.committed.length + 1, raft.commitIndex)) {
      assert.ok(hasDurably(entry) >= quorum, `commitment: entry ${entry.index} of term ${entry.term} is on ${hasDurably(entry)} disks`)
      this.#checkNotDropped(entry)
      assert.equal(raft.phase.type, 'leader', `commitment: ${raft.id} knows of ${entry.index} before any leader does`)
      this.committed.push(entry)
      this.#committedIn.push(raft.currentTerm)
    }
    for (const entry of effects.committed) this.#checkStateMachine(raft.id, entry)
    for (const outcome of effects.outcomes) if (outcome.type === 'dropped') this.#dropped.add(`${raft.id}/${outcome.id}`)
  }

  /** A snapshot includes what was committed, and nothing else. */
  onInstalled(id: ServerId, { index, term }: LogBase): void {
    assert.equal(this.committed[index - 1]?.term, term, `state machine safety: ${id} takes a snapshot up to ${index} of term ${term}`)
  }

  /** When a message leaves. A vote that was decided and lost in a crash before it was durable never left, and may be cast anew. */
  onSent(from: ServerId, { to, message }: Envelope): void {
    if (message.type === 'requestVoteResponse' && message.voteGranted) this.#checkVote(from, message.term, to)
    if (message.type === 'requestVote') this.#checkVote(from, message.term, from)
  }

  /** "At most one leader can be elected in a given term"; "if a log entry is committed in a given term, then that entry will be present in
   * the logs of the leaders for all higher-numbered terms". */
  #checkLeader(raft: Raft): void {
    const other = this.#leaders.get(raft.currentTerm)
    assert.ok(other === undefined || other === raft.id, `election safety: ${other} and ${raft.id} lead term ${raft.currentTerm}`)
    this.#leaders.set(raft.currentTerm, raft.id)
    for (const entry of this.committed) {
      // What was compacted was applied, and is checked there.
      if (this.#committedIn[entry.index - 1]! < raft.currentTerm && entry.index >= raft.log.firstIndex)
        assert.equal(raft.log.term(entry.index), entry.term, `leader completeness: ${raft.id} lacks ${entry.index}`)
    }
  }

  /** "If two logs contain an entry with the same index and term, then the logs are identical in all entries up through the given index":
   * by induction, if such entries are equal and follow entries of equal terms. */
  #checkLogMatching(raft: Raft, entry: Entry): void {
    const key = `${entry.index}/${entry.term}`
    const observed = { encoded: toHex(entry.encoded), prevTerm: raft.log.term(entry.index - 1)! }
    const earlier = this.#entries.get(key)
    if (earlier === undefined) this.#entries.set(key, observed)
    else assert.deepEqual(observed, earlier, `log matching: entry ${key} of ${raft.id}`)
  }

  /** "If a server has applied a log entry at a given index to its state machine, no other server will ever apply a different one." */
  #checkStateMachine(id: ServerId, entry: Entry): void {
    const first = this.committed[entry.index - 1]
    assert.ok(first !== undefined, `state machine safety: ${id} applies ${entry.index}, which is not committed`)
    assert.equal(toHex(entry.encoded), toHex(first.encoded), `state machine safety: entry ${entry.index} of ${id}`)
  }

  /** "Each server will vote for at most one candidate in a given term", over crashes too. */
  #checkVote(id: ServerId, term: number, candidate: ServerId): void {
    const key = `${id}/${term}`
    const earlier = this.#votes.get(key) ?? candidate
    assert.equal(candidate, earlier, `vote: ${id} votes for ${earlier} and ${candidate} in term ${term}`)
    this.#votes.set(key, candidate)
  }

  /** The data of a proposal names its server and id. */
  #checkNotDropped(entry: Entry): void {
    const name = String.fromCharCode(...entry.data)
    assert.ok(!this.#dropped.has(name), `proposal ${name} was reported as dropped, and is committed`)
  }
}
