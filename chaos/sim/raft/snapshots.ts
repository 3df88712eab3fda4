/** Snapshots of the raft-only world: one part, which holds the registers. */

import type { InstallSnapshot, ServerId } from '../../../raft/message.ts'
import type { Checkpoint } from './disk.ts'
import type { Server } from './server.ts'

const resendMs = 300

interface Sending {
  readonly from: Server
  readonly to: ServerId
  readonly checkpoint: Checkpoint
  nextAt: number
  left: number
}

/** Those that leaders send: until they are taken over or given up. */
export class Snapshots {
  #sending: Sending[] = []

  /** It is sent `times` times before it is given up. */
  start(from: Server, to: ServerId, now: number, times: number): void {
    const { checkpoint } = from.machine.disk
    this.#sending = this.#sending.filter((other) => other.from !== from || other.to !== to)
    this.#sending.push({ from, to, checkpoint, nextAt: now, left: times })
    from.step({ type: 'snapshotStarted', peer: to, index: checkpoint.index })
  }

  send(now: number, send: (from: Server, to: ServerId, message: InstallSnapshot) => void): void {
    this.#sending = this.#sending.filter(({ from, to }) => {
      const phase = from.raft?.phase
      return phase?.type === 'leader' && phase.progress.get(to)?.state === 'snapshotting'
    })
    for (const sending of this.#sending) {
      const { from, to, checkpoint } = sending
      if (sending.nextAt > now || from.isFrozen || from.raft === null) continue
      sending.nextAt = now + resendMs
      sending.left--
      if (sending.left < 0) from.step({ type: 'snapshotFailed', peer: to })
      else send(from, to, partOf(from.raft.currentTerm, checkpoint))
    }
  }
}

function partOf(term: number, checkpoint: Checkpoint): InstallSnapshot {
  const { index: lastIncludedIndex, term: lastIncludedTerm, configuration, position: data } = checkpoint
  return { type: 'installSnapshot', term, lastIncludedIndex, lastIncludedTerm, part: 0, isLast: true, configuration, data }
}
