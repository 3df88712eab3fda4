import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LogStatus } from '../../src/context/log-status.ts'
import { LogEvents } from '../../src/gateway/events.ts'

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
