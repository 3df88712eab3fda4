/** Gateways that die, one after the other or together, and are replaced, as processes, with clients and traffic (DESIGN.md "Takeover"). */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ElasticCluster } from '../../support/elastic-cluster.ts'
import { eventually } from '../../support/serve-cluster.ts'

test('a gateway that is dead for good is removed, and another one takes its place; nobody else notices', async (t) => {
  const elastic = await ElasticCluster.start(t, 4, 3, 4)
  const { cluster } = elastic
  await elastic.spread(['sg1', 'sg2', 'sg3'])
  const { leader } = await elastic.status('sg1')
  const [dead, asked] = ['sg1', 'sg2', 'sg3'].filter((id) => id !== leader)
  elastic.flow()
  await cluster.process(dead!).kill()
  await elastic.carriedBy(asked!, (owner) => owner !== dead)
  // On one machine that shares a port, packets of all die with whoever has them in hand.
  await elastic.settle()
  await elastic.remove(asked!, dead!)
  assert.equal(await elastic.roles(asked!), ['sg1', 'sg2', 'sg3'].flatMap((id) => (id === dead ? [] : `${id} voter`)).join(', '))
  await elastic.join(asked!, 'sg4')
  await elastic.promote(asked!, 'sg4')
  await elastic.spread(['sg4', asked!])
  await elastic.assertNothingLost(t)
  // With the data of its former life it is told; and a cluster of the three others needs nobody else.
  const again = cluster.serve(dead!)
  await eventually('it to end', () => !again.isRunning)
  assert.equal(again.exitStatus, 0, again.log)
  assert.equal(await elastic.states(asked!), ['sg1', 'sg2', 'sg3', 'sg4'].flatMap((id) => (id === dead ? [] : `${id} up`)).join(', '))
})

test('two of five may die at once, and nobody logs in again', async (t) => {
  const elastic = await ElasticCluster.start(t, 5, 5, 4)
  const { cluster } = elastic
  await elastic.spread(['sg1', 'sg2', 'sg3', 'sg4'])
  const { leader } = await elastic.status('sg5')
  const dead = [leader!, ['sg1', 'sg2', 'sg3'].find((id) => id !== leader)!]
  const alive = ['sg1', 'sg2', 'sg3', 'sg4', 'sg5'].filter((id) => !dead.includes(id))
  elastic.flow()
  await Promise.all(dead.map((id) => cluster.process(id).kill()))
  await elastic.carriedBy(alive[0]!, (owner) => alive.includes(owner!))
  for (const call of elastic.calls) await call.talks()
  for (const id of dead) await elastic.remove(alive[1]!, id)
  assert.equal(await elastic.roles(alive[2]!), alive.map((id) => `${id} voter`).join(', '))
  await elastic.missing()
  elastic.assertSameSessions()
})
