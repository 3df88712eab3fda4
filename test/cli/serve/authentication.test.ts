/** Who may have a session: a client with the secret, and nobody else (RFC 7296 §2.21.2). */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Calls } from '../../support/calls.ts'
import { ServeCluster, eventually } from '../../support/serve-cluster.ts'

test('a wrong pre-shared key gets AUTHENTICATION_FAILED and leaves no session; the right one has a tunnel', async (t) => {
  const cluster = await ServeCluster.start(t, 1)
  const calls = await Calls.open(t, cluster.layout)
  const wrong = await calls.add({ secret: 'not the secret' })
  await assert.rejects(wrong.connect(), /AUTHENTICATION_FAILED/)
  assert.equal(wrong.client.tunnel, null)
  assert.deepEqual(await cluster.sessions('sg1'), [])
  const metrics = await (await cluster.get('sg1', '/metrics')).text()
  assert.match(metrics, /^evpc_half_open_sessions 0$/m)
  assert.match(metrics, /^evpc_unauthenticated_sessions 1$/m)
  const right = await calls.add()
  await right.connect()
  await right.talks()
  await eventually('one session', async () => (await cluster.sessions('sg1')).length === 1)
})
