/** The log: how long commits take and where, how far it is, and what is on disk. */

import { Gauge, Histogram } from 'prom-client'
import { latencyBuckets } from './meters.ts'
import type { Meters } from './meters.ts'
import type { MetricSource } from './gateway-metrics.ts'

const roles = ['leader', 'follower', 'candidate', 'learner'] as const

export function addLogMetrics(meters: Meters, source: MetricSource): void {
  addLatencies(meters, source)
  addCheckpoints(meters, source)
  addRaft(meters, source)
}

function addLatencies({ registers }: Meters, { observations }: MetricSource): void {
  const commit = new Histogram({
    name: 'evpc_commit_seconds',
    help: "Of commands of this gateway: propose until they are in its log, replicate from there until they are committed, apply until applied here, total of all; append: of a batch of the log's entries, until it is on this gateway's disk",
    labelNames: ['stage'],
    buckets: latencyBuckets,
    registers,
  })
  observations.onCommit = (stage, seconds) => commit.observe({ stage }, seconds)
  const write = new Histogram({
    name: 'evpc_disk_write_seconds',
    help: "Writes of the log to this gateway's disk, each with its sync",
    buckets: latencyBuckets,
    registers,
  })
  observations.onDiskWrite = (seconds) => write.observe(seconds)
}

function addCheckpoints({ registers }: Meters, { observations }: MetricSource): void {
  const duration = new Histogram({
    name: 'evpc_checkpoint_seconds',
    help: 'From the begin of a checkpoint of the state to its being on disk',
    buckets: [0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60],
    registers,
  })
  const size = new Gauge({ name: 'evpc_checkpoint_size_bytes', help: 'Of what the last checkpoint wrote: what had changed', registers })
  const records = new Gauge({ name: 'evpc_checkpoint_records', help: 'Of the same: how many records', registers })
  observations.onCheckpoint = (written) => {
    duration.observe(written.seconds)
    size.set(written.octets)
    records.set(written.records)
  }
}

function addRaft(meters: Meters, source: MetricSource): void {
  const { log, control, config } = source
  meters.gauge('evpc_raft_term', 'The current term', () => log.status().term)
  meters.gauge('evpc_raft_is_leader', '1 while this gateway leads', () => (log.status().leader === config.gateway.id ? 1 : 0))
  meters.gauges('evpc_raft_role', '1 for the role that this gateway has in the group', ['role'], () =>
    roles.map((role) => [{ role }, log.status().role === role ? 1 : 0] as const),
  )
  meters.gauge('evpc_raft_commit_index', 'The commit index', () => log.status().commitIndex)
  meters.gauge('evpc_raft_last_index', 'The last entry of the log', () => log.figures().lastIndex)
  meters.gauge('evpc_raft_durable_index', "The last entry that is on this gateway's disk", () => log.figures().durableIndex)
  meters.gauge(
    'evpc_raft_snapshot_index',
    'Where the log begins: a snapshot or checkpoint has what is before',
    () => log.figures().baseIndex,
  )
  meters.gauge('evpc_raft_log_size_bytes', 'Entries that the log holds', () => log.figures().logOctets)
  meters.gauge('evpc_applied_index', 'Commands applied', () => control.appliedIndex)
  meters.gauges('evpc_raft_peer_lag_entries', 'On the leader: entries that a member has not acknowledged', ['gateway'], () => {
    const { lastIndex } = log.figures()
    return others().flatMap(({ id, matchIndex }) =>
      matchIndex === null ? [] : [[{ gateway: id }, Math.max(0, lastIndex - matchIndex)] as const],
    )
  })
  meters.gauges('evpc_raft_peer_up', 'On the leader: 1 for a member that answers', ['gateway'], () =>
    others().flatMap(({ id, state }) => (state === 'unknown' ? [] : [[{ gateway: id }, state === 'unreachable' ? 0 : 1] as const])),
  )
  meters.counters('evpc_transport_refusals_total', 'Connections and frames of other gateways that were refused', ['reason'], () =>
    [...source.transportRefusals()].map(([reason, count]) => [{ reason }, count] as const),
  )
  function others() {
    const { role, members } = log.status()
    return role === 'leader' ? members.filter(({ id }) => id !== config.gateway.id) : []
  }
}
