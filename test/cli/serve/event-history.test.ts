/** The events that a gateway remembers, and from where on it remembers all. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { EventHistory } from '../../../src/cli/serve/event-history.ts'

const event = (index: number) => ({ index, timeMs: 1_790_000_000_000, type: 'config', what: `vpn version ${index}` }) as const

async function indexes(history: EventHistory, after: number | null): Promise<number[]> {
  const found: number[] = []
  for await (const { index } of history.read({ after, follow: false }, new AbortController().signal)) found.push(index)
  return found
}

test('what is remembered is read from any index on, to its end', async () => {
  const history = new EventHistory(7)
  for (const index of [8, 8, 9, 12]) history.add(event(index))
  assert.deepEqual(
    [await indexes(history, 0), await indexes(history, 8), await indexes(history, null), history.after],
    [[8, 8, 9, 12], [9, 12], [], 7],
  )
})

test('what was forgotten, and what a snapshot leapt over, is known to be missing', async () => {
  const history = new EventHistory(0)
  for (let index = 1; index <= 10_003; index++) history.add(event(index))
  assert.deepEqual([history.after, (await indexes(history, 0))[0]], [3, 4])
  history.missed(20_000)
  history.add(event(20_001))
  assert.equal(history.after, 20_000)
})

test('whoever follows gets what comes, until it goes', async () => {
  const history = new EventHistory(0)
  history.add(event(1))
  const controller = new AbortController()
  const stream = history.read({ after: 0, follow: true }, controller.signal)
  const next = async (): Promise<number | null> => {
    const result = await stream.next()
    return result.done === true ? null : result.value.index
  }
  assert.equal(await next(), 1)
  const coming = next()
  history.add(event(2))
  assert.equal(await coming, 2)
  const none = next()
  controller.abort()
  assert.equal(await none, null)
})
