/** The demo's front before real admin servers, and before servers that die in the middle. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import type { RequestListener, Server } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import type { Candidate } from '../../../src/cli/demo/front/front.ts'
import { Front } from '../../../src/cli/demo/front/front.ts'
import { until } from '../../support/until.ts'
import { adminToken, startAdmin } from '../../admin/running-admin.ts'

const headers = { Authorization: `Bearer ${adminToken}` }

async function frontOf(t: TestContext, gateways: readonly Candidate[]): Promise<string> {
  const front = await Front.open({ port: 0, gateways: () => gateways, own: (_request, response) => response.end('own') })
  t.after(() => front.close())
  return `http://127.0.0.1:${front.port}`
}

const candidate = (id: string, port: number, isUp = true): Candidate => ({ id, port, isUp })

/** A gateway that answers as the test likes. */
async function standIn(t: TestContext, listener: RequestListener): Promise<{ server: Server; port: number }> {
  const server = createServer(listener).listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    server.closeAllConnections()
  })
  return { server, port: (server.address() as AddressInfo).port }
}

/** Where nobody listens. */
async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

async function problemOf(response: Response): Promise<{ readonly status: number; readonly code: string }> {
  assert.equal(response.headers.get('content-type'), 'application/problem+json; charset=utf-8')
  const problem = (await response.json()) as { status: number; code: string; requestId: string }
  assert.equal(problem.status, response.status)
  assert.equal(problem.requestId, response.headers.get('x-request-id'))
  return { status: problem.status, code: problem.code }
}

const portOf = (url: string): number => Number(new URL(url).port)

test('answers go through the front as they are: status, headers, problem documents, the page', async (t) => {
  const admin = await startAdmin(t)
  const front = await frontOf(t, [candidate('sg1', portOf(admin.url))])
  const asked = { headers: { ...headers, 'X-Request-Id': 'one-of-ours' } }
  for (const path of ['/v1/cluster', '/v1/vpn', '/v1/sessions?limit=0', '/v1/nothing', '/', '/page.js', '/healthz']) {
    const [direct, through] = [await fetch(`${admin.url}${path}`, asked), await fetch(`${front}${path}`, asked)]
    const ownHeaders = ({ headers: all }: Response): [string, string][] =>
      [...all].filter(([name]) => !['date', 'connection', 'keep-alive'].includes(name))
    assert.deepEqual([through.status, ownHeaders(through)], [direct.status, ownHeaders(direct)], path)
    assert.equal(await through.text(), await direct.text(), path)
  }
  assert.notEqual((await fetch(`${front}/v1/cluster`, asked)).headers.get('evpc-index'), null)
})

test('a command goes on with its body, and a gateway that refuses the connection has not seen it', async (t) => {
  const admin = await startAdmin(t)
  const front = await frontOf(t, [candidate('sg1', await freePort()), candidate('sg2', portOf(admin.url))])
  const body = JSON.stringify({ to: 'sg2' })
  const url = `${front}/v1/cluster/leader`
  const response = await fetch(url, { method: 'POST', headers: { ...headers, 'Content-Type': 'application/json' }, body })
  const direct = await admin.call('POST', '/v1/cluster/leader', { body: { to: 'sg2' } })
  assert.deepEqual([response.status, await response.json()], [direct.status, direct.body])
  assert.equal((await fetch(`${front}/v1/gateways/sg1/drain`, { method: 'POST', headers })).status, 202)
})

test('what only reads is asked again of another gateway when the first dies with the question in hand', async (t) => {
  const dying = await standIn(t, (request) => request.socket.destroy())
  const admin = await startAdmin(t)
  const front = await frontOf(t, [candidate('sg1', dying.port), candidate('sg2', portOf(admin.url))])
  assert.equal((await fetch(`${front}/v1/cluster`, { headers })).status, 200)
  assert.equal((await fetch(`${front}/v1/cluster`, { method: 'HEAD', headers })).status, 200)
})

test('of a command whose gateway dies with it nobody knows the outcome, and no other gateway gets it', async (t) => {
  const dying = await standIn(t, (request) => request.socket.destroy())
  let asked = 0
  const other = await standIn(t, (_request, response) => {
    asked += 1
    response.end()
  })
  const front = await frontOf(t, [candidate('sg1', dying.port), candidate('sg2', other.port)])
  const response = await fetch(`${front}/v1/rebalance`, { method: 'POST', headers, body: 'x' })
  assert.deepEqual(await problemOf(response), { status: 504, code: 'ERR_OUTCOME_UNKNOWN' })
  assert.equal(asked, 0)
})

test('where no gateway answers, the front says so', async (t) => {
  for (const gateways of [[], [candidate('sg1', await freePort())]]) {
    const front = await frontOf(t, gateways)
    assert.deepEqual(await problemOf(await fetch(`${front}/v1/cluster`, { headers })), { status: 503, code: 'ERR_NO_LEADER' })
    const command = await fetch(`${front}/v1/rebalance`, { method: 'POST', headers, body: '{}' })
    assert.deepEqual(await problemOf(command), { status: 503, code: 'ERR_NO_LEADER' })
  }
})

test('an answer that breaks off is not passed off as a whole one', async (t) => {
  const dying = await standIn(t, (_request, response) => {
    response.writeHead(200, { 'Content-Type': 'application/json' })
    response.write('[1, 2', () => response.destroy())
  })
  const front = await frontOf(t, [candidate('sg1', dying.port)])
  await assert.rejects(async () => (await fetch(`${front}/v1/gateways`, { headers })).text())
})

test('an event stream comes as it is told, ends with its gateway, and is resumed by Last-Event-ID at another', async (t) => {
  const streams: { response: Parameters<RequestListener>[1]; from: string | undefined }[] = []
  const listener: RequestListener = (request, response) => {
    response.writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8', Connection: 'close', 'Evpc-Index': '7' })
    response.write('id: 7\ndata: {}\n\n')
    streams.push({ response, from: request.headers['last-event-id'] as string | undefined })
  }
  const [first, second] = [await standIn(t, listener), await standIn(t, listener)]
  const front = await frontOf(t, [candidate('sg1', first.port), candidate('sg2', second.port)])
  const stream = await fetch(`${front}/v1/events`, { headers })
  assert.equal(stream.headers.get('evpc-index'), '7')
  const reader = stream.body!.pipeThrough(new TextDecoderStream()).getReader()
  assert.equal((await reader.read()).value, 'id: 7\ndata: {}\n\n')
  first.server.close()
  streams[0]!.response.destroy()
  assert.deepEqual(await reader.read(), { done: true, value: undefined })
  const again = await fetch(`${front}/v1/events`, { headers: { ...headers, 'Last-Event-ID': '7' } })
  assert.deepEqual([again.status, streams[1]!.from], [200, '7'])
  await again.body!.cancel()
  await until(() => streams[1]!.response.destroyed)
})

test('who answered last is asked first, unless it is on its way out', async (t) => {
  const named = async (name: string): Promise<number> => (await standIn(t, (_request, response) => response.end(name))).port
  const gateways = [candidate('sg1', await named('sg1')), candidate('sg2', await named('sg2'), false), candidate('sg3', await named('sg3'))]
  const front = await frontOf(t, gateways)
  const asked = async (): Promise<string> => (await fetch(`${front}/v1/cluster`)).text()
  assert.equal(await asked(), 'sg1')
  gateways[0] = { ...gateways[0]!, isUp: false }
  assert.equal(await asked(), 'sg3')
  gateways[0] = { ...gateways[0], isUp: true }
  assert.equal(await asked(), 'sg3')
})

test('what is under /demo never reaches a gateway', async (t) => {
  const front = await frontOf(t, [])
  for (const path of ['/demo', '/demo/status', '/demo/nothing', '/demo?x=1'])
    assert.equal(await (await fetch(`${front}${path}`)).text(), 'own', path)
  assert.equal((await fetch(`${front}/demonstration`)).status, 503)
})
