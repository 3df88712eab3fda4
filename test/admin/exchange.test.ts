/** What holds for every exchange over HTTP: names of requests, methods, headers, limits, and repetitions that are safe. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { test } from 'node:test'
import { IdempotencyStore } from '../../src/admin/idempotency.ts'
import { RateLimiter, clientOf } from '../../src/admin/rate-limit.ts'
import { CodedError } from '../../src/kit/errors.ts'
import { adminToken, codeOf, readToken, startAdmin } from './running-admin.ts'

test('a request has the name that its sender gives it, or one that is made, in the answer and in what the log is told', async (t) => {
  const { call, source, errors, errorIds } = await startAdmin(t)
  const named = await call('GET', '/healthz', { token: null, headers: { 'X-Request-Id': 'deploy-17.sg1' } })
  assert.equal(named.headers.get('x-request-id'), 'deploy-17.sg1')
  const made = (await call('GET', '/healthz', { token: null })).headers.get('x-request-id')
  assert.match(made ?? '', /^[0-9a-f-]{36}$/)
  for (const unfit of ['two words', 'x'.repeat(65), 'a"b', '<b>']) {
    const answer = await call('GET', '/v1/nothing', { headers: { 'X-Request-Id': unfit } })
    assert.equal(codeOf(answer), 'ERR_NOT_FOUND')
    assert.match(answer.headers.get('x-request-id') ?? '', /^[0-9a-f-]{36}$/)
  }
  source.failure = new Error('of ours')
  await call('POST', '/v1/sessions/1/transfer', { body: { to: 'sg2' }, headers: { 'X-Request-Id': 'a-1' } })
  assert.deepEqual([errors, errorIds], [[source.failure], ['a-1']])
})

test('an address that has other methods says which, and is asked which by OPTIONS', async (t) => {
  const { call, source } = await startAdmin(t)
  const wrong = await call('PUT', '/v1/sessions/7', { body: {} })
  assert.deepEqual([wrong.status, codeOf(wrong), wrong.headers.get('allow')], [405, 'ERR_VALIDATION', 'DELETE, GET, HEAD, OPTIONS'])
  const asked = await call('OPTIONS', '/v1/gateways/sg1/drain?x=1', { token: null })
  assert.deepEqual([asked.status, asked.headers.get('allow'), asked.body], [204, 'DELETE, GET, HEAD, OPTIONS, POST', ''])
  const stream = await call('HEAD', '/v1/events')
  assert.deepEqual([stream.status, stream.headers.get('allow')], [405, 'GET, OPTIONS'])
  assert.equal((await call('OPTIONS', '/v1/nothing')).status, 404)
  assert.deepEqual(source.calls, [])
})

test('HEAD is answered as GET without the body, and wants the same token', async (t) => {
  const { call } = await startAdmin(t)
  const get = await call('GET', '/v1/gateways', { token: readToken })
  const head = await call('HEAD', '/v1/gateways', { token: readToken })
  assert.deepEqual([head.status, head.index, head.headers.get('content-length')], [200, get.index, get.headers.get('content-length')])
  assert.equal((await call('HEAD', '/v1/gateways', { token: null })).status, 401)
})

test('no answer can be framed, sniffed, cached or made to load anything', async (t) => {
  const { call } = await startAdmin(t)
  for (const [method, path] of [
    ['GET', '/v1/cluster'],
    ['GET', '/nothing'],
    ['GET', '/openapi.json'],
    ['GET', '/docs'],
    ['DELETE', '/v1/sessions/1'],
  ] as const) {
    const { headers } = await call(method, path)
    assert.deepEqual([path, headers.get('x-content-type-options'), headers.get('cache-control')], [path, 'nosniff', 'no-store'])
    assert.match(headers.get('content-security-policy') ?? '', /^default-src 'none';.*frame-ancestors 'none'$/)
    assert.equal(headers.get('referrer-policy'), 'no-referrer')
  }
})

test('what is not HTTP gets a problem document and the end of the connection', async (t) => {
  const { url } = await startAdmin(t)
  const socket = connect(Number(new URL(url).port), '127.0.0.1')
  socket.end('\x16\x03\x01 this is TLS, or nothing\r\n\r\n')
  let text = ''
  socket.on('data', (octets: Buffer) => (text += octets.toString()))
  await once(socket, 'close')
  assert.match(text, /^HTTP\/1\.1 400 Bad Request\r\nContent-Type: application\/problem\+json/)
  assert.match(text, /"code":"ERR_VALIDATION"/)
})

// ---- rate

test('who asks too often is told when to come again; probes are answered all the same, and so are others', async (t) => {
  const { call } = await startAdmin(t, { rate: { perSecond: 0.1, burst: 3 } })
  for (let i = 0; i < 3; i++) assert.equal((await call('GET', '/v1/cluster', { token: readToken })).status, 200)
  const refused = await call('GET', '/v1/cluster', { token: readToken })
  assert.deepEqual([refused.status, codeOf(refused)], [429, 'ERR_RATE_LIMITED'])
  assert.match(refused.headers.get('retry-after') ?? '', /^(?:9|10)$/)
  for (let i = 0; i < 5; i++) assert.equal((await call('GET', '/readyz', { token: null })).status, 200)
  assert.equal((await call('GET', '/v1/cluster')).status, 200)
})

test('whoever guesses tokens uses up his own share', async (t) => {
  const { call } = await startAdmin(t, { rate: { perSecond: 0.1, burst: 2 } })
  const statuses = []
  for (let i = 0; i < 4; i++) statuses.push((await call('GET', '/v1/cluster', { token: `guess-${i}` })).status)
  assert.deepEqual(statuses, [401, 401, 429, 429])
  assert.equal((await call('GET', '/v1/cluster')).status, 200)
})

test('an answer with many sessions counts as several requests', async (t) => {
  const { call } = await startAdmin(t, { rate: { perSecond: 0.1, burst: 4 } })
  assert.equal((await call('GET', '/v1/sessions?limit=300')).status, 200)
  assert.equal((await call('GET', '/v1/sessions?limit=10')).status, 200)
  assert.equal((await call('GET', '/v1/sessions?limit=10')).status, 429)
})

test('a bucket fills up with time, up to its size, and their number has a bound', () => {
  const limiter = new RateLimiter({ perSecond: 2, burst: 4 })
  const take = (client: string, times: number, atMs: number): number[] => Array.from({ length: times }, () => limiter.take(client, atMs))
  assert.deepEqual(take('a', 5, 0), [0, 0, 0, 0, 1])
  assert.deepEqual(take('a', 2, 500), [0, 1])
  assert.deepEqual(take('a', 5, 60_000), [0, 0, 0, 0, 1])
  limiter.spend('a', 100, 60_000)
  assert.deepEqual([take('a', 1, 60_000), take('a', 1, 62_500)], [[3], [0]], 'it owes no more than a share')
  for (let i = 0; i < 5000; i++) limiter.take(`client ${i}`, 62_500)
  assert.ok(limiter.size <= 1025, `${limiter.size}`)
  assert.ok(limiter.take('one more', 62_500) > 0, 'those that come when the table is full share a bucket')
  assert.equal(limiter.take('one more', 120_000), 0)
  assert.equal(limiter.size, 1)
})

test('an IPv6 client is its /64, an IPv4 client its address', () => {
  assert.deepEqual(
    ['10.0.0.1', '::ffff:10.0.0.1', '2001:db8:1:2:3:4:5:6', '2001:db8:1:2::9', '2001:db8::9', '::1', 'fe80::1%eth0'].map(clientOf),
    ['10.0.0.1', '10.0.0.1', '2001:db8:1:2', '2001:db8:1:2', '2001:db8:0:0', '0:0:0:0', 'fe80:0:0:0'],
  )
})

// ---- repetitions

const once1 = { 'Idempotency-Key': 'key-1' }

test('a repetition under the same key gets the same answer, and nothing is done twice', async (t) => {
  const { call, source } = await startAdmin(t)
  const first = await call('POST', '/v1/sessions/7/transfer', { body: { to: 'sg2' }, headers: once1 })
  source.applied = 77
  const again = await call('POST', '/v1/sessions/7/transfer', { body: { to: 'sg2' }, headers: once1 })
  assert.deepEqual([again.status, again.body, again.type, again.index], [first.status, first.body, first.type, first.index])
  assert.deepEqual([first.headers.get('idempotency-replayed'), again.headers.get('idempotency-replayed')], [null, 'true'])
  const ended = { 'Idempotency-Key': 'key-2' }
  for (let i = 0; i < 2; i++) assert.equal((await call('DELETE', '/v1/sessions/7', { headers: ended })).status, 204)
  assert.deepEqual(source.calls, ['transfer 7 sg2', 'terminate 7'])
  await call('POST', '/v1/sessions/7/transfer', { body: { to: 'sg2' } })
  assert.equal(source.calls.length, 3)
})

test('another request under the same key is refused', async (t) => {
  const { call, source } = await startAdmin(t)
  await call('POST', '/v1/sessions/7/transfer', { body: { to: 'sg2' }, headers: once1 })
  for (const [method, path, body] of [
    ['POST', '/v1/sessions/7/transfer', { to: 'sg3' }],
    ['POST', '/v1/sessions/8/transfer', { to: 'sg2' }],
    ['DELETE', '/v1/sessions/7', undefined],
  ] as const) {
    const refused = await call(method, path, { headers: once1, ...(body === undefined ? {} : { body }) })
    assert.deepEqual([refused.status, codeOf(refused)], [409, 'ERR_CONFLICT'])
  }
  for (const unfit of ['', 'two words', 'x'.repeat(129)]) {
    const refused = await call('DELETE', '/v1/sessions/7', { headers: { 'Idempotency-Key': unfit } })
    assert.deepEqual([refused.status, codeOf(refused)], [400, 'ERR_VALIDATION'])
  }
  assert.deepEqual(source.calls, ['transfer 7 sg2'])
})

test('what changed nothing, or nobody knows what it did, is tried anew', async (t) => {
  const { call, source } = await startAdmin(t)
  const ask = () => call('POST', '/v1/sessions/7/transfer', { body: { to: 'sg2' }, headers: once1 })
  for (const code of ['ERR_OUTCOME_UNKNOWN', 'ERR_PROPOSAL_DROPPED', 'ERR_GATEWAY_NOT_UP'] as const) {
    source.failure = new CodedError(code)
    assert.equal(codeOf(await ask()), code)
  }
  source.failure = null
  assert.equal((await ask()).status, 200)
  assert.equal((await ask()).headers.get('idempotency-replayed'), 'true')
  assert.equal(source.calls.length, 4)
})

test('a repetition that comes while the first is under way waits for it', async (t) => {
  const { call, source } = await startAdmin(t)
  let finish: () => void = () => undefined
  const begun = new Promise<void>((resolve) => {
    source.beforeTransfer = () => {
      resolve()
      return new Promise((then) => (finish = then))
    }
  })
  const ask = () => call('POST', '/v1/sessions/7/transfer', { body: { to: 'sg2' }, headers: once1 })
  const first = ask()
  await begun
  const second = ask()
  // Its turn comes before that of this one, which is on another connection and asked for later.
  await call('GET', '/healthz')
  finish()
  const [one, two] = await Promise.all([first, second])
  assert.deepEqual([one.status, two.status, two.body, source.calls], [200, 200, one.body, ['transfer 7 sg2']])
})

test('a body that is read while it comes is read, key or not', async (t) => {
  const { url } = await startAdmin(t)
  const headers = { Authorization: `Bearer ${adminToken}`, 'Content-Type': 'application/x-ndjson', ...once1 }
  for (let i = 0; i < 2; i++) {
    const answer = await fetch(`${url}/v1/restore`, { method: 'POST', headers, body: '{}\n' })
    assert.deepEqual([answer.status, answer.headers.get('idempotency-replayed')], [200, null])
  }
})

test('a key lets no reader command, and says nothing to reads', async (t) => {
  const { call, source } = await startAdmin(t)
  await call('POST', '/v1/rebalance', { headers: once1 })
  const reader = await call('POST', '/v1/rebalance', { headers: once1, token: readToken })
  assert.equal(reader.status, 403)
  assert.equal((await call('GET', '/v1/cluster', { headers: once1 })).status, 200)
  assert.equal((await call('GET', '/v1/gateways', { headers: once1 })).status, 200)
  assert.deepEqual(source.calls, ['rebalance', 'barrier', 'barrier'])
})

test('keys are kept for an hour, and so many; whoever waits for one that is forgotten begins anew', async () => {
  const store = new IdempotencyStore()
  const answer = { status: 200, headers: {}, payload: 'x'.repeat(1000) }
  const first = store.begin('key', 'request', 0)
  store.end(first.entry, answer)
  const known = store.begin('key', 'request', 3_599_999)
  assert.deepEqual([first.isFirst, known.isFirst, await known.entry.answer], [true, false, answer])
  assert.equal(store.begin('key', 'another request', 3_600_000).isFirst, true)

  const waiting = store.begin('waiting', 'request', 3_600_001)
  for (let i = 0; i < 1024; i++) store.end(store.begin(`key ${i}`, 'request', 3_600_002).entry, answer)
  assert.equal(store.size, 1024)
  assert.equal(await waiting.entry.answer, null)
  store.end(store.begin('large', 'request', 3_600_003).entry, { ...answer, payload: 'x'.repeat(4 * 1024 * 1024 - 500) })
  assert.equal(store.size, 1)
})
