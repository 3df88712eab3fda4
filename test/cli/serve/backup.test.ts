/** Backups of real gateways, brought back to the cluster that they are of and to one that has lost everything. */

import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import type { Restored } from '../../../src/admin/source.ts'
import { clientName } from '../../../src/cli/demo/client-name.ts'
import { formatAddress } from '../../../src/context/address.ts'
import { GATEWAY_IDENTITY } from '../../../src/cli/demo/layout.ts'
import type { Call } from '../../support/calls.ts'
import { Calls } from '../../support/calls.ts'
import { ServeCluster, eventually } from '../../support/serve-cluster.ts'
import { evpc } from '../evpc.ts'

const backupType = 'application/x-ndjson'
/** The pool has no more addresses than there are clients. */
const CLIENTS = 4
const secrets = Array.from({ length: CLIENTS }, (_, i) => `  ike-${i}: { id: ${clientName(i)}, secret: personal-${i}-secret }\n`)
const vpn = `connections:
  calls:
    pools: [callers]
    local: { auth: psk, id: ${GATEWAY_IDENTITY} }
    remote: { auth: psk, id: '%any' }
    children: { net: { local_ts: [10.50.0.0/24] } }
pools: { callers: { addrs: [10.77.0.1-10.77.0.4] } }
secrets:
${secrets.join('')}`

function addressOf(call: Call): string {
  return formatAddress(call.client.tunnel!.virtualIps[0]!)
}

test('a backup brings configuration and addresses back, and no session: old counters never live again', async (t) => {
  const cluster = await ServeCluster.layOut(t, 3)
  writeFileSync(cluster.layout.vpnFile, vpn)
  const ids = cluster.layout.gateways.map(({ id }) => id)
  const startAll = async (): Promise<void> => {
    for (const id of ids) cluster.serve(id)
    for (const id of ids) await cluster.ready(id)
  }
  await startAll()
  const all = await Calls.open(t, cluster.layout)
  const calls: Call[] = []
  for (let i = 0; i < CLIENTS; i++) calls.push(await all.add({ secret: `personal-${i}-secret` }))
  for (const call of calls) await call.connect()
  for (const call of calls) await call.talks()
  const addresses = calls.map(addressOf)
  const spis = (await cluster.agreedSessions('sg1')).flatMap(({ ike, children }) => [
    ...ike.flatMap(({ initiatorSpi, responderSpi }) => [initiatorSpi, responderSpi]),
    ...children.flatMap(({ spiIn, spiOut }) => [spiIn, spiOut]),
  ])

  const answer = await cluster.post('sg2', '/v1/backup', '{}')
  const backup = await answer.text()
  assert.deepEqual([answer.status, answer.headers.get('content-type')], [200, backupType])
  assert.equal(backup.split('\n').length, 1 + CLIENTS + 1 + 1)
  for (const secret of ['personal-0-secret', Buffer.from('personal-0-secret').toString('hex'), ...spis]) assert.ok(!backup.includes(secret))
  const vpnText = Buffer.from((JSON.parse(backup.split('\n')[0]!) as { vpn: string }).vpn, 'base64').toString('latin1')
  assert.ok(vpnText.includes(clientName(0)) && !vpnText.includes('personal-0-secret'))

  const restore = (text: string, query = ''): Promise<Response> => cluster.post('sg3', `/v1/restore${query}`, text, backupType)
  const file = cluster.file('backup.ndjson')
  const command = (...words: readonly string[]): ReturnType<typeof evpc> =>
    evpc([...words, '--server', `http://127.0.0.1:${cluster.of('sg2').admin}`, '--token-file', cluster.file('admin.token')])
  const saved = await command('backup', file, '-o', 'json')
  assert.deepEqual([saved.code, (JSON.parse(saved.stdout) as { holders: number }).holders], [0, CLIENTS])
  assert.equal(statSync(file).mode & 0o777, 0o600)
  assert.equal(readFileSync(file, 'utf8').split('\n')[1], backup.split('\n')[1])
  writeFileSync(cluster.file('cut.ndjson'), backup.slice(0, -20))
  const refused = await command('restore', cluster.file('cut.ndjson'))
  assert.deepEqual([refused.code, /cut\.ndjson: not a whole backup: line \d+: it has no end/.test(refused.stderr)], [1, true])
  // What is not a whole one changes nothing.
  const cut = await restore(backup.slice(0, -20))
  assert.equal(cut.status, 400)
  assert.match(await cut.text(), /not a whole backup/)
  assert.equal((await cluster.post('sg3', '/v1/restore', '{}')).status, 400)
  for (const call of calls) await call.talks()
  // Sessions stay where that is wanted.
  const kept = await restore(backup, '?keepSessions=true')
  assert.equal(kept.status, 200)
  for (const call of calls) await call.talks()
  assert.equal((await cluster.agreedSessions('sg1')).length, CLIENTS)
  // Otherwise their clients are told.
  const restored = (await (await restore(backup)).json()) as Restored
  assert.deepEqual([restored.addresses, restored.sessionsEnding, restored.vpnVersion], [CLIENTS, 0, 3])
  assert.equal((await cluster.agreedSessions('sg1')).length, 0)
  for (const call of calls)
    await eventually('the client to be told', () => call.events.some(({ type }) => type === 'failed' || type === 'closed'))

  // All disks are lost; keys and tokens are not.
  for (const id of ids) cluster.process(id).signal('SIGKILL')
  for (const id of ids) await eventually(`${id} to end`, () => !cluster.process(id).isRunning)
  for (const id of ids) rmSync(cluster.file(id), { recursive: true })
  for (const id of ids) mkdirSync(cluster.file(id))
  writeFileSync(cluster.layout.vpnFile, 'connections: {}\n')
  await startAll()
  const { stdout } = await command('restore', file)
  assert.match(stdout, /^configuration [12] holds, as it was at .*; 4 addresses are kept for those who had them\n$/)
  for (const id of ids) assert.equal((await cluster.agreedSessions(id)).length, 0)
  // The last comes first now, and everybody gets what he had.
  for (const call of calls.toReversed()) {
    call.events.length = 0
    await call.connect()
    await call.talks()
  }
  assert.deepEqual(calls.map(addressOf), addresses)
})

test('a backup that was sealed by another key, or is of another cluster, is refused before anything is changed', async (t) => {
  const cluster = await ServeCluster.start(t, 1)
  const backup = await (await cluster.post('sg1', '/v1/backup', '{}')).text()
  const other = await ServeCluster.start(t, 1)
  const answer = await other.post('sg1', '/v1/restore', backup, backupType)
  assert.equal(answer.status, 400)
  assert.match(await answer.text(), /1 of 1 secrets \(ike-all\) were sealed by another key/)
  assert.match(await (await other.post('sg1', '/v1/backup', '{}')).text(), /"vpnVersion":1,/)
})
