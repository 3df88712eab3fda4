/** What a change of the VPN configuration does to sessions, what is refused and how, and a large one. */

import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { test } from 'node:test'
import type { GatewayView } from '../../../src/admin/source.ts'
import type { VpnPut } from '../../../src/admin/vpn-schemas.ts'
import { Calls } from '../../support/calls.ts'
import { ServeCluster, eventually } from '../../support/serve-cluster.ts'
import type { Vpn } from '../../support/vpn-cluster.ts'
import { at, changed, put, vpnOf } from '../../support/vpn-cluster.ts'

/** Their configuration is large enough for a thread of its own. */
const USERS = 1000

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
  const [session] = await cluster.agreedSessions('sg1')
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

test('a configuration with a thousand users is put in force, and no gateway is taken for dead meanwhile', async (t) => {
  const cluster = await ServeCluster.start(t, 3)
  const calls = await Calls.open(t, cluster.layout)
  const call = await calls.add()
  await call.connect()
  call.flow(true)
  const incarnations = async (): Promise<readonly (readonly [string, number])[]> => {
    const gateways = (await (await cluster.get('sg1', '/v1/gateways')).json()) as readonly GatewayView[]
    return gateways.map(({ id, incarnation }) => [id, incarnation])
  }
  const before = await incarnations()
  const users = Array.from({ length: USERS }, (_, i) => `  eap-user${i}: { id: user${i}@staff.example.org, secret: password-${i} }\n`)
  const large = changed(cluster, 'large.yaml', (text) =>
    text.replace(/secrets: \{(.*)\}\n/, (_, own: string) => `secrets:\n  ${own.trim().replace(/: \{/, ': {')}\n${users.join('')}`),
  )
  const { code, stdout, stderr } = await at(cluster, 'sg2', 'apply', '-f', large)
  assert.deepEqual([code, stdout], [0, `version 1 is now 2:\n  secrets: ${USERS} added\n  all sessions go on\n`], stderr)
  const shown = (await (await cluster.get('sg3', '/v1/vpn')).json()) as Vpn
  assert.deepEqual([shown.version, Object.keys(shown.secrets).length], [2, USERS + 1])
  assert.match((await at(cluster, 'sg1', 'apply', '-f', large)).stdout, /^unchanged: version 2$/m)
  await call.talks()
  assert.deepEqual(await incarnations(), before)
})
