/** Whom the demo asks: one gateway as long as it answers. */

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { ClusterApi } from '../../../src/cli/demo/cluster-api.ts'

test('whoever answered last is asked again while he runs and answers; who has just started is not', async (t) => {
  const running = new Set(['sg2'])
  const failing = new Set<string>()
  const gateway = async (id: string) => {
    const server = createServer((_request, response) => {
      if (failing.has(id)) response.statusCode = 503
      response.end(JSON.stringify({ owner: id }))
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    t.after(() => {
      server.close()
      server.closeAllConnections()
    })
    const { port: admin } = server.address() as AddressInfo
    return { id, raft: 0, mesh: 0, admin, configFile: '', logFile: '' }
  }
  const gateways = await Promise.all(['sg1', 'sg2', 'sg3'].map(gateway))
  const api = new ClusterApi({ gateways, front: 0, adminToken: 'token' }, (id) => running.has(id))
  assert.equal(await api.ownerOf('1'), 'sg2')
  running.add('sg1').add('sg3')
  assert.equal(await api.ownerOf('1'), 'sg2')
  running.delete('sg2')
  assert.equal(await api.ownerOf('1'), 'sg1')
  running.add('sg2')
  failing.add('sg1')
  assert.equal(await api.ownerOf('1'), 'sg2')
  failing.clear()
  assert.equal(await api.ownerOf('1'), 'sg2')
  running.clear()
  await assert.rejects(api.ownerOf('1'), /no gateway could answer/)
})
