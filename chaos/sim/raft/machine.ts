/**
 * A server as its operator has it: a disk, whatever process runs on it, and what may happen to the disk while none does. A minority's disks
 * may lose what they held: found damaged, wiped, or with an older copy of the folder put back.
 */

import type { Lives } from '../../../raft/effects.ts'
import type { Entry } from '../../../raft/entry.ts'
import type { ServerId } from '../../../raft/message.ts'
import type { Raft } from '../../../raft/state.ts'
import type { Disk } from './disk.ts'
import { emptyCheckpoint, emptyDisk, holds, rejoiningDisk } from './disk.ts'

export class Machine {
  readonly id: ServerId
  disk: Disk = emptyDisk
  /** As it was some time ago. */
  copy: Disk = emptyDisk
  /** What it held when its disk lost it, until it is a member again: until then nobody may lean on it. */
  lost: Disk | null = null
  /** It knows that it lost it. */
  #hasNoticed = false

  constructor(id: ServerId) {
    this.id = id
  }

  /** Whether the cluster may count on the entry here: on disk, and not only since the disk forgot; or on the one that did, before anybody leans on it anew. */
  hasDurably(entry: Entry): boolean {
    return holds(this.lost ?? this.disk, entry)
  }

  /** It lost what it held, or has been told so and has not caught up. */
  get isAmnesiac(): boolean {
    return this.lost !== null || this.disk.lives.isRejoining
  }

  /** What it had lost; once, when it is a member again. */
  maybeRecovered(raft: Raft): Disk | null {
    const { lost } = this
    if (lost === null) return null
    if (raft.standing.type === 'rejoining' || this.disk.lives.isRejoining) this.#hasNoticed = true
    else if (this.#hasNoticed && raft.standing.type === 'member') {
      this.#hasNoticed = false
      this.lost = null
      return lost
    }
    return null
  }
}

export type DiskLoss =
  /** The log was found damaged and set aside; with the application's state, or without. */
  | 'log'
  | 'all'
  /** The application's state alone. */
  | 'checkpoint'
  | 'wiped'
  | 'older copy'

/** Ways in which a machine whose process is down may lose its disk now. Never more machines at a time than a majority can do without. */
export function possibleLosses(
  machine: Machine,
  machines: readonly Machine[],
  isTolerated: (lost: ReadonlySet<ServerId>) => boolean,
): readonly DiskLoss[] {
  const amnesiacs = machines.filter(({ isAmnesiac }) => isAmnesiac)
  if (machine.lost !== null || !isTolerated(new Set([machine, ...amnesiacs].map(({ id }) => id)))) return []
  const losses: DiskLoss[] = ['log', 'all', 'checkpoint']
  // What is consistent in itself only others can find out.
  if (!isLifeKnown(machine, machines)) return losses
  losses.push('wiped')
  if (machine.copy.lives.bootCounter < machine.disk.lives.bootCounter) losses.push('older copy')
  return losses
}

export function loseDisk(machine: Machine, loss: DiskLoss): void {
  const { disk } = machine
  machine.lost = disk
  machine.disk = after(loss, machine)
  // A log that reaches back to the beginning makes the application's state anew: nothing was lost.
  if (loss === 'checkpoint' && disk.base.index === 0) machine.lost = null
}

function after(loss: DiskLoss, { disk, copy }: Machine): Disk {
  switch (loss) {
    case 'log':
      return { ...rejoiningDisk, checkpoint: disk.checkpoint }
    case 'all':
      return rejoiningDisk
    case 'checkpoint':
      return { ...disk, checkpoint: emptyCheckpoint }
    case 'wiped':
      return emptyDisk
    case 'older copy':
      return copy
  }
}

/** Whether all others have its last life on their disks: what only a server knows that is down later, nobody finds out. */
function isLifeKnown({ id, disk }: Machine, machines: readonly Machine[]): boolean {
  const { bootCounter, nonces } = disk.lives
  const nonce = nonces.at(-1)
  const isKnownTo = (lives: Lives): boolean => lives.peers.get(id)?.bootCounter === bootCounter && lives.peers.get(id)?.nonce === nonce
  return machines.every((other) => other.id === id || isKnownTo(other.disk.lives))
}
