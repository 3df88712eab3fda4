/** The audit trail in the logs of gateways as their users run them: one line for each thing, whoever tells it, and counts that add up. */

import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { test } from 'node:test'
import { clientName } from '../../../src/cli/demo/client-name.ts'
import { monotonicMs } from '../../../src/dataplane/clock.ts'
import type { AdminEvent, ClusterView, SessionView } from '../../../src/admin/source.ts'
import type { Call } from '../../support/calls.ts'
import { Calls } from '../../support/calls.ts'
import { ServeCluster, eventually } from '../../support/serve-cluster.ts'

interface Line {
  readonly event: string
  readonly gateway: string
  readonly session: number
  readonly identity: string
  readonly how?: string
  readonly from?: string | null
  readonly reason?: string
  readonly packetsIn?: number
  readonly packetsOut?: number
  readonly takeovers?: number
  readonly transfers?: number
  readonly began?: string
}

function trail(cluster: ServeCluster): readonly Line[] {
  return cluster.layout.gateways.flatMap(({ id }) =>
    cluster
      .process(id)
      .log.split('\n')
      .filter((line) => /"event":"session-/.test(line))
      .map((line) => JSON.parse(line) as Line),
  )
}

/** Three gateways that count what sessions carry, and a client that talks. */
async function startWithCall(t: TestContext): Promise<{ readonly cluster: ServeCluster; readonly call: Call }> {
  const cluster = await ServeCluster.start(t, 3)
  await eventually('all to know of accounts', async () => {
    const { clusterVersion } = (await (await cluster.get('sg1', '/v1/cluster')).json()) as ClusterView
    return clusterVersion >= 2
  })
  const call = await (await Calls.open(t, cluster.layout)).add()
  await call.connect()
  await call.talks()
  return { cluster, call }
}

/** After a takeover each gateway that is left tells the same of the session: which gateways had it, and for how long it stood still, in its events, too. */
async function stoodStill(cluster: ServeCluster, killed: string): Promise<void> {
  const ids = cluster.layout.gateways.map(({ id }) => id).filter((id) => id !== killed)
  const at = async (id: string): Promise<SessionView> => (await cluster.agreedSessions(id))[0]!
  await eventually('the new owner to say for how long', async () => (await at(ids[0]!)).owners.at(-1)!.interruptionMs !== null)
  const [one, other] = [await at(ids[0]!), await at(ids[1]!)]
  assert.deepEqual(other.owners, one.owners)
  const [began, taken, ...more] = one.owners
  assert.deepEqual([began!.gateway, began!.how, began!.epoch, began!.interruptionMs], [killed, 'established', 1, null])
  assert.deepEqual([taken!.gateway, taken!.how, taken!.epoch, taken!.until], [one.owner, 'takeover', one.epoch, 'packet'])
  assert.ok(Date.parse(began!.since!) < Date.parse(taken!.since!))
  assert.deepEqual(more, [])
  // Heartbeats are 50 ms apart, and it was missed after 300 ms or when its connections closed.
  assert.ok(taken!.interruptionMs! > 0 && taken!.interruptionMs! < 5000, `${taken!.interruptionMs} ms`)
  const told = await Promise.all(
    ids.map(async (id) => {
      const stream = await (await cluster.get(id, '/v1/events?after=0&follow=false')).text()
      const events = [...stream.matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(data!) as AdminEvent)
      return events.filter(({ interruptionMs }) => interruptionMs !== undefined)
    }),
  )
  assert.deepEqual(told[1], told[0])
  assert.deepEqual(
    told[0]!.map(({ type, from, to, sessions, interruptionMs }) => [type, from, to, sessions, interruptionMs]),
    [['takeover', killed, one.owner, 1, taken!.interruptionMs]],
  )
}

test('a session is told of when it begins, moves and ends, each once; what it carried is counted through a transfer', async (t) => {
  const { cluster, call } = await startWithCall(t)
  const ids = cluster.layout.gateways.map(({ id }) => id)
  const { id, owner: first } = (await cluster.agreedSessions('sg1'))[0]!
  const second = ids.find((other) => other !== first)!
  assert.equal((await cluster.post('sg1', `/v1/sessions/${id}/transfer`, JSON.stringify({ to: second }))).status, 200)
  await call.talks()
  await eventually('what was sent to arrive', () => [call.up, call.down].every(({ sent, arrived }) => arrived.size === sent))
  await eventually('its new owner to know of all packets', async () => {
    const { totals, owners } = (await cluster.sessions(second))[0]!
    const isWhole = totals.inbound.packets === call.up.arrived.size && totals.outbound.packets === call.down.arrived.size
    return isWhole && owners.at(-1)!.interruptionMs !== null
  })
  const { owners } = (await cluster.sessions(first!))[0]!
  assert.deepEqual(
    owners.map(({ gateway, how, epoch }) => [gateway, how, epoch]),
    [
      [first, 'established', 1],
      [second, 'transfer', 2],
    ],
  )
  const { status } = await cluster.delete('sg1', `/v1/sessions/${id}`)
  assert.equal(status, 204)
  await eventually('the end to be told', () => trail(cluster).some(({ event }) => event === 'session-ended'))
  const lines = trail(cluster)
  assert.deepEqual(
    lines.map(({ event, gateway }) => `${gateway} ${event}`).sort(),
    [`${first} session-established`, `${second} session-ended`, `${second} session-moved`].sort(),
  )
  for (const { session, identity } of lines) assert.deepEqual([String(session), identity], [id, clientName(0)])
  const moved = lines.find(({ event }) => event === 'session-moved')!
  assert.deepEqual([moved.how, moved.from, moved.transfers], ['transfer', first, 1])
  const ended = lines.find(({ event }) => event === 'session-ended')!
  assert.deepEqual([ended.reason, ended.takeovers, ended.transfers], ['operator', 0, 1])
  assert.ok(Date.parse(ended.began!) <= Date.now())
  assert.deepEqual([ended.packetsIn, ended.packetsOut], [call.up.arrived.size, call.down.arrived.size])
})

test('a session whose owner is killed is told of by its next owner, with what is left of the counts', async (t) => {
  const { cluster, call } = await startWithCall(t)
  const killed = (await cluster.agreedSessions('sg1'))[0]!.owner!
  const asked = cluster.layout.gateways.map(({ id }) => id).find((id) => id !== killed)!
  await cluster.process(killed).kill()
  await eventually('another owner', async () => {
    const [session] = await cluster.sessions(asked)
    return session!.owner !== null && session!.owner !== killed
  })
  await call.talks()
  await stoodStill(cluster, killed)
  call.client.close(monotonicMs())
  await eventually('the end to be told', () => trail(cluster).some(({ event }) => event === 'session-ended'))
  const [established, ...rest] = [...trail(cluster)].sort((a, b) => Number(a.gateway !== killed) - Number(b.gateway !== killed))
  assert.deepEqual([established!.event, established!.gateway], ['session-established', killed])
  const next = rest[0]!.gateway
  assert.deepEqual(
    rest.map(({ event, gateway, how, reason, takeovers }) => [event, gateway, how ?? reason, takeovers]),
    [
      ['session-moved', next, 'takeover', 1],
      ['session-ended', next, 'client', 1],
    ],
  )
  const { packetsIn } = rest[1]!
  assert.ok(packetsIn! > 0 && packetsIn! < call.up.arrived.size, 'the first owner’s first minute is lost with it')
})
