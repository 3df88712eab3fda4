/** What the demo's front answers itself. */

import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { Front } from '../../../src/cli/demo/front/front.ts'
import { HeardCall } from '../../../src/cli/demo/front/heard-call.ts'
import { OwnRoutes } from '../../../src/cli/demo/front/own-routes.ts'
import type { DemoStatus } from '../../../src/cli/demo/front/status.ts'
import { soundOf } from '../../../src/cli/demo/melody.ts'
import { CommandFailure } from '../../../src/cli/failure.ts'
import { CodedError } from '../../../src/kit/errors.ts'
import { until } from '../../support/until.ts'
import type { CallRecord } from './call-records.ts'
import { recordReader, samplesOf } from './call-records.ts'

const status: DemoStatus = {
  gateways: [{ id: 'sg1', pid: 17, state: 'alive', isDraining: false, objection: null }],
  isShowOn: false,
  restartAfterMs: 4000,
  call: { client: 'client-01', owner: 'sg1', packetMs: 20, sampleRate: 16_000 },
}

async function started(t: TestContext) {
  const asked: string[] = []
  let told = status
  const call = new HeardCall(() => told)
  const routes = new OwnRoutes({
    tokens: { admin: 'all', read: 'some' },
    call,
    status: () => told,
    kill: async (gateway) => {
      asked.push(`kill ${gateway}`)
      if (gateway === 'sg2') throw new CodedError('ERR_QUORUM_AT_RISK', 'not this one, too')
      return gateway ?? 'sg1'
    },
    drain: async () => {
      throw new CommandFailure('no other gateway is up')
    },
    transfer: async (client) => {
      asked.push(`transfer ${client}`)
      return 'sg1'
    },
  })
  const front = await Front.open({ port: 0, gateways: () => [], own: (request, response) => routes.handle(request, response) })
  t.after(() => front.close())
  const ask = (method: string, path: string, { token, body }: { token?: string; body?: string } = {}): Promise<Response> =>
    fetch(`http://127.0.0.1:${front.port}${path}`, {
      method,
      headers: token === undefined ? {} : { Authorization: `Bearer ${token}` },
      ...(body === undefined ? {} : { body }),
    })
  const tell = (next: DemoStatus): void => {
    told = next
  }
  return { ask, asked, call, tell }
}

const refusals: readonly { name: string; method: string; path: string; token?: string; body?: string; status: number; code: string }[] = [
  { name: 'nothing is killed without a token', method: 'POST', path: '/demo/kill', status: 401, code: 'ERR_UNAUTHORIZED' },
  { name: 'nothing is killed with a reading token', method: 'POST', path: '/demo/kill', token: 'some', status: 403, code: 'ERR_FORBIDDEN' },
  { name: 'the call is not for everybody', method: 'GET', path: '/demo/call', status: 401, code: 'ERR_UNAUTHORIZED' },
  { name: 'looking kills nothing', method: 'GET', path: '/demo/kill', token: 'all', status: 405, code: 'ERR_VALIDATION' },
  { name: 'an unknown address', method: 'GET', path: '/demo/../demo/x', token: 'all', status: 404, code: 'ERR_NOT_FOUND' },
  {
    name: 'a body of another shape',
    method: 'POST',
    path: '/demo/kill',
    token: 'all',
    body: '{"gateway":1}',
    status: 400,
    code: 'ERR_VALIDATION',
  },
  {
    name: 'a body with more',
    method: 'POST',
    path: '/demo/kill',
    token: 'all',
    body: '{"gatewey":"sg1"}',
    status: 400,
    code: 'ERR_VALIDATION',
  },
  { name: 'a body that is no JSON', method: 'POST', path: '/demo/kill', token: 'all', body: '{', status: 400, code: 'ERR_VALIDATION' },
  {
    name: 'a body that is too long',
    method: 'POST',
    path: '/demo/kill',
    token: 'all',
    body: ' '.repeat(5000),
    status: 400,
    code: 'ERR_VALIDATION',
  },
  {
    name: 'the quorum',
    method: 'POST',
    path: '/demo/kill',
    token: 'all',
    body: '{"gateway":"sg2"}',
    status: 409,
    code: 'ERR_QUORUM_AT_RISK',
  },
  { name: 'what a key would be refused', method: 'POST', path: '/demo/drain', token: 'all', status: 409, code: 'ERR_CONFLICT' },
  { name: 'no client', method: 'POST', path: '/demo/transfer', token: 'all', body: '{"client":"x"}', status: 400, code: 'ERR_VALIDATION' },
]

for (const { name, method, path, token, body, status: expected, code } of refusals) {
  test(`refused with ${code}: ${name}`, async (t) => {
    const { ask, asked } = await started(t)
    const response = await ask(method, path, { ...(token === undefined ? {} : { token }), ...(body === undefined ? {} : { body }) })
    assert.equal(response.headers.get('content-type'), 'application/problem+json; charset=utf-8')
    assert.deepEqual([response.status, ((await response.json()) as { code: string }).code], [expected, code])
    assert.deepEqual(
      asked.filter((one) => one !== 'kill sg2'),
      [],
    )
  })
}

test('a command says which gateway it was', async (t) => {
  const { ask, asked } = await started(t)
  for (const [path, body] of [
    ['/demo/kill', '{"gateway":"sg3"}'],
    ['/demo/kill', undefined],
    ['/demo/transfer', '{"client":"client-07"}'],
  ] as const) {
    const response = await ask('POST', path, { token: 'all', ...(body === undefined ? {} : { body }) })
    assert.equal(response.status, 200)
    assert.deepEqual(await response.json(), { gateway: body?.includes('sg3') === true ? 'sg3' : 'sg1' })
  }
  assert.deepEqual(asked, ['kill sg3', 'kill null', 'transfer 6'])
})

test('everybody may see the status and the panel', async (t) => {
  const { ask } = await started(t)
  assert.deepEqual(await (await ask('GET', '/demo/status')).json(), status)
  const script = await ask('GET', '/demo/panel.js')
  assert.match(script.headers.get('content-type')!, /^text\/javascript/)
  const text = await script.text()
  assert.match(text, /export function mount\(/)
  const imported = [...text.matchAll(/from '\.\/([a-z-]+\.js)'/g)].map(([, name]) => name!)
  for (const name of [...imported, 'speaker.js', 'jitter-buffer.js', 'panel.css'])
    assert.equal((await ask('GET', `/demo/${name}`)).status, 200, name)
})

test('who listens gets the status, every packet as it arrived, and each change', async (t) => {
  const { ask, call, tell } = await started(t)
  const stream = (await ask('GET', '/demo/call', { token: 'some' })).body!.getReader()
  const records: CallRecord[] = []
  const reader = await recordReader()
  const reading = (async () => {
    for (let read = await stream.read(); !read.done; read = await stream.read()) {
      // An octet at a time: records come cut anywhere.
      for (const octet of read.value as Uint8Array) records.push(...reader.read(Uint8Array.of(octet)))
    }
  })()
  await until(() => records.length === 1)
  for (const counter of [5, 7, 7]) call.arrive({ counter, sentMs: 100, arrivedMs: 100.5, sound: soundOf(counter) })
  call.look(0)
  call.look(500)
  tell({ ...status, isShowOn: true })
  call.look(600)
  call.look(700)
  call.look(1700)
  await until(() => records.length === 7)
  const on = { type: 'status', status: { ...status, isShowOn: true } }
  const packet = (number: number): CallRecord => ({
    type: 'packet',
    number,
    sentMs: 100,
    arrivedMs: 100.5,
    samples: samplesOf(soundOf(number)),
  })
  assert.deepEqual(records, [{ type: 'status', status }, packet(5), packet(7), packet(7), { type: 'status', status }, on, on])
  assert.equal(call.listeners, 1)
  await stream.cancel()
  await reading
})

test('there is a bound on listeners, and who is gone does not count', async (t) => {
  const { ask, call } = await started(t)
  const open = await Promise.all(Array.from({ length: 16 }, () => ask('GET', '/demo/call', { token: 'all' })))
  assert.equal((await ask('GET', '/demo/call', { token: 'all' })).status, 429)
  await open[0]!.body!.cancel()
  await until(() => call.listeners === 15)
  open[0] = await ask('GET', '/demo/call', { token: 'all' })
  assert.equal(open[0].status, 200)
  await Promise.all(open.map(({ body }) => body!.cancel()))
  await until(() => call.listeners === 0)
})

test('who does not read is left behind', async (t) => {
  const { ask, call } = await started(t)
  await ask('GET', '/demo/call', { token: 'all' })
  // More than a connection takes.
  for (let counter = 0; counter < 50_000 && call.listeners > 0; counter++) {
    call.arrive({ counter, sentMs: 0, arrivedMs: 0, sound: soundOf(counter) })
    if (counter % 100 === 0) await new Promise(setImmediate)
  }
  assert.equal(call.listeners, 0)
})
