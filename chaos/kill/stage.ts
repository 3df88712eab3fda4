/** Where it all happens: the network, a file system and a clock for each machine, five gateways, stock and built-in clients that are connected, their traffic, the capture. */

import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Ground } from '../lab/carry-through.ts'
import { connectClients } from '../lab/connect-clients.ts'
import { EvpcCluster } from '../lab/evpc-cluster.ts'
import type { GatewayId } from '../lab/network.ts'
import { CLUSTER_ADDRESS, INNER_HOST, LabNetwork, clientAddress, clientName } from '../lab/network.ts'
import { clientFile } from '../lab/rows/configuration.ts'
import type { StrongSwan } from '../lab/strongswan.ts'
import { GATEWAY_ID, PRE_SHARED_KEY } from '../lab/strongswan.ts'
import { Capture } from './capture.ts'
import { Clocks } from './clocks.ts'
import { Cuts } from './cuts.ts'
import { Disks } from './disks.ts'
import { History } from './history.ts'
import { Operator } from './operator.ts'
import { VOTERS, machines } from './plan.ts'
import { Traffic } from './traffic.ts'

export interface Scale {
  /** Stock clients; built-in ones. */
  readonly stock: number
  readonly builtIn: number
  readonly perSecond: number
  /** Lines of every gateway.yaml. */
  readonly gateway: string
}

export interface Stage {
  readonly network: LabNetwork
  readonly cluster: EvpcCluster
  readonly disks: Disks
  readonly clocks: Clocks
  readonly cuts: Cuts
  readonly operator: Operator
  readonly history: History
  readonly traffic: Traffic
  readonly capture: Capture
  /** Of the stock clients, in their order. */
  readonly daemons: readonly StrongSwan[]
  /** All clients' namespaces, which are their identities, too: the stock ones first. */
  readonly clients: readonly string[]
  readonly folder: string
  readonly signal: AbortSignal
}

export async function openStage({ prefix, folder, undo, signal }: Ground, scale: Scale, say: (line: string) => void): Promise<Stage> {
  await mkdir(folder, { recursive: true })
  const clients = Array.from({ length: scale.stock + scale.builtIn }, (_, i) => clientName(i))
  say(`${machines.length} machines, ${clients.length} clients: network, disks, clocks`)
  const network = await LabNetwork.create(prefix, undo, clients.length, machines)
  const disks = await Disks.make(folder, machines, undo)
  const clocks = await Clocks.make(folder, machines)
  const founders = machines.slice(0, VOTERS)
  const cluster = await EvpcCluster.start(
    network,
    join(folder, 'cluster'),
    {
      gateway: scale.gateway,
      founders,
      dataDirOf: (machine: GatewayId, id: string) => join(disks.pathOf(machine), id),
      wrap: (machine: GatewayId, command: readonly string[]) => clocks.wrap(machine, command),
    },
    undo,
    signal,
  )
  say(`${founders.length} gateways are ready`)
  const capture = await Capture.start(network, clients, folder, undo, signal)
  const stock = clients.slice(0, scale.stock).map((name) => ({ name, settings: clientFile({ id: name }) }))
  const daemons = await connectClients({ network, folder, undo, signal }, stock)
  // At once: each would tell a cluster that may be gone that it leaves, and wait for the answer.
  undo.add('clients', async () => Promise.all(daemons.map(async ({ process }) => process.kill())))
  say(`${daemons.length} stock clients are connected`)
  const traffic = await Traffic.open(
    {
      type: 'open',
      perSecond: scale.perSecond,
      host: { namespace: network.namespaceOf('host'), address: INNER_HOST },
      stock: clients.slice(0, scale.stock).map((client) => network.namespaceOf(client)),
      builtIn: {
        clients: clients
          .slice(scale.stock)
          .map((name, i) => ({ name, namespace: network.namespaceOf(name), address: clientAddress(scale.stock + i) })),
        gateway: CLUSTER_ADDRESS,
        gatewayIdentity: GATEWAY_ID,
        secret: PRE_SHARED_KEY,
      },
    },
    undo,
  )
  const history = new History(founders)
  const operator = new Operator(cluster, history)
  const cutter = new Cuts(network)
  return { network, cluster, disks, clocks, cuts: cutter, operator, history, traffic, capture, daemons, clients, folder, signal }
}

/** The log of each daemon. */
export async function clientLogs({ daemons }: Stage): Promise<string[]> {
  return Promise.all(daemons.map(({ logFile }) => readFile(logFile, 'utf8')))
}
