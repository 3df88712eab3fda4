/**
 * Gateways of an older build beside those of this one: the real older build (test/builds: what `npm run build` made of the last commit before the cluster
 * had versions, without maps and types), upgraded one gateway after the other, and back, while clients talk.
 */

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { ClusterView } from '../../../src/admin/source.ts'
import { newestClusterVersion } from '../../../src/context/cluster-version.ts'
import { Calls } from '../../support/calls.ts'
import { ServeCluster, eventually } from '../../support/serve-cluster.ts'
import { temporaryFolder } from '../evpc.ts'

const root = fileURLToPath(new URL('../../../../', import.meta.url))

/** Its entry point. */
function unpackOlderBuild(t: TestContext): string {
  const folder = temporaryFolder(t)
  const built = join(folder, 'dist')
  mkdirSync(built)
  execFileSync('tar', ['-xzf', join(root, 'test/builds/cluster-version-1.tgz'), '-C', built])
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  copyFileSync(join(root, 'package.json'), join(folder, 'package.json'))
  return join(built, 'src/main.js')
}

test('gateways of an older build are replaced one after the other, and one of them is put back, and no client notices', async (t) => {
  const older = unpackOlderBuild(t)
  const cluster = await ServeCluster.layOut(t, 3)
  const ids = cluster.layout.gateways.map(({ id }) => id)
  const run = async (id: string, build?: string): Promise<void> => {
    cluster.serve(id, cluster.of(id).configFile, build)
    await cluster.ready(id)
  }
  for (const id of ids) cluster.serve(id, cluster.of(id).configFile, older)
  for (const id of ids) await cluster.ready(id)
  const all = await Calls.open(t, cluster.layout)
  const calls = [await all.add(), await all.add(), await all.add()]
  for (const call of calls) await call.connect()
  const replace = async (id: string, build?: string): Promise<void> => {
    cluster.process(id).signal('SIGTERM')
    await eventually(`${id} to hand over and end`, () => !cluster.process(id).isRunning)
    await run(id, build)
    for (const call of calls) await call.talks()
  }
  const version = async (id: string): Promise<number> =>
    ((await (await cluster.get(id, '/v1/cluster?consistency=local')).json()) as ClusterView).clusterVersion
  for (const call of calls) await call.talks()
  await replace('sg1')
  await replace('sg2')
  assert.deepEqual([await version('sg1'), await version('sg2')], [1, 1])
  // It was not good, or so it seems.
  await replace('sg1', older)
  await replace('sg1')
  await replace('sg3')
  for (const id of ids) await eventually(`${id} to go by the newest version`, async () => (await version(id)) === newestClusterVersion)
  for (const call of calls) {
    await call.talks()
    assert.deepEqual(call.problems, [])
    assert.equal(call.client.counters.reAuthentications, 0)
    assert.equal(call.client.counters.sequenceNumbersReused, 0)
  }
  // A checkpoint of the new version is read again, too.
  await replace('sg2')
  assert.equal(await version('sg2'), newestClusterVersion)
})
