/** `evpc serve` that cannot start: one clear sentence, exit code 1, and nothing left behind. */

import assert from 'node:assert/strict'
import dgram from 'node:dgram'
import { once } from 'node:events'
import { chmodSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { ServeCluster } from '../../support/serve-cluster.ts'
import type { Outcome } from '../evpc.ts'
import { evpc } from '../evpc.ts'

/** What `evpc serve` of sg1 says and how it ends. */
function serve(cluster: ServeCluster): Promise<Outcome> {
  return evpc(['serve', '--config', cluster.of('sg1').configFile, '--vpn', cluster.layout.vpnFile], { EVPC_LOG_LEVEL: 'silent' })
}

/** One line without a stack, and exit code 1. */
function assertRefused(outcome: Outcome, sentence: RegExp): void {
  const { code, stdout, stderr } = outcome
  assert.deepEqual([code, stdout], [1, ''], stderr)
  assert.match(stderr, sentence)
  assert.deepEqual(stderr.trimEnd().split('\n').length, 1, stderr)
}

function edit(file: string, from: string | RegExp, to: string): void {
  const content = readFileSync(file, 'utf8')
  assert.notEqual(content.replace(from, to), content)
  writeFileSync(file, content.replace(from, to))
}

async function takeTcp(t: TestContext, port: number): Promise<void> {
  const server = net.createServer().listen(port, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
}

async function takeUdp(t: TestContext, port: number): Promise<void> {
  const socket = dgram.createSocket('udp4')
  socket.bind(port, '127.0.0.1')
  await once(socket, 'listening')
  t.after(() => socket.close())
}

interface Obstacle {
  readonly what: string
  readonly sentence: RegExp
  readonly unless?: () => string | null
  place(t: TestContext, cluster: ServeCluster): void | Promise<void>
}

const obstacles: readonly Obstacle[] = [
  {
    what: "Raft's port is in use",
    sentence: /^evpc: cluster\.listen 127\.0\.0\.1:\d+: .*address already in use/i,
    place: (t, cluster) => takeTcp(t, cluster.of('sg1').raft),
  },
  {
    what: "the mesh's port is in use",
    sentence: /^evpc: mesh\.listen 127\.0\.0\.1:\d+: .*EADDRINUSE/,
    place: (t, cluster) => takeUdp(t, cluster.of('sg1').mesh),
  },
  {
    what: "the admin API's port is in use",
    sentence: /^evpc: admin\.listen 127\.0\.0\.1:\d+: .*address already in use/i,
    place: (t, cluster) => takeTcp(t, cluster.of('sg1').admin),
  },
  {
    what: "the clients' port is in use",
    sentence: /^evpc: address 127\.0\.0\.1:\d+: .*EADDRINUSE/,
    place: (t, cluster) => takeUdp(t, cluster.layout.ike.port),
  },
  {
    what: 'dataDir cannot be made',
    sentence: /^evpc: gateway\.dataDir .*sg1: .*(ENOTDIR|EEXIST)/,
    place: (_t, cluster) => {
      rmSync(cluster.file('sg1'), { recursive: true })
      writeFileSync(cluster.file('sg1'), '')
    },
  },
  {
    what: 'dataDir may not be written',
    sentence: /^evpc: gateway\.dataDir .*sg1: .*EACCES/,
    unless: () => (process.getuid?.() === 0 ? 'root may write everywhere' : null),
    place: (_t, cluster) => chmodSync(cluster.file('sg1'), 0o500),
  },
  {
    what: 'the file of the sealing key is missing',
    sentence: /^evpc: .*sealing\.key/,
    place: (_t, cluster) => rmSync(cluster.file('sealing.key')),
  },
  {
    what: 'the sealing key is too short',
    sentence: /^evpc: .*sealing\.key:1: expected 64 hexadecimal digits$/m,
    place: (_t, cluster) => writeFileSync(cluster.file('sealing.key'), '00ff\n'),
  },
  {
    what: 'there is no sealing key at all',
    sentence: /^evpc: expected cluster\.sealingKeyFile in gateway\.yaml or the environment variable EVPC_SEALING_KEY$/m,
    place: (_t, cluster) => edit(cluster.of('sg1').configFile, /^ {2}sealingKeyFile: .*\n/m, ''),
  },
  {
    what: 'a certificate is missing',
    sentence: /^evpc: cluster\.tls\.cert: .*sg1\.pem/,
    place: (_t, cluster) => rmSync(cluster.file('sg1.pem')),
  },
  {
    what: 'a certificate is not one',
    sentence: /^evpc: cluster\.tls\.cert \S+sg1\.pem: /,
    place: (_t, cluster) => writeFileSync(cluster.file('sg1.pem'), 'rubbish\n'),
  },
  {
    what: "the key is not the certificate's",
    sentence: /^evpc: cluster\.tls\.key \S+sg1\.key: .*key/,
    place: (_t, cluster) => writeFileSync(cluster.file('sg1.key'), readFileSync(cluster.file('ca.key'))),
  },
  {
    what: 'the admin token is missing',
    sentence: /^evpc: .*admin\.token/,
    place: (_t, cluster) => rmSync(cluster.file('admin.token')),
  },
  {
    what: 'the admin token is too short',
    sentence: /^evpc: .*admin\.token: expected one line of at least 16 printable characters$/m,
    place: (_t, cluster) => writeFileSync(cluster.file('admin.token'), 'x\n'),
  },
  {
    what: 'vpn.yaml is missing',
    sentence: /vpn\.yaml:1:1 expected a readable file, got ENOENT/,
    place: (_t, cluster) => rmSync(cluster.layout.vpnFile),
  },
]

for (const { what, sentence, unless, place } of obstacles) {
  test(`one clear sentence and exit code 1 when ${what}`, { skip: unless?.() ?? false }, async (t) => {
    const cluster = await ServeCluster.layOut(t, 1)
    await place(t, cluster)
    assertRefused(await serve(cluster), sentence)
  })
}

test('nothing is opened or written when a file is missing', async (t) => {
  const cluster = await ServeCluster.layOut(t, 1)
  // The one that is looked at first goes last.
  for (const name of ['sg1.key', 'sealing.key', 'admin.token']) {
    rmSync(cluster.file(name))
    assertRefused(await serve(cluster), new RegExp(name.replace('.', '\\.')))
    assert.deepEqual(readdirSync(cluster.file('sg1')), [])
  }
})

test('a second process on the same data is refused, and the first one goes on', async (t) => {
  const cluster = await ServeCluster.start(t, 1)
  assertRefused(await serve(cluster), /^evpc: gateway\.dataDir \S+: .*in use by another process$/m)
  const elsewhere = await ServeCluster.layOut(t, 1)
  edit(elsewhere.of('sg1').configFile, JSON.stringify(elsewhere.file('sg1')), JSON.stringify(cluster.file('sg1')))
  assertRefused(await serve(elsewhere), /^evpc: gateway\.dataDir \S+: .*in use by another process$/m)
  assert.equal(await cluster.isReady('sg1'), true)
})

test('after what was in the way is gone, the gateway starts on the data that is there', async (t) => {
  const cluster = await ServeCluster.layOut(t, 1)
  const server = net.createServer().listen(cluster.of('sg1').raft, '127.0.0.1')
  await once(server, 'listening')
  assertRefused(await serve(cluster), /^evpc: cluster\.listen/)
  server.close()
  await once(server, 'close')
  cluster.serve('sg1')
  await cluster.ready('sg1')
})

test('all that is wrong with both files is said at once: file, line, column, field and what was expected', async (t) => {
  const cluster = await ServeCluster.layOut(t, 1)
  const { configFile } = cluster.of('sg1')
  const { vpnFile } = cluster.layout
  edit(configFile, 'anchor: reuseport', 'anchor: resueport')
  edit(configFile, 'heartbeatMs: 50', 'heartbeatMs: fast')
  edit(vpnFile, 'pools: [callers]', 'pools: [caller]')
  const expected = [
    `${configFile}:7:71 address.anchor: expected vip, anycast or reuseport, got "resueport" (did you mean reuseport?)`,
    `${configFile}:11:24 timing.heartbeatMs: expected an integer from 5 to 10000 (ms), got "fast"`,
    `${vpnFile}:4:12 connections.calls.pools: expected the name of a pool of this file, got "caller" (did you mean callers?)`,
  ]
  const blank = (text: string): string => text.replace(/:\d+:\d+ /g, ' ')
  for (const outcome of [await serve(cluster), await evpc(['check', configFile, vpnFile])]) {
    assert.deepEqual([outcome.code, outcome.stdout], [1, ''])
    assert.deepEqual(outcome.stderr.trimEnd().split('\n').map(blank), expected.map(blank))
    for (const line of outcome.stderr.trimEnd().split('\n')) assert.match(line, /\.yaml:\d+:\d+ /)
  }
})

test('a weak algorithm is told in the log at the start, and the gateway serves all the same', async (t) => {
  const cluster = await ServeCluster.layOut(t, 1)
  edit(cluster.layout.vpnFile, 'proposals: [', 'proposals: [windows-legacy, ')
  const process = cluster.serve('sg1')
  await cluster.ready('sg1')
  const events = process.log.split('\n').flatMap((line) => (line.startsWith('{') ? [JSON.parse(line) as Record<string, unknown>] : []))
  const warnings = events.filter(({ event }) => event === 'configuration-warning')
  assert.deepEqual(
    warnings.map(({ at, field, warning }) => [at, field, warning]),
    ['modp1024 is weak: a state can break 1024 bits (RFC 8247 §2.4)', 'sha1 is weak: SHA-1 is for old clients only (RFC 8247 §2.3)'].map(
      (text) => [`${cluster.layout.vpnFile}:3:17`, 'connections.calls.proposals[0]', `windows-legacy: ${text}`],
    ),
  )
})
