/** The commands that ask a running gateway, as processes against a server with canned state. */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CodedError } from '../../src/kit/errors.ts'
import { sessionView } from '../admin/fake-source.ts'
import { serveCanned } from './canned-server.ts'
import { evpc } from './evpc.ts'

test('status, gateways and sessions print what the API gives as JSON', async (t) => {
  const { source, run } = await serveCanned(t)
  assert.deepEqual(JSON.parse((await run('status', '-o', 'json')).stdout), source.status())
  assert.deepEqual(JSON.parse((await run('gateways', '-o', 'json')).stdout), source.gateways())
  assert.deepEqual(JSON.parse((await run('sessions', '7', '-o', 'json')).stdout), sessionView('7', 'sg1'))
})

test('tables have a head and a row for each', async (t) => {
  const { run } = await serveCanned(t)
  const lines = async (...args: string[]) => (await run(...args)).stdout.split('\n').map((line) => line.trim().split(/ {2,}/))
  assert.deepEqual((await lines('status')).slice(0, 5), [
    ['cluster', 'paris'],
    ['asked', 'sg1'],
    ['leader', 'sg1'],
    ['term', '5'],
    ['commit index', '42'],
  ])
  assert.deepEqual((await lines('gateways')).slice(0, 2), [
    ['GATEWAY', 'STATE', 'INCARNATION', 'CAPACITY', 'SESSIONS', 'PACKETS/S', 'BACKOFF'],
    ['sg1', 'up', '1', '1', '250', '12500', '8 s'],
  ])
  assert.deepEqual((await lines('sessions', '--limit', '1'))[1], [
    '1',
    'client-1@example.org',
    'sg1',
    '3',
    '192.0.2.7:4500',
    '10.77.0.1',
    '1',
    '0',
  ])
  const session = new Map((await lines('sessions', '7')).map(([name, value]) => [name, value]))
  assert.deepEqual(
    ['session', 'epoch', 'IKE SA', 'Message IDs', 'Child SA', 'SPIs', 'outbound', 'inbound'].map((name) => session.get(name)),
    [
      '7',
      '3 (takeovers 1, transfers 0)',
      '00112233445566aa ffeeddccbbaa9988',
      'next request 2, next response 0',
      'net',
      'in c0ffee00, out 0badcafe',
      'next -, ceiling 4096; - packets, - octets',
      'highest 12, horizon 14, floor 10; 12 packets, 1000 octets',
    ],
  )
  const rows = await lines('sessions', '7')
  assert.equal(session.get('in all'), 'in 15 packets, 1500 octets; out 90 packets, 9000 octets')
  const owners = rows.findIndex(([name]) => name === 'OWNER')
  assert.deepEqual(rows.slice(owners, owners + 3), [
    ['OWNER', 'EPOCH', 'SINCE', 'HOW', 'INTERRUPTION'],
    ['sg2', '1', '-', 'established', '-'],
    ['sg1', '3', '2026-01-02T03:05:00.000Z', 'takeover', '380 ms (no packet)'],
  ])
})

test('sessions follows the pages to the end or to the limit', async (t) => {
  const { source, run } = await serveCanned(t)
  source.sessionIds.push(...Array.from({ length: 1000 }, (_, i) => String(1000 + i)))
  const all = JSON.parse((await run('sessions', '-o', 'json', '--owner', 'sg2')).stdout) as { id: string }[]
  assert.deepEqual(
    all.map(({ id }) => id),
    source.sessionIds,
  )
  assert.deepEqual(
    source.calls.filter((call) => call.startsWith('sessions')),
    ['sessions sg2 null', 'sessions sg2 null'],
  )
  assert.equal((JSON.parse((await run('sessions', '-o', 'json', '--limit', '1001')).stdout) as unknown[]).length, 1001)
})

test('--local asks for the own state, without a barrier', async (t) => {
  const { source, run } = await serveCanned(t)
  source.barrierAnswer = () => Promise.reject(new CodedError('ERR_NO_LEADER'))
  assert.equal((await run('status', '--local')).code, 0)
  const refused = await run('status')
  assert.equal(refused.code, 1)
  assert.match(refused.stderr, /ERR_NO_LEADER\); a majority of the gateways has to be up/)
})

test('commands say what they did', async (t) => {
  const { source, run } = await serveCanned(t)
  assert.equal((await run('transfer', '7', '--to', 'sg2')).stdout, 'session 7 is at sg2, epoch 4, after 3.5 ms\n')
  assert.equal((await run('drain', 'sg1')).stdout, 'sg1 is draining, 250 sessions remain\n')
  assert.equal((await run('undrain', 'sg1')).stdout, 'sg1 takes sessions\n')
  assert.equal((await run('rebalance')).stdout, 'sg1 evens the load out; a gateway is 42 % away from its share\n')
  assert.equal((await run('terminate', '7')).stdout, 'session 7 has ended\n')
  assert.equal((await run('leader', 'transfer', 'sg2')).stdout, 'sg2 leads in term 6, after 2.5 ms\n')
  assert.deepEqual(JSON.parse((await run('leader', 'transfer', 'sg3', '-o', 'json')).stdout), { leader: 'sg3', term: 6, durationMs: 2.5 })
  assert.deepEqual(source.calls, ['transfer 7 sg2', 'drain sg1', 'undrain sg1', 'rebalance', 'terminate 7', 'leader sg2', 'leader sg3'])
})

test('several sessions, or all of a gateway, are moved together; who ended meanwhile is none of those', async (t) => {
  const { source, run } = await serveCanned(t)
  assert.equal((await run('transfer', '7', '8', '9', '--to', 'sg2')).stdout, '3 of 3 sessions are at sg2\n')
  assert.deepEqual(source.calls.sort(), ['transfer 7 sg2', 'transfer 8 sg2', 'transfer 9 sg2'])
  source.calls.length = 0
  const all = await run('transfer', '--all-of', 'sg1', '--to', 'sg2')
  assert.deepEqual([all.code, all.stdout], [0, '250 of 250 sessions are at sg2\n'])
  assert.equal(source.calls.filter((call) => call.startsWith('transfer')).length, 250)
  assert.ok(source.calls.includes('sessions sg1 null'))
  source.failure = null
  source.beforeTransfer = (id) => (id === '8' ? Promise.reject(new CodedError('ERR_GATEWAY_NOT_UP')) : Promise.resolve())
  const some = await run('transfer', '7', '8', '--to', 'sg2', '-o', 'json')
  assert.equal(some.code, 1)
  const [seven, eight] = (JSON.parse(some.stdout) as { session: string; error?: string }[]).sort(
    (a, b) => Number(a.session) - Number(b.session),
  )
  assert.deepEqual(seven, { session: '7', owner: 'sg2', epoch: 4, durationMs: 3.5 })
  assert.match(eight?.error ?? '', /ERR_GATEWAY_NOT_UP/)
  assert.match(some.stderr, /1 of 2 sessions were not moved/)
  source.beforeTransfer = (id) => (id === '8' ? Promise.reject(new CodedError('ERR_SESSION_UNKNOWN')) : Promise.resolve())
  assert.equal((await run('transfer', '--all-of', 'sg1', '--to', 'sg2')).stdout, '249 of 250 sessions are at sg2\n')
})

test('a drain is waited for, and says how far it is', async (t) => {
  const { source, run } = await serveCanned(t)
  source.drainRemaining = [250, 120, 3, 0]
  const { code, stdout, stderr } = await run('drain', 'sg1', '--wait')
  assert.deepEqual([code, stdout], [0, 'sg1 is draining, 0 sessions remain\n'])
  assert.match(stderr, /^sg1 is draining, 250 sessions remain\n/)
})

test('a drain that somebody takes back is none', async (t) => {
  const { source, run } = await serveCanned(t)
  source.drainRemaining = [250, 120]
  source.isDraining = (remaining) => remaining === 250
  const { code, stderr } = await run('drain', 'sg1', '--wait')
  assert.equal(code, 1)
  assert.match(stderr, /sg1 was let have sessions again; 120 remain there/)
})

test('a member that joins is waited for until it has what was committed when it joined', async (t) => {
  const { source, run } = await serveCanned(t)
  source.joining = [7, 30, 42]
  const { code, stdout, stderr } = await run('member', 'add', 'sg4', '10.0.0.14:7400', '--wait')
  assert.deepEqual(
    [code, stdout],
    [0, 'sg4 at 10.0.0.14:7400 does not vote yet; "evpc member promote sg4" when it has caught up (replicating, holds the log up to 42)\n'],
  )
  assert.match(stderr, /^sg4 is snapshotting, holds the log up to 7 of 42\n/)
})

test('members are added, promoted and removed', async (t) => {
  const { source, run } = await serveCanned(t)
  assert.equal(
    (await run('member', 'add', 'sg4', '10.0.0.14:7400')).stdout,
    'sg4 at 10.0.0.14:7400 does not vote yet; "evpc member promote sg4" when it has caught up (probing, holds the log up to 0)\n',
  )
  assert.equal((await run('member', 'promote', 'sg4')).stdout, 'sg4 at 10.0.0.14:7400 votes (replicating, holds the log up to 42)\n')
  assert.equal((await run('member', 'remove', 'sg4')).stdout, 'sg4 is no member any more, and its id is never used again\n')
  assert.deepEqual(JSON.parse((await run('member', 'remove', 'sg4', '--force', '-o', 'json')).stdout), { removed: 'sg4' })
  assert.deepEqual(source.calls, ['add sg4 10.0.0.14:7400', 'promote sg4', 'remove sg4', 'remove sg4 by force'])
  source.failure = new CodedError('ERR_QUORUM_AT_RISK', 'without sg1 there would be 2 voters, of which 1 are up, and 2 are needed')
  assert.match((await run('member', 'remove', 'sg1')).stderr, /2 are needed \(ERR_QUORUM_AT_RISK\)/)
  for (const args of [['member'], ['member', 'add', 'sg4'], ['member', 'promote']]) assert.equal((await run(...args)).code, 2)
})

test('what the server refuses exits 1 with its code and what to do next', async (t) => {
  const { source, run } = await serveCanned(t)
  source.failure = new CodedError('ERR_OUTCOME_UNKNOWN')
  const unknown = await run('transfer', '7', '--to', 'sg2')
  assert.deepEqual([unknown.code, unknown.stdout], [1, ''])
  assert.match(unknown.stderr, /^evpc: .* \(ERR_OUTCOME_UNKNOWN\); the change may have been made; look before trying again\n$/)
  assert.match((await run('sessions', 'nobody')).stderr, /no session nobody \(ERR_SESSION_UNKNOWN\)/)
})

test('a missing token is asked for, and a missing server is named', async (t) => {
  const { run } = await serveCanned(t)
  const outcome = await run('status', '--token-file', '/nonexistent/token')
  assert.deepEqual([outcome.code, /the token: ENOENT/.test(outcome.stderr)], [1, true])
  const dead = await evpc(['status', '--server', 'http://127.0.0.1:1'])
  assert.equal(dead.code, 1)
  assert.match(dead.stderr, /^evpc: no answer from http:\/\/127\.0\.0\.1:1: .*; --server URL or EVPC_SERVER names another gateway\n$/)
})

test('a wrong use exits 2', async (t) => {
  const { run } = await serveCanned(t)
  for (const args of [
    ['transfer', '7'],
    ['leader', 'transfer'],
    ['leader'],
    ['status', '-o', 'xml'],
    ['sessions', '--limit', '0'],
    ['transfer', '--to', 'sg2'],
    ['transfer', '7', '--all-of', 'sg1', '--to', 'sg2'],
    ['events', '--type', 'nonsense'],
    ['events', '--after', '-1'],
    ['completion', 'tcsh'],
    ['status', '--server', 'ftp://127.0.0.1'],
    ['status', '--cert', 'only.pem'],
    ['status', '--server', 'nowhere'],
  ]) {
    assert.deepEqual([args, (await run(...args)).code], [args, 2])
  }
})

test('sealing-key shows which gateways have which keys, and rotate waits until nothing is under the former one', async (t) => {
  const { source, run } = await serveCanned(t)
  source.resealing = [3]
  const shown = await run('sealing-key')
  assert.deepEqual(
    shown.stdout.split('\n').map((line) => line.trim().split(/ {2,}/)),
    [
      ['current', '9f86d081'],
      ['previous', '2c26b46b'],
      ['remaining', '3 sessions and secrets under another key'],
      [''],
      ['GATEWAY', 'KEYS'],
      ['sg1', '2c26b46b 9f86d081'],
      ['sg2', 'not known'],
      [''],
    ],
  )
  source.resealing = [2, 2, 1]
  const rotated = await run('sealing-key', 'rotate', 'ba7816bf')
  assert.match(rotated.stdout, /^ba7816bf is the sealing key, and nothing is sealed under another one\ntake the line of 2c26b46b out/)
  assert.match(rotated.stderr, /2 sessions and secrets remain to be sealed under ba7816bf/)
  assert.deepEqual(source.resealing, [])
  const json = await run('sealing-key', 'rotate', '-o', 'json')
  assert.deepEqual(JSON.parse(json.stdout), { id: '9f86d081', previous: '2c26b46b', remaining: 0 })
  const wrong = await run('sealing-key', 'rotate', 'ba78')
  assert.deepEqual([wrong.code, wrong.stderr], [2, 'evpc: expected the id of a key, 8 hexadecimal digits, got "ba78"\n'])
  source.failure = new CodedError('ERR_CONFLICT', 'not all members are known to have it: sg2 is down')
  const refused = await run('sealing-key', 'rotate')
  assert.deepEqual([refused.code, /sg2 is down/.test(refused.stderr)], [1, true])
})
