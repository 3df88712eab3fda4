/**
 * What a leader knows of one follower (figure 2: nextIndex, matchIndex), and its window: while probing one append at a time looks for the
 * place where the logs meet; then appends are pipelined, bounded in number and octets. A follower whose next entry was compacted gets a
 * snapshot, and no appends meanwhile.
 */

import type { Rejoining } from './standing.ts'

interface Inflight {
  readonly lastIndex: number
  readonly octets: number
}

export class Progress {
  matchIndex = 0
  /** It says that it holds the entries up to here, though that may not count (standing.ts): where to go on. Invariant: matchIndex <= heldIndex. */
  heldIndex = 0
  nextIndex: number
  state: 'probing' | 'replicating' | 'snapshotting' = 'probing'
  /** While probing: an append is out and its answer awaited; heartbeat answers allow another. */
  probeSent = false
  /** When the follower was last heard in this term. */
  lastHeard: number
  /** When it was last heard as a member: what others say does not count (standing.ts). */
  lastHeardAsMember: number
  /** To the follower, its disk, and back; smoothed. 0: not measured yet. */
  roundTripMs = 0
  /** The commit index that the follower was told; may have been lost, heartbeats repeat it. */
  announcedCommit = 0
  /** It has forgotten what it acknowledged, and doesn't vote (standing.ts). */
  rejoining: Rejoining | null = null
  /** The last round of heartbeats that it answered as a member. */
  memberRound = 0
  /** While it gets a snapshot: the entry that the snapshot ends with; 0 until that is known. What follows must not be compacted. */
  snapshotIndex = 0
  /** The latest round of heartbeats that the follower has answered in this term. */
  acknowledgedRound = 0
  #inflight: Inflight[] = []
  #inflightOctets = 0

  constructor(nextIndex: number, now: number) {
    this.nextIndex = nextIndex
    this.lastHeard = now
    this.lastHeardAsMember = now
  }

  hasRoom(maxMessages: number, maxOctets: number): boolean {
    if (this.state === 'snapshotting') return false
    if (this.state === 'probing') return !this.probeSent
    return this.#inflight.length < maxMessages && this.#inflightOctets < maxOctets
  }

  /** Notes an append that ends at `lastIndex`. */
  sent(lastIndex: number, octets: number): void {
    if (this.state === 'probing') {
      this.probeSent = true
      return
    }
    this.nextIndex = lastIndex + 1
    this.#inflight.push({ lastIndex, octets })
    this.#inflightOctets += octets
  }

  /** An acknowledgement; returns whether it was news. Late and repeated ones change nothing. */
  acknowledged(index: number): boolean {
    const isNews = index > this.matchIndex
    this.matchIndex = Math.max(this.matchIndex, index)
    this.held(index)
    return isNews
  }

  /** It holds these entries, which need not count. */
  held(index: number): void {
    this.heldIndex = Math.max(this.heldIndex, index)
    this.nextIndex = Math.max(this.nextIndex, this.heldIndex + 1)
    while (this.#inflight.length > 0 && this.#inflight[0]!.lastIndex <= index) this.#inflightOctets -= this.#inflight.shift()!.octets
  }

  probeFrom(nextIndex: number): void {
    this.state = 'probing'
    this.probeSent = false
    this.nextIndex = Math.max(nextIndex, this.heldIndex + 1)
    this.#inflight = []
    this.#inflightOctets = 0
  }

  replicate(): void {
    this.state = 'replicating'
    this.probeSent = false
    this.nextIndex = this.heldIndex + 1
  }

  /** Its next entry is gone from the log. */
  awaitSnapshot(): void {
    this.state = 'snapshotting'
    this.snapshotIndex = 0
    this.#inflight = []
    this.#inflightOctets = 0
  }

  /** What it acknowledged says nothing any more. */
  forget(nextIndex: number): void {
    this.matchIndex = 0
    this.heldIndex = 0
    this.announcedCommit = 0
    if (this.state !== 'snapshotting') this.probeFrom(nextIndex)
  }
}
