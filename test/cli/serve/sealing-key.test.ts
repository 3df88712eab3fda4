/** The sealing key of a running cluster is replaced, twice, while clients talk: no packet is lost by it, and a gateway that dies in the middle holds nothing up. */

import assert from 'node:assert/strict'
import { copyFileSync, readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import type { SealingKeyView } from '../../../src/admin/sealing-key-routes.ts'
import type { Restored } from '../../../src/admin/source.ts'
import { Calls, settle } from '../../support/calls.ts'
import { LateDrops } from '../../support/late-drops.ts'
import { ServeCluster, eventually } from '../../support/serve-cluster.ts'
import { evpc } from '../evpc.ts'

const backupType = 'application/x-ndjson'

test('the sealing key is replaced under traffic, twice, and a gateway is killed in the middle of the second time', async (t) => {
  const cluster = await ServeCluster.layOut(t, 3)
  const ids = cluster.layout.gateways.map(({ id }) => id)
  const keyFile = (id: string): string => cluster.file(`sealing-${id}.key`)
  const newest = keyFile('sg1')
  for (const { id, configFile } of cluster.layout.gateways) {
    copyFileSync(cluster.file('sealing.key'), keyFile(id))
    writeFileSync(configFile, readFileSync(configFile, 'utf8').replace('sealingKeyFile: sealing.key', `sealingKeyFile: ${keyFile(id)}`))
  }
  for (const id of ids) cluster.serve(id)
  for (const id of ids) await cluster.ready(id)

  const command = (id: string, ...words: readonly string[]): ReturnType<typeof evpc> =>
    evpc([...words, '--server', `http://127.0.0.1:${cluster.of(id).admin}`, '--token-file', cluster.file('admin.token')])
  const view = async (id: string): Promise<SealingKeyView> => (await (await cluster.get(id, '/v1/sealing-key')).json()) as SealingKeyView
  const addKey = async (): Promise<string> => {
    const { code, stdout } = await evpc(['pki', 'sealing-key', newest])
    assert.equal(code, 0)
    return /has the sealing key ([0-9a-f]{8}), too/.exec(stdout)![1]!
  }
  const readAgain = async (id: string, event = 'sealing-keys-read'): Promise<void> => {
    const count = (): number => cluster.process(id).log.split(`"${event}"`).length - 1
    const before = count()
    cluster.process(id).signal('SIGHUP')
    await eventually(`${id} to read its keys`, () => count() > before)
  }
  const known = async (id: string, by: readonly string[]): Promise<void> => {
    for (const one of ids)
      await eventually(`${one} to know who has ${id}`, async () => {
        const having = (await view(one)).gateways.filter(({ keys }) => keys?.includes(id) === true)
        return having.map((gateway) => gateway.id).join() === by.join()
      })
  }
  const complete = async (asked: string, id: string): Promise<void> => {
    await eventually('nothing to be under another key', async () => {
      const { current, remaining } = await view(asked)
      return current === id && remaining === 0
    })
  }

  const all = await Calls.open(t, cluster.layout)
  const calls = [await all.add(), await all.add(), await all.add()]
  for (const call of calls) await call.connect()
  const [first] = (await view('sg1')).gateways[0]!.keys!
  await known(first!, ids)
  await complete('sg1', first!)
  const backup = await (await cluster.post('sg2', '/v1/backup', '{}')).text()
  assert.deepEqual((JSON.parse(backup.split('\n')[0]!) as { sealingKeys: unknown }).sealingKeys, [first])

  // A new key, which one gateway does not have yet, for its file has a bad line.
  const second = await addKey()
  copyFileSync(newest, keyFile('sg2'))
  writeFileSync(keyFile('sg3'), `${readFileSync(newest, 'utf8')}# the next line is cut\nabcd\n`)
  await readAgain('sg1')
  await readAgain('sg2')
  await readAgain('sg3', 'sealing-keys-not-read')
  assert.match(cluster.process('sg3').log, /"reason":"[^"]*sealing-sg3\.key:4: expected 64 hexadecimal digits"/)
  await known(second, ['sg1', 'sg2'])
  const early = await command('sg2', 'sealing-key', 'rotate')
  assert.deepEqual([early.code, early.stdout], [1, ''])
  assert.match(early.stderr, new RegExp(`not all members are known to have the sealing key ${second}: sg3 has ${first}`))

  // All have it.
  copyFileSync(newest, keyFile('sg3'))
  await readAgain('sg3')
  await known(second, ids)
  const drops = new LateDrops(cluster)
  const lateBefore = await drops.count()
  for (const call of calls) call.flow(true)
  for (const call of calls) await call.talks()
  const rotated = await command('sg3', 'sealing-key', 'rotate')
  assert.match(
    rotated.stdout,
    new RegExp(`^${second} is the sealing key, and nothing is sealed under another one\ntake the line of ${first} out`),
  )
  const missing = []
  for (const call of calls) missing.push(await settle(call))
  const lost = missing.reduce((sum, { up, down }) => sum + up.length + down.length, 0)
  assert.ok(lost <= (await drops.count()) - lateBefore, `missing: ${JSON.stringify(missing)}; dropped: ${String(drops)}`)
  for (const id of ids) await complete(id, second)
  // What is on disk follows at once: there is far too little for a checkpoint otherwise.
  for (const id of ids)
    await eventually(`${id} to write a checkpoint`, async () => {
      const written = /^evpc_checkpoint_seconds_count (\d+)$/m.exec(await (await cluster.get(id, '/metrics')).text())
      return Number(written?.[1]) > 0
    })
  const shown = await command('sg1', 'sealing-key')
  assert.match(shown.stdout, new RegExp(`current +${second}\nprevious +${first}\nremaining +nothing\n`))
  const trail = ids.map((id) => cluster.process(id).log)
  assert.equal(trail.filter((log) => log.includes('"event":"sealing-key-changed"')).length, 1)
  for (const log of trail) assert.match(log, new RegExp(`"what":"sealing key ${second} seals everything"`))

  // A backup of before comes back as long as its key is there, and then is under the present one.
  const restored = await cluster.post('sg1', '/v1/restore?keepSessions=true', backup, backupType)
  assert.deepEqual([restored.status, ((await restored.json()) as Restored).vpnVersion], [200, 2])
  await complete('sg2', second)

  // Once more, and the owner of a session dies as soon as the third key is in force.
  const third = await addKey()
  for (const id of ['sg2', 'sg3']) copyFileSync(newest, keyFile(id))
  for (const id of ids) await readAgain(id)
  await known(third, ids)
  const owner = (await cluster.agreedSessions('sg1'))[0]!.owner!
  const living = ids.filter((id) => id !== owner)
  for (const call of calls) call.flow(true)
  const asked = living[0]!
  const answer = await cluster.post(asked, '/v1/sealing-key', JSON.stringify({ id: third }))
  await cluster.process(owner).kill()
  assert.equal(answer.status, 200, await answer.text())
  for (const id of living) await complete(id, third)
  for (const call of calls) await call.talks()
  for (const call of calls) call.flow(false)

  // With the newest key alone everybody goes on, the one that was dead, too.
  const [firstLine, , thirdLine] = readFileSync(newest, 'utf8').split('\n')
  for (const id of ids) writeFileSync(keyFile(id), `# the only one\n\n${thirdLine}\n`)
  cluster.serve(owner)
  await cluster.ready(owner)
  for (const id of living) await readAgain(id)
  await known(first!, [])
  for (const { id } of await cluster.sessions(owner))
    assert.equal((await cluster.post(owner, `/v1/sessions/${id}/transfer`, JSON.stringify({ to: owner }))).status, 200)
  for (const call of calls) {
    await call.talks()
    const { reAuthentications, sequenceNumbersReused } = call.client.counters
    assert.deepEqual([reAuthentications, sequenceNumbersReused, call.problems], [0, 0, []])
  }
  const late = await cluster.post(asked, '/v1/restore', backup, backupType)
  assert.equal(late.status, 400)
  assert.match(await late.text(), new RegExp(`were sealed by another key than this gateway has: ${first}`))

  // Without it a gateway says so, and serves nobody; one that runs does not let go of it.
  writeFileSync(keyFile(asked), `${firstLine}\n`)
  await readAgain(asked, 'sealing-keys-not-read')
  await cluster.process(asked).kill()
  const lacking = cluster.serve(asked)
  await eventually(`${asked} to end`, () => !lacking.isRunning)
  assert.equal(lacking.exitStatus, 1)
  const sentence = `evpc: ${keyFile(asked)} lacks the sealing key ${third}, under which the cluster has secrets; put it back`
  assert.ok(lacking.log.includes(sentence), lacking.log.slice(-2000))
  for (const call of calls) await call.talks()
})
