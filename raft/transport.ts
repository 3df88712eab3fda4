/** What a server needs of a network: unreliable, unordered at worst, but authenticated. */

import type { ServerId } from './message.ts'
import type { SendPriority } from './priority.ts'

/** `refused`: the connection closed and, tried again at once, the peer's port refused it: its process is most likely dead. */
export type PeerState = 'connected' | 'closed' | 'refused'

export interface TransportHandlers {
  /** An encoded message of an authenticated peer; the octets are the receiver's to keep. */
  onMessage(from: ServerId, bytes: Uint8Array): void
  onPeer(peer: ServerId, state: PeerState): void
}

export interface Transport {
  /** Starts listening and connecting. */
  start(handlers: TransportHandlers): Promise<void>
  /** Never blocks; may drop. With a priority: waits behind what has none, may overtake what has a higher number, and is dropped after that. */
  send(to: ServerId, bytes: Uint8Array, priority?: SendPriority): void
  /** Who belongs to the cluster from now on, but for this server: id → `host:port`. A transport that knows by itself has no need of it. */
  setPeers?(peers: ReadonlyMap<ServerId, string>): void
  close(): Promise<void>
}
