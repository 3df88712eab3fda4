/** The snapshots that a leader sends, one a follower, for as long as the core wants that follower to get one. */

import { decodeMembership } from './membership.ts'
import type { InstallSnapshot, InstallSnapshotResponse, ServerId } from './message.ts'
import { SnapshotSender } from './snapshot-sender.ts'
import type { SnapshotStore } from './snapshot-store.ts'
import type { Raft } from './state.ts'

export interface SnapshotSendersOptions {
  readonly store: SnapshotStore
  readonly octetsPerSecond: number
  /** The server's own clock, in ms. */
  now(): number
  send(to: ServerId, message: InstallSnapshot): void
  /** The snapshot's end is known now. */
  onStarted(peer: ServerId, index: number): void
  /** It came to nothing. */
  onFailed(peer: ServerId): void
}

export class SnapshotSenders {
  readonly #options: SnapshotSendersOptions
  readonly #senders = new Map<ServerId, SnapshotSender>()

  constructor(options: SnapshotSendersOptions) {
    this.#options = options
  }

  start(raft: Raft, peer: ServerId): void {
    const options = this.#options
    this.#senders.get(peer)?.cancel()
    const sender = new SnapshotSender(
      {
        peer,
        store: options.store,
        octetsPerSecond: options.octetsPerSecond,
        send: ({ index: lastIncludedIndex, term: lastIncludedTerm, configuration: mark }, part, data, isLast) => {
          const place = { term: raft.currentTerm, lastIncludedIndex, lastIncludedTerm, part, isLast }
          options.send(peer, { type: 'installSnapshot', ...place, configuration: part === 0 ? decodeMembership(mark) : null, data })
        },
        onStarted: (index) => options.onStarted(peer, index),
        onFailed: () => options.onFailed(peer),
      },
      options.now(),
    )
    this.#senders.set(peer, sender)
  }

  /** Ends those that the core does not want any more. */
  cancelUnwanted({ phase }: Raft): void {
    for (const [peer, sender] of this.#senders) {
      if (phase.type === 'leader' && phase.progress.get(peer)?.state === 'snapshotting') continue
      sender.cancel()
      this.#senders.delete(peer)
    }
  }

  answered(peer: ServerId, message: InstallSnapshotResponse): void {
    this.#senders.get(peer)?.answered(message, this.#options.now())
  }

  /** What was on its way on the old connection is lost. */
  reconnected(peer: ServerId): void {
    this.#senders.get(peer)?.reconnected(this.#options.now())
  }

  /** Now and then. */
  tick(now: number): void {
    for (const sender of this.#senders.values()) sender.tick(now)
  }

  cancel(): void {
    for (const sender of this.#senders.values()) sender.cancel()
  }
}
