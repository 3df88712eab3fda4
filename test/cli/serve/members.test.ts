/** Gateways join and leave a running cluster, as processes, with clients and traffic (DESIGN.md "Transfer", §3). */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ElasticCluster } from '../../support/elastic-cluster.ts'
import { eventually } from '../../support/serve-cluster.ts'

test('a gateway joins, votes, carries a session, and leaves again; started once more it says why not, and disturbs nobody', async (t) => {
  const elastic = await ElasticCluster.start(t, 4, 3, 1)
  const { cluster } = elastic
  elastic.flow()
  const joining = cluster.serve('sg4')
  await eventually('it to say what is to be done', () => /waiting-to-be-added.*evpc member add sg4/.test(joining.log))
  assert.equal(await cluster.isReady('sg4'), false)
  const { role, address } = await elastic.add('sg2', 'sg4')
  assert.deepEqual([role, address], ['learner', `127.0.0.1:${cluster.of('sg4').raft}`])
  await cluster.ready('sg4')
  assert.equal(await elastic.roles('sg4'), 'sg1 voter, sg2 voter, sg3 voter, sg4 learner')
  await eventually('every gateway to show how far each is', async () => {
    const views = await Promise.all(['sg1', 'sg2', 'sg3', 'sg4'].map((id) => elastic.status(id)))
    return views.every(({ members }) => members.length === 4 && members.every(({ matchIndex }) => matchIndex !== null))
  })
  await elastic.promote('sg3', 'sg4')
  assert.equal(await elastic.roles('sg1'), 'sg1 voter, sg2 voter, sg3 voter, sg4 voter')
  await elastic.spread(['sg4'])
  assert.deepEqual(await elastic.owners('sg4'), ['sg4'])

  await elastic.remove('sg1', 'sg4')
  assert.equal(joining.exitStatus, 0, joining.log)
  assert.match(joining.log, /sg4 was removed from cluster demo/)
  assert.equal(await elastic.roles('sg1'), 'sg1 voter, sg2 voter, sg3 voter')
  assert.equal(await elastic.states('sg2'), 'sg1 up, sg2 up, sg3 up')
  await elastic.assertNothingLost(t)

  const { term } = await elastic.status('sg1')
  const again = cluster.serve('sg4')
  await eventually('it to end', () => !again.isRunning)
  assert.equal(again.exitStatus, 0, again.log)
  assert.match(again.log, /sg4 was removed from cluster demo/)
  const after = await elastic.status('sg1')
  assert.deepEqual([after.term, after.members.length], [term, 3])
  const refused = await cluster.post('sg1', '/v1/cluster/members', JSON.stringify({ id: 'sg4', address }))
  const problem = (await refused.json()) as { code: string; detail: string }
  assert.deepEqual([refused.status, problem.code], [409, 'ERR_CONFLICT'])
  assert.match(problem.detail, /never used again/)
})

test('what would cost the majority is refused before anything is moved', async (t) => {
  const elastic = await ElasticCluster.start(t, 3, 3, 1)
  const { cluster } = elastic
  const { leader } = await elastic.status('sg1')
  const [dead, other] = ['sg1', 'sg2', 'sg3'].filter((id) => id !== leader)
  await cluster.process(dead!).kill()
  await elastic.knownDown(leader!, dead!)
  for (const id of [leader!, other!]) {
    const response = await cluster.delete(other!, `/v1/cluster/members/${id}`)
    const { code, detail } = (await response.json()) as { code: string; detail: string }
    assert.deepEqual([response.status, code], [409, 'ERR_QUORUM_AT_RISK'], detail)
  }
  assert.equal(await elastic.states(leader!), ['sg1', 'sg2', 'sg3'].map((id) => `${id} ${id === dead ? 'down' : 'up'}`).join(', '))
  const unknown = await cluster.delete(other!, '/v1/cluster/members/sg9')
  assert.deepEqual([unknown.status, ((await unknown.json()) as { code: string }).code], [404, 'ERR_GATEWAY_UNKNOWN'])
  const promoted = await cluster.post(other!, '/v1/cluster/members/sg9/promote', '{}')
  assert.deepEqual([promoted.status, ((await promoted.json()) as { code: string }).code], [404, 'ERR_GATEWAY_UNKNOWN'])
  const taken = await cluster.post(other!, '/v1/cluster/members', JSON.stringify({ id: other, address: '127.0.0.1:1' }))
  assert.deepEqual([taken.status, ((await taken.json()) as { code: string }).code], [409, 'ERR_CONFLICT'])
  const odd = await cluster.post(other!, '/v1/cluster/members', JSON.stringify({ id: 'sg9', address: 'somewhere:7400' }))
  assert.deepEqual([odd.status, ((await odd.json()) as { code: string }).code], [400, 'ERR_VALIDATION'])
  // A mistaken address costs nothing.
  for (const address of ['127.0.0.1:1', '127.0.0.1:2']) {
    const added = await cluster.post(other!, '/v1/cluster/members', JSON.stringify({ id: 'sg9', address }))
    assert.deepEqual([added.status, ((await added.json()) as { address: string }).address], [200, address])
  }
  const early = await cluster.post(other!, '/v1/cluster/members/sg9/promote', '{}')
  const problem = (await early.json()) as { code: string; detail: string }
  assert.deepEqual([early.status, problem.code], [409, 'ERR_GATEWAY_NOT_UP'])
  assert.match(problem.detail, /sg9 has not caught up yet, or does not answer/)
  assert.equal((await cluster.delete(other!, '/v1/cluster/members/sg9')).status, 204)
  assert.equal((await cluster.delete(other!, '/v1/cluster/members/sg9')).status, 204)
  // The dead one may go: two of two are up.
  await elastic.remove(other!, dead!)
  await elastic.calls[0]!.talks()
})
