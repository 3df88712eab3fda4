/**
 * A row of the matrix: clients with a configuration of their own, what happens to them once they are connected, and what must be so in the
 * end. Each row is run twice: undisturbed, and with the owner killed at a random moment in the middle (run-row.ts).
 */

import type { CapturedPacket } from '../capture-rows.ts'
import type { Check } from '../check.ts'
import type { ClusterSettings, EvpcCluster } from '../evpc-cluster.ts'
import type { LabNetwork } from '../network.ts'
import type { Pause } from '../ping-output.ts'
import type { Renewal } from '../renewed-associations.ts'
import type { ClientIkeSa } from '../security-associations.ts'
import type { StrongSwan, StrongSwanSettings } from '../strongswan.ts'

/** The check that the first client begins once: it is not thrown out, nor does it give up. */
export const ONE_START = 'the client begins once'

export interface Row {
  readonly name: string
  readonly title: string
  /** Files, gateways and clients; `folder` is for what has to be made, such as certificates. */
  setUp(folder: string): Promise<RowSetting>
  /** The cables before anybody starts: another address, a NAT. */
  wire?(network: LabNetwork): Promise<void>
  /** What is done while packets flow, every client being connected. It returns when that is over. */
  act?(stage: RowStage): Promise<void>
  /** What is waited for when that is over and the kill has come. */
  settle?(stage: RowStage): Promise<void>
  /** No packets flow while the row acts and settles. */
  readonly isSilent?: boolean
  /** A pass takes more than a minute: such a row runs when it is named, and with all, and is never drawn. */
  readonly isSlow?: boolean
  /** SAs of the first client that are new after it; none unless told. */
  readonly renews?: Renewal
  /** Clients are turned away. */
  readonly refusal?: Refusal
  /** How many Child SAs each client has in the end; 1 unless told. */
  readonly children?: number
  /** What must be so beside what must always be so. */
  verdict?(seen: RowSeen): readonly Check[] | Promise<readonly Check[]>
  /** Names of checks that say nothing here; the row's text says why. */
  readonly notJudged?: readonly string[]
}

export interface Refusal {
  /** What clients are told, as charon logs it. */
  readonly says: RegExp
  /** The reason that gateways count (`evpc_drops_total`); none unless told. */
  readonly counted?: string
}

export interface RowSetting {
  readonly gateways?: ClusterSettings
  /** At least one; its child is called `home`, and so is its connection. */
  readonly clients: readonly StrongSwanSettings[]
}

export interface RowStage {
  readonly network: LabNetwork
  readonly cluster: EvpcCluster
  readonly clients: readonly StrongSwan[]
  readonly signal: AbortSignal
}

/** What the clients and the first client's wire saw of it. */
export interface RowSeen extends RowStage {
  /** What each client held when all were connected, and in the end. */
  readonly before: readonly (readonly ClientIkeSa[])[]
  readonly after: readonly (readonly ClientIkeSa[])[]
  readonly packets: readonly CapturedPacket[]
  /** Each client's log. */
  readonly logs: readonly string[]
  /** icmp_seq of the first client's pings that were never answered. */
  readonly lost: readonly number[]
  /** When the row was silent; null: never. */
  readonly silence: Pause | null
  /** Null when nobody was killed. */
  readonly killed: Kill | null
}

export interface Kill {
  readonly gateway: string
  /** After the clients began to connect, or the row to act. */
  readonly afterMs: number
  readonly timeMs: number
}
