/** `/v1/vpn` over real HTTP, with a source of canned state: versions, media types, bounds, and errors with their places. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import { vpnBodyLimitOctets } from '../../src/admin/vpn-routes.ts'
import { CodedError } from '../../src/kit/errors.ts'
import { FakeSource, emptyVpn, serveSource } from './fake-source.ts'

const token = 'admin-token-of-the-tests'

interface Running {
  readonly source: FakeSource
  readonly send: (method: string, path: string, body: string | null, headers?: Record<string, string>) => Promise<Response>
}

async function start(t: TestContext): Promise<Running> {
  const source = new FakeSource()
  const server = await serveSource(t, source, token)
  const send: Running['send'] = (method, path, body, headers = {}) => {
    return fetch(`${server.url}${path}`, { method, headers: { Authorization: `Bearer ${token}`, ...headers }, body })
  }
  return { source, send }
}

const yaml = { 'Content-Type': 'application/yaml' }

test('what is in force comes with its version as ETag, after a barrier unless told', async (t) => {
  const { source, send } = await start(t)
  const answer = await send('GET', '/v1/vpn', null)
  assert.deepEqual([answer.status, answer.headers.get('etag'), answer.headers.get('evpc-index')], [200, '"7"', '42'])
  assert.deepEqual(await answer.json(), { version: 7, ...emptyVpn })
  assert.deepEqual(source.calls, ['barrier', 'vpn'])
  const local = await send('GET', '/v1/vpn?consistency=local', null)
  assert.deepEqual([local.status, local.headers.get('evpc-index')], [200, '41'])
  assert.deepEqual(source.calls, ['barrier', 'vpn', 'vpn'])
})

test('a configuration is taken as JSON and YAML by every name of theirs, as it was written', async (t) => {
  const { source, send } = await start(t)
  const types = [
    'application/json',
    'application/yaml',
    'application/x-yaml',
    'text/yaml',
    'text/x-yaml',
    'application/yaml; charset=utf-8',
  ]
  for (const type of types) {
    const answer = await send('PUT', '/v1/vpn', '# as written\npools: { }\n', { 'Content-Type': type })
    assert.deepEqual([type, answer.status, answer.headers.get('etag')], [type, 200, '"8"'])
    const { type: _, ...result } = source.vpnAnswer as Record<string, unknown>
    assert.deepEqual(await answer.json(), result)
  }
  assert.deepEqual(
    source.vpnRequests,
    types.map(() => ({ text: '# as written\npools: { }\n', ifMatch: null, dryRun: false })),
  )
  for (const [type, body, status] of [
    ['text/plain', 'pools: {}', 415],
    ['application/xml', '<a/>', 415],
    ['application/yaml', ' \n', 400],
  ] as const)
    assert.deepEqual([type, (await send('PUT', '/v1/vpn', body, { 'Content-Type': type })).status], [type, status])
  assert.equal((await send('PUT', '/v1/vpn', null)).status, 400)
  assert.equal(source.vpnRequests.length, types.length)
})

test('If-Match names versions as ETags do, and what is none of these is refused', async (t) => {
  const { source, send } = await start(t)
  const matches: readonly [header: string, versions: readonly number[] | 'any'][] = [
    ['"7"', [7]],
    ['"7", "0" ,"12"', [7, 0, 12]],
    ['*', 'any'],
  ]
  for (const [header] of matches) assert.equal((await send('PUT', '/v1/vpn', 'pools: {}', { ...yaml, 'If-Match': header })).status, 200)
  assert.deepEqual(
    source.vpnRequests.map(({ ifMatch }) => ifMatch),
    matches.map(([, versions]) => versions),
  )
  for (const header of ['7', 'W/"7"', '"x"', '"7" "8"', '""', '"-1"', '"99999999999999999"', `"${'1'.repeat(500)}"`]) {
    const answer = await send('PUT', '/v1/vpn', 'pools: {}', { ...yaml, 'If-Match': header })
    assert.deepEqual([header, answer.status, ((await answer.json()) as { code: string }).code], [header, 400, 'ERR_VALIDATION'])
  }
  assert.equal(source.vpnRequests.length, matches.length)
})

test('dryRun is passed on, and other parameters are none', async (t) => {
  const { source, send } = await start(t)
  await send('PUT', '/v1/vpn?dryRun=true', 'pools: {}', yaml)
  await send('PUT', '/v1/vpn?dryRun=false', 'pools: {}', yaml)
  assert.deepEqual(
    source.vpnRequests.map(({ dryRun }) => dryRun),
    [true, false],
  )
  for (const query of ['dryRun=yes', 'dry-run=true', 'consistency=local'])
    assert.equal((await send('PUT', `/v1/vpn?${query}`, 'pools: {}', yaml)).status, 400)
})

test('what is wrong with a configuration is told with each place', async (t) => {
  const { source, send } = await start(t)
  const errors = [
    { line: 4, column: 12, field: 'connections.rw.pools', expected: 'the name of a pool of this file', got: '"user"' },
    { line: 1, column: 1, field: '', expected: 'well-formed YAML', got: 'something else' },
  ]
  source.vpnAnswer = { type: 'rejected', errors, errorCount: 500 }
  const answer = await send('PUT', '/v1/vpn', 'pools: {}', yaml)
  assert.deepEqual([answer.status, answer.headers.get('content-type')], [400, 'application/problem+json; charset=utf-8'])
  assert.deepEqual(await answer.json(), {
    type: 'about:blank',
    title: 'the input is not valid',
    status: 400,
    code: 'ERR_VALIDATION',
    detail: '4:12 connections.rw.pools: expected the name of a pool of this file, got "user" (and 499 more)',
    requestId: answer.headers.get('x-request-id'),
    errorCount: 500,
    errors,
  })
})

test('other failures are the codes that everything has', async (t) => {
  const { source, send } = await start(t)
  for (const [code, status] of [
    ['ERR_CONFLICT', 409],
    ['ERR_RATE_LIMITED', 429],
    ['ERR_OUTCOME_UNKNOWN', 504],
  ] as const) {
    source.failure = new CodedError(code)
    const answer = await send('PUT', '/v1/vpn', 'pools: {}', yaml)
    assert.deepEqual([answer.status, ((await answer.json()) as { code: string }).code], [status, code])
  }
})

test('a large configuration fits, one that is larger than any is refused unread', async (t) => {
  const { source, send } = await start(t)
  const line = `# ${'x'.repeat(1021)}\n`
  const whole = line.repeat(vpnBodyLimitOctets / line.length)
  assert.equal((await send('PUT', '/v1/vpn', whole, yaml)).status, 200)
  assert.equal(source.vpnRequests[0]?.text.length, vpnBodyLimitOctets)
  assert.equal((await send('PUT', '/v1/vpn', `${whole}#`, yaml)).status, 413)
  // No other route takes so much.
  assert.equal(
    (await send('POST', '/v1/cluster/leader', JSON.stringify({ to: 'x'.repeat(70_000) }), { 'Content-Type': 'application/json' })).status,
    413,
  )
  assert.equal((await send('POST', '/v1/cluster/leader', 'to: sg2', yaml)).status, 415)
})
