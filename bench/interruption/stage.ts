/** A network with a running cluster, stock clients whose tunnels are up, and their calls and audio in progress. */

import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { EvpcCluster } from '../../chaos/lab/evpc-cluster.ts'
import { LabError } from '../../chaos/lab/lab-error.ts'
import type { GatewayId } from '../../chaos/lab/network.ts'
import { GATEWAY_IDS, LabNetwork } from '../../chaos/lab/network.ts'
import type { Lab } from '../../chaos/lab/scenario.ts'
import { StrongSwan } from '../../chaos/lab/strongswan.ts'
import type { Undo } from '../../chaos/lab/undo.ts'
import type { Caller } from './callers.ts'
import { callersOf, settingsOf, vpn } from './callers.ts'
import { Traffic } from './traffic.ts'

/** Calls flow for so long before anything happens. */
const WARM_UP_MS = 2_000
/** Daemons that start, and clients that connect, at a time. */
const AT_ONCE = 3

/** Of every gateway.yaml: only the bench moves sessions. */
const gateway = 'balance: { enabled: false }\n'

export interface Ground {
  readonly prefix: string
  readonly folder: string
  readonly undo: Undo
  readonly signal: AbortSignal
}

export interface Session {
  readonly id: string
  readonly owner: GatewayId
  readonly epoch: number
}

export class Stage {
  readonly network: LabNetwork
  readonly cluster: EvpcCluster
  readonly callers: readonly Caller[]
  readonly traffic: Traffic
  readonly signal: AbortSignal

  static async open({ prefix, folder, undo, signal }: Ground, clients: number): Promise<Stage> {
    await mkdir(folder, { recursive: true })
    const network = await LabNetwork.create(prefix, undo, clients)
    const cluster = await EvpcCluster.start(network, join(folder, 'cluster'), { vpn, gateway }, undo, signal)
    const callers = callersOf(clients)
    await connectAll({ network, folder, undo, signal }, callers)
    const traffic = await Traffic.start(
      network,
      callers.map(({ kbits }) => kbits),
      undo,
    )
    await delay(WARM_UP_MS, undefined, { signal })
    return new Stage(network, cluster, callers, traffic, signal)
  }

  private constructor(network: LabNetwork, cluster: EvpcCluster, callers: readonly Caller[], traffic: Traffic, signal: AbortSignal) {
    this.network = network
    this.cluster = cluster
    this.callers = callers
    this.traffic = traffic
    this.signal = signal
  }

  /** Each caller's session, in their order; throws when one has none any more. */
  async sessions(): Promise<Session[]> {
    const all = await this.cluster.sessions()
    return this.callers.map(({ name }) => {
      const session = all.find(({ identity }) => identity === name)
      const owner = GATEWAY_IDS.find((id) => id === session?.owner)
      if (session === undefined || owner === undefined) throw new LabError(`${name} has no session`)
      return { id: session.id, owner, epoch: session.epoch }
    })
  }
}

/** Starts each caller's daemon and connects it. */
export async function connectAll({ network, folder, undo, signal }: Lab, callers: readonly Caller[]): Promise<void> {
  for (let first = 0; first < callers.length; first += AT_ONCE) {
    const some = callers.slice(first, first + AT_ONCE).map(async (caller) => {
      const client = await StrongSwan.start(network, caller.name, join(folder, caller.name), settingsOf(caller), undo, signal)
      await client.initiate()
    })
    // All come to their end before a failure is passed on: what they start must not start after everything was taken away.
    for (const result of await Promise.allSettled(some)) if (result.status === 'rejected') throw result.reason
  }
}
