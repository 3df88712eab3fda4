import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { IkeMessage } from '../../../src/cli/serve/ike-arrivals.ts'
import { IkeArrivals, MAX_ARRIVALS } from '../../../src/cli/serve/ike-arrivals.ts'
import { emptyBytes } from '../../../src/kit/bytes.ts'

/** On a clock that stands still but for `handleMs` that handling one takes. */
function arrivals(handleMs: number) {
  const world = { ms: 1000, handled: [] as string[], left: 0 }
  const all = new IkeArrivals({
    handle: (message) => {
      world.handled.push(nameOf(message))
      world.ms += handleMs
    },
    leaveOut: () => (world.left += 1),
    nowMs: () => world.ms,
  })
  return { world, all }
}

const named = (gateway: string): IkeMessage => ({ type: 'mesh', gateway, payload: emptyBytes })

function nameOf(message: IkeMessage): string {
  assert.ok(message.type === 'mesh')
  return message.gateway
}

test('however many come at once, everything else has its turn between slices of 1 ms', async () => {
  const { world, all } = arrivals(0.5)
  for (const name of ['a', 'b', 'c', 'd', 'e']) all.arrive(named(name))
  assert.equal(world.handled.length, 0)
  for (let i = 0; i < 3; i++) {
    await turn()
    world.handled.push('others')
  }
  assert.deepEqual(world.handled, ['a', 'b', 'others', 'c', 'd', 'others', 'e', 'others'])
  all.arrive(named('f'))
  await turn()
  assert.equal(world.handled.at(-1), 'f')
})

test('beyond their bound the newest are left out and counted, and none is handled after the end', async () => {
  const { world, all } = arrivals(2)
  for (let i = 0; i < MAX_ARRIVALS; i++) all.arrive(named('a'))
  all.arrive(named('b'))
  assert.equal(world.left, 1)
  await turn()
  all.arrive(named('c'))
  assert.equal(world.left, 1)
  all.close()
  await turn()
  assert.deepEqual(world.handled, ['a'])
})
