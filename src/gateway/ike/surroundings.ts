/** What the parts of IKE on a gateway share: a datagram on its way, and what they are given by the control core. */

import type { Bytes } from '../../kit/bytes.ts'
import type { IkeCrypto } from '../../kit/ike-crypto.ts'
import type { Random } from '../../kit/random.ts'
import type { Sealer } from '../../kit/sealer.ts'
import type { Endpoint } from '../../context/session-context.ts'
import type { VpnConfiguration } from '../../context/vpn-configuration.ts'
import type { Path } from '../../ike/decision.ts'
import type { WholeMessage } from '../../ike/wire/fragment.ts'
import type { State } from '../../session/state.ts'
import type { Counters } from '../counters.ts'
import type { Now } from '../clock.ts'
import type { ChildCounts } from '../session-counts.ts'
import type { Proposals } from '../proposals.ts'
import type { ExchangeCounts } from './exchange-counts.ts'
import type { IkeLimits } from './limits.ts'

/** An IKE datagram on its way: from a client, or forwarded by a gateway that knew the session under `epoch`. */
export interface IkeArrival {
  readonly datagram: Bytes
  readonly path: Path
  readonly epoch: number
  readonly hops: number
  /** The message that `datagram` was the last fragment of, put together here. */
  readonly whole?: WholeMessage
}

export interface IkeSurroundings {
  readonly self: string
  readonly state: State
  readonly crypto: IkeCrypto
  readonly random: Random
  readonly sealer: Sealer
  /**
   * The present one first: the same on every gateway, and secret, so that who answers an IKE_SA_INIT can't be chosen by a client. Cookies of the others are
   * good, too: a gateway may go by another for a moment.
   */
  readonly steeringKeys: () => readonly Bytes[]
  readonly proposals: Proposals
  readonly counters: Counters
  readonly exchanges: ExchangeCounts
  readonly limits: IkeLimits
  /** The cluster's addresses that this gateway can hold: those of its site. */
  readonly addresses: readonly Bytes[]
  readonly vpn: () => VpnConfiguration
  /** No ESP packet is longer. */
  readonly packetOctets: number
  /** What a Child SA of a session of ours has carried in this tenure, up to a second ago; null: nothing. */
  readonly countsOf: (session: number, spiIn: number) => ChildCounts | null
  readonly send: (local: Endpoint, remote: Endpoint, datagrams: readonly Bytes[]) => void
  readonly forward: (gateway: string, arrival: IkeArrival) => void
  /** By itself the client speaks to an address of another site now. */
  readonly leftSite: (session: number, now: Now) => void
  /** Whether the session is being handed over: no exchange is decided until that is settled. */
  readonly isLeaving: (session: number) => boolean
  /** A client that is not in yet waits for its turn. Null: none has to, each is served as it comes. */
  readonly clientWaits: (() => void) | null
  /** The incarnation's initialization vectors are used up: come up anew. */
  readonly exhausted: () => void
}

/** Mesh hops of a datagram (DESIGN.md "The cluster address"). */
export const MAX_HOPS = 3
/** How often a decision is made anew with fresh values because another gateway was first to take them. */
export const MAX_ATTEMPTS = 8
