/**
 * Two sites in one group: sg1 has one cluster address, sg2 and sg3 have another. In the end the client and the owner of its session are at
 * the same one.
 */

import type { Check } from '../check.ts'
import { check } from '../check.ts'
import { untilLogged } from '../client-exchanges.ts'
import { LabError } from '../lab-error.ts'
import type { GatewayId } from '../network.ts'
import { CLIENT_ADDRESS, CLUSTER_ADDRESS, INSIDE_ADDRESS } from '../network.ts'
import { run, waitUntil } from '../processes.ts'
import { clientFile } from './configuration.ts'
import { clientOf } from './exchange-rows.ts'
import { addOtherAddress } from './path-rows.ts'
import type { Row, RowSeen, RowStage } from './row.ts'

const OTHER_SITE = '10.99.0.101'
const TOGETHER_LIMIT_MS = 20_000
/** At the end of a row, with pings every 50 ms. */
const LAST_MS = 500

const twoSites = {
  addresses: { outside: [CLUSTER_ADDRESS], elsewhere: { sg2: [OTHER_SITE], sg3: [OTHER_SITE] }, inside: [INSIDE_ADDRESS] },
}

export const siteRows: readonly Row[] = [
  {
    name: 're-anchor',
    title: 'a session is transferred to another site, and its client led there',
    setUp: async () => ({ gateways: twoSites, clients: [clientFile()] }),
    async act(stage) {
      await untilRekeyed(stage, async () => {
        await waitUntil('the session to be moved', TOGETHER_LIMIT_MS, stage.signal, async () => isMovedTo(stage, 'sg3'))
      })
      await untilTogether(stage)
    },
    // Wherever its gateway is, charon with kernel-libipsec rekeys the Child SA when that changes.
    renews: { child: true },
    verdict: checkTogether,
  },
  {
    name: 'other-site',
    title:
      "the client roams to where only the other site's address can be reached: it goes there by itself (MOBIKE), and its session follows",
    setUp: async () => ({ gateways: twoSites, clients: [clientFile()] }),
    wire: addOtherAddress,
    async act(stage) {
      await untilRekeyed(stage, async () => {
        await run(stage.network.inside('client', ['ip', 'route', 'add', 'unreachable', CLUSTER_ADDRESS]))
        await run(stage.network.inside('client', ['ip', 'addr', 'del', `${CLIENT_ADDRESS}/24`, 'dev', 'eth0']))
      })
      await untilTogether(stage)
    },
    renews: { child: true },
    verdict: checkTogether,
  },
]

/** Whether it is there by now. */
async function isMovedTo({ cluster }: RowStage, to: GatewayId): Promise<boolean> {
  return !cluster.process(to).isRunning || (await whatTheClusterSays(async () => cluster.moveSession(to)))?.owner === to
}

/** The last thing that charon does about another address. */
async function untilRekeyed({ clients, signal }: RowStage, act: () => Promise<void>): Promise<void> {
  await untilLogged(clientOf(clients), /CHILD_SA closed/, signal, act)
}

/** Until the client speaks to the other site, and the session's owner is there. */
async function untilTogether(stage: RowStage): Promise<void> {
  await waitUntil(`the client and its session to be at ${OTHER_SITE}`, TOGETHER_LIMIT_MS, stage.signal, async () => {
    return (await whatTheClusterSays(async () => whereabouts(stage)))?.every((address) => address === OTHER_SITE) === true
  })
}

/** Null: who was asked is dying, or cannot say yet who takes its place. */
async function whatTheClusterSays<T>(ask: () => Promise<T>): Promise<T | null> {
  try {
    return await ask()
  } catch (error) {
    if (error instanceof LabError) return null
    throw error
  }
}

/** The cluster addresses that the client says it speaks to, that the cluster says it does, and that the owner of its session has. */
async function whereabouts({ cluster, clients }: Pick<RowStage, 'cluster' | 'clients'>): Promise<string[]> {
  const listed = await clientOf(clients).swanctl('--list-sas', '--raw')
  const host = /remote-host=(\S+)/.exec(listed)?.[1]
  if (host === undefined) throw new LabError(`charon's list has no remote-host: ${listed}`)
  const { owner, local } = await cluster.session()
  return [host, local.slice(0, local.indexOf(':')), owner === 'sg1' ? CLUSTER_ADDRESS : OTHER_SITE]
}

async function checkTogether(seen: RowSeen): Promise<Check[]> {
  const where = await whereabouts(seen)
  const untilMs = seen.packets.at(-1)?.timeMs ?? 0
  const last = seen.packets.filter(({ timeMs }) => timeMs > untilMs - LAST_MS)
  const isThere = last.every(({ source, destination }) => source === OTHER_SITE || destination === OTHER_SITE)
  return [
    check(
      'client and owner are together at the other site',
      where.every((address) => address === OTHER_SITE),
      where.join(', '),
    ),
    check('packets go there and come from there', isThere && last.length > 0, `${last.length} datagrams in the last ${LAST_MS} ms`),
  ]
}
