/** Events that are followed across gateways as processes, while they are killed, drained and ended. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AdminEvent, SessionView } from '../../../src/admin/source.ts'
import { ElasticCluster } from '../../support/elastic-cluster.ts'
import { eventually } from '../../support/serve-cluster.ts'
import { follow } from '../follow-events.ts'

test('whoever follows misses nothing and sees nothing twice, though its gateway is killed, and the next one ends in good order', async (t) => {
  const elastic = await ElasticCluster.start(t, 3, 3, 2)
  const { cluster } = elastic
  const server = ['sg1', 'sg2', 'sg3'].map((id) => `http://127.0.0.1:${cluster.of(id).admin}`).join(',')
  const environment = { EVPC_SERVER: server, EVPC_TOKEN_FILE: cluster.file('admin.token') }
  const following = follow(t, environment, '--after', '0', '--type', 'transfer', '--type', 'gateway', '-o', 'json')
  const seen: AdminEvent[] = []
  /** Reads on until such an event has come. */
  const seenOf = async (isIt: (event: AdminEvent) => boolean): Promise<void> => {
    while (!seen.some(isIt)) {
      const line = await following.next()
      assert.ok(line !== null, following.complaints())
      seen.push(JSON.parse(line) as AdminEvent)
    }
  }
  const [a, b] = (await elastic.cluster.agreedSessions('sg1')) as [SessionView, SessionView]
  const transfers: string[] = []
  const move = async ({ id }: SessionView, to: string): Promise<void> => {
    await elastic.transfer(id, to)
    transfers.push(`${id} ${to}`)
  }
  await move(a, a.owner === 'sg3' ? 'sg2' : 'sg3')
  await seenOf(({ type, session }) => type === 'transfer' && session === a.id)

  await cluster.process('sg1').kill()
  await seenOf(({ gateway, what }) => gateway === 'sg1' && what === 'down')
  const now = new Map((await elastic.cluster.agreedSessions('sg2')).map(({ id, owner }) => [id, owner]))
  await move(b, now.get(b.id) === 'sg2' ? 'sg3' : 'sg2')
  await seenOf(({ type, session }) => type === 'transfer' && session === b.id)

  // Its streams end with it, and do not hold it up.
  const leaving = cluster.process('sg2')
  leaving.signal('SIGTERM')
  await eventually('sg2 to end', () => !leaving.isRunning)
  assert.equal(leaving.exitStatus, 0, leaving.log)
  cluster.serve('sg1')
  await cluster.ready('sg1')
  await seenOf(
    ({ gateway, what, index }) => gateway === 'sg1' && what === 'up' && seen.some((one) => one.what === 'draining' && one.index < index),
  )

  const names = seen.map((event) => JSON.stringify({ ...event, time: '' }))
  assert.equal(new Set(names).size, names.length, names.join('\n'))
  const moved = seen.flatMap(({ type, session, to }) => (type === 'transfer' ? [`${session} ${to}`] : []))
  assert.deepEqual(
    transfers.filter((one) => !moved.includes(one)),
    [],
  )
  assert.deepEqual(
    seen.map(({ index }) => index),
    seen.map(({ index }) => index).sort((one, other) => one - other),
    'in order',
  )
})
