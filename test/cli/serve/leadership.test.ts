/** Leadership on demand, and before a gateway goes (thesis §3.10), with gateways as processes. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ClusterView } from '../../../src/admin/source.ts'
import { ServeCluster, eventually } from '../../support/serve-cluster.ts'

async function status(cluster: ServeCluster, id: string): Promise<ClusterView> {
  return (await (await cluster.get(id, '/v1/cluster')).json()) as ClusterView
}

async function requestLeader(cluster: ServeCluster, asked: string, to: string): Promise<{ status: number; body: Record<string, unknown> }> {
  const response = await fetch(`http://127.0.0.1:${cluster.of(asked).admin}/v1/cluster/leader`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${cluster.layout.adminToken}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({ to }),
  })
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}

test('any gateway hands leadership over on demand, and the leader does before it exits on SIGTERM', async (t) => {
  const cluster = await ServeCluster.start(t, 3)
  const ids = cluster.layout.gateways.map(({ id }) => id)
  const before = await status(cluster, 'sg1')
  const [target, third] = ids.filter((id) => id !== before.leader)

  const handed = await requestLeader(cluster, third!, target!)
  assert.deepEqual([handed.status, handed.body['leader']], [200, target])
  assert.ok(Number(handed.body['term']) > before.term)
  const again = await requestLeader(cluster, third!, target!)
  assert.deepEqual([again.status, again.body['term']], [200, handed.body['term']])
  const unknown = await requestLeader(cluster, before.leader!, 'nobody')
  assert.deepEqual([unknown.status, unknown.body['code']], [409, 'ERR_GATEWAY_NOT_UP'])
  const seen = await status(cluster, before.leader!)
  assert.deepEqual([seen.leader, seen.term], [target, handed.body['term']])

  const leaving = cluster.process(target!)
  leaving.signal('SIGTERM')
  await eventually(`${target} to end`, () => !leaving.isRunning)
  assert.equal(leaving.exitStatus, 0, leaving.log)
  assert.match(leaving.log, /"event":"leadership-handed-over","to":"sg[123]"/)
  assert.notEqual((await status(cluster, third!)).leader, target)

  const absent = await requestLeader(cluster, third!, target!)
  assert.deepEqual([absent.status, absent.body['code']], [409, 'ERR_GATEWAY_NOT_UP'])
})

test('a read that meets an election waits for it, and sees the new leader', async (t) => {
  const cluster = await ServeCluster.start(t, 3)
  const { leader } = await status(cluster, 'sg1')
  const survivors = cluster.layout.gateways.map(({ id }) => id).filter((id) => id !== leader)
  await cluster.process(leader!).kill()
  for (const id of survivors) assert.notEqual((await status(cluster, id)).leader, leader)
})

test('linearizable reads put nothing into the log', async (t) => {
  const cluster = await ServeCluster.start(t, 3)
  // Gateways without traffic propose nothing once they are up; what still was on its way settles with the first reads.
  const indexes = async (): Promise<number[]> => {
    const views = await Promise.all(cluster.layout.gateways.map(({ id }) => status(cluster, id)))
    return views.map(({ commitIndex }) => commitIndex)
  }
  await eventually('the log to be quiet', async () => new Set([...(await indexes()), ...(await indexes())]).size === 1)
  const [before] = await indexes()
  for (let i = 0; i < 5; i++) assert.deepEqual(new Set(await indexes()), new Set([before]))
})
