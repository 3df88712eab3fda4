/** The replicated VPN configuration on a cluster of real processes: applied at any gateway, at all of them or at none, and never rolled back. */

import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import type { VpnPut } from '../../../src/admin/vpn-schemas.ts'
import { Calls } from '../../support/calls.ts'
import { ServeCluster, eventually } from '../../support/serve-cluster.ts'
import type { Outcome } from '../evpc.ts'
import { evpc } from '../evpc.ts'

interface Vpn {
  readonly version: number
  readonly connections: Readonly<Record<string, unknown>>
  readonly pools: Readonly<Record<string, { readonly addrs: readonly string[] }>>
  readonly secrets: Readonly<Record<string, unknown>>
}

const ids = ['sg1', 'sg2', 'sg3']

/** Runs `evpc` against a gateway. */
function at(cluster: ServeCluster, id: string, ...args: string[]): Promise<Outcome> {
  const environment = {
    EVPC_SERVER: `http://127.0.0.1:${cluster.of(id).admin}`,
    EVPC_TOKEN_FILE: cluster.file('admin.token'),
    VPN_TEST_PSK: cluster.layout.secret,
  }
  return evpc(args, environment)
}

async function vpnOf(cluster: ServeCluster, id: string): Promise<Vpn> {
  const response = await cluster.get(id, '/v1/vpn?consistency=local')
  const vpn = (await response.json()) as Vpn
  assert.equal(response.headers.get('etag'), `"${vpn.version}"`)
  return vpn
}

/** Writes a vpn.yaml beside the cluster's own, with a change. */
function changed(cluster: ServeCluster, name: string, change: (text: string) => string): string {
  const text = readFileSync(cluster.layout.vpnFile, 'utf8')
  const file = cluster.file(name)
  writeFileSync(file, change(text))
  assert.notEqual(readFileSync(file, 'utf8'), text)
  return file
}

function put(cluster: ServeCluster, id: string, body: string, headers: Record<string, string> = {}): Promise<Response> {
  return fetch(`http://127.0.0.1:${cluster.of(id).admin}/v1/vpn`, {
    method: 'PUT',
    headers: { Authorization: `Bearer ${cluster.layout.adminToken}`, 'Content-Type': 'application/yaml', ...headers },
    body,
  })
}

test('apply at any gateway: all have it, also who was down meanwhile; an old --vpn file does not bring the old one back', async (t) => {
  const cluster = await ServeCluster.start(t, 3)
  await eventually('the first configuration everywhere', async () => {
    return (await Promise.all(ids.map((id) => vpnOf(cluster, id)))).every(({ version }) => version === 1)
  })
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

test('a change ends the sessions that fit no more, whose clients are told, and touches no others; secrets come from files and variables', async (t) => {
  const cluster = await ServeCluster.start(t, 3)
  const calls = await Calls.open(t, cluster.layout)
  const call = await calls.add()
  await call.connect()
  await call.talks()
  writeFileSync(cluster.file('psk.txt'), `${cluster.layout.secret}\n`)
  const [own, inFile, inVariable] = [`secret: ${cluster.layout.secret}`, 'secret_file: psk.txt', 'secret_env: VPN_TEST_PSK']
  for (const [name, key] of [
    ['file.yaml', inFile],
    ['variable.yaml', inVariable],
  ] as const) {
    const file = changed(cluster, name, (text) => text.replace(own, key))
    const { code, stdout, stderr } = await at(cluster, 'sg1', 'apply', '-f', file)
    assert.deepEqual([code, stdout], [0, 'unchanged: version 1\n'], stderr)
  }
  const wider = changed(cluster, 'wider.yaml', (text) =>
    text.replace('esp_proposals: [aes128gcm16]', 'esp_proposals: [aes128gcm16, default]'),
  )
  const harmless = await at(cluster, 'sg3', 'apply', '-f', wider, '-o', 'json')
  assert.equal(harmless.code, 0, harmless.stderr)
  const told = JSON.parse(harmless.stdout) as VpnPut
  assert.deepEqual(
    [told.result, told.version, told.sessionsEnding, told.changes.connections.changed],
    ['applied', 2, 0, [{ name: 'calls', fields: ['children.net.esp_proposals'] }]],
  )
  await call.talks()
  const [session] = await cluster.sessions('sg1')
  assert.ok(session)

  const elsewhere = changed(cluster, 'elsewhere.yaml', (text) =>
    text.replace(/callers: \{ addrs: \[[^\]]*\]/, 'callers: { addrs: [10.201.0.0/24]'),
  )
  const dry = await at(cluster, 'sg1', 'apply', '-f', elsewhere, '--dry-run')
  assert.match(dry.stdout, /^ {2}~ pool callers: addrs$/m)
  assert.match(dry.stdout, /^ {2}1 session would be told DELETE$/m)
  const { stdout } = await at(cluster, 'sg1', 'apply', '-f', elsewhere)
  assert.match(stdout, /^ {2}1 session is told DELETE$/m)
  await eventually('its end', async () => (await cluster.sessions('sg2')).every(({ id }) => id !== session.id))
  await eventually('the client to know', () => call.client.tunnel === null)
})

test('what is wrong is told with its place, and changes nothing; what is redacted is never taken for a secret', async (t) => {
  const cluster = await ServeCluster.start(t, 1)
  const text = readFileSync(cluster.layout.vpnFile, 'utf8')
  const bad = await put(cluster, 'sg1', text.replace('aes128-sha256-x25519', 'aes128-md5-x25519'))
  assert.equal(bad.headers.get('content-type'), 'application/problem+json; charset=utf-8')
  const problem = (await bad.json()) as { code: string; errorCount: number; errors: readonly unknown[] }
  assert.deepEqual(
    [bad.status, problem.code, problem.errorCount, problem.errors],
    [
      400,
      'ERR_VALIDATION',
      1,
      [
        {
          line: 3,
          column: 17,
          field: 'connections.calls.proposals[0]',
          expected: 'an algorithm that is not broken; this one is refused',
          got: '"md5" in "aes128-md5-x25519"',
        },
      ],
    ],
  )
  const files: readonly [change: string, expected: RegExp][] = [
    ['secret_file: /etc/hostname', /expected the key secret and the secret itself, as "evpc apply" sends it/],
    ['secret_env: PATH', /expected the key secret and the secret itself/],
  ]
  for (const [by, expected] of files) {
    const answer = await put(cluster, 'sg1', text.replace(`secret: ${cluster.layout.secret}`, by))
    assert.equal(answer.status, 400)
    assert.match(((await answer.json()) as { detail: string }).detail, expected)
  }
  const named = await put(cluster, 'sg1', `${text}authorities: { ca: { cacert: /etc/ssl/certs/ca.pem } }\n`)
  assert.match(((await named.json()) as { detail: string }).detail, /gateways read no files of operators/)

  const shown = await (await cluster.get('sg1', '/v1/vpn')).text()
  assert.ok(!shown.includes(cluster.layout.secret))
  assert.deepEqual((JSON.parse(shown) as Vpn).secrets, { 'ike-all': { secret: { redacted: true } } })
  const { version: _, ...back } = JSON.parse(shown) as Vpn
  const answer = await put(cluster, 'sg1', JSON.stringify(back), { 'Content-Type': 'application/json' })
  assert.equal(answer.status, 400)
  assert.match(((await answer.json()) as { detail: string }).detail, /secrets\.ike-all\.secret: expected a secret of .*, got a map$/)
  // But for its secrets, what is shown is a vpn.yaml, and the one that is in force.
  const whole = { ...back, secrets: { 'ike-all': { secret: cluster.layout.secret } } }
  const again = await put(cluster, 'sg1', JSON.stringify(whole, null, 2), { 'Content-Type': 'application/json' })
  assert.deepEqual([again.status, ((await again.json()) as VpnPut).result], [200, 'unchanged'])
  assert.equal((await vpnOf(cluster, 'sg1')).version, 1)
})
