/** What a seed draws: how large the cluster is, how bad everything is, and which faults there are at all (swarm testing: each seed its own mixture). */

import { randomBelow } from '../../../src/kit/random.ts'
import type { SeededRandom } from '../../../src/kit/random.ts'
import type { PacketFaults } from './network.ts'

/** Chances are per mille, of a turn (2 ms). */
export interface Swarm {
  readonly servers: number
  readonly network: PacketFaults
  readonly maxWriteMs: number
  readonly maxAppendOctets: number
  /** Of each server. */
  readonly write: number
  readonly read: number
  readonly checkpoint: number
  readonly crash: number
  readonly boot: number
  readonly stall: number
  readonly freeze: number
  /** Of the cluster. */
  readonly crashLeader: number
  readonly crashAll: number
  readonly copyDisk: number
  readonly loseDisk: number
  readonly partition: number
  readonly strand: number
  readonly join: number
  readonly falseAlarm: number
  readonly transferLeadership: number
  readonly changeMembership: number
}

export function drawSwarm(random: SeededRandom): Swarm {
  const oneOf = (...choices: readonly number[]): number => choices[randomBelow(random, choices.length)]!
  return {
    servers: oneOf(1, 2, 3, 3, 3, 4, 5, 5),
    network: {
      lossPercent: oneOf(0, 0, 1, 5, 20),
      copyPercent: oneOf(0, 1, 20),
      maxDelayMs: oneOf(2, 5, 10, 20, 50, 150),
      latePercent: oneOf(0, 0, 5),
    },
    maxWriteMs: oneOf(2, 10, 60),
    maxAppendOctets: oneOf(1, 200),
    write: oneOf(10, 20, 20, 80),
    read: oneOf(5, 20),
    checkpoint: oneOf(0, 10, 10, 50),
    crash: oneOf(0, 0, 1, 2),
    boot: oneOf(10, 20, 50),
    stall: oneOf(0, 0, 1, 4),
    freeze: oneOf(0, 0, 1, 2),
    crashLeader: oneOf(0, 0, 2, 5),
    crashAll: oneOf(0, 0, 0, 1),
    copyDisk: oneOf(4, 20),
    loseDisk: oneOf(0, 1, 3),
    partition: oneOf(0, 0, 3, 8),
    strand: oneOf(0, 2, 4),
    join: oneOf(5, 15, 40),
    falseAlarm: oneOf(0, 3, 10),
    transferLeadership: oneOf(0, 0, 5, 15),
    changeMembership: oneOf(0, 0, 10, 30),
  }
}
