/** Server-sent events: live, resumed after a lost connection, and bounded in number. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import type { AdminEvent } from '../../src/admin/source.ts'
import { createAdmin } from '../../src/admin/server.ts'
import type { AdminServer } from '../../src/admin/server.ts'
import { indexOfEventId } from '../../src/admin/event-stream.ts'
import { FakeSource } from './fake-source.ts'

const token = 'a-token-of-the-tests'

const event = (index: number): AdminEvent => ({
  index,
  time: '2026-01-02T03:04:05.000Z',
  type: 'transfer',
  session: '7',
  from: 'sg1',
  to: 'sg2',
})

async function start(t: TestContext, eventStreams = 4): Promise<{ source: FakeSource; server: AdminServer }> {
  const source = new FakeSource()
  const listen = { host: '127.0.0.1', port: 0 }
  const server = await createAdmin({ source, tokens: { admin: token, read: null }, listen, onError: fail, eventStreams })
  t.after(() => server.close())
  return { source, server }
}

function fail(error: unknown): never {
  throw error
}

interface Stream {
  readonly response: Response
  /** The next event's id and data. */
  next(): Promise<{ id: string | undefined; data: unknown } | null>
  close(): void
}

async function open(server: AdminServer, headers: Record<string, string> = {}, query = ''): Promise<Stream> {
  const abort = new AbortController()
  const all = { Authorization: `Bearer ${token}`, ...headers }
  const response = await fetch(`${server.url}/v1/events${query}`, { headers: all, signal: abort.signal })
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  const next: Stream['next'] = async () => {
    for (;;) {
      const end = text.indexOf('\n\n')
      const block = end < 0 ? null : text.slice(0, end).split('\n')
      if (block !== null) text = text.slice(end + 2)
      const data = block?.find((line) => line.startsWith('data: '))
      if (data !== undefined)
        return { id: block?.find((line) => line.startsWith('id: '))?.slice(4), data: JSON.parse(data.slice(6)) as unknown }
      if (block !== null) continue
      const { done, value } = await reader.read()
      if (done) return null
      text += value
    }
  }
  return { response, next, close: () => abort.abort() }
}

test('events come as they happen, with the index as their id', async (t) => {
  const { source, server } = await start(t)
  source.addEvent(event(10))
  const stream = await open(server)
  assert.equal(stream.response.headers.get('content-type'), 'text/event-stream; charset=utf-8')
  assert.equal(stream.response.headers.get('evpc-index'), '41')
  assert.equal(stream.response.headers.get('evpc-events-after'), '0')
  source.addEvent(event(11))
  assert.deepEqual(await stream.next(), { id: '11', data: event(11) })
  source.addEvent(event(12))
  assert.deepEqual(await stream.next(), { id: '12', data: event(12) })
  stream.close()
})

test('a client that lost the connection goes on behind the last event that it saw', async (t) => {
  const { source, server } = await start(t)
  for (const index of [10, 12, 15]) source.addEvent(event(index))
  const stream = await open(server, { 'Last-Event-ID': '10' })
  assert.deepEqual([(await stream.next())?.id, (await stream.next())?.id], ['12', '15'])
  stream.close()
  const byQuery = await open(server, {}, '?after=12')
  assert.equal((await byQuery.next())?.id, '15')
  byQuery.close()
  assert.deepEqual(source.calls, ['events 10', 'events 12'])
})

test('an id that is not an index is as none', () => {
  assert.deepEqual(['7', '', 'x', '-1', '99999999999999999', undefined].map(indexOfEventId), [7, null, null, null, null, null])
})

test('the number of streams has a bound, and a stream that ended makes room', async (t) => {
  const { source, server } = await start(t, 1)
  const first = await open(server)
  const second = await fetch(`${server.url}/v1/events`, { headers: { Authorization: `Bearer ${token}` } })
  assert.deepEqual([second.status, second.headers.get('retry-after')], [429, '1'])
  assert.equal(((await second.json()) as { code: string }).code, 'ERR_RATE_LIMITED')
  const ended = new Promise<void>((resolve) => (source.onStreamEnd = resolve))
  first.close()
  await ended
  const third = await open(server)
  source.addEvent(event(20))
  assert.equal((await third.next())?.id, '20')
  third.close()
})

test('a stream of what is remembered ends with it', async (t) => {
  const { source, server } = await start(t, 1)
  for (const index of [10, 12]) source.addEvent(event(index))
  const all = await open(server, {}, '?follow=false')
  assert.deepEqual([(await all.next())?.id, (await all.next())?.id, await all.next()], ['10', '12', null])
  const later = await open(server, {}, '?after=10&follow=false')
  assert.deepEqual([(await later.next())?.id, await later.next()], ['12', null])
})

test('closing the server ends the streams', async (t) => {
  const { server } = await start(t)
  const stream = await open(server)
  await server.close()
  assert.equal(await stream.next(), null)
})
