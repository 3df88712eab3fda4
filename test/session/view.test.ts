/** What is looked at stays as it was seen, whatever becomes of the state: it is kept, and handed on, for longer than a command takes. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { MAX_SLAB_OCTETS } from '../../src/kit/slab.ts'
import { apply } from '../../src/session/apply.ts'
import type { Command } from '../../src/session/commands.ts'
import { createState } from '../../src/session/state.ts'
import { identityOf, localAddressOf, sessionView } from '../../src/session/view.ts'
import { bringUp, createCommand, establishedContext, exchangeCommand } from '../support/contexts.ts'

const spi = 7n
const spiIn = 65_536

/** The chunks of a slab, and no more, are that large. */
function assertNoChunk(value: unknown): void {
  if (ArrayBuffer.isView(value)) assert.ok(value.buffer.byteLength < MAX_SLAB_OCTETS, 'a view of the state')
  else if (typeof value === 'object' && value !== null) Object.values(value).forEach(assertNoChunk)
}

test('a session that was looked at stays as it was seen when its client moves, its context changes and it ends', () => {
  const state = createState()
  const [a] = bringUp(state, 'sg1') as [number]
  const created = apply(state, createCommand(a, spi))
  assert.ok(created.type === 'created')
  const { session } = created
  const moved = (serial: number, last: number): Command => {
    const children = [{ spiIn, ceiling: { wanted: 900, rate: 0 }, horizon: null }]
    const remote = { address: Uint8Array.of(192, 0, 2, last), port: 4500 + last }
    return {
      type: 'advance',
      incarnation: a,
      tick: 0,
      grants: [{ session, epoch: 1, serial, packetsPerSecond: 1, remote, children }],
      renewals: [],
    }
  }
  const exchange = (messageId: number, expiresAt: number): Command => {
    const context = { ...establishedContext(spi, [spiIn], [Uint8Array.of(10, 77, 0, 1)]), behindNat: true, expiresAt }
    return exchangeCommand(state, session, { ikeSpi: spi, messageId, context })
  }
  const steps: (() => Command)[] = [
    () => exchange(1, 0),
    () => moved(1, 1),
    () => moved(2, 2),
    () => exchange(2, 1),
    () => moved(3, 3),
    () => {
      const { epoch, version } = sessionView(state, session)!
      return { type: 'end-session', incarnation: a, session, epoch, version, nowMs: 2e12 }
    },
  ]
  const seen: { readonly looked: unknown; readonly then: unknown }[] = []
  for (const step of steps) {
    const looked = [sessionView(state, session), identityOf(state, session), localAddressOf(state, session)]
    assertNoChunk(looked)
    seen.push({ looked, then: structuredClone(looked) })
    const result = apply(state, step())
    assert.ok(result.type === 'done' || (result.type === 'batch' && result.taken.length === 1), JSON.stringify(result))
  }
  assert.deepEqual(sessionView(state, session)?.phase ?? 'gone', 'gone')
  const ports = seen.map(({ looked }) => (looked as [{ context: { remote: { port: number } } }])[0].context.remote.port)
  assert.deepEqual(ports.slice(2, 4), [4501, 4502])
  for (const { looked, then } of seen) assert.deepEqual(looked, then)
})
