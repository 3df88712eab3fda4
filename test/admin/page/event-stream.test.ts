/** Events as they come in pieces, from one gateway after another, each shown once. */

import assert from 'node:assert/strict'
import { test } from 'node:test'

interface PlaceLike {
  readonly after: number
  isNew(event: object): boolean
}
interface Followed {
  readonly event: (event: object) => void
  readonly connected: (isConnected: boolean) => void
}
interface FakeApi {
  send(method: string, path: string): Promise<Response>
}
const { EventParser, EventPlace, followEvents } = (await import(
  new URL('../../../src/admin/page/event-stream.js', import.meta.url).href
)) as {
  EventParser: new () => { take(chunk: string): object[] }
  EventPlace: new (after: number) => PlaceLike
  followEvents: (api: FakeApi, place: PlaceLike, on: Followed, signal: AbortSignal) => Promise<void>
}

const told = (index: number, what: string): string => `id: ${index}\nevent: session\ndata: ${JSON.stringify({ index, what })}\n\n`

test('an event is given once all of it is there, however it is cut', () => {
  const text = `retry: 1000\n\n${told(1, 'a')}: alive\n\n${told(2, 'b')}`
  for (let cut = 1; cut < text.length; cut++) {
    const parser = new EventParser()
    const events = [...parser.take(text.slice(0, cut)), ...parser.take(text.slice(cut))]
    assert.deepEqual(events, [
      { index: 1, what: 'a' },
      { index: 2, what: 'b' },
    ])
  }
})

test('several events may share an index, so the place to go on is before it, and what was seen there is left out', () => {
  const place = new EventPlace(0)
  assert.deepEqual([place.isNew({ index: 7, session: '1' }), place.isNew({ index: 7, session: '2' })], [true, true])
  assert.equal(place.after, 6)
  const again = [
    { index: 6, session: '0' },
    { index: 7, session: '1', time: 'of another gateway' },
    { index: 7, session: '2', interruptionMs: 3 },
    { index: 7, session: '3' },
  ]
  assert.deepEqual(
    again.map((event) => place.isNew(event)),
    [false, false, false, true],
  )
})

test('what a gateway sees for itself is told once, at whichever index another puts it', () => {
  const place = new EventPlace(0)
  const leads = { type: 'leader', gateway: 'sg2', what: 'leads term 4' }
  assert.deepEqual([place.isNew({ index: 9, ...leads }), place.isNew({ index: 8, ...leads })], [true, false])
})

test('a stream that breaks off is asked for again from where it was', async () => {
  const asked: string[] = []
  const events: object[] = []
  const stop = new AbortController()
  const streams = [told(3, 'a'), null, told(3, 'a') + told(4, 'b')]
  const api: FakeApi = {
    send: async (_method, path) => {
      asked.push(path)
      const stream = streams.shift()
      if (stream === undefined) stop.abort()
      if (stream === null || stream === undefined) throw new TypeError('no answer')
      return new Response(stream)
    },
  }
  const connections: boolean[] = []
  const on = { event: (event: object) => void events.push(event), connected: (is: boolean) => void connections.push(is) }
  await followEvents(api, new EventPlace(2), on, stop.signal)
  assert.deepEqual(asked, ['/v1/events?after=2', '/v1/events?after=2', '/v1/events?after=2', '/v1/events?after=3'])
  assert.deepEqual(events, [
    { index: 3, what: 'a' },
    { index: 4, what: 'b' },
  ])
  assert.deepEqual(connections, [true, false, false, true, false])
})
