/** Work on VPN configurations: the same on the thread and off it, and never more of it than can be waited for. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { VpnJob } from '../../../src/cli/serve/vpn-jobs.ts'
import { doVpnJob } from '../../../src/cli/serve/vpn-jobs.ts'
import { VpnThread } from '../../../src/cli/serve/vpn-thread.ts'
import type { CodedError } from '../../../src/kit/errors.ts'

const keys = [new Uint8Array(32).fill(3)]

/** With so many users, the last of whom has a secret that may be wrong. */
function check(users: number, last = 'hello'): VpnJob {
  const lines = Array.from({ length: users }, (_, i) => `  eap-${i}: { id: user${i}, secret: ${i === users - 1 ? last : 'hello'} }\n`)
  const text = `pools: { users: { addrs: 10.77.0.0/16 } }\nsecrets:\n${lines.join('')}`
  return { type: 'check', text, present: new Uint8Array(0), keys, cluster: 'paris' }
}

for (const users of [2, 400]) {
  test(`what is checked is sealed and compared with what is in force: ${users} users`, async () => {
    const thread = new VpnThread()
    const first = await thread.do(check(users))
    assert.ok(first.type === 'good')
    assert.deepEqual([first.isSame, first.differences.secrets], [false, { added: users, changed: 0, removed: 0 }])
    assert.deepEqual(first.differences.pools, { added: ['users'], changed: [], removed: [] })
    const present = first.configuration
    const again = await thread.do({ ...check(users), present })
    assert.deepEqual([again.type, again.type === 'good' && again.isSame], ['good', true])
    const other = await thread.do({ ...check(users, 'other'), present })
    assert.deepEqual(other.type === 'good' && other.differences.secrets, { added: 0, changed: 1, removed: 0 })
    const shown = await thread.do({ type: 'show', version: 7, present })
    assert.deepEqual(shown, doVpnJob({ type: 'show', version: 7, present }))
    const bad = await thread.do({ ...check(users, '0xyz'), present })
    assert.deepEqual(bad, doVpnJob({ ...check(users, '0xyz'), present }))
    assert.deepEqual(bad.type === 'bad' && [bad.count, bad.problems[0]?.line], [1, users + 2])
  })
}

test('more than four at a time are refused, and when these are done the next are taken', async () => {
  const thread = new VpnThread()
  const all = await Promise.allSettled(Array.from({ length: 6 }, () => thread.do(check(400))))
  assert.deepEqual(
    all.map((one) => (one.status === 'fulfilled' ? one.value.type : (one.reason as CodedError).code)),
    ['good', 'good', 'good', 'good', 'ERR_RATE_LIMITED', 'ERR_RATE_LIMITED'],
  )
  assert.equal((await thread.do(check(400))).type, 'good')
})

test('of very many errors the first hundred are told, and how many there are', () => {
  const job = check(300)
  const answer = doVpnJob({ ...job, text: job.type === 'check' ? job.text.replaceAll('hello', '0xyz') : '' } as VpnJob)
  assert.deepEqual(answer.type === 'bad' && [answer.problems.length, answer.count], [100, 300])
})
