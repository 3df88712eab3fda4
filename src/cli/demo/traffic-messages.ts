/** What the demo says to its two traffic processes, the clients' and the trusted host's, and what they answer. */

import type { Endpoint } from '../../context/session-context.ts'
import type { Bytes } from '../../kit/bytes.ts'
import type { FlowWindow } from './measuring.ts'

export interface ClientsSetup {
  readonly type: 'clients'
  readonly sessions: number
  readonly gateway: { readonly ike: Endpoint; readonly natT: Endpoint }
  readonly gatewayIdentity: string
  readonly secret: Bytes
}

export interface HostSetup {
  readonly type: 'host'
  readonly sessions: number
  readonly listen: Endpoint
  readonly gateways: Endpoint
}

export type ToTraffic =
  | ClientsSetup
  | HostSetup
  /** Begin to dial. To the clients only. */
  | { readonly type: 'dial' }
  /** To the host: the session's tunnel is up with this address; packets to it begin. */
  | { readonly type: 'address'; readonly session: number; readonly address: Bytes }
  /** What each session sent from `fromMs` to `toMs`, and received since `fromMs`. */
  | { readonly type: 'window'; readonly id: number; readonly fromMs: number; readonly toMs: number }
  /** Send no more packets. */
  | { readonly type: 'quiet' }
  | { readonly type: 'totals'; readonly id: number }
  /** To the host: processes that must not outlive the demo, and the folder that goes with it. */
  | { readonly type: 'wards'; readonly processes: readonly number[]; readonly folder: string }
  /** End the tunnels (IKE DELETE), and exit. */
  | { readonly type: 'close' }

/** `sent` is the process's own direction, `received` the other. */
export interface TrafficTotals {
  readonly sent: number
  readonly received: number
  readonly duplicated: number
  /** When each session last received something, monotonic ms; −∞: never. */
  readonly lastMs: readonly number[]
  /** Of the clients; the host has none. */
  readonly established: number
  readonly reAuthentications: number
  readonly sequenceNumbersReused: number
}

/** A packet of the call that is heard, as it arrived at its client. Times: monotonic ms, the same clock at both ends. */
export interface HeardPacket {
  readonly counter: number
  readonly sentMs: number
  readonly arrivedMs: number
  readonly sound: Bytes
}

/** The session whose packets to the client carry sound. */
export const HEARD_SESSION = 0

export type FromTraffic =
  | { readonly type: 'ready' }
  /** Of the clients: a tunnel is up (again). */
  | { readonly type: 'up'; readonly session: number; readonly address: Bytes }
  | { readonly type: 'heard'; readonly packet: HeardPacket }
  | { readonly type: 'problem'; readonly session: number; readonly problem: string }
  | {
      readonly type: 'window'
      readonly id: number
      readonly sent: readonly FlowWindow['sent'][]
      readonly arrivals: readonly FlowWindow['arrivals'][]
    }
  | { readonly type: 'totals'; readonly id: number; readonly totals: TrafficTotals }
