/** The admin API over real HTTP, with a source of canned state. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createAdmin } from '../../src/admin/server.ts'
import type { errorCodes } from '../../src/kit/errors.ts'
import { CodedError } from '../../src/kit/errors.ts'
import { FakeSource, sessionView } from './fake-source.ts'
import type { Answer } from './running-admin.ts'
import { adminToken, codeOf, readToken, startAdmin } from './running-admin.ts'

test('probes, metrics and the page need no token', async (t) => {
  const { call, source } = await startAdmin(t)
  assert.deepEqual((await call('GET', '/healthz', { token: null })).body, { status: 'alive' })
  assert.deepEqual((await call('GET', '/readyz', { token: null })).body, { ready: true, reasons: [] })
  source.ready = false
  const unready = await call('GET', '/readyz', { token: null })
  assert.deepEqual([unready.status, unready.body], [503, { ready: false, reasons: ['the serving lease has run out'] }])
  assert.match(String((await call('GET', '/metrics', { token: null })).body), /^evpc_sessions 250$/m)
  for (const path of ['/', '/page.js', '/page.css', '/icon.svg']) assert.equal((await call('GET', path, { token: null })).status, 200)
})

test('the page may load nothing from elsewhere', async (t) => {
  const { headers, body } = await (await startAdmin(t)).call('GET', '/', { token: null })
  assert.match(headers.get('content-security-policy') ?? '', /^default-src 'none'; script-src 'self'/)
  assert.doesNotMatch(String(body), /https?:\/\//)
})

const routes: readonly { readonly method: string; readonly path: string; readonly access: 'read' | 'admin'; readonly body?: unknown }[] = [
  { method: 'GET', path: '/v1/cluster', access: 'read' },
  { method: 'GET', path: '/v1/gateways', access: 'read' },
  { method: 'GET', path: '/v1/sessions', access: 'read' },
  { method: 'GET', path: '/v1/sessions/1', access: 'read' },
  { method: 'GET', path: '/v1/gateways/sg1/drain', access: 'read' },
  { method: 'GET', path: '/v1/vpn', access: 'read' },
  { method: 'PUT', path: '/v1/vpn', access: 'admin', body: { pools: {} } },
  { method: 'POST', path: '/v1/sessions/1/transfer', access: 'admin', body: { to: 'sg2' } },
  { method: 'POST', path: '/v1/cluster/leader', access: 'admin', body: { to: 'sg2' } },
  { method: 'POST', path: '/v1/cluster/members', access: 'admin', body: { id: 'sg4', address: '10.0.0.14:7400' } },
  { method: 'POST', path: '/v1/cluster/members/sg4/promote', access: 'admin' },
  { method: 'DELETE', path: '/v1/cluster/members/sg4', access: 'admin' },
  { method: 'DELETE', path: '/v1/sessions/1', access: 'admin' },
  { method: 'POST', path: '/v1/gateways/sg1/drain', access: 'admin' },
  { method: 'DELETE', path: '/v1/gateways/sg1/drain', access: 'admin' },
  { method: 'POST', path: '/v1/rebalance', access: 'admin' },
  { method: 'POST', path: '/v1/addresses/10.99.0.100/holder', access: 'admin', body: { to: 'sg2' } },
]

for (const { method, path, access, body } of routes) {
  test(`${method} ${path} wants the ${access} token`, async (t) => {
    const { call, source } = await startAdmin(t)
    const withToken = (token: string | null) => call(method, path, { token, ...(body === undefined ? {} : { body }) })
    for (const token of [null, 'wrong', `${adminToken}x`, adminToken.slice(1)]) {
      const refused = await withToken(token)
      assert.deepEqual([refused.status, codeOf(refused), refused.headers.get('www-authenticate')], [401, 'ERR_UNAUTHORIZED', 'Bearer'])
    }
    const reader = await withToken(readToken)
    if (access === 'admin') assert.deepEqual([reader.status, codeOf(reader)], [403, 'ERR_FORBIDDEN'])
    assert.deepEqual(access === 'read' ? reader.status < 300 : source.calls.length === 0, true)
    const answer = await withToken(adminToken)
    assert.ok(answer.status >= 200 && answer.status < 300, `${answer.status}`)
    assert.match(answer.index ?? '', /^4[12]$/)
    assert.deepEqual([reader.headers.get('evpc-access'), answer.headers.get('evpc-access')], [access === 'read' ? 'read' : null, 'admin'])
  })
}

test("a session's view arrives whole, and what is not in its schema never leaves", async (t) => {
  const { call, source } = await startAdmin(t)
  source.secretInSession = true
  assert.deepEqual((await call('GET', '/v1/sessions/7')).body, sessionView('7', 'sg1'))
})

test('the cluster and the gateways are as the source has them', async (t) => {
  const { call, source } = await startAdmin(t)
  assert.deepEqual((await call('GET', '/v1/cluster')).body, source.status())
  assert.deepEqual((await call('GET', '/v1/gateways')).body, source.gateways())
})

test('a read is linearizable: it waits for a barrier and says its index', async (t) => {
  const { call, source } = await startAdmin(t)
  assert.equal((await call('GET', '/v1/gateways')).index, '42')
  assert.deepEqual(source.calls, ['barrier'])
})

test("a local read answers from the gateway's own state, without a barrier", async (t) => {
  const { call, source } = await startAdmin(t)
  source.barrierAnswer = () => Promise.reject(new CodedError('ERR_NO_LEADER'))
  assert.equal((await call('GET', '/v1/gateways?consistency=local')).index, '41')
  assert.deepEqual(source.calls, [])
  const refused = await call('GET', '/v1/gateways')
  assert.deepEqual([refused.status, codeOf(refused)], [503, 'ERR_NO_LEADER'])
})

test('a barrier that never comes is an answer, not a request that hangs', async (t) => {
  const { call, source } = await startAdmin(t, { barrierTimeoutMs: 1 })
  source.barrierAnswer = () => new Promise(() => {})
  const refused = await call('GET', '/v1/cluster')
  assert.deepEqual([refused.status, codeOf(refused)], [503, 'ERR_NO_LEADER'])
})

test('pages join up to all sessions, 100 at a time unless told otherwise', async (t) => {
  const { call, source } = await startAdmin(t)
  const seen: string[] = []
  const sizes: number[] = []
  let cursor: string | null = ''
  while (cursor !== null) {
    const answer: Answer = await call('GET', `/v1/sessions${cursor === '' ? '' : `?cursor=${cursor}`}`)
    const { sessions, next } = answer.body as { sessions: { id: string }[]; next: string | null }
    seen.push(...sessions.map(({ id }) => id))
    sizes.push(sessions.length)
    cursor = next
  }
  assert.deepEqual(sizes, [100, 100, 50])
  assert.deepEqual(seen, source.sessionIds)
  const few = (await call('GET', '/v1/sessions?limit=1000&owner=sg2&identity=a%40b')).body as { sessions: unknown[] }
  assert.equal(few.sessions.length, 250)
  assert.ok(source.calls.includes('sessions sg2 a@b'))
})

const invalid: readonly { readonly method: string; readonly path: string; readonly body?: unknown }[] = [
  { method: 'GET', path: '/v1/sessions?limit=0' },
  { method: 'GET', path: '/v1/sessions?limit=1001' },
  { method: 'GET', path: '/v1/sessions?limit=ten' },
  { method: 'GET', path: '/v1/sessions?colour=red' },
  { method: 'GET', path: '/v1/sessions?cursor=no-page-gave-this' },
  { method: 'GET', path: '/v1/cluster?consistency=eventual' },
  { method: 'GET', path: '/v1/sessions/a%20b' },
  { method: 'GET', path: '/v1/events?after=-1' },
  { method: 'POST', path: '/v1/sessions/1/transfer' },
  { method: 'POST', path: '/v1/sessions/1/transfer', body: {} },
  { method: 'POST', path: '/v1/cluster/leader', body: {} },
  { method: 'POST', path: '/v1/cluster/leader', body: { to: '../etc' } },
  { method: 'POST', path: '/v1/cluster/members', body: { id: 'sg4' } },
  { method: 'POST', path: '/v1/cluster/members', body: { id: 'sg 4', address: '10.0.0.14:7400' } },
  { method: 'POST', path: '/v1/cluster/members', body: { id: 'sg4', address: '10.0.0.14:7400', role: 'voter' } },
  { method: 'DELETE', path: '/v1/cluster/members/sg4?force=maybe' },
  { method: 'POST', path: '/v1/sessions/1/transfer', body: { to: '../etc' } },
  { method: 'POST', path: '/v1/sessions/1/transfer', body: { to: 'sg2', force: true } },
]

for (const { method, path, body } of invalid) {
  test(`${method} ${path} ${body === undefined ? '' : JSON.stringify(body)} is not valid`, async (t) => {
    const { call, source } = await startAdmin(t)
    const answer = await call(method, path, body === undefined ? {} : { body })
    assert.deepEqual([answer.status, codeOf(answer)], [400, 'ERR_VALIDATION'])
    assert.ok(!source.calls.some((one) => one.startsWith('transfer')))
  })
}

test('a body has a bound', async (t) => {
  const { call } = await startAdmin(t)
  const answer = await call('POST', '/v1/sessions/1/transfer', { body: { to: 'x'.repeat(70_000) } })
  assert.deepEqual([answer.status, codeOf(answer)], [413, 'ERR_VALIDATION'])
})

const codes: readonly (readonly [keyof typeof errorCodes, number])[] = [
  ['ERR_SESSION_UNKNOWN', 404],
  ['ERR_GATEWAY_UNKNOWN', 404],
  ['ERR_GATEWAY_NOT_UP', 409],
  ['ERR_QUORUM_AT_RISK', 409],
  ['ERR_CONFLICT', 409],
  ['ERR_RATE_LIMITED', 429],
  ['ERR_NO_LEADER', 503],
  ['ERR_PROPOSAL_DROPPED', 503],
  ['ERR_OUTCOME_UNKNOWN', 504],
]

for (const [code, status] of codes) {
  test(`${code} is answered with ${status}`, async (t) => {
    const { call, source } = await startAdmin(t)
    source.failure = new CodedError(code, 'the particulars')
    const answer = await call('POST', '/v1/sessions/1/transfer', { body: { to: 'sg2' } })
    assert.deepEqual([answer.status, codeOf(answer)], [status, code])
    assert.equal((answer.body as { detail: string }).detail, 'the particulars')
  })
}

test('an unexpected error is told to the log and not to the client', async (t) => {
  const { call, source, errors } = await startAdmin(t)
  source.failure = new Error('a secret in a message')
  const answer = await call('POST', '/v1/sessions/1/transfer', { body: { to: 'sg2' } })
  assert.deepEqual([answer.status, codeOf(answer)], [500, 'ERR_INTERNAL'])
  assert.doesNotMatch(JSON.stringify(answer.body), /secret/)
  assert.deepEqual(errors, [source.failure])
})

test('a request in progress at the close is answered, and its connection does not hold the close up', async () => {
  const source = new FakeSource()
  const tokens = { admin: adminToken, read: readToken }
  const server = await createAdmin({ source, tokens, listen: { host: '127.0.0.1', port: 0 }, onError: () => undefined })
  let answer: (index: number) => void = () => undefined
  const asked = new Promise<void>((resolve) => {
    source.barrierAnswer = () => {
      resolve()
      return new Promise((then) => (answer = then))
    }
  })
  const request = fetch(`${server.url}/v1/cluster`, { headers: { Authorization: `Bearer ${adminToken}` } })
  await asked
  const closed = server.close()
  const isListening = (): Promise<boolean> =>
    fetch(`${server.url}/healthz`).then(
      async (other) => (await other.text()) !== '',
      () => false,
    )
  while (await isListening());
  answer(42)
  const response = await request
  assert.deepEqual([response.status, response.headers.get('connection')], [200, 'close'])
  await Promise.all([response.text(), closed])
})

test('an address that there is not is a problem of its own', async (t) => {
  const answer = await (await startAdmin(t)).call('GET', '/v2/nothing', { token: null })
  assert.deepEqual([answer.status, codeOf(answer)], [404, 'ERR_NOT_FOUND'])
})

test('commands reach the source with their arguments', async (t) => {
  const { call, source } = await startAdmin(t)
  const transfer = await call('POST', '/v1/sessions/12/transfer', { body: { to: 'sg2' } })
  assert.deepEqual(transfer.body, { owner: 'sg2', epoch: 4, durationMs: 3.5 })
  const drain = await call('POST', '/v1/gateways/sg1/drain')
  assert.deepEqual([drain.status, drain.body], [202, { draining: true, remaining: 250 }])
  assert.deepEqual((await call('GET', '/v1/gateways/sg1/drain?consistency=local')).body, { draining: true, remaining: 250 })
  assert.deepEqual((await call('DELETE', '/v1/gateways/sg1/drain')).body, { draining: false, remaining: 0 })
  const rebalance = await call('POST', '/v1/rebalance')
  assert.deepEqual([rebalance.status, rebalance.body, rebalance.index], [202, { coordinator: 'sg1', imbalance: 0.42 }, '41'])
  const moved = await call('POST', '/v1/addresses/fd00%3A%3A1/holder', { body: { to: 'sg3' } })
  assert.deepEqual(moved.body, { ip: 'fd00::1', holder: 'sg3' })
  assert.equal((await call('DELETE', '/v1/sessions/12')).status, 204)
  const leader = await call('POST', '/v1/cluster/leader', { body: { to: 'sg2' } })
  assert.deepEqual([leader.body, leader.index], [{ leader: 'sg2', term: 6, durationMs: 2.5 }, '41'])
  assert.deepEqual(source.calls, [
    'transfer 12 sg2',
    'drain sg1',
    'undrain sg1',
    'rebalance',
    'move fd00::1 sg3',
    'terminate 12',
    'leader sg2',
  ])
  source.calls.length = 0
  const added = await call('POST', '/v1/cluster/members', { body: { id: 'sg4', address: '10.0.0.14:7400' } })
  const learner = { id: 'sg4', address: '10.0.0.14:7400', role: 'learner', state: 'probing', matchIndex: 0 }
  assert.deepEqual([added.status, added.body, added.index], [200, learner, '41'])
  const promoted = await call('POST', '/v1/cluster/members/sg4/promote')
  assert.deepEqual(promoted.body, { ...learner, role: 'voter', state: 'replicating', matchIndex: 42 })
  source.removalsRemaining = [7]
  const unfinished = await call('DELETE', '/v1/cluster/members/sg4')
  assert.deepEqual([unfinished.status, unfinished.body], [202, { id: 'sg4', remaining: 7 }])
  assert.equal((await call('DELETE', '/v1/cluster/members/sg4')).status, 204)
  assert.equal((await call('DELETE', '/v1/cluster/members/sg4?force=true')).status, 204)
  assert.deepEqual(source.calls, ['add sg4 10.0.0.14:7400', 'promote sg4', 'remove sg4', 'remove sg4', 'remove sg4 by force'])
})
