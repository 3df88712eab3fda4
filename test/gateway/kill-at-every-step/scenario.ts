/** A scenario is a value: how to get there, the exchange to do, what must hold in the end. */

import type { VpnConfiguration } from '../../../src/context/vpn-configuration.ts'
import type { InitiatorOptions } from '../../../src/ike/initiator.ts'
import type { Sealer } from '../../../src/kit/sealer.ts'
import type { FaultKind, Stage } from './stage.ts'

export interface Scenario {
  readonly name: string
  /** How the client differs from the usual one. */
  readonly client?: Partial<InitiatorOptions>
  /** How the configuration differs from that of all tests. Without: Child SAs may have a key exchange of their own. */
  readonly vpn?: (vpn: VpnConfiguration, sealer: Sealer) => VpnConfiguration
  /** The ways of ending that are tried; all unless told. */
  readonly kinds?: readonly FaultKind[]
  /** How to get there, undisturbed. Without: the session is established. */
  readonly before?: (stage: Stage) => void
  /** Begins the exchange. */
  readonly go: (stage: Stage) => void
  /** What somebody does again, each time that the client sends its request again; an operator, say. */
  readonly again?: (stage: Stage) => void
  /** When it is over, apart from nobody's request being unanswered. */
  readonly isOver?: (stage: Stage) => boolean
  readonly ends: 'up' | 'gone'
  /** What must hold in the end, apart from what always must. */
  readonly holds?: (stage: Stage) => void
}
