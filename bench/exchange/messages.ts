/** What the bench tells its generator, and what that answers. */

import type { Endpoint } from '../../src/context/session-context.ts'

export interface GeneratorSetup {
  readonly type: 'setup'
  readonly local: Endpoint['address']
  readonly gateway: { readonly ike: Endpoint; readonly natT: Endpoint }
  readonly gatewayIdentity: string
  readonly secret: string
}

export type ToGenerator =
  | GeneratorSetup
  /** Connect for so long, `inFlight` clients at a time, each a new one. */
  | { readonly type: 'handshakes'; readonly inFlight: number; readonly warmUpMs: number; readonly measuredMs: number }
  /** All clients that are up ask in turn whether the gateway lives, `inFlight` at a time. */
  | { readonly type: 'liveness'; readonly inFlight: number; readonly warmUpMs: number; readonly measuredMs: number }

/** Of the measured time alone. */
export interface ExchangeRound {
  readonly type: 'round'
  readonly seconds: number
  /** Handshakes (IKE_SA_INIT and IKE_AUTH), or liveness exchanges. */
  readonly exchanges: number
  /** From the request to what ends it, ms, ascending. */
  readonly latenciesMs: Float64Array
  readonly retransmissions: number
  /** Attempts that failed, and tunnels that went away. */
  readonly failures: number
  /** Seconds of the generator's own processor time. */
  readonly generatorCpuSeconds: number
  /** Sessions that are up afterwards. */
  readonly sessions: number
}

export type FromGenerator =
  | { readonly type: 'ready' }
  | { readonly type: 'measuring' }
  | ExchangeRound
  | { readonly type: 'problem'; readonly problem: string }
