/** Any gateway takes any request: a follower, one that is draining; and one that is cut off says so, and does nothing later on either. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { DrainStatus, SessionView } from '../../../src/admin/source.ts'
import { ElasticCluster } from '../../support/elastic-cluster.ts'
import type { ServeCluster } from '../../support/serve-cluster.ts'
import { eventually } from '../../support/serve-cluster.ts'

interface Answer {
  readonly status: number
  readonly code: string | null
  readonly index: number
  readonly body: unknown
}

/** `reads` and `commands` of one session, which `to` may have. */
interface Request {
  readonly method: 'GET' | 'POST' | 'DELETE'
  readonly path: string
  readonly body?: object
  readonly status: number
}

const reads: readonly Request[] = [
  { method: 'GET', path: '/v1/cluster', status: 200 },
  { method: 'GET', path: '/v1/gateways', status: 200 },
  { method: 'GET', path: '/v1/gateways/sg1/drain', status: 200 },
  { method: 'GET', path: '/v1/sessions?limit=1', status: 200 },
  { method: 'GET', path: '/v1/sessions/SESSION', status: 200 },
]

const commands = (to: string, leader: string): readonly Request[] => [
  { method: 'POST', path: '/v1/sessions/SESSION/transfer', body: { to }, status: 200 },
  { method: 'POST', path: '/v1/sessions/SESSION/transfer', body: { to }, status: 200 },
  { method: 'POST', path: '/v1/cluster/leader', body: { to: leader }, status: 200 },
  { method: 'POST', path: '/v1/rebalance', status: 202 },
  { method: 'POST', path: '/v1/addresses/127.0.0.1/holder', body: { to }, status: 200 },
  { method: 'POST', path: '/v1/cluster/members/sg1/promote', status: 200 },
  { method: 'POST', path: '/v1/gateways/sg3/drain', status: 202 },
  { method: 'DELETE', path: '/v1/gateways/sg3/drain', status: 200 },
]

async function ask(cluster: ServeCluster, at: string, { method, path, body }: Request, session: string, key?: string): Promise<Answer> {
  const headers: Record<string, string> = { Authorization: `Bearer ${cluster.layout.adminToken}` }
  if (body !== undefined) headers['Content-Type'] = 'application/json'
  if (key !== undefined) headers['Idempotency-Key'] = key
  const url = `http://127.0.0.1:${cluster.of(at).admin}${path.replace('SESSION', session)}`
  const response = await fetch(url, { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) })
  const text = await response.text()
  const read: unknown = text === '' ? null : JSON.parse(text)
  const code = typeof read === 'object' && read !== null && 'code' in read ? String(read.code) : null
  return { status: response.status, code, index: Number(response.headers.get('evpc-index')), body: read }
}

test('every request is taken by the leader, by followers, and by a gateway that is draining', async (t) => {
  const elastic = await ElasticCluster.start(t, 3, 3, 1)
  const { cluster } = elastic
  elastic.flow()
  const [{ id: session }] = (await elastic.cluster.agreedSessions('sg1')) as [SessionView]
  const { leader } = await elastic.status('sg1')
  for (const at of ['sg1', 'sg2', 'sg3']) {
    for (const request of [...reads, ...commands('sg1', leader!), ...commands('sg2', leader!)]) {
      const { status, index, body } = await ask(cluster, at, request, session)
      assert.deepEqual([at, request.method, request.path, status], [at, request.method, request.path, request.status], JSON.stringify(body))
      assert.ok(index > 0, `${request.path} at ${at}`)
    }
  }

  // Drained, and asked for everything all the same.
  await elastic.drain('sg1', 'sg2')
  assert.equal(await cluster.isReady('sg2'), false)
  for (const request of [...reads, ...commands('sg3', leader!), ...commands('sg1', leader!)]) {
    const { status, body } = await ask(cluster, 'sg2', request, session)
    assert.deepEqual([request.method, request.path, status], [request.method, request.path, request.status], JSON.stringify(body))
  }
  await elastic.assertNothingLost(t)

  // What one gateway has answered, another does again: it ends in the same state.
  const transfer: Request = { method: 'POST', path: '/v1/sessions/SESSION/transfer', body: { to: 'sg3' }, status: 200 }
  const first = await ask(cluster, 'sg1', transfer, session, 'a-key')
  const same = await ask(cluster, 'sg1', transfer, session, 'a-key')
  const elsewhere = await ask(cluster, 'sg2', transfer, session, 'a-key')
  assert.deepEqual(same.body, first.body)
  const { owner, epoch } = first.body as { owner: string; epoch: number }
  assert.deepEqual(elsewhere.body, { owner, epoch, durationMs: 0 })

  // Ended at one gateway, told by all; and ended again without complaint.
  const end: Request = { method: 'DELETE', path: '/v1/sessions/SESSION', status: 204 }
  for (const at of ['sg2', 'sg1', 'sg3']) assert.equal((await ask(cluster, at, end, session)).status, 204)
  for (const at of ['sg1', 'sg2', 'sg3']) {
    for (const request of [reads[4]!, transfer]) {
      const { status, code } = await ask(cluster, at, request, session)
      assert.deepEqual([at, request.path, status, code], [at, request.path, 404, 'ERR_SESSION_UNKNOWN'])
    }
    assert.deepEqual(await elastic.cluster.agreedSessions(at), [])
  }
})

test('a gateway without a leader changes nothing, says so at once, and does not do it later', async (t) => {
  const elastic = await ElasticCluster.start(t, 3, 3, 1)
  const { cluster } = elastic
  const [{ id: session, epoch }] = (await elastic.cluster.agreedSessions('sg3')) as [SessionView]
  for (const id of ['sg1', 'sg2']) await cluster.process(id).kill()
  await eventually('sg3 to have no leader', async () => {
    const { body } = await ask(cluster, 'sg3', { method: 'GET', path: '/v1/cluster?consistency=local', status: 200 }, session)
    return (body as { leader: string | null }).leader === null
  })
  const end: Request = { method: 'DELETE', path: '/v1/sessions/SESSION', status: 503 }
  const leave: Request = { method: 'DELETE', path: '/v1/cluster/members/sg1', status: 503 }
  const asked = [...reads, ...commands('sg2', 'sg2'), end, leave]
  const answers = await Promise.all(asked.map((request) => ask(cluster, 'sg3', request, session)))
  answers.forEach(({ status, code }, i) => assert.deepEqual([asked[i], status, code], [asked[i], 503, 'ERR_NO_LEADER']))
  for (const { path } of reads) {
    const local = `${path}${path.includes('?') ? '&' : '?'}consistency=local`
    assert.equal((await ask(cluster, 'sg3', { method: 'GET', path: local, status: 200 }, session)).status, 200)
  }

  for (const id of ['sg1', 'sg2']) cluster.serve(id)
  for (const id of ['sg1', 'sg2', 'sg3']) await cluster.ready(id)
  const { draining } = (await ask(cluster, 'sg1', { method: 'GET', path: '/v1/gateways/sg3/drain', status: 200 }, session))
    .body as DrainStatus
  assert.equal(draining, false)
  const [now] = (await elastic.cluster.agreedSessions('sg1')) as [SessionView]
  assert.deepEqual([now.id, now.transfers], [session, 0])
  assert.ok(now.epoch >= epoch)
  assert.equal(await elastic.roles('sg3'), 'sg1 voter, sg2 voter, sg3 voter')
})
