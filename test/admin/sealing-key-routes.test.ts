import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CodedError } from '../../src/kit/errors.ts'
import { readToken, startAdmin } from './running-admin.ts'

test('the sealing key is shown to whoever may read, by ids, as of now or as this gateway knows it', async (t) => {
  const { source, call } = await startAdmin(t)
  source.resealing = [12]
  const shown = await call('GET', '/v1/sealing-key', { token: readToken })
  assert.deepEqual(
    [shown.status, shown.index, shown.body],
    [
      200,
      '42',
      {
        current: '9f86d081',
        previous: '2c26b46b',
        remaining: 12,
        gateways: [
          { id: 'sg1', keys: ['2c26b46b', '9f86d081'] },
          { id: 'sg2', keys: null },
        ],
      },
    ],
  )
  assert.equal((await call('GET', '/v1/sealing-key?consistency=local', { token: readToken })).index, '41')
})

test('it is changed by whoever may do all, with an id or without a body, and never twice under one Idempotency-Key', async (t) => {
  const { source, call } = await startAdmin(t)
  assert.equal((await call('POST', '/v1/sealing-key', { token: readToken, body: {} })).status, 403)
  const headers = { 'Idempotency-Key': 'once' }
  for (let i = 0; i < 2; i++) {
    const changed = await call('POST', '/v1/sealing-key', { body: { id: 'ba7816bf' }, headers })
    assert.deepEqual([changed.status, changed.body], [200, { id: 'ba7816bf', previous: '2c26b46b', remaining: 0 }])
  }
  await call('POST', '/v1/sealing-key', { body: {} })
  await call('POST', '/v1/sealing-key')
  assert.deepEqual(
    source.calls.filter((one) => one !== 'barrier'),
    ['sealing-key ba7816bf', 'sealing-key new', 'sealing-key new'],
  )
  for (const body of [{ id: 'BA7816BF' }, { id: 'ba7816' }, { id: 7 }, { key: '00'.repeat(32) }, []])
    assert.equal((await call('POST', '/v1/sealing-key', { body })).status, 400)
  source.failure = new CodedError('ERR_CONFLICT', 'not all members are known to have it: sg2 is down')
  const refused = await call('POST', '/v1/sealing-key', { body: {} })
  assert.deepEqual(
    [refused.status, (refused.body as { detail: string }).detail],
    [409, 'not all members are known to have it: sg2 is down'],
  )
})
