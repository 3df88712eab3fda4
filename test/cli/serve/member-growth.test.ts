/** A cluster grows and shrinks under load (DESIGN.md "Transfer", §3). */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ElasticCluster } from '../../support/elastic-cluster.ts'
import { eventually } from '../../support/serve-cluster.ts'

test('three gateways become five, and five three others, under load: nothing is lost, and nobody logs in again', async (t) => {
  const elastic = await ElasticCluster.start(t, 5, 3, 4)
  const { cluster } = elastic
  elastic.flow()
  for (const id of ['sg4', 'sg5']) {
    await elastic.join('sg1', id)
    await elastic.promote('sg1', id)
  }
  await elastic.spread(['sg5', 'sg4', 'sg1', 'sg2'])
  const { leader } = await elastic.status('sg5')
  const leaving = ['sg1', leader === 'sg1' ? 'sg2' : leader!]
  for (const id of leaving) {
    await elastic.drain('sg4', id)
    // Of itself, as an operator on that machine would.
    await elastic.remove(id, id)
    assert.equal(cluster.process(id).exitStatus, 0, cluster.process(id).log)
  }
  await elastic.assertNothingLost(t)
  const staying = ['sg1', 'sg2', 'sg3', 'sg4', 'sg5'].filter((id) => !leaving.includes(id))
  await eventually('all to agree on who is there', async () => {
    const views = await Promise.all(staying.map((id) => elastic.roles(id)))
    return views.every((view) => view === staying.map((id) => `${id} voter`).join(', '))
  })
})
