/** Gateways as processes share the load out by themselves, and when they are asked to. */

import assert from 'node:assert/strict'
import { appendFileSync } from 'node:fs'
import { test } from 'node:test'
import type { ClusterView, GatewayView, Rebalance } from '../../../src/admin/source.ts'
import { Calls } from '../../support/calls.ts'
import { ServeCluster, eventually } from '../../support/serve-cluster.ts'

/** Soon, for a test; on a busy machine gateways take long to come up. */
const soon = 'balance: { holdOffMs: 500, persistMs: 500, restMs: 2000 }\n'
const CALLS = 4

async function sessionsOf(cluster: ServeCluster, asked: string): Promise<ReadonlyMap<string, number>> {
  const counts = new Map<string, number>()
  for (const { owner } of await cluster.sessions(asked)) if (owner !== null) counts.set(owner, (counts.get(owner) ?? 0) + 1)
  return counts
}

test('a gateway that was killed and comes back fills up by itself; a round may be asked for anywhere', async (t) => {
  const cluster = await ServeCluster.layOut(t, 3)
  for (const { id, configFile } of cluster.layout.gateways) {
    appendFileSync(configFile, soon)
    cluster.serve(id)
  }
  const ids = cluster.layout.gateways.map(({ id }) => id)
  for (const id of ids) await cluster.ready(id)
  const calls = await Calls.open(t, cluster.layout)
  for (let i = 0; i < CALLS; i++) {
    const call = await calls.add()
    await call.connect()
    await call.talks()
    call.flow(true)
  }
  const [killed] = [...(await sessionsOf(cluster, 'sg1'))].sort(([, a], [, b]) => b - a)[0]!
  const survivors = ids.filter((id) => id !== killed)
  await cluster.process(killed).kill()
  await eventually('other owners', async () => !(await sessionsOf(cluster, survivors[0]!)).has(killed))
  cluster.serve(killed)
  await cluster.ready(killed)
  await eventually(`sessions at ${killed}`, async () => (await sessionsOf(cluster, killed)).has(killed))

  const { leader } = (await (await cluster.get('sg1', '/v1/cluster')).json()) as ClusterView
  const text = await (await cluster.get(leader!, '/metrics')).text()
  assert.match(text, /^evpc_balance_moves_total [1-9]/m)
  assert.match(text, /^evpc_balance_imbalance_ratio \d/m)
  for (const id of ids) {
    const headers = { Authorization: `Bearer ${cluster.layout.adminToken}` }
    const response = await fetch(`http://127.0.0.1:${cluster.of(id).admin}/v1/rebalance`, { method: 'POST', headers })
    const body = (await response.json()) as Rebalance
    assert.deepEqual([response.status, body.coordinator], [202, leader], JSON.stringify(body))
  }
  const gateways = (await (await cluster.get('sg2', '/v1/gateways')).json()) as readonly GatewayView[]
  const load = gateways.reduce((sum, { packetsPerSecond }) => sum + packetsPerSecond, 0)
  assert.ok(load > 0, JSON.stringify(gateways))
})
