/** Gateways join and leave a running cluster, as processes, with clients and traffic (DESIGN.md "Transfer", §3). */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ClusterView, GatewayView, MemberView } from '../../../src/admin/source.ts'
import { Calls } from '../../support/calls.ts'
import { ServeCluster, eventually } from '../../support/serve-cluster.ts'

async function status(cluster: ServeCluster, id: string): Promise<ClusterView> {
  return (await (await cluster.get(id, '/v1/cluster')).json()) as ClusterView
}

async function rolesOf(cluster: ServeCluster, id: string): Promise<string> {
  return (await status(cluster, id)).members.map((member) => `${member.id} ${member.role}`).join(', ')
}

async function gateways(cluster: ServeCluster, id: string): Promise<readonly GatewayView[]> {
  return (await (await cluster.get(id, '/v1/gateways')).json()) as GatewayView[]
}

async function add(cluster: ServeCluster, asked: string, id: string): Promise<MemberView> {
  const response = await cluster.post(asked, '/v1/cluster/members', JSON.stringify({ id, address: `127.0.0.1:${cluster.of(id).raft}` }))
  const body = await response.json()
  assert.equal(response.status, 200, JSON.stringify(body))
  return body as MemberView
}

/** Refused while it lags, which is safe to ask again. */
async function promote(cluster: ServeCluster, asked: string, id: string): Promise<void> {
  await eventually(`${id} to vote`, async () => {
    const response = await cluster.post(asked, `/v1/cluster/members/${id}/promote`, '{}')
    const body = (await response.json()) as { code?: string }
    if (response.status !== 200) assert.equal(body.code, 'ERR_GATEWAY_NOT_UP', JSON.stringify(body))
    return response.status === 200
  })
}

async function remove(cluster: ServeCluster, asked: string, id: string): Promise<void> {
  const response = await cluster.delete(asked, `/v1/cluster/members/${id}`)
  assert.equal(response.status, 204, await response.text())
}

test('a gateway joins, votes, carries a session, and leaves again', async (t) => {
  const cluster = await ServeCluster.start(t, 4, 3)
  const calls = await Calls.open(t, cluster.layout)
  const call = await calls.add()
  await call.connect()
  await call.talks()

  const waiting = cluster.serve('sg4')
  await eventually('it to say what is to be done', () => /waiting-to-be-added.*evpc member add sg4/.test(waiting.log))
  assert.equal(await cluster.isReady('sg4'), false)
  const { role, address } = await add(cluster, 'sg2', 'sg4')
  assert.deepEqual([role, address], ['learner', `127.0.0.1:${cluster.of('sg4').raft}`])
  await cluster.ready('sg4')
  assert.equal(await rolesOf(cluster, 'sg4'), 'sg1 voter, sg2 voter, sg3 voter, sg4 learner')
  await promote(cluster, 'sg3', 'sg4')
  assert.equal(await rolesOf(cluster, 'sg1'), 'sg1 voter, sg2 voter, sg3 voter, sg4 voter')

  const [session] = await cluster.sessions('sg1')
  const moved = await cluster.post('sg4', `/v1/sessions/${session!.id}/transfer`, JSON.stringify({ to: 'sg4' }))
  assert.equal(moved.status, 200, await moved.text())
  await call.talks()

  call.flow(true)
  await remove(cluster, 'sg1', 'sg4')
  await eventually('sg4 to end', () => !waiting.isRunning)
  assert.equal(waiting.exitStatus, 0, waiting.log)
  assert.match(waiting.log, /sg4 was removed from cluster demo/)
  call.flow(false)
  await call.talks()
  assert.equal(await rolesOf(cluster, 'sg1'), 'sg1 voter, sg2 voter, sg3 voter')
  assert.deepEqual(
    (await gateways(cluster, 'sg2')).map(({ id, state }) => `${id} ${state}`),
    ['sg1 up', 'sg2 up', 'sg3 up'],
  )
  assert.deepEqual([call.problems, call.client.counters.reAuthentications, call.client.counters.sequenceNumbersReused], [[], 0, 0])
})
