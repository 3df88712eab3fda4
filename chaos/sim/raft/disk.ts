/** What a server's disk holds, as a value that is never changed in place: so that an older one can be put back. */

import { assert } from '../../../raft/assert.ts'
import type { HardState, Lives, Persist } from '../../../raft/effects.ts'
import type { Entry } from '../../../raft/entry.ts'
import type { LogBase, LogStart } from '../../../raft/log.ts'
import { emptyStart } from '../../../raft/log.ts'

/** The last entry whose effects the application's durable state holds. */
export interface CheckpointMark extends LogStart {
  /** The application's own words about that place. */
  readonly position: Uint8Array
}

/** The application's durable state: where it is, and what the application keeps. */
export interface Checkpoint extends CheckpointMark {
  /** By key, as hexadecimal digits. */
  readonly records: ReadonlyMap<string, Uint8Array>
}

export interface Disk {
  readonly hardState: HardState
  readonly lives: Lives
  readonly base: LogStart
  readonly entries: readonly Entry[]
  readonly checkpoint: Checkpoint
}

export const emptyCheckpoint: Checkpoint = { ...emptyStart, position: new Uint8Array(0), records: new Map() }

export const emptyDisk: Disk = {
  hardState: { currentTerm: 0, votedFor: null },
  lives: { bootCounter: 0, nonces: [], isRejoining: false, caughtUpIn: 0, peers: new Map() },
  base: emptyStart,
  entries: [],
  checkpoint: emptyCheckpoint,
}

/** A storage that was found damaged and set aside for a new one. */
export const rejoiningDisk: Disk = { ...emptyDisk, lives: { ...emptyDisk.lives, isRejoining: true } }

/** The disk after the batch. */
export function written(disk: Disk, persist: Persist): Disk {
  const hardState = persist.hardState ?? disk.hardState
  const lives = persist.lives ?? disk.lives
  const [base, held] = persist.reset === null ? [disk.base, disk.entries] : [persist.reset, []]
  const entries = persist.entries.length === 0 ? held : replaced(base, held, persist.entries)
  const newBase = persist.compactTo ?? base
  return {
    ...disk,
    hardState,
    lives,
    base: newBase,
    entries: newBase.index === base.index ? entries : entries.slice(newBase.index - base.index),
  }
}

function replaced(base: LogBase, held: readonly Entry[], entries: readonly Entry[]): readonly Entry[] {
  const first = entries[0]!.index
  assert(first > base.index, `entry ${first} is written after base ${base.index}`)
  assert(first <= base.index + held.length + 1, `entry ${first} is written after ${base.index + held.length}`)
  const all = held.slice(0, first - base.index - 1)
  for (const entry of entries) all.push(entry)
  return all
}

/** As a process finds it that starts: one more life; and a log that begins only after what the application holds is set aside, as damaged. */
export function opened(disk: Disk): Disk {
  const found = disk.checkpoint.index < disk.base.index ? { ...rejoiningDisk, checkpoint: disk.checkpoint } : disk
  return { ...found, lives: { ...found.lives, bootCounter: found.lives.bootCounter + 1 } }
}

/** Entries up to the base were committed and applied, and are held by the application. */
export function holds({ base, entries, checkpoint }: Disk, entry: Entry): boolean {
  if (entry.index <= Math.max(base.index, checkpoint.index)) return true
  return entries[entry.index - base.index - 1]?.term === entry.term
}
