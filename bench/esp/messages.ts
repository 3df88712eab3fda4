/** What the bench tells its generator, and what that answers. */

import type { Round } from './rounds.ts'

/** Ours, ours with dataplane.path `plain`, and strongSwan. */
export type SideName = 'evpc' | 'plain' | 'charon'

export type Direction = 'from client' | 'to client'

export interface SideSetup {
  readonly name: SideName
  readonly clientNamespace: string
  readonly hostNamespace: string
  /** The gateway's process. */
  readonly pid: number
}

export interface Settings {
  /** Of each suite. */
  readonly sessions: number
  readonly rounds: number
  /** Through each gateway of ours, each way, before anything is measured: what is compiled ahead needs none. */
  readonly heatingPackets: number
  /** Measured in a round, and before them. */
  readonly packets: number
  readonly warmUpPackets: number
  readonly delayPackets: number
}

export interface GeneratorSetup extends Settings {
  readonly sides: readonly SideSetup[]
}

/** A round, and the processor time of the gateway's process in it. */
export interface CostedRound extends Round {
  readonly cpuSeconds: number
}

export type FromGenerator =
  | {
      readonly type: 'rates'
      readonly suite: string
      readonly direction: Direction
      readonly octets: number
      readonly sides: Partial<Record<SideName, readonly CostedRound[]>>
    }
  /** Microseconds, ascending; `router`: of the same packets in clear, with the gateway's machine as nothing but a router. */
  | {
      readonly type: 'delays'
      readonly traffic: 'steady' | 'first'
      readonly direction: Direction
      readonly octets: number
      readonly sides: Partial<Record<SideName, readonly number[]>>
      readonly router: readonly number[]
    }
