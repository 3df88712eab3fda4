/** How small the world is, and what may happen in it how often. */

import type { RequestKind } from './setup.ts'

export interface Scope {
  readonly name: string
  readonly gateways: number
  /** Packets of the client's, numbers 1 and up, and how many copies of each the network has. */
  readonly inbound: number
  readonly copies: number
  /** Packets of the trusted side. */
  readonly outbound: number
  /** Copies of the client's IKE request. */
  readonly requests: number
  readonly request: RequestKind
  /** Ticks of 25 ms that packet cores notice, over all gateways. */
  readonly ticks: number
  /** GatewayDowns of incarnations that are up, whether anybody died or not. */
  readonly downs: number
  readonly crashes: number
  /** Requests of operators, to any other gateway that is up. */
  readonly transfers: number
  /** How often a control core waits for seconds: then it takes back what it handed over, and lets rest what is quiet. */
  readonly lates: number
  /** How often a gateway that lags by two commands or more gets the agreed state instead. */
  readonly snapshots: number
  /** What the session's first owner was granted before: sequence numbers a tick, and a horizon. */
  readonly rateIn: number
  readonly rateOut: number
  readonly horizon: number
  /** Messages between the two cores of a gateway take their time. */
  readonly isSplit: boolean
  /** Who is not the owner by what it has applied applies the next command at once (world.ts says why that may be). */
  readonly isEager: boolean
  /** Ended incarnations are kept, and nothing is derived before somebody looks: as in a table that the fold takes long to go through. */
  readonly isLazy: boolean
}

const nothing = {
  gateways: 2,
  inbound: 0,
  copies: 1,
  outbound: 0,
  requests: 0,
  request: 'liveness',
  ticks: 0,
  downs: 0,
  crashes: 0,
  transfers: 0,
  lates: 0,
  snapshots: 0,
  rateIn: 0,
  rateOut: 0,
  horizon: 0,
  isSplit: false,
  isEager: true,
  isLazy: false,
} as const

export function scope(name: string, changes: Partial<Scope>): Scope {
  return { ...nothing, ...changes, name }
}
