/** One session and every gateway in turn (DESIGN.md "Takeover"). */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ElasticCluster } from '../../support/elastic-cluster.ts'

test('a session goes on from A to B to C and back to A, each of which is killed while it carries it', async (t) => {
  const elastic = await ElasticCluster.start(t, 3, 3, 1)
  const { cluster } = elastic
  const [call] = elastic.calls
  const carried: string[] = []
  elastic.flow()
  for (const to of ['sg1', 'sg2', 'sg3', 'sg1']) {
    const [owner] = await elastic.owners(to)
    if (owner !== to) await elastic.spread([to])
    await call!.talks()
    carried.push(to)
    const asked = ['sg1', 'sg2', 'sg3'].find((id) => id !== to)!
    await cluster.process(to).kill()
    await elastic.carriedBy(asked, (owner) => owner !== to)
    await call!.talks()
    cluster.serve(to)
    await cluster.ready(to)
  }
  assert.deepEqual(carried, ['sg1', 'sg2', 'sg3', 'sg1'])
  await elastic.missing()
  elastic.assertSameSessions()
})
