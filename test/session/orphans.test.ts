import assert from 'node:assert/strict'
import { test } from 'node:test'
import { apply } from '../../src/session/apply.ts'
import type { State } from '../../src/session/state.ts'
import { createState } from '../../src/session/state.ts'
import { ownership } from '../../src/session/view.ts'
import { bringUp, establish } from '../support/contexts.ts'

const address = (n: number): Uint8Array => Uint8Array.of(10, 77, n >> 8, n & 255)

/** Commands that change nothing but let the background fold go round. */
function idle(state: State, commands: number): void {
  for (let i = 0; i < commands; i++) apply(state, { type: 'gateway-down', incarnation: 999 })
}

for (const [count, pause] of [
  [1, 0],
  [1, 1],
  [1, 50],
  [3, 51],
  [700, 200],
  [700, 203],
] as const) {
  test(`${count} sessions without any gateway up wait ${pause} commands for the next GatewayUp, which adopts them all (rule 2, H8)`, () => {
    const state = createState()
    const [a, b] = bringUp(state, 'sg1', 'sg2') as [number, number]
    const sessions = Array.from({ length: count }, (_, i) => establish(state, a, BigInt(i + 1), 65_536 + i, address(i)))
    apply(state, { type: 'gateway-down', incarnation: b })
    apply(state, { type: 'gateway-down', incarnation: a })
    idle(state, pause)
    const up = apply(state, { type: 'gateway-up', gateway: 'sg1', nonce: 77n, capacity: 1, addresses: [] })
    assert.equal(up.type, 'up')
    idle(state, 1)
    for (const session of sessions) assert.equal(ownership(state, session)!.owner, b + 1)
    idle(state, 20)
    assert.equal(state.incarnations.endedCount, 0, 'then the ended ones are forgotten')
    for (const session of sessions) assert.equal(ownership(state, session)!.owner, b + 1)
  })
}
