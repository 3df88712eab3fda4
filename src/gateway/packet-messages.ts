/**
 * What the two halves of a gateway say to one another.
 *
 * The *control core* (control.ts; on the main thread) has the replicated state, IKE and the proposals. The *packet core*
 * (packets.ts; on the data plane's thread) has the sockets' datagrams, ESP and, of the sessions that this gateway owns and that have
 * traffic, counters and windows. Messages arrive in order and are never lost; each side lives and dies with the process. All values
 * survive a structured clone.
 */

import type { Bytes } from '../kit/bytes.ts'
import type { Endpoint, EspSuite, TrafficSelector } from '../context/session-context.ts'
import type { Grant, GrantRecord, WindowState } from '../context/grants.ts'

/** One Child SA of an installed session. Keys are unsealed, in the order of RFC 7296 §2.17: encryption key (with salt), then integrity key. */
export interface ChildInstall {
  readonly spiIn: number
  readonly spiOut: number
  readonly suite: EspSuite
  readonly keyIn: Bytes
  readonly keyOut: Bytes
  readonly localTs: readonly TrafficSelector[]
  readonly remoteTs: readonly TrafficSelector[]
  /** The first number that this tenure may send. */
  readonly start: number
  readonly ceiling: Grant
  readonly floor: number
  readonly horizon: Grant
  readonly window: WindowState
  /** It is ours to delete: nothing is sent by it any more where there is another one. Without: it is not. */
  readonly isClosing?: boolean
  /** The exchange that made it was ours, so the client has it, and we may send by it before it has. Without: it was the client's. */
  readonly initiatedByUs?: boolean
}

/**
 * A session that this gateway owns, in the present state. When the packet core already has the session with the same `since`, it keeps
 * the counters and windows of the children that it knows by `spiIn`, installs new children and forgets missing ones; with another
 * `since` nothing of the older tenure survives (protocol.md rule 10).
 */
export interface SessionInstall {
  readonly session: number
  readonly epoch: number
  readonly since: number
  /** The last grant serial applied; the packet core's next one is higher. */
  readonly serial: number
  readonly local: Endpoint
  readonly remote: Endpoint
  /** Whether the client's address may follow its packets. */
  readonly follow: boolean
  readonly virtualIps: readonly Bytes[]
  /** What the last record said, of an earlier tenure perhaps; 0 unless told. */
  readonly packetsPerSecond?: number
  readonly children: readonly ChildInstall[]
}

/** Why a packet needs the control core: an SPI or an inner destination that the packet core has no route for. */
export type RouteKey = { readonly type: 'spi'; readonly spi: number } | { readonly type: 'address'; readonly address: Bytes }

/** Limits in force after a grant record of ours was applied. */
export interface AppliedGrant {
  readonly session: number
  readonly epoch: number
  readonly serial: number
  readonly children: readonly { readonly spiIn: number; readonly ceiling: Grant; readonly horizon: Grant }[]
}

/** Who holds a cluster address, by the agreed state; null: nobody. */
export interface AddressHolder {
  readonly address: Bytes
  readonly gateway: string | null
}

export type ToPackets =
  /** Our incarnation, or 0: it ended, forget all sessions and routes at once. `tick`: its committed tick. */
  | { readonly type: 'incarnation'; readonly incarnation: number }
  | { readonly type: 'install'; readonly session: SessionInstall }
  /** Same tenure, new epoch (Reclaim): unfreeze, lift the stop, keep counters and windows (rule 10). */
  | { readonly type: 'reclaimed'; readonly session: number; readonly epoch: number }
  /** Frozen by us, and the Transfer was refused for ever: go on. */
  | { readonly type: 'unfreeze'; readonly session: number; readonly epoch: number }
  /** Not ours any more, or ended. `movedTo`: where held and late packets follow to, under `epoch`; null: drop them. */
  | { readonly type: 'remove'; readonly session: number; readonly epoch: number; readonly movedTo: string | null }
  /** The answer to `resolve`. `gateway`: forward there under `epoch`; null: no such session here, drop what is parked. */
  | { readonly type: 'route'; readonly key: RouteKey; readonly session: number; readonly gateway: string | null; readonly epoch: number }
  /** Routes to these sessions or to this gateway are out of date: ask again at the next packet. */
  | { readonly type: 'forget-routes'; readonly gateway: string | null; readonly sessions: readonly number[] }
  | { readonly type: 'granted'; readonly grants: readonly AppliedGrant[] }
  /** Our incarnation's committed tick. */
  | { readonly type: 'ticked'; readonly tick: number }
  /** Stop sending and accepting for the session, flush, and answer `frozen`. */
  | { readonly type: 'freeze'; readonly session: number; readonly epoch: number }
  /** The serving lease: after this monotonic time (ms) the packet core sends and accepts nothing. */
  | { readonly type: 'lease'; readonly untilMs: number }
  /** Who holds the cluster's addresses now. */
  | { readonly type: 'holders'; readonly holders: readonly AddressHolder[] }
  /** From a local endpoint of the cluster to a client: IKE. */
  | { readonly type: 'send-outer'; readonly local: Endpoint; readonly remote: Endpoint; readonly datagrams: readonly Bytes[] }
  /** To another gateway's control core, over the mesh. */
  | { readonly type: 'send-mesh'; readonly gateway: string; readonly payload: Bytes }

export type FromPackets =
  /** An IKE datagram of a client, without the non-ESP marker. */
  | { readonly type: 'ike'; readonly datagram: Bytes; readonly local: Endpoint; readonly remote: Endpoint }
  | { readonly type: 'resolve'; readonly key: RouteKey }
  /**
   * To be proposed: our next tick (0: none), grant records, and sessions whose limits should grow for another span with their present
   * rates. Rates and wanted limits as in `GrantRecord`.
   */
  | { readonly type: 'advance'; readonly tick: number; readonly grants: readonly GrantRecord[]; readonly renewals: readonly number[] }
  /** The session is frozen and everything is flushed: what the next owner starts with. */
  | {
      readonly type: 'frozen'
      readonly session: number
      readonly epoch: number
      readonly children: readonly { readonly spiIn: number; readonly next: number; readonly window: WindowState }[]
    }
  /** From another gateway's control core, authenticated as `gateway`. */
  | { readonly type: 'mesh'; readonly gateway: string; readonly payload: Bytes }
  /** Once a second. */
  | { readonly type: 'report'; readonly report: PacketReport }
  /** Of sessions that had traffic: rows as in session-counts.ts. */
  | { readonly type: 'counted'; readonly counts: Float64Array; readonly carried: Float64Array }

/** Counters since the start of the process, but for the `…PerSecond` figures. */
export interface PacketReport {
  readonly packetsPerSecond: number
  readonly packetsIn: number
  readonly packetsOut: number
  readonly forwarded: number
  /** Datagrams to clients that this gateway sent for others. */
  readonly relayed: number
  /** Packets that waited for a limit. */
  readonly horizonStalls: number
  readonly ceilingStalls: number
  readonly drops: Readonly<Record<string, number>>
}
