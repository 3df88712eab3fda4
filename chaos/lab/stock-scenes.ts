/** The controls: a stock strongSwan gateway instead of ours, to show that the lab finds nothing where nothing is, and what there is. */

import { setTimeout as delay } from 'node:timers/promises'
import { join } from 'node:path'
import { CLUSTER_ADDRESS, INSIDE_ADDRESS } from './network.ts'
import { run } from './processes.ts'
import type { Lab, Scene } from './scenario.ts'
import type { StrongSwanSettings } from './strongswan.ts'
import { StrongSwan, gatewayConfiguration } from './strongswan.ts'

const FREEZE_MS = 500

export async function frozenStockGateway(lab: Lab): Promise<Scene> {
  return stockScene(lab, freeze)
}

export async function emptyStockGateway(lab: Lab): Promise<Scene> {
  return stockScene(lab, killAndRestart)
}

type StockFault = (gateway: StrongSwan, signal: AbortSignal) => Promise<string>

async function stockScene(lab: Lab, fault: StockFault): Promise<Scene> {
  const gateway = await stockGateway(lab, { configuration: gatewayConfiguration })
  return {
    prepare: async () => Promise.resolve('strongSwan at sg1'),
    strike: async () => fault(gateway, lab.signal),
    verdict: async () => Promise.resolve([]),
  }
}

/** A single stock gateway in the place of sg1, which has the addresses as ordinary ones. */
export async function stockGateway({ network, folder, undo, signal }: Lab, settings: StrongSwanSettings): Promise<StrongSwan> {
  await run(network.inside('sg1', ['ip', 'addr', 'add', `${CLUSTER_ADDRESS}/32`, 'dev', 'eth0']))
  await run(network.inside('sg1', ['ip', 'addr', 'add', `${INSIDE_ADDRESS}/32`, 'dev', 'eth1']))
  return StrongSwan.start(network, 'sg1', join(folder, 'stock'), settings, undo, signal)
}

async function freeze(gateway: StrongSwan, signal: AbortSignal): Promise<string> {
  gateway.process.signal('SIGSTOP')
  try {
    await delay(FREEZE_MS, undefined, { signal })
  } finally {
    gateway.process.signal('SIGCONT')
  }
  return `SIGSTOP, SIGCONT ${FREEZE_MS} ms later`
}

async function killAndRestart(gateway: StrongSwan, signal: AbortSignal): Promise<string> {
  await gateway.process.kill()
  await gateway.restart(signal)
  return 'SIGKILL, started again without its SAs'
}
