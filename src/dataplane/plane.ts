/**
 * A data plane: where decrypted packets go and packets to clients come from.
 */

import type { Endpoint } from '../context/session-context.ts'
import type { Bytes } from '../kit/bytes.ts'

export interface Plane {
  /** The gateway is ready: packets to clients may come. */
  start(): Promise<void>
  /** The gateway may not serve just now: what others can take had better not come here. */
  stop(): Promise<void>
  /** Delivers one inner packet to the trusted side, in this turn or not at all; a drop is counted. */
  deliver(packet: Bytes): void
  /** The turn is over: what was gathered is delivered. */
  flush(): void
  /** The prefixes (`10.77.0.0/16`) of the clients' addresses: packets to them are to come here, and never leave in clear. */
  setPools(prefixes: readonly string[]): Promise<void>
  close(): Promise<void>
}

export type PlaneConfig =
  /** A TUN device; needs CAP_NET_ADMIN. */
  | { readonly type: 'tun'; readonly name: string; readonly mtu: number }
  /**
   * Inner packets as UDP datagrams, without privileges: gateways of one machine share `listen` by SO_REUSEPORT, and deliver to the
   * trusted host at `host`, a process of its own that outlives them.
   */
  | { readonly type: 'loopback'; readonly listen: Endpoint; readonly host: Endpoint }
