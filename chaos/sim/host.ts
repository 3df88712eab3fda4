/** What a gateway has besides its process, and what outlives it: a disk and how long it takes, and clocks. */

import type { Drive } from './drive.ts'
import type { LocalClock } from './local-clock.ts'
import type { Machine } from './raft/machine.ts'

export interface Host {
  readonly id: string
  readonly machine: Machine
  readonly drive: Drive
  readonly clock: LocalClock
  /** The newest cluster version that the build there knows; a later process may be of a later build. */
  newestVersion: number
}
