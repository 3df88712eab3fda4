/** What the nemesis says to its traffic's process, and what that answers. Monotonic ms, which all processes of a machine share. */

import type { FlowReport, Silence } from './flow.ts'

export interface TrafficSetup {
  readonly type: 'open'
  /** Datagrams a second, each way, of each client. */
  readonly perSecond: number
  readonly host: { readonly namespace: string; readonly address: string }
  /** Of the stock clients, whose tunnels are up. */
  readonly stock: readonly string[]
  readonly builtIn: BuiltInSetup
}

/** Clients of our own, each in its namespace; they are counted after the stock ones. */
export interface BuiltInSetup {
  readonly clients: readonly { readonly name: string; readonly namespace: string; readonly address: string }[]
  readonly gateway: string
  readonly gatewayIdentity: string
  readonly secret: string
}

export type ToTraffic =
  | TrafficSetup
  /** Send from now on. */
  | { readonly type: 'flow' }
  /** Send no more. */
  | { readonly type: 'quiet' }
  /** When what came last was sent. */
  | { readonly type: 'latest'; readonly id: number }
  | { readonly type: 'report'; readonly id: number }

export interface StreamReport {
  /** Numbers that came back to the client. */
  readonly echoed: number
  readonly problems: readonly string[]
}

export interface ClientReport {
  readonly up: FlowReport
  readonly down: FlowReport
  /** Null: a built-in client has none. */
  readonly stream: StreamReport | null
  /** What a built-in client says of itself. */
  readonly problems: readonly string[]
}

export type FromTraffic =
  | { readonly type: 'ready' }
  /** Of each client the earlier of both directions. */
  | { readonly type: 'latest'; readonly id: number; readonly sentMs: readonly number[] }
  | {
      readonly type: 'report'
      readonly id: number
      readonly clients: readonly ClientReport[]
      /** When the process itself stood still: silences in it say nothing of the gateways. */
      readonly stalls: readonly Silence[]
      /** Datagrams of clients that were sent to the gateways a second time. */
      readonly replayed: number
    }
