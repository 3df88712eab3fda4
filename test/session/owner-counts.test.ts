/** Counts that are kept against their slow twin, which looks at every session. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { SeededRandom } from '../../src/kit/random.ts'
import { apply } from '../../src/session/apply.ts'
import { Checkpointer, restoreState } from '../../src/session/checkpoint.ts'
import type { State } from '../../src/session/state.ts'
import { createState } from '../../src/session/state.ts'
import { establishedByOwner } from '../../src/session/view.ts'
import { countSessions } from '../support/count-sessions.ts'
import { CheckpointRecords, checkpoint } from '../support/checkpoint-records.ts'
import { bringUp, establish } from '../support/contexts.ts'
import { anyCommand } from '../support/random-commands.ts'

const sorted = <T>(counts: Iterable<readonly [number, T]>): (readonly [number, T])[] => [...counts].sort(([a], [b]) => a - b)

const kept = (state: State): unknown => sorted(establishedByOwner(state))

function looked(state: State): unknown {
  const counts = sorted(countSessions(state)).filter(([, { established }]) => established > 0)
  return counts.map(([owner, { established, packetsPerSecond }]) => [owner, { established, packetsPerSecond }])
}

test('what is kept is what a look at every session finds: after any commands, before and after sessions are brought up to date', () => {
  let most = 0
  for (let seed = 1; seed <= 20; seed++) {
    const random = new SeededRandom(seed)
    // Looking brings sessions up to date: at one state always, at the other at the end.
    const [state, untouched] = [createState(), createState()]
    const spis = { ike: 0n, child: 65_536 }
    for (let step = 0; step < 300; step++) {
      const command = anyCommand(state, random, spis)
      apply(state, command)
      apply(untouched, command)
      if (step % 10 > 0) continue
      const found = looked(state)
      assert.deepEqual(kept(untouched), found, `seed ${seed}, step ${step}`)
      assert.deepEqual(kept(state), found, `seed ${seed}, step ${step}`)
      most = Math.max(most, establishedByOwner(state).size)
    }
    const records = new CheckpointRecords()
    records.write(checkpoint(new Checkpointer(untouched)))
    const restored = createState()
    restoreState(restored, records)
    assert.deepEqual(kept(restored), kept(untouched), `seed ${seed}`)
  }
  assert.ok(most > 1, 'several gateways had sessions')
})

/** More than the background fold brings up to date with the commands here (derive.ts). */
const SESSIONS = 3000

test('what is kept is right before sessions are brought up to date, also where a successor has ended in its turn; a look brings none', () => {
  const state = createState()
  const random = new SeededRandom(7)
  const [a, b, c] = bringUp(state, 'sg1', 'sg2', 'sg3') as [number, number, number]
  for (let i = 1; i <= SESSIONS; i++) {
    const owner = [a, b, c][random.uint32() % 3]!
    const session = establish(state, owner, BigInt(i), 0x1000 + i, Uint8Array.of(10, 77, i >> 8, i & 255))
    const grant = { session, epoch: 1, serial: 1, packetsPerSecond: random.uint32() % 100, remote: null, children: [] }
    apply(state, { type: 'advance', incarnation: owner, tick: i, grants: [grant], renewals: [] })
  }
  for (const ended of [a, b]) {
    apply(state, { type: 'gateway-down', incarnation: ended })
    const before = state.sessions.owner.slice(0, state.sessions.end)
    const found = kept(state)
    assert.deepEqual(state.sessions.owner.slice(0, state.sessions.end), before)
    assert.ok(before.includes(ended), 'not all are up to date')
    if (ended === b) assert.deepEqual(found, looked(state))
  }
  const { packetsPerSecond } = establishedByOwner(state).get(c)!
  assert.ok(packetsPerSecond > 0)
  assert.deepEqual(kept(state), [[c, { established: SESSIONS, packetsPerSecond }]])
})
