/** `evpc apply` as a process against a server with canned state: what it sends, what it says, how it ends. */

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { fileURLToPath } from 'node:url'
import { CodedError } from '../../src/kit/errors.ts'
import { FakeSource, serveSource } from '../admin/fake-source.ts'
import type { Outcome } from './evpc.ts'
import { evpc, temporaryFolder } from './evpc.ts'

const token = 'a-token-of-the-tests'
const main = fileURLToPath(new URL('../../src/main.js', import.meta.url))

const vpn = `connections:
  rw: { pools: users, local: { id: gw }, children: { net: { local_ts: 10.0.0.0/8 } } }
pools: { users: { addrs: 10.77.0.0/16 } }
secrets:
  ike-a: { secret_file: psk.txt }
  ike-b: { secret_env: PSK_B }
`

interface Running {
  readonly source: FakeSource
  readonly folder: string
  readonly file: string
  readonly environment: Readonly<Record<string, string>>
  readonly run: (...args: string[]) => Promise<Outcome>
}

async function start(t: TestContext): Promise<Running> {
  const source = new FakeSource()
  const server = await serveSource(t, source, token)
  const folder = temporaryFolder(t)
  const file = join(folder, 'vpn.yaml')
  writeFileSync(file, vpn)
  writeFileSync(join(folder, 'psk.txt'), 'of a file\n')
  writeFileSync(join(folder, 'admin.token'), token)
  const environment = { EVPC_SERVER: server.url, EVPC_TOKEN_FILE: join(folder, 'admin.token'), PSK_B: 'of a variable' }
  return { source, folder, file, environment, run: (...args) => evpc(args, environment) }
}

const told = `version 7 is now 8:
  + connection rw2
  ~ connection rw: children.net.local_ts
  - pool old
  secrets: 1 added, 2 changed
  3 sessions are told DELETE
`

test('apply sends everything that the file refers to, and says what has changed', async (t) => {
  const { source, file, run } = await start(t)
  const { code, stdout, stderr } = await run('apply', '-f', file)
  assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: told, stderr: '' })
  const [request] = source.vpnRequests
  assert.deepEqual([request?.ifMatch, request?.dryRun], [null, false])
  const sent = JSON.parse(request!.text) as { secrets: unknown; pools: unknown }
  assert.deepEqual(sent.secrets, { 'ike-a': { secret: 'of a file' }, 'ike-b': { secret: 'of a variable' } })
  assert.deepEqual(sent.pools, { users: { addrs: '10.77.0.0/16' } })
})

test('apply -f - reads standard input, with files relative to where it is called', async (t) => {
  const { source, folder, environment } = await start(t)
  const outcome = await new Promise<Outcome>((resolve) => {
    const env = { PATH: process.env['PATH'] ?? '', ...environment }
    const child = execFile(process.execPath, [main, 'apply', '-f', '-'], { env, cwd: folder }, (_error, stdout, stderr) => {
      resolve({ code: child.exitCode ?? -1, stdout, stderr })
    })
    child.stdin?.end(vpn)
  })
  assert.deepEqual(outcome, { code: 0, stdout: told, stderr: '' })
  assert.match(source.vpnRequests[0]!.text, /of a file/)
})

test('apply --dry-run and --if-version are asked of the server; -o json prints its answer', async (t) => {
  const { source, file, run } = await start(t)
  const { type: _, ...answer } = { ...source.vpnAnswer, result: 'checked', version: 7 } as Record<string, unknown>
  source.vpnAnswer = { type: 'done', ...answer } as FakeSource['vpnAnswer']
  const dry = await run('apply', '-f', file, '--dry-run', '--if-version', '7')
  assert.match(dry.stdout, /^would change version 7:\n[^]*\n {2}3 sessions would be told DELETE\n$/)
  assert.deepEqual([source.vpnRequests[0]?.dryRun, source.vpnRequests[0]?.ifMatch], [true, [7]])
  assert.deepEqual(JSON.parse((await run('apply', '-f', file, '-o', 'json')).stdout), answer)
})

test('apply of what is in force says so and ends with 0', async (t) => {
  const { source, file, run } = await start(t)
  source.vpnAnswer = { ...source.vpnAnswer, result: 'unchanged', version: 7 } as FakeSource['vpnAnswer']
  assert.deepEqual(await run('apply', '-f', file), { code: 0, stdout: 'unchanged: version 7\n', stderr: '' })
})

test('apply of a file with errors tells them as check does, ends with 1, and asks no gateway', async (t) => {
  const { source, file, run } = await start(t)
  writeFileSync(file, vpn.replace('pools: users', 'pools: user').replace('psk.txt', 'none.txt'))
  const { code, stdout, stderr } = await run('apply', '-f', file)
  assert.deepEqual([code, stdout], [1, ''])
  const lines = stderr.trimEnd().split('\n')
  assert.equal(lines.length, 3, stderr)
  assert.match(
    lines[0]!,
    /vpn\.yaml:2:16 connections\.rw\.pools: expected the name of a pool of this file, got "user" \(did you mean users\?\)$/,
  )
  assert.match(lines[1]!, /vpn\.yaml:5:25 secrets\.ike-a\.secret_file: expected a readable file, got ENOENT/)
  assert.match(lines[2]!, /^evpc: nothing was changed: [^\n]*vpn\.yaml has 2 errors$/)
  assert.deepEqual(source.calls, [])
})

test('what the gateways refuse is told, and ends with 1', async (t) => {
  const { source, file, run } = await start(t)
  const errors = [{ line: 1, column: 9, field: 'connections.rw.new', expected: 'the key old', got: '"new"' }]
  source.vpnAnswer = { type: 'rejected', errors, errorCount: 1 }
  const refused = await run('apply', '-f', file)
  assert.deepEqual([refused.code, refused.stdout], [1, ''])
  assert.match(
    refused.stderr,
    /^connections\.rw\.new: expected the key old, got "new"\nevpc: nothing was changed: the gateways say that [^\n]*vpn\.yaml has an error\n$/,
  )
  source.failure = new CodedError('ERR_CONFLICT', 'the configuration has version 9')
  const conflict = await run('apply', '-f', file, '--if-version', '7')
  assert.deepEqual([conflict.code, conflict.stderr], [1, 'evpc: the configuration has version 9 (ERR_CONFLICT)\n'])
})

test('apply without a file, or with what is no version, is a usage error', async (t) => {
  const { run, file } = await start(t)
  for (const args of [[], ['-f', file, '--if-version', 'x'], ['-f', file, '--if-version', '-1'], ['-f', file, 'more']])
    assert.equal((await run('apply', ...args)).code, 2)
})
