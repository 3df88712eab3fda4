/**
 * What the main thread and the data plane's worker say to one another, besides the cores' own messages (gateway/packet-messages.ts).
 * Messages travel in arrays, one a turn of the sender's loop, in order. All values survive a structured clone.
 */

import type { Endpoint } from '../context/session-context.ts'
import type { FromPackets, ToPackets } from '../gateway/packet-messages.ts'
import type { Bytes } from '../kit/bytes.ts'
import type { MeshKeyChange } from '../network/mesh.ts'
import type { DataPath, DataPathChoice } from './data-path.ts'
import type { PlaneConfig } from './plane.ts'

export interface PacketPlaneConfig {
  /** The module (a URL) that makes the packet core in the worker, see `PacketCoreModule`, and what it is made with. */
  readonly core: { readonly module: string; readonly options: unknown }
  /** What clients speak to: every address with every port. `reusePort`: shared with the machine's other gateways. */
  readonly clients: { readonly endpoints: readonly Endpoint[]; readonly reusePort: boolean }
  readonly mesh: { readonly listen: Endpoint; readonly peers: ReadonlyMap<string, Endpoint> }
  readonly plane: PlaneConfig
  /** Which path packets take; `auto`: the fast one where it works. */
  readonly path: DataPathChoice
  /** The interfaces that the cluster's addresses are announced on, with the anchor `vip`; else null. */
  readonly vip: { readonly interfaces: readonly VipInterface[] } | null
}

export interface VipInterface {
  readonly name: string
  /** Addresses of 4 or 16 octets that other machines of this network ask for. */
  readonly addresses: readonly Bytes[]
}

/** Things that take a while: answered by `done`, in order. */
export type ShellRequest =
  | { readonly type: 'open-sockets' }
  | { readonly type: 'close-sockets' }
  | { readonly type: 'set-pools'; readonly prefixes: readonly string[] }

export type ToWorker =
  | ToPackets
  | { readonly type: 'request'; readonly id: number; readonly request: ShellRequest }
  | { readonly type: 'mesh-key'; readonly change: MeshKeyChange }
  /** Null: the gateway left the cluster. */
  | { readonly type: 'mesh-peer'; readonly gateway: string; readonly endpoint: Endpoint | null }
  /** This gateway holds these of the cluster's addresses: announce them and answer for them, while the serving lease is valid. */
  | { readonly type: 'claim'; readonly addresses: readonly Bytes[] }
  | { readonly type: 'release' }
  | { readonly type: 'close' }

export type FromWorker =
  | FromPackets
  /** The first message: mesh and plane are open, with the ports that the system chose where 0 was asked for. */
  | { readonly type: 'ready'; readonly mesh: Endpoint; readonly inside: Endpoint | null; readonly path: DataPath }
  | { readonly type: 'done'; readonly id: number; readonly error: string | null }
