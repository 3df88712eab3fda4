/** A network with a running cluster, stock clients whose tunnels are up, and their calls and audio in progress. */

import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Ground } from '../../chaos/lab/carry-through.ts'
import { connectClients } from '../../chaos/lab/connect-clients.ts'
import { EvpcCluster } from '../../chaos/lab/evpc-cluster.ts'
import { LabError } from '../../chaos/lab/lab-error.ts'
import type { GatewayId } from '../../chaos/lab/network.ts'
import { GATEWAY_IDS, LabNetwork } from '../../chaos/lab/network.ts'
import type { Caller } from './callers.ts'
import { callersOf, clientOf, vpn } from './callers.ts'
import { Traffic } from './traffic.ts'

/** Calls flow for so long before anything happens. */
const WARM_UP_MS = 2_000

/** Of every gateway.yaml: only the bench moves sessions. */
const gateway = 'balance: { enabled: false }\n'

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
    await connectClients({ network, folder, undo, signal }, callers.map(clientOf))
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
