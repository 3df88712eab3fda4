import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededRandom, randomBelow } from '../../src/kit/random.ts'
import { apply } from '../../src/session/apply.ts'
import { Checkpointer, restoreState } from '../../src/session/checkpoint.ts'
import type { Command } from '../../src/session/commands.ts'
import { HASHED_COMMANDS } from '../../src/session/history.ts'
import type { State } from '../../src/session/state.ts'
import { createState } from '../../src/session/state.ts'
import { digest, ownership } from '../../src/session/view.ts'
import { CheckpointRecords, checkpoint } from '../support/checkpoint-records.ts'
import { bringUp, establish, establishCommand } from '../support/contexts.ts'
import { anyCommand } from '../support/random-commands.ts'

const address = (n: number): Uint8Array => Uint8Array.of(10, 77, n >> 8, n & 255)

test('the history hash is the same whatever was derived or folded in between, and after a restore', () => {
  for (let seed = 1; seed <= 25; seed++) {
    const random = new SeededRandom(seed)
    const planner = createState()
    const lazy = createState()
    const looked = createState()
    let moved = createState()
    const records = new CheckpointRecords()
    const spis = { ike: 0n, child: 65_536 }
    for (let step = 0; step < 150; step++) {
      const command = anyCommand(planner, random, spis)
      for (const state of [planner, lazy, looked, moved]) apply(state, command)
      digest(looked)
      // The fold of one is somewhere else.
      looked.foldRow = randomBelow(random, 3)
      if (step % 40 === 20) moved = copyOf(moved, records)
      const hashes = [planner, lazy, looked, moved].map(({ historyHash }) => historyHash)
      assert.equal(new Set(hashes).size, 1, `seed ${seed} step ${step} ${command.type}: ${hashes.join()}`)
    }
  }
})

function copyOf(state: State, records: CheckpointRecords): State {
  records.write(checkpoint(new Checkpointer(state)))
  const copy = createState()
  restoreState(copy, records)
  return copy
}

function world(): { state: State; session: number; a: number } {
  const state = createState()
  const [a] = bringUp(state, 'sg1', 'sg2') as [number, number]
  return { state, a, session: establish(state, a, 1n, 65_536, address(1)) }
}

const grantOf = (session: number): Command => {
  const children = [{ spiIn: 65_536, ceiling: { wanted: 9000, rate: 3 }, horizon: null }]
  const grants = [{ session, epoch: 1, serial: 7, packetsPerSecond: 1, remote: null, children }]
  return { type: 'advance', incarnation: 1, tick: 4, grants, renewals: [] }
}

const flips: readonly [string, 'grant' | 'exchange' | 'down', (state: State) => void][] = [
  ['a version', 'grant', (state) => void (state.sessions.version[0]! ^= 4)],
  ['a since', 'grant', (state) => void (state.sessions.since[0]! ^= 1)],
  ['a serial', 'grant', (state) => void (state.sessions.serial[0]! ^= 32)],
  ['an epoch', 'grant', (state) => void (state.sessions.epoch[0]! ^= 2)],
  ['an owner', 'grant', (state) => void (state.sessions.owner[0]! ^= 3)],
  ['a floor', 'grant', (state) => void (state.children.floor[0]! ^= 128)],
  ['a start', 'grant', (state) => void (state.children.start[0]! += 2 ** 31)],
  ['a horizon', 'grant', (state) => void (state.children.horizonRate[0]! ^= 1)],
  ['a tick', 'grant', (state) => void (state.incarnations.get(1)!.tick ^= 64)],
  ['a Message ID', 'exchange', (state) => void (state.ikes.nextRequest[0]! ^= 1)],
  ['a context', 'exchange', (state) => void (state.slab.get(state.sessions.context[0]!)[60]! ^= 1)],
  ['an expiry', 'exchange', (state) => void (state.sessions.expiresAt[0]! += 2 ** 40)],
  ['the tick of who ends', 'down', (state) => void (state.incarnations.get(1)!.tick ^= 64)],
]

for (const [what, command, flip] of flips) {
  test(`a flipped bit in ${what} shows once a command touches it`, () => {
    const [right, wrong] = [world(), world()]
    assert.equal(right.state.historyHash, wrong.state.historyHash)
    flip(wrong.state)
    for (const { state, session, a } of [right, wrong]) {
      if (command === 'grant') apply(state, grantOf(session))
      else if (command === 'down') apply(state, { type: 'gateway-down', incarnation: a })
      else apply(state, { ...establishCommand(right.state, session, 1n, [], [], 2), version: 2, context: null })
    }
    assert.notEqual(right.state.historyHash, wrong.state.historyHash)
    assert.equal(ownership(right.state, right.session)!.version, command === 'exchange' ? 3 : 2)
  })
}

test('the hashes of the last eight multiples of 1,024 commands are kept, through a restore too', () => {
  const { state } = world()
  for (let i = 0; i < 10 * HASHED_COMMANDS; i++) apply(state, { type: 'lease-spis', incarnation: 99 })
  const kept = [3, 4, 5, 6, 7, 8, 9, 10].map((multiple) => multiple * HASHED_COMMANDS)
  assert.deepEqual([...state.hashes.keys()], kept)
  assert.equal(new Set(state.hashes.values()).size, 8)
  assert.deepEqual([...copyOf(state, new CheckpointRecords()).hashes], [...state.hashes])
})
