/** `evpc events`: what is remembered, what comes, and how it goes on at another gateway. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import type { AdminEvent } from '../../src/admin/source.ts'
import { EventPlace, readEvents } from '../../src/cli/event-lines.ts'
import { serveCanned, token } from './canned-server.ts'
import { follow } from './follow-events.ts'
import { createAdmin } from '../../src/admin/server.ts'
import { FakeSource } from '../admin/fake-source.ts'

const event = (index: number, session = '7'): AdminEvent => ({
  index,
  time: '2026-01-02T03:04:05.000Z',
  type: 'transfer',
  session,
  from: 'sg1',
  to: 'sg2',
})
const leads = (index: number, term: number): AdminEvent => ({
  index,
  time: '2026-01-02T03:04:05.000Z',
  type: 'leader',
  gateway: 'sg1',
  what: `leads term ${term}`,
})

test('without --follow it prints what is remembered, a line each, and ends', async (t) => {
  const { source, run } = await serveCanned(t)
  source.pastEvents.push(event(10), leads(12, 5), event(15, '8'))
  const table = await run('events')
  assert.deepEqual([table.code, table.stderr], [0, ''])
  assert.deepEqual(table.stdout.split('\n'), [
    '2026-01-02T03:04:05.000Z       10  transfer  session 7 from sg1 to sg2 ',
    '2026-01-02T03:04:05.000Z       12  leader    sg1 leads term 5',
    '2026-01-02T03:04:05.000Z       15  transfer  session 8 from sg1 to sg2 ',
    '',
  ])
  source.pastEvents.splice(
    0,
    3,
    { ...event(16), what: 'carried on', interruptionMs: 12 },
    {
      index: 20,
      time: event(0).time,
      type: 'takeover',
      from: 'sg1',
      to: 'sg2',
      what: 'sessions carried on',
      sessions: 30,
      quiet: 2,
      interruptionMs: 640,
      interruptionP50Ms: 380,
    },
  )
  assert.deepEqual((await run('events')).stdout.split('\n'), [
    '2026-01-02T03:04:05.000Z       16  transfer  session 7 from sg1 to sg2 12 ms carried on',
    '2026-01-02T03:04:05.000Z       20  takeover  from sg1 to sg2 p50 380 max 640 ms of 30 (2 without packets) sessions carried on',
    '',
  ])
  source.pastEvents.splice(0, 2, event(10), leads(12, 5), event(15, '8'))
  const json = await run('events', '--after', '10', '--type', 'transfer', '-o', 'json')
  assert.deepEqual(json.stdout, `${JSON.stringify(event(15, '8'))}\n`)
  assert.deepEqual(source.calls, ['events 0', 'events 0', 'events 10'])
})

test('with --follow it prints what comes', async (t) => {
  const { source, server, tokenFile } = await serveCanned(t)
  source.pastEvents.push(event(10))
  const following = follow(t, { EVPC_SERVER: server.url, EVPC_TOKEN_FILE: tokenFile }, '-o', 'json')
  while (!source.calls.includes('events null')) await new Promise((resolve) => setImmediate(resolve))
  source.addEvent(event(42))
  assert.deepEqual(JSON.parse((await following.next()) ?? ''), event(42))
})

test('when its gateway goes away it goes on at the next, with nothing lost and nothing twice', async (t) => {
  const first = new FakeSource()
  const options = { tokens: { admin: token, read: null }, listen: { host: '127.0.0.1', port: 0 }, onError: () => undefined }
  const dying = await createAdmin({ ...options, source: first })
  const { source: second, server, tokenFile } = await serveCanned(t)
  first.pastEvents.push(event(10), leads(10, 5), event(11, 'a'), event(11, 'b'))
  second.pastEvents.push(leads(9, 5), event(10), event(11, 'a'), event(11, 'b'), event(11, 'c'), event(12), leads(12, 6))
  const following = follow(t, { EVPC_SERVER: `${dying.url},${server.url}`, EVPC_TOKEN_FILE: tokenFile }, '--after', '0', '-o', 'json')
  const next = async (): Promise<AdminEvent> => JSON.parse((await following.next()) ?? '') as AdminEvent
  const seen = [await next(), await next(), await next(), await next()]
  assert.deepEqual(seen, first.pastEvents)
  await dying.close()
  assert.deepEqual([await next(), await next(), await next()], [event(11, 'c'), event(12), leads(12, 6)])
  assert.match(following.complaints(), /ended the stream\nevpc: goes on at http/)
})

test('what a gateway no longer remembers is not passed over in silence', async (t) => {
  const { source, run } = await serveCanned(t)
  source.pastEvents.push(event(40))
  source.rememberedAfter = 30
  const late = await run('events', '--after', '10', '-o', 'json')
  assert.deepEqual([late.code, late.stdout], [0, `${JSON.stringify(event(40))}\n`])
  assert.match(late.stderr, /^evpc: http:.* no longer knows what came from index 11 to 30\n$/)
  for (const args of [[], ['--after', '30']]) assert.equal((await run('events', ...args)).stderr, '')
})

test('a server that is not there, or a wrong token, ends it at once', async (t) => {
  const { server } = await serveCanned(t)
  const nobody = follow(t, { EVPC_SERVER: 'http://127.0.0.1:1' })
  assert.deepEqual(await once(nobody.child, 'exit'), [1, null])
  const stranger = follow(t, { EVPC_SERVER: server.url })
  assert.deepEqual(await once(stranger.child, 'exit'), [1, null])
})

test('events are read however their octets are cut', async () => {
  const text = `retry: 1000\n\n: alive\n\nid: 10\nevent: transfer\ndata: ${JSON.stringify(event(10))}\n\nid: 12\ndata: ${JSON.stringify(event(12))}\n\nid: 13\ndata: {"in`
  for (let size = 1; size < 40; size++) {
    const chunks = async function* () {
      for (let i = 0; i < text.length; i += size) yield text.slice(i, i + size)
    }
    const events: AdminEvent[] = []
    for await (const one of readEvents(chunks())) events.push(one)
    assert.deepEqual(events, [event(10), event(12)])
  }
})

test('whoever follows goes on before the last index that it saw, and knows what it saw there', () => {
  const place = new EventPlace(null)
  assert.equal(place.after, null)
  place.begun(40)
  assert.equal(place.after, 40)
  assert.deepEqual([place.isNew(event(41, 'a')), place.isNew(event(41, 'b')), place.after], [true, true, 40])
  place.begun(90)
  assert.deepEqual([place.isNew(event(41, 'b')), place.isNew(event(41, 'c')), place.isNew(event(40, 'a'))], [false, true, false])
  assert.deepEqual([place.isNew(leads(50, 2)), place.isNew(leads(47, 2)), place.isNew(leads(30, 3))], [true, false, true])
  assert.equal(place.after, 49)
})
