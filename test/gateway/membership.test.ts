import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LogStatus } from '../../src/context/log-status.ts'
import { Membership } from '../../src/gateway/membership.ts'
import type { MemberProgress } from '../../src/gateway/membership.ts'
import { createState } from '../../src/session/state.ts'
import { bringUp } from '../support/contexts.ts'

const member = (id: string, role: 'voter' | 'learner' = 'voter'): LogStatus['members'][number] => ({
  id,
  address: `${id}:7400`,
  role,
  state: 'unknown',
  matchIndex: null,
})

function statusOf(ids: readonly string[], changes: Partial<LogStatus> = {}): LogStatus {
  const members = ids.map((id) => member(id))
  return {
    role: 'follower',
    term: 3,
    leader: 'sg1',
    commitIndex: 10,
    standing: 'member',
    voterSets: [ids],
    configurationIndex: 5,
    members,
    ...changes,
  }
}

function membership(status: LogStatus) {
  const state = createState()
  const done: ((isCaughtUp: boolean) => void)[] = []
  const seen = {
    admitted: [] as (readonly string[])[],
    ups: 0,
    removals: 0,
    told: [] as { gateway: string; term: number; members: readonly MemberProgress[] }[],
  }
  const made = new Membership(
    {
      self: 'sg4',
      state,
      admit: (gateways) => seen.admitted.push(gateways),
      tell: (gateway, term, members) => seen.told.push({ gateway, term, members }),
      catchUp: (then) => done.push(then),
      comeUp: () => (seen.ups += 1),
      removed: () => (seen.removals += 1),
    },
    status,
  )
  return { made, state, done, seen }
}

test('a voter comes up at once', () => {
  const { made, done, seen } = membership(statusOf(['sg1', 'sg4']))
  made.comeUp()
  assert.deepEqual([seen.ups, done.length], [1, 0])
  made.follow(statusOf(['sg1', 'sg4']), 0)
  assert.equal(seen.ups, 1, 'once')
})

test('who does not vote waits until it is a member and has all that is committed', () => {
  const { made, done, seen } = membership(statusOf([], { role: 'learner', leader: null }))
  made.comeUp()
  assert.deepEqual([seen.ups, done.length, made.isMember], [0, 0, false])
  const learner = statusOf(['sg1'], { role: 'learner', members: [member('sg1'), member('sg4', 'learner')] })
  made.follow(learner, 10)
  made.follow(learner, 20)
  assert.deepEqual([seen.ups, done.length], [0, 1])
  done[0]!(false)
  made.follow(learner, 30)
  assert.deepEqual([seen.ups, done.length], [0, 2], 'there was no leader, say')
  done[1]!(true)
  made.follow(learner, 40)
  assert.deepEqual([seen.ups, done.length], [1, 2])
})

test('on the mesh are the other members, and who was removed until its incarnation has ended', () => {
  const { made, state, seen } = membership(statusOf(['sg1', 'sg2', 'sg4']))
  const [, second] = bringUp(state, 'sg1', 'sg2', 'sg4')
  made.follow(statusOf(['sg1', 'sg2', 'sg4']), 0)
  made.follow(statusOf(['sg1', 'sg2', 'sg4']), 10)
  made.follow(statusOf(['sg1', 'sg4'], { configurationIndex: 8 }), 20)
  assert.deepEqual(seen.admitted, [['sg1', 'sg2']])
  state.incarnations.end(second!, 1, null)
  made.follow(statusOf(['sg1', 'sg4'], { configurationIndex: 8 }), 30)
  assert.deepEqual(seen.admitted.at(-1), ['sg1'])
})

test('a change that is not committed lets others in and nobody out', () => {
  const { made, seen } = membership(statusOf(['sg1', 'sg2', 'sg4']))
  made.follow(statusOf(['sg1', 'sg2', 'sg4']), 0)
  made.follow(statusOf(['sg1', 'sg3', 'sg4'], { configurationIndex: 11 }), 10)
  assert.deepEqual(seen.admitted.at(-1), ['sg1', 'sg2', 'sg3'])
  made.follow(statusOf(['sg1', 'sg3', 'sg4'], { configurationIndex: 11, commitIndex: 11 }), 20)
  assert.deepEqual(seen.admitted.at(-1), ['sg1', 'sg3'])
})

test('that it was removed is told once', () => {
  const { made, seen } = membership(statusOf(['sg1', 'sg4']))
  for (const at of [0, 10]) made.follow(statusOf(['sg1'], { standing: 'removed', role: 'learner' }), at)
  assert.deepEqual([seen.removals, made.isRemoved], [1, true])
})

test('a leader tells the others how far everybody is, twice a second', () => {
  const { made, seen } = membership(statusOf(['sg1', 'sg4']))
  const members = [
    { ...member('sg1'), state: 'replicating' as const, matchIndex: 7 },
    { ...member('sg4'), state: 'leader' as const, matchIndex: 10 },
  ]
  const leads = statusOf(['sg1', 'sg4'], { role: 'leader', leader: 'sg4', members })
  for (const at of [0, 10, 490, 500]) made.follow(leads, at)
  const progress = members.map(({ id, state, matchIndex }) => ({ id, state, matchIndex }))
  assert.deepEqual(
    seen.told,
    [1, 2].map(() => ({ gateway: 'sg1', term: 3, members: progress })),
  )
})

test('what the leader of this term said lately is what members are shown with', () => {
  const { made } = membership(statusOf(['sg1', 'sg2', 'sg4']))
  made.follow(statusOf(['sg1', 'sg2', 'sg4']), 0)
  const matchOf = (nowMs: number): (number | null)[] => made.members(nowMs).map(({ matchIndex }) => matchIndex)
  const progress = (['sg1', 'sg2', 'sg4'] as const).map((id, i) => ({ id, state: 'replicating' as const, matchIndex: 7 + i }))
  made.progress('sg2', 3, progress, 0)
  assert.deepEqual(matchOf(10), [null, null, null], 'of another than the leader')
  made.progress('sg1', 2, progress, 0)
  assert.deepEqual(matchOf(10), [null, null, null], 'of another term')
  made.progress('sg1', 3, progress, 0)
  assert.deepEqual(matchOf(10), [7, 8, 9])
  assert.deepEqual(matchOf(3001), [null, null, null], 'long ago')
})
