/** Snapshots that a member sends to its followers, and the one that it takes over: what SnapshotSender and SnapshotReceiver do for a server. */

import type { Effects } from '../../raft/effects.ts'
import type { InstallSnapshot, InstallSnapshotResponse } from '../../raft/message.ts'
import type { Raft } from '../../raft/state.ts'
import type { Checkpoint } from './raft/disk.ts'
import type { UnclockedInput } from './raft/life.ts'
import { SnapshotReceiving, SnapshotSending } from './snapshot-parts.ts'

const MAX_WAITING_PARTS = 8

export interface MemberSnapshotsOptions {
  readonly raft: Raft
  readonly now: () => number
  /** What the disk holds. */
  readonly checkpoint: () => Checkpoint
  readonly send: (to: string, message: InstallSnapshot | InstallSnapshotResponse) => void
  readonly step: (input: UnclockedInput) => void
  /** One for us has arrived whole; other parts wait until `takenOver`. */
  readonly onWhole: (checkpoint: Checkpoint) => void
}

export class MemberSnapshots {
  readonly #o: MemberSnapshotsOptions
  readonly #sendings = new Map<string, SnapshotSending>()
  readonly #receiving = new SnapshotReceiving()
  readonly #waiting: { readonly from: string; readonly message: InstallSnapshot }[] = []
  #isTakingOver = false
  /** Since when the disk has been at one; Infinity: it is not. */
  storingSinceMs = Infinity

  constructor(options: MemberSnapshotsOptions) {
    this.#o = options
  }

  perform({ snapshotsTo, snapshotParts }: Effects): void {
    for (const peer of snapshotsTo) this.#start(peer)
    for (const { from, message } of snapshotParts) {
      if (message.type === 'installSnapshot') this.#receive(from, message)
      else this.#answered(from, message)
    }
  }

  /** A sending lives as long as the core wants its follower to get a snapshot. */
  tick(): void {
    const { phase, currentTerm } = this.#o.raft
    for (const [peer, sending] of this.#sendings) {
      const isWanted = phase.type === 'leader' && phase.progress.get(peer)?.state === 'snapshotting'
      const parts = isWanted ? sending.again(currentTerm, this.#o.now()) : null
      if (parts !== null) {
        this.#send(peer, parts)
        continue
      }
      this.#sendings.delete(peer)
      if (isWanted) this.#o.step({ type: 'snapshotFailed', peer })
    }
  }

  /** The one for us is on disk. */
  stored(): void {
    this.storingSinceMs = Infinity
  }

  /** The application has begun anew with it. */
  takenOver(): void {
    this.#isTakingOver = false
    for (const { from, message } of this.#waiting.splice(0)) this.#receive(from, message)
  }

  #start(peer: string): void {
    const sending = new SnapshotSending(this.#o.checkpoint(), this.#o.now())
    this.#sendings.set(peer, sending)
    this.#o.step({ type: 'snapshotStarted', peer, index: sending.checkpoint.index })
    this.#send(peer, sending.next(this.#o.raft.currentTerm))
  }

  #answered(peer: string, message: InstallSnapshotResponse): void {
    const sending = this.#sendings.get(peer)
    if (sending === undefined) return
    sending.answered(message, this.#o.now())
    this.#send(peer, sending.next(this.#o.raft.currentTerm))
  }

  #send(to: string, parts: readonly InstallSnapshot[]): void {
    for (const message of parts) this.#o.send(to, message)
  }

  /** The last part is answered by the log: with all that the snapshot includes. */
  #receive(from: string, message: InstallSnapshot): void {
    const { raft, now, send, onWhole } = this.#o
    const { lastIncludedIndex } = message
    if (this.#isTakingOver) {
      if (this.#waiting.length < MAX_WAITING_PARTS) this.#waiting.push({ from, message })
      return
    }
    if (lastIncludedIndex <= raft.commitIndex) return
    const checkpoint = this.#receiving.receive(message)
    if (checkpoint !== null) {
      this.#isTakingOver = true
      this.storingSinceMs = now()
      onWhole(checkpoint)
      return
    }
    const nextPart = this.#receiving.nextPartOf(lastIncludedIndex)
    send(from, { type: 'installSnapshotResponse', term: raft.currentTerm, lastIncludedIndex, nextPart })
  }
}
