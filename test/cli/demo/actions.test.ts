import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ActionsOptions } from '../../../src/cli/demo/actions.ts'
import { Actions } from '../../../src/cli/demo/actions.ts'

/** Gateways that do at once what they are told, and pauses that end when the test says so. */
function actionsOn(count: number, more: Partial<ActionsOptions> = {}) {
  const done: string[] = []
  const pauses: (() => void)[] = []
  const act = (what: string) => async (gateway: string | null) => {
    done.push(`${what} ${gateway}`)
    return gateway ?? 'sg1'
  }
  const actions = new Actions({
    gateways: Array.from({ length: count }, (_, i) => `sg${i + 1}`),
    events: {
      kill: act('kill'),
      died: act('died'),
      restart: act('restart'),
      drain: async ({ wanted = null }) => act('drain')(wanted),
      transfer: async (client) => act('transfer')(client === null ? null : String(client)),
    },
    api: { undrain: async (gateway) => void done.push(`undrain ${gateway}`) },
    isUp: () => true,
    pause: () => new Promise((resolve) => pauses.push(resolve)),
    hasTime: () => true,
    onLine: (text) => done.push(`said ${text}`),
    onProblem: (error) => assert.fail(String(error)),
    ...more,
  })
  return { actions, done, pauses }
}

test('a gateway that is killed is started again, and may be killed again only then', async () => {
  const { actions, done, pauses } = actionsOn(3)
  const { gateway, restarted } = await actions.kill('sg2')
  assert.equal(gateway, 'sg2')
  assert.deepEqual([actions.lifeOf('sg1'), actions.lifeOf('sg2'), actions.lastKilled], ['alive', 'killed', 'sg2'])
  await assert.rejects(actions.kill('sg2'), { code: 'ERR_GATEWAY_NOT_UP' })
  pauses[0]!()
  await restarted
  assert.deepEqual([actions.lifeOf('sg2'), done], ['alive', ['kill sg2', 'restart sg2']])
  assert.equal(actions.objection('sg2'), null)
})

const limits = [
  { gateways: 1, killable: 0 },
  { gateways: 2, killable: 0 },
  { gateways: 3, killable: 1 },
  { gateways: 4, killable: 1 },
  { gateways: 5, killable: 2 },
  { gateways: 7, killable: 3 },
]

for (const { gateways, killable } of limits) {
  test(`of ${gateways} gateways ${killable} may be down at a time, also when they are killed at once`, async () => {
    const { actions, done } = actionsOn(gateways)
    const names = Array.from({ length: killable + 1 }, (_, i) => `sg${i + 1}`)
    const outcomes = await Promise.allSettled(names.map((name) => actions.kill(name)))
    assert.deepEqual(
      outcomes.map((outcome) => (outcome.status === 'fulfilled' ? 'killed' : (outcome.reason as { code: string }).code)),
      [...names.slice(1).map(() => 'killed'), 'ERR_QUORUM_AT_RISK'],
    )
    await assert.rejects(actions.kill(null), { code: 'ERR_QUORUM_AT_RISK' })
    assert.equal(done.length, killable)
  })
}

test('a gateway that somebody else killed counts, too', async () => {
  const { actions } = actionsOn(3)
  await actions.died('sg1', 'SIGKILL')
  await assert.rejects(actions.kill('sg2'), { code: 'ERR_QUORUM_AT_RISK', message: /sg1 is down, and of 3 gateways 2 must run/ })
  await assert.rejects(actions.died('sg2', 'SIGKILL'), { code: 'ERR_QUORUM_AT_RISK' })
})

test('nothing is killed that is not there, nor before all sessions are up', async () => {
  await assert.rejects(actionsOn(3).actions.kill('sg9'), { code: 'ERR_GATEWAY_UNKNOWN' })
  await assert.rejects(actionsOn(3, { isUp: () => false }).actions.kill('sg1'), { code: 'ERR_CONFLICT' })
})

test('near its end the demo starts nothing again', async () => {
  const { actions, done, pauses } = actionsOn(3, { hasTime: () => false })
  const { restarted } = await actions.kill(null)
  pauses[0]!()
  await restarted
  assert.deepEqual([actions.lifeOf('sg1'), done], ['killed', ['kill null']])
})

test('a drained gateway takes sessions again a while later', async () => {
  const { actions, done, pauses } = actionsOn(3)
  assert.equal(await actions.drain({ wanted: 'sg3' }), 'sg3')
  assert.deepEqual(done, ['drain sg3'])
  pauses[0]!()
  await new Promise(setImmediate)
  assert.deepEqual(done, ['drain sg3', 'undrain sg3', 'said undrain sg3'])
})
