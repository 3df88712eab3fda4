/**
 * What a scenario is: who serves the client, what is done to them, and what must be so afterwards beside what must always be so. The
 * rest (network, client, traffic, capture, the checks that hold for every fault) is the trial's, see trial.ts.
 */

import type { CapturedPacket } from './capture-rows.ts'
import type { StrongSwan, Temper } from './strongswan.ts'
import type { WatchedFrame } from './watch.ts'
import type { Check } from './check.ts'
import type { LabNetwork } from './network.ts'
import type { ClientIkeSa } from './security-associations.ts'
import type { Undo } from './undo.ts'

/** Where a trial takes place. */
export interface Lab {
  readonly network: LabNetwork
  /** Of the trial's files: logs, keys, the capture. */
  readonly folder: string
  readonly undo: Undo
  /** Aborted when the user ends the lab. */
  readonly signal: AbortSignal
}

/** The gateways of a trial, started and ready to take a client, and what to do with them. */
export interface Scene {
  /** Brings the gateways into the state that the fault needs, the client being connected; says which. */
  prepare(): Promise<string>
  /** Does the damage, at once unless the traffic is to pause for it; says what. `client`: for what it has to do meanwhile. */
  strike(client: StrongSwan, traffic: Interruptible): Promise<string>
  /** What must be so beside what must always be so. */
  verdict(seen: Seen): Promise<readonly Check[]>
}

/** The pings of both sides. */
export interface Interruptible {
  pause(): void
  resume(): void
}

/** What the client and the wire saw of it. */
export interface Seen {
  /** icmp_seq of the pings that were never answered. */
  readonly lost: readonly number[]
  readonly packets: readonly CapturedPacket[]
  /** What the client held before and after. */
  readonly before: readonly ClientIkeSa[]
  readonly after: readonly ClientIkeSa[]
  /** The client's log since the fault, which was then (ms of the wall clock). */
  readonly log: string
  readonly faultMs: number
  /** What the watch at the switch saw. */
  readonly frames: readonly WatchedFrame[]
}

export interface Scenario {
  readonly name: string
  readonly title: string
  /** Names of the checks that must fail: none, but in a control that shows that they can. */
  readonly mustFail: readonly string[]
  /** Names of the checks that say nothing here; the scenario's text says why. */
  readonly notJudged: readonly string[]
  readonly client: Temper
  /** Machines for gateways of ours. */
  readonly gateways: number
  open(lab: Lab): Promise<Scene>
}
