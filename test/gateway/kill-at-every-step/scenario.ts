/** A scenario is a value: how to get there, the exchange to do, what must hold in the end. */

import type { VpnConfiguration } from '../../../src/context/vpn-configuration.ts'
import type { InitiatorOptions } from '../../../src/ike/initiator.ts'
import type { Sealer } from '../../../src/kit/sealer.ts'
import type { Stage } from './stage.ts'

export interface Scenario {
  readonly name: string
  /** How the client differs from the usual one. */
  readonly client?: Partial<InitiatorOptions>
  /** Of the client's random numbers; 77 unless told. */
  readonly seed?: number
  /** How the configuration differs from that of all tests. Without: Child SAs may have a key exchange of their own. */
  readonly vpn?: (vpn: VpnConfiguration, sealer: Sealer) => VpnConfiguration
  /**
   * At each moment the owner dies, and ends in one other way: the others take turns. Where it is the owner that hears the client, and when the other
   * one dies, at every second moment. Without: all of it at each moment.
   */
  readonly takesTurns?: boolean
  /** How to get there, undisturbed. Without: the session is established. */
  readonly before?: (stage: Stage) => void
  /** Begins the exchange. */
  readonly go: (stage: Stage) => void
  /** What the client does when the cluster's first request leaves, so that the two cross. */
  readonly crosses?: (stage: Stage) => void
  /** What somebody does again, each time that the client sends its request again; an operator, say. */
  readonly again?: (stage: Stage) => void
  /** When it is over, apart from nobody's request being unanswered. */
  readonly isOver?: (stage: Stage) => boolean
  readonly ends: 'up' | 'gone'
  /** What must hold in the end, apart from what always must. */
  readonly holds?: (stage: Stage) => void
  /** What must hold in a run without faults whose datagrams arrive at another gateway than the owner, so that it is about what it says. */
  readonly calm?: (stage: Stage) => void
}
