import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LogStatus } from '../../src/context/log-status.ts'
import { LogEvents, eventsOf } from '../../src/gateway/events.ts'
import { apply } from '../../src/session/apply.ts'
import type { Command } from '../../src/session/commands.ts'
import { createState } from '../../src/session/state.ts'
import { bringUp, establish } from '../support/contexts.ts'

type Roles = Readonly<Record<string, 'voter' | 'learner'>>

function status(roles: Roles, changes: Partial<LogStatus> = {}): LogStatus {
  const members = Object.entries(roles).map(([id, role]) => ({ id, address: `${id}:1`, role, state: 'unknown' as const, matchIndex: null }))
  const voters = members.filter(({ role }) => role === 'voter').map(({ id }) => id)
  return {
    role: 'follower',
    term: 3,
    leader: null,
    commitIndex: 10,
    standing: 'member',
    voterSets: [voters],
    configurationIndex: 5,
    members,
    ...changes,
  }
}

const three: Roles = { sg1: 'voter', sg2: 'voter', sg3: 'voter' }

test('who joins, votes and leaves is told once, when it is committed, with the index of the last command; who was there at first is no news', () => {
  const events = new LogEvents()
  const look = (roles: Roles, configurationIndex: number, commitIndex = configurationIndex, applied = commitIndex - 4): string[] => {
    const seen = events.look(status(roles, { configurationIndex, commitIndex }), applied, 7)
    return seen.map(({ index, gateway, what }) => `${index} ${gateway} ${what}`)
  }
  assert.deepEqual(look(three, 5), [])
  assert.deepEqual(look({ ...three, sg4: 'learner' }, 12, 11), [], 'it may be undone yet')
  assert.deepEqual(look({ ...three, sg4: 'learner' }, 12), ['8 sg4 added'])
  assert.deepEqual(look({ ...three, sg4: 'learner' }, 12, 30), [])
  assert.deepEqual(look({ ...three, sg4: 'voter' }, 31), ['27 sg4 promoted'])
  assert.deepEqual(look({ sg2: 'voter', sg3: 'voter', sg4: 'voter' }, 40), ['36 sg1 removed'])
})

test('who leads is told once somebody does, and when it is another', () => {
  const events = new LogEvents()
  const look = (leader: string | null, term: number, applied = 10): unknown[] =>
    events.look(status(three, { leader, term }), applied, 7).map(({ index, type, gateway, what }) => [index, type, gateway, what])
  assert.deepEqual(look(null, 1), [])
  assert.deepEqual(look('sg1', 1), [[10, 'leader', 'sg1', 'leads term 1']])
  assert.deepEqual(look(null, 2), [])
  assert.deepEqual(look('sg1', 3), [], 'the same one again')
  assert.deepEqual(look('sg2', 4, 23), [[23, 'leader', 'sg2', 'leads term 4']])
})

class Told {
  readonly state = createState()
  readonly #incarnations = bringUp(this.state, 'sg1', 'sg2')

  establish(n: number): number {
    return establish(this.state, this.#incarnations[0]!, BigInt(n), 65_536 + n, Uint8Array.of(10, 77, 0, n))
  }

  /** What it comes to, each as `time type what`. `isPast`: as at the start, when what was committed before is applied. */
  of(command: Command, nowMs: number, isPast: boolean): string[] {
    const result = apply(this.state, command)
    return eventsOf(this.state, 1, command, result, { nowMs, isPast }).map(({ timeMs, type, what }) => `${timeMs} ${type} ${what}`)
  }

  down(nowMs: number): string[] {
    return this.of({ type: 'gateway-down', incarnation: this.#incarnations[0]!, nowMs }, 90_000, true)
  }
}

test('an event has the time at which its command was proposed; of those that do not say, now, or when the last one was that did', () => {
  const told = new Told()
  const draining: Command = { type: 'set-draining', gateway: 'sg2', draining: true }
  assert.deepEqual(told.of(draining, 90_000, true), ['90000 gateway draining'], 'none has said a time yet')
  const up: Command = { type: 'gateway-up', gateway: 'sg3', nonce: 9n, capacity: 1, addresses: [], nowMs: 5000 }
  assert.deepEqual(told.of(up, 90_000, true), ['5000 gateway up'])
  assert.deepEqual(told.of({ ...draining, draining: false }, 90_000, true), ['5000 gateway undrained'])
  assert.deepEqual(told.of(draining, 90_000, false), ['90000 gateway draining'])
})

test('a takeover is told of where there was a session to take over', () => {
  const empty = new Told()
  assert.deepEqual(empty.down(7000), ['7000 gateway down'])
  const loaded = new Told()
  loaded.establish(1)
  assert.deepEqual(
    loaded.down(7000).map((line) => line.slice(5)),
    ['gateway down', 'takeover sessions moved'],
  )
})
