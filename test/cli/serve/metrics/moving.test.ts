/** Metrics move when the thing happens, in gateways as their users run them. */

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import { Calls } from '../../../support/calls.ts'
import { ServeCluster, eventually } from '../../../support/serve-cluster.ts'
import { declaredMetrics, sampleNames } from './registry.ts'
import { Scrape } from './scrape.ts'

interface Figure {
  readonly what: string
  read(scrape: Scrape): number
}

function figure(name: string, ...labels: readonly string[]): Figure {
  return { what: `${name} ${labels.join(' ')}`, read: (scrape) => scrape.sum(name, ...labels) }
}

/** Waits until each of the figures is above what it was. */
async function rise(cluster: ServeCluster, gateway: string, before: Scrape, figures: readonly Figure[]): Promise<void> {
  for (const { what, read } of figures) {
    await eventually(`${what} of ${gateway} to rise`, async () => read(await Scrape.of(cluster, gateway)) > read(before))
  }
}

const stages = ['propose', 'append', 'replicate', 'apply', 'total']

const ofSession = [
  figure('evpc_sessions'),
  figure('evpc_owned_sessions', 'phase="established"'),
  figure('evpc_cluster_sessions'),
  figure('evpc_ike_exchanges_total', 'exchange="IKE_SA_INIT"', 'direction="in"', 'outcome="committed"'),
  figure('evpc_ike_exchanges_total', 'exchange="IKE_AUTH"', 'direction="in"', 'outcome="committed"'),
  figure('evpc_grants_total', 'kind="record"', 'outcome="asked"'),
  figure('evpc_grants_total', 'kind="record"', 'outcome="committed"'),
  figure('evpc_packets_total', 'direction="in"'),
  figure('evpc_packets_total', 'direction="out"'),
  figure('evpc_horizon_stalls_total'),
  figure('evpc_disk_write_seconds_count'),
  figure('evpc_raft_commit_index'),
  figure('evpc_raft_last_index'),
  figure('evpc_raft_durable_index'),
  figure('evpc_raft_log_size_bytes'),
  figure('evpc_applied_index'),
  figure('evpc_tick_interval_seconds_count', 'thread="control"'),
  figure('evpc_tick_interval_seconds_count', 'thread="packets"'),
  figure('process_cpu_seconds_total'),
  ...stages.map((stage) => figure('evpc_commit_seconds_count', `stage="${stage}"`)),
]
const ofTransfer = [
  figure('evpc_transfers_total'),
  figure('evpc_transfer_seconds_count'),
  figure('evpc_transfer_interruption_seconds_count'),
]
const ofTakeover = [
  figure('evpc_takeovers_total'),
  figure('evpc_takeover_seconds_count', 'until="first"'),
  figure('evpc_takeover_seconds_count', 'until="each"'),
  figure('evpc_takeover_seconds_count', 'until="last"'),
  figure('evpc_takeover_interruption_seconds_count'),
  figure('evpc_cluster_events_total', 'what="down"'),
]

test('a session, its transfer, and the takeover of it move the metrics of whom they concern', async (t) => {
  const cluster = await ServeCluster.start(t, 3)
  const ids = cluster.layout.gateways.map(({ id }) => id)
  const ownerOf = async (asked: string): Promise<string | null> => (await cluster.sessions(asked))[0]?.owner ?? null
  const before = new Map<string, Scrape>()
  for (const id of ids) before.set(id, await Scrape.of(cluster, id))
  const calls = await Calls.open(t, cluster.layout)
  const call = await calls.add()
  await call.connect()
  await call.talks()
  call.flow(true)
  const first = (await ownerOf('sg1'))!
  await rise(cluster, first, before.get(first)!, ofSession)
  for (const id of ids) {
    const scrape = await Scrape.of(cluster, id)
    const others = ids.filter((other) => other !== id)
    for (const other of others) assert.equal(scrape.get(`evpc_mesh_link_up{gateway="${other}"}`), 1)
    const isLeader = scrape.get('evpc_raft_is_leader') === 1
    assert.equal(scrape.get('evpc_raft_role{role="leader"}'), isLeader ? 1 : 0)
    for (const other of others) assert.equal(scrape.get(`evpc_raft_peer_up{gateway="${other}"}`), isLeader ? 1 : 0)
    assert.equal(scrape.sum('evpc_ready'), 1)
  }

  const moved = await Scrape.of(cluster, first)
  const second = ids.find((id) => id !== first)!
  const session = (await cluster.agreedSessions(first))[0]!.id
  assert.equal((await cluster.post(first, `/v1/sessions/${session}/transfer`, JSON.stringify({ to: second }))).status, 200)
  await rise(cluster, first, moved, ofTransfer)
  await eventually('the former owner to own nothing', async () => (await Scrape.of(cluster, first)).get('evpc_sessions') === 0)
  await call.talks()
  await eventually('somebody to forward packets', async () => {
    const scrapes = await Promise.all(ids.map((id) => Scrape.of(cluster, id)))
    return scrapes.some((scrape) => scrape.get('evpc_forwarded_packets_total') > 0)
  })

  const survivors = ids.filter((id) => id !== second)
  const taken = new Map<string, Scrape>()
  for (const id of survivors) taken.set(id, await Scrape.of(cluster, id))
  await cluster.process(second).kill()
  let third: string | null = null
  await eventually('another owner', async () => {
    third = await ownerOf(survivors[0]!)
    return third !== null && third !== second
  })
  await call.talks()
  await rise(cluster, third!, taken.get(third!)!, ofTakeover)
  await eventually(`${third} to miss ${second}`, async () => {
    return (await Scrape.of(cluster, third!)).get(`evpc_mesh_link_up{gateway="${second}"}`) === 0
  })
})

test('a scrape has every metric, is what promtool wants, and its labels are few', async (t) => {
  const cluster = await ServeCluster.start(t, 1)
  const { text } = await Scrape.of(cluster, 'sg1')
  const declared = declaredMetrics()
  const told = [...text.matchAll(/^# TYPE (\S+) /gm)].map(([, name]) => name!)
  assert.deepEqual([...told].sort(), declared.map(({ name }) => name).sort())
  const samples = new Set(declared.flatMap(sampleNames))
  for (const [, name] of text.matchAll(/^([a-z_]+)[{ ]/gm)) assert.ok(samples.has(name!), `${name} is declared`)
  assert.match(text, /^evpc_build_info\{version="\d+\.\d+\.\d+"\} 1$/m)
  assert.ok(text.split('\n').length < 1000, 'a gateway alone has few samples')
  const promtool = spawnSync('promtool', ['check', 'metrics'], { input: text, encoding: 'utf8' })
  const isMissing = promtool.error !== undefined && process.env['EVPC_NEEDS_PROMTOOL'] !== '1'
  if (isMissing) return t.diagnostic("not looked at by promtool, which is not here: Debian's package prometheus has it")
  assert.deepEqual([promtool.status, promtool.stdout, promtool.stderr], [0, '', ''])
})
