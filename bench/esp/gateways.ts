/**
 * What is measured: a gateway of ours (`evpc serve`, a cluster of one, with its log on disk) and a stock strongSwan (charon with kernel-libipsec), each in
 * a network of its own with the same addresses, two clients (the built-in one, and a stock one) and an inner host.
 */

import { mkdir } from 'node:fs/promises'
import { cpus } from 'node:os'
import { join } from 'node:path'
import type { Ground } from '../../chaos/lab/carry-through.ts'
import { EvpcCluster } from '../../chaos/lab/evpc-cluster.ts'
import { INSIDE_NET, LabNetwork, clientName, gatewayIds, outsideAddressOf } from '../../chaos/lab/network.ts'
import { attempt, run } from '../../chaos/lab/processes.ts'
import { vpnFile } from '../../chaos/lab/rows/configuration.ts'
import { stockGateway } from '../../chaos/lab/stock-scenes.ts'
import { gatewayConfiguration } from '../../chaos/lab/strongswan.ts'
import type { SideName, SideSetup } from './messages.ts'
import { suites } from './suites.ts'

export interface Gateway {
  readonly name: SideName
  readonly network: LabNetwork
  readonly pid: number
}

/** The stock client's participant; the built-in one's is the first. */
export const STOCK_CLIENT = clientName(1)

const firewalls = ['iptables', 'ip6tables', 'arptables']
const keywords = suites.map(({ keyword }) => keyword)
/** No liveness checks, no rekeying while it lasts: both sides' defaults. */
const vpn = vpnFile({ child: [`esp_proposals: [${keywords.join(', ')}]`] })
const stockVpn = gatewayConfiguration.replace(
  `local_ts = ${INSIDE_NET}`,
  `local_ts = ${INSIDE_NET}\n    esp_proposals = ${keywords.join(',')}`,
)

export async function startGateway(name: SideName, { prefix, folder, undo, signal }: Ground): Promise<Gateway> {
  const own = join(folder, name)
  await mkdir(own, { recursive: true })
  const network = await LabNetwork.create(`${prefix}${name[0]}`, undo, 2, gatewayIds(1))
  await addClearRoutes(network)
  // Where the machine's bridges ask a firewall about each packet, that would be measured along.
  await attempt(network.inside('switch', ['sysctl', '-qw', ...firewalls.map((name) => `net.bridge.bridge-nf-call-${name}=0`)]))
  if (name === 'charon') {
    const { process } = await stockGateway({ network, folder: own, undo, signal }, { configuration: stockVpn })
    return { name, network, pid: process.pid }
  }
  const dataplane = name === 'plain' ? '{ type: tun, path: plain }' : '{ type: tun, path: fast }'
  const cluster = await EvpcCluster.start(network, join(own, 'cluster'), { vpn, dataplane }, undo, signal)
  return { name, network, pid: cluster.process('sg1').pid }
}

/** The gateway's machine as a router, for what is in clear. A tunnel's packets have other addresses. */
async function addClearRoutes(network: LabNetwork): Promise<void> {
  await run(network.inside('client', ['ip', 'route', 'add', INSIDE_NET, 'via', outsideAddressOf('sg1')]))
  await run(network.inside('host', ['ip', 'route', 'add', '10.99.0.0/24', 'via', '10.50.0.11']))
}

export function setupOf({ name, network, pid }: Gateway): SideSetup {
  return { name, pid, clientNamespace: network.namespaceOf('client'), hostNamespace: network.namespaceOf('host') }
}

/** The generator's processor, and those of the gateways: all others; null where there is only one. */
export function processors(): { readonly generator: string; readonly gateways: string } | null {
  const count = cpus().length
  return count < 2 ? null : { generator: '0', gateways: `1-${count - 1}` }
}

/** Keeps a gateway, all its threads, on its processors; without `list`: on all of them. */
export async function keepOn({ pid }: Gateway, list = `0-${cpus().length - 1}`): Promise<void> {
  await run(['taskset', '--all-tasks', '--cpu-list', '--pid', list, String(pid)])
}
