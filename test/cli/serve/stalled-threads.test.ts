/** A gateway of which one thread stands still: the others find out, and it does no harm meanwhile (docs/failure-detection.md). */

import assert from 'node:assert/strict'
import { createSocket } from 'node:dgram'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { setInterval } from 'node:timers'
import type { GatewayView } from '../../../src/admin/source.ts'
import { Calls } from '../../support/calls.ts'
import { ServeCluster, eventually } from '../../support/serve-cluster.ts'

/** Of the next cluster: its gateways stand still for so long, all of them alike, on a signal. The patience is 1 s, 3 s without a witness, the lease 5 s. */
async function start(t: TestContext, stallMs: number): Promise<ServeCluster> {
  process.env['NODE_OPTIONS'] = `--import=${new URL('../../support/stall-threads.js', import.meta.url).href}`
  process.env['EVPC_STALL_MS'] = `${stallMs}`
  return ServeCluster.start(t, 3)
}

async function gateways(cluster: ServeCluster, asked: string): Promise<ReadonlyMap<string, GatewayView>> {
  const all = (await (await cluster.get(asked, '/v1/gateways?consistency=local')).json()) as readonly GatewayView[]
  return new Map(all.map((gateway) => [gateway.id, gateway]))
}

async function leaderOf(cluster: ServeCluster): Promise<string> {
  return ((await (await cluster.get('sg1', '/v1/cluster')).json()) as { leader: string }).leader
}

test('the packet thread of a leader that carries a session stands still: its session moves, nobody else is accused, and it comes back', async (t) => {
  const cluster = await start(t, 4500)
  const calls = await Calls.open(t, cluster.layout)
  const call = await calls.add()
  await call.connect()
  await call.talks()
  const leader = await leaderOf(cluster)
  const others = ['sg1', 'sg2', 'sg3'].filter((id) => id !== leader)
  const [session] = await cluster.agreedSessions(leader)
  if (session!.owner !== leader) {
    const moved = await cluster.post(leader, `/v1/sessions/${session!.id}/transfer`, JSON.stringify({ to: leader }))
    assert.equal(moved.status, 200)
  }
  const before = await gateways(cluster, others[0]!)
  cluster.process(leader).signal('SIGWINCH')
  await eventually('another owner', async () => others.includes((await cluster.sessions(others[0]!))[0]!.owner ?? ''))
  await eventually(`${leader} to come back`, async () => {
    const { state, incarnation } = (await gateways(cluster, others[0]!)).get(leader)!
    return state === 'up' && incarnation > before.get(leader)!.incarnation
  })
  const after = await gateways(cluster, others[0]!)
  for (const id of others) assert.equal(after.get(id)!.incarnation, before.get(id)!.incarnation, `${id} was accused`)
  await cluster.ready(leader)
  await call.talks()
  const { reAuthentications, sequenceNumbersReused } = call.client.counters
  assert.deepEqual([reAuthentications, sequenceNumbersReused], [0, 0])
})

test('a packet thread that stands still for longer than a lease: the process ends, to be started again', async (t) => {
  const cluster = await start(t, 600_000)
  const victim = cluster.process('sg2')
  victim.signal('SIGWINCH')
  await eventually('sg2 to end', () => !victim.isRunning)
  assert.equal(victim.exitStatus, 1)
  assert.match(victim.log, /the data plane's thread has stood still for \d+ ms/)
  cluster.serve('sg2')
  await cluster.ready('sg2')
})

test('the main thread stands still while the packet thread goes round: its session moves, and it stops serving when its lease is out', async (t) => {
  const cluster = await start(t, 9000)
  const calls = await Calls.open(t, cluster.layout)
  const call = await calls.add()
  await call.connect()
  await call.talks()
  const [session] = await cluster.agreedSessions('sg1')
  const victim = session!.owner!
  const other = ['sg1', 'sg2', 'sg3'].find((id) => id !== victim)!
  const before = await gateways(cluster, other)
  sendFromEverywhere(t, cluster.layout.natT.port)
  cluster.process(victim).signal('SIGUSR2')
  await eventually('another owner', async () => ![victim, null].includes((await cluster.sessions(other))[0]!.owner))
  await eventually(`${victim} to come back`, async () => {
    const { state, incarnation } = (await gateways(cluster, other)).get(victim)!
    return state === 'up' && incarnation > before.get(victim)!.incarnation
  })
  await cluster.ready(victim)
  // Hundreds a second came. Had it served on to its end, a moment's worth would have been dropped.
  await eventually('its drops to be told', async () => ((await cluster.counts(victim, 'evpc_drops_total')).get('not-serving') ?? 0) > 500)
  await call.talks()
  const { reAuthentications, sequenceNumbersReused } = call.client.counters
  assert.deepEqual([reAuthentications, sequenceNumbersReused], [0, 0])
})

/** Datagrams of nobody's session from so many ports that each gateway gets its share of them. */
function sendFromEverywhere(t: TestContext, port: number): void {
  const sockets = Array.from({ length: 60 }, () => createSocket('udp4'))
  const datagram = new Uint8Array(64).fill(7)
  const timer = setInterval(() => sockets.forEach((socket) => socket.send(datagram, port, '127.0.0.1')), 50)
  t.after(() => {
    clearInterval(timer)
    sockets.forEach((socket) => socket.close())
  })
}
