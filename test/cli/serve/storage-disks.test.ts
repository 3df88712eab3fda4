/**
 * Disks that fail under a running gateway: full, hung, refusing to sync. The gateway ends, or stops serving, and says why; the others carry its
 * session on; with the disk in order it comes back.
 */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { mkdir, mkdtemp, open, rm, truncate } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { attempt, run, start } from '../../../chaos/lab/processes.ts'
import { commandExists } from '../../../src/network/commands.ts'
import type { Call } from '../../support/calls.ts'
import { Calls } from '../../support/calls.ts'
import { ServeCluster, eventually } from '../../support/serve-cluster.ts'
import { straceUnavailable } from '../../support/strace.ts'

/** As small as ext4 goes with room for a gateway's first minutes. */
const DISK_OCTETS = 24 * 2 ** 20
const ids = ['sg1', 'sg2', 'sg3']

/** Why a file system of our own can't be had here, or false. */
async function disksUnavailable(): Promise<string | false> {
  if (process.getuid?.() !== 0) return 'needs root'
  for (const tool of ['mkfs.ext4', 'fsfreeze', 'mount']) {
    if (!(await commandExists(tool))) return `needs ${tool}`
  }
  return false
}

const onDisk = { timeout: 110_000, skip: await disksUnavailable() }
const withStrace = { timeout: 110_000, skip: process.getuid?.() === 0 ? await straceUnavailable() : 'needs root' }

interface Scene {
  readonly cluster: ServeCluster
  readonly call: Call
}

/** Three gateways, sg1 the owner of the session. */
async function scene(t: TestContext, cluster: ServeCluster): Promise<Scene> {
  for (const { configFile } of cluster.layout.gateways) appendFileSync(configFile, 'storage: { checkpointCommands: 500 }\n')
  for (const id of ids) cluster.serve(id)
  for (const id of ids) await cluster.ready(id)
  const calls = await Calls.open(t, cluster.layout)
  const call = await calls.add()
  await call.connect()
  call.flow(true)
  const [session] = await cluster.agreedSessions('sg2')
  const to = JSON.stringify({ to: 'sg1' })
  const answer = await cluster.post('sg2', `/v1/sessions/${session!.id}/transfer`, to)
  assert.equal(answer.status, 200)
  return { cluster, call }
}

/** A file system of its own for sg1; returns where it is. */
async function ownDisk(t: TestContext, cluster: ServeCluster): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'evpc-disk-'))
  const [image, dataDir] = [join(folder, 'image'), join(folder, 'mounted')]
  await mkdir(dataDir)
  await (await open(image, 'w')).close()
  await truncate(image, DISK_OCTETS)
  await run(['mkfs.ext4', '-q', image])
  await run(['mount', '-o', 'loop', image, dataDir])
  // Also when the runner ends this file: nobody else could take the file system away, and a frozen one stops whoever looks at it.
  const takeAway = (): void => {
    spawnSync('fsfreeze', ['-u', dataDir])
    spawnSync('umount', ['-l', dataDir])
  }
  process.once('exit', takeAway)
  t.after(async () => {
    process.off('exit', takeAway)
    await attempt(['fsfreeze', '-u', dataDir])
    await cluster.process('sg1').kill()
    await run(['umount', dataDir])
    await rm(folder, { recursive: true })
  })
  const { configFile } = cluster.of('sg1')
  const configuration = readFileSync(configFile, 'utf8')
  const moved = configuration.replace(/dataDir: "[^"]*"/, `dataDir: ${JSON.stringify(dataDir)}`)
  assert.notEqual(moved, configuration)
  writeFileSync(configFile, moved)
  return dataDir
}

async function isElsewhere({ cluster, call }: Scene): Promise<void> {
  await eventually('another owner', async () => (await cluster.sessions('sg2'))[0]?.owner !== 'sg1')
  await call.talks()
}

async function isBack({ cluster, call }: Scene): Promise<void> {
  await cluster.ready('sg1')
  await call.talks()
  // sg1 is needed again, and able.
  await cluster.process('sg3').kill()
  await call.talks()
  const { reAuthentications, sequenceNumbersReused } = call.client.counters
  assert.deepEqual([reAuthentications, sequenceNumbersReused, call.problems], [0, 0, []])
}

test('a full disk ends the gateway with the reason; its session goes on, and with room again it comes back', onDisk, async (t) => {
  const cluster = await ServeCluster.layOut(t, 3)
  const disk = await ownDisk(t, cluster)
  const the = await scene(t, cluster)
  const filler = join(disk, 'filler')
  await attempt(['dd', 'if=/dev/zero', `of=${filler}`, 'bs=64k'])
  await eventually('the gateway to end', () => !cluster.process('sg1').isRunning)
  assert.equal(cluster.process('sg1').exitStatus, 1)
  assert.match(cluster.process('sg1').log, /"event":"fatal".*No space left on device/)
  await isElsewhere(the)
  await rm(filler)
  cluster.serve('sg1')
  await isBack(the)
  assert.doesNotMatch(cluster.process('sg1').log, /storage-damaged/)
})

test('a hung disk costs the gateway its leadership and its sessions, and when it works again it comes up anew', onDisk, async (t) => {
  const cluster = await ServeCluster.layOut(t, 3)
  const disk = await ownDisk(t, cluster)
  const the = await scene(t, cluster)
  await cluster.post('sg2', '/v1/cluster/leader', JSON.stringify({ to: 'sg1' }))
  await run(['fsfreeze', '-f', disk])
  await isElsewhere(the)
  await eventually('sg1 to say that it is not ready', async () => !(await cluster.isReady('sg1')))
  const leader = async (): Promise<unknown> =>
    ((await (await cluster.get('sg2', '/v1/cluster?consistency=local')).json()) as { leader: unknown }).leader
  await eventually('another leader', async () => !['sg1', null].includes((await leader()) as string | null))
  assert.ok(cluster.process('sg1').isRunning)
  await run(['fsfreeze', '-u', disk])
  await isBack(the)
})

test('a disk that refuses to sync ends the gateway: nothing is retried after a failed write', withStrace, async (t) => {
  const cluster = await ServeCluster.layOut(t, 3)
  const the = await scene(t, cluster)
  const inject = ['-e', 'trace=fdatasync', '-e', 'inject=fdatasync:error=EIO']
  const strace = start('strace', ['strace', '-f', '-qq', ...inject, '-p', `${cluster.process('sg1').pid}`], cluster.file('strace'))
  t.after(() => strace.kill())
  await eventually('the gateway to end', () => !cluster.process('sg1').isRunning)
  assert.match(cluster.process('sg1').log, /"event":"fatal".*(Input\/output error|EIO)/)
  await isElsewhere(the)
  cluster.serve('sg1')
  await isBack(the)
})
