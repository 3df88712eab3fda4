/** A session outlives the gateway that carries it: killed, started again, drained (DESIGN.md §2 "Takeover", "Transfer"). */

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Call } from '../../support/calls.ts'
import { Calls, settle } from '../../support/calls.ts'
import { ServeCluster, eventually } from '../../support/serve-cluster.ts'

async function ownerOf(cluster: ServeCluster, asked: string): Promise<string> {
  const [session] = await cluster.sessions(asked)
  assert.ok(session?.owner)
  return session.owner
}

function spisOf(call: Call): readonly unknown[] {
  const tunnel = call.client.tunnel
  assert.ok(tunnel !== null)
  return [tunnel.spiIn, tunnel.spiOut, tunnel.initiatorSpi, tunnel.responderSpi, tunnel.virtualIps]
}

test('one session with the same SPIs through SIGKILL of its owner, the return of that, and a drain of the next', async (t) => {
  const cluster = await ServeCluster.start(t, 3)
  const ids = cluster.layout.gateways.map(({ id }) => id)
  const calls = await Calls.open(t, cluster.layout)
  const call = await calls.add()
  await call.connect()
  await call.talks()
  const spis = spisOf(call)

  call.flow(true)
  const killed = (await cluster.agreedSessions('sg1'))[0]!.owner!
  const survivor = ids.find((id) => id !== killed)!
  await cluster.process(killed).kill()
  await eventually('another owner', async () => (await ownerOf(cluster, survivor)) !== killed)
  await call.talks()
  assert.deepEqual(spisOf(call), spis)

  cluster.serve(killed)
  await cluster.ready(killed)
  const before = await settle(call)

  const drained = await ownerOf(cluster, killed)
  const process = cluster.process(drained)
  call.flow(true)
  process.signal('SIGTERM')
  await eventually(`${drained} to end`, () => !process.isRunning)
  assert.equal(process.exitStatus, 0, process.log)
  await call.talks()
  // That a drain loses nothing is measured by the lab and the demo, on a machine that is not busy with other tests.
  const after = await settle(call)
  t.diagnostic(`missing before the drain ${JSON.stringify(before)}, after it ${JSON.stringify(after)}`)

  assert.deepEqual(spisOf(call), spis)
  const { reAuthentications, sequenceNumbersReused } = call.client.counters
  assert.deepEqual([reAuthentications, sequenceNumbersReused, call.problems], [0, 0, []])
})
