/** The replicated VPN configuration on a cluster of real processes: applied at any gateway, at all of them or at none, and never rolled back. */

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { ServeCluster, eventually } from '../../support/serve-cluster.ts'
import type { Vpn } from '../../support/vpn-cluster.ts'
import { at, changed, put, vpnOf } from '../../support/vpn-cluster.ts'

const ids = ['sg1', 'sg2', 'sg3']

test('apply at any gateway: all have it, also who was down meanwhile; an old --vpn file does not bring the old one back', async (t) => {
  const cluster = await ServeCluster.start(t, 3)
  await eventually('the first configuration everywhere', async () => {
    return (await Promise.all(ids.map((id) => vpnOf(cluster, id)))).every(({ version }) => version === 1)
  })
  for (const id of ids)
    await eventually(`${id} to say so`, () =>
      /"event":"vpn-file-in-force"[^\n]*"use":"it is the configuration in force"/.test(cluster.process(id).log),
    )
  const same = await at(cluster, 'sg2', 'apply', '-f', cluster.layout.vpnFile)
  assert.deepEqual([same.code, same.stdout, same.stderr], [0, 'unchanged: version 1\n', ''])

  await cluster.process('sg3').kill()
  const more = changed(cluster, 'more.yaml', (text) => text.replace('pools: {', 'pools: { more: { addrs: 10.200.0.0/24 },'))
  const dry = await at(cluster, 'sg2', 'apply', '-f', more, '--dry-run')
  assert.deepEqual([dry.code, dry.stdout], [0, 'would change version 1:\n  + pool more\n  all sessions would go on\n'], dry.stderr)
  assert.equal((await vpnOf(cluster, 'sg2')).version, 1)
  const applied = await at(cluster, 'sg2', 'apply', '-f', more)
  assert.deepEqual([applied.code, applied.stdout], [0, 'version 1 is now 2:\n  + pool more\n  all sessions go on\n'], applied.stderr)
  for (const id of ['sg1', 'sg2']) {
    const { version, pools } = (await (await cluster.get(id, '/v1/vpn')).json()) as Vpn
    assert.deepEqual([version, pools['more']?.addrs], [2, ['10.200.0.0/24']])
  }

  const heard = cluster.process('sg3').log.length
  cluster.serve('sg3')
  await cluster.ready('sg3')
  for (const id of ids) assert.equal((await vpnOf(cluster, id)).version, 2, id)
  const said = cluster.process('sg3').log.slice(heard)
  assert.match(said, /"event":"vpn-file"[^\n]*"use":"ignored: the cluster has version 2 of its configuration, which differs/)
  // The whole cluster, started anew with the old file.
  await Promise.all(ids.map((id) => cluster.process(id).kill()))
  for (const id of ids) cluster.serve(id)
  for (const id of ids) await cluster.ready(id)
  for (const id of ids) {
    const { version, pools } = await vpnOf(cluster, id)
    assert.deepEqual([version, pools['more']?.addrs], [2, ['10.200.0.0/24']])
  }
})

test('of two changes that were made for the same version one wins, whichever gateways they came to', async (t) => {
  const cluster = await ServeCluster.start(t, 3)
  const text = readFileSync(cluster.layout.vpnFile, 'utf8')
  for (let version = 1; version <= 5; version++) {
    const bodies = ids.map((id) => text.replace('pools: {', `pools: { of-${id}: { addrs: 10.200.${version}.0/24 },`))
    const answers = await Promise.all(ids.map((id, i) => put(cluster, id, bodies[i]!, { 'If-Match': `"${version}"` })))
    const states = answers.map(({ status }) => status)
    assert.deepEqual(
      states.toSorted((a, b) => a - b),
      [200, 409, 409],
    )
    const winner = ids[states.indexOf(200)]!
    for (const [i, answer] of answers.entries()) {
      const body = (await answer.json()) as { code?: string; version?: number }
      assert.deepEqual([body.code, body.version], i === states.indexOf(200) ? [undefined, version + 1] : ['ERR_CONFLICT', undefined])
    }
    for (const id of ids) {
      const { pools } = (await (await cluster.get(id, '/v1/vpn')).json()) as Vpn
      assert.deepEqual(Object.keys(pools), [`of-${winner}`, 'callers'], `${id} has what ${winner} was given`)
    }
  }
})
