/**
 * Storage that comes to harm, on a cluster of real processes (DESIGN.md "Storage must not trust LevelDB with integrity"): the damaged gateway
 * says what it found, comes back by its peers, and is as good as before: with it and one other, the session goes on.
 */

import assert from 'node:assert/strict'
import { appendFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { Calls } from '../../support/calls.ts'
import { ServeCluster, eventually } from '../../support/serve-cluster.ts'
import type { Damage } from '../../support/storage-damage.ts'
import { damages } from '../../support/storage-damage.ts'

/** Checkpoints every few moments, and nothing of the log before them: so a gateway that lost something needs a snapshot. */
const storage = 'storage: { checkpointCommands: 20, logTailOctets: 0 }\n'

async function commitIndexOf(cluster: ServeCluster, id: string): Promise<number> {
  const answer = await cluster.get(id, '/v1/cluster?consistency=local')
  return ((await answer.json()) as { commitIndex: number }).commitIndex
}

/** Long enough for every gateway to have written a checkpoint: commands come with the traffic. */
async function letCommandsPass(cluster: ServeCluster, asked: string): Promise<void> {
  const from = await commitIndexOf(cluster, asked)
  await eventually('commands to be committed', async () => (await commitIndexOf(cluster, asked)) > from + 50)
}

async function harm(cluster: ServeCluster, id: string, { before, inflict, found }: Damage): Promise<void> {
  const dataDir = join(cluster.layout.folder, id)
  if (before !== undefined) {
    // Whatever is copied stands still meanwhile, and is of an earlier life than what comes to harm.
    await cluster.process(id).kill()
    await before(dataDir)
    cluster.serve(id)
    await cluster.ready(id)
  }
  await letCommandsPass(cluster, id)
  await cluster.process(id).kill()
  await inflict(dataDir)
  const heard = cluster.process(id).log.length
  cluster.serve(id)
  await cluster.ready(id)
  const said = cluster.process(id).log.slice(heard)
  if (found === null) assert.doesNotMatch(said, /storage-damaged/)
  else assert.match(said.split('\n').find((line) => line.includes('storage-damaged')) ?? said, found)
}

/** The first few, or with EVPC_STORAGE=2/3 the second third of all. */
function chosenDamages(): readonly Damage[] {
  const wanted = process.env['EVPC_STORAGE']
  if (wanted === undefined) return damages.slice(0, 3)
  const [part = NaN, parts = NaN] = wanted.split('/').map(Number)
  const chosen = damages.filter((_, i) => i % parts === part - 1)
  assert.ok(chosen.length > 0, `EVPC_STORAGE: expected a part of the damages, such as 2/3, got ${wanted}`)
  return chosen
}

test('a gateway whose storage is damaged comes back, and what was agreed is lost by nobody', { timeout: 110_000 }, async (t) => {
  const cluster = await ServeCluster.layOut(t, 3)
  const ids = cluster.layout.gateways.map(({ id }) => id)
  for (const { configFile } of cluster.layout.gateways) appendFileSync(configFile, storage)
  for (const id of ids) cluster.serve(id)
  for (const id of ids) await cluster.ready(id)
  const calls = await Calls.open(t, cluster.layout)
  const call = await calls.add()
  await call.connect()
  const spis = [call.client.tunnel!.spiIn, call.client.tunnel!.spiOut, call.client.tunnel!.responderSpi]
  call.flow(true)
  for (const [round, damage] of chosenDamages().entries()) {
    const id = ids[round % ids.length]!
    await harm(cluster, id, damage)
    // One of the two others goes, so that the damaged one is needed for everything.
    const other = ids[(round + 1) % ids.length]!
    await eventually(`${id} to vote again`, async () => (await standingOf(cluster, id)) === 'member')
    await cluster.process(other).kill()
    await call.talks()
    await letCommandsPass(cluster, id)
    cluster.serve(other)
    await cluster.ready(other)
    t.diagnostic(`${damage.name}: ${id} came back, and carried on with ${ids.filter((one) => one !== other).join(' and ')}`)
  }
  const { reAuthentications, sequenceNumbersReused } = call.client.counters
  assert.deepEqual([reAuthentications, sequenceNumbersReused, call.problems], [0, 0, []])
  assert.deepEqual([call.client.tunnel!.spiIn, call.client.tunnel!.spiOut, call.client.tunnel!.responderSpi], spis)
})

async function standingOf(cluster: ServeCluster, id: string): Promise<string> {
  const answer = await cluster.get(id, '/v1/cluster?consistency=local')
  return ((await answer.json()) as { standing: string }).standing
}
