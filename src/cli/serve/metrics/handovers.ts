/** Sessions that change hands: takeovers, transfers, and what keeps the load even. */

import { Counter, Histogram } from 'prom-client'
import type { Meters } from './meters.ts'
import type { MetricSource } from './gateway-metrics.ts'

const buckets = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 1, 2, 5, 10]

export function addHandoverMetrics(meters: Meters, source: MetricSource): void {
  addCounts(meters, source)
  addTakeovers(meters, source)
  addTransfers(meters, source)
  const { balance } = source.control
  meters.gauge(
    'evpc_balance_imbalance_ratio',
    'How far the gateway that is furthest from its share of the load is from it: 0.1 is a tenth',
    () => balance.imbalance,
  )
  meters.counter(
    'evpc_balance_moves_total',
    'Sessions that changed hands because this gateway, as the leader, evened the load out',
    () => balance.moves,
  )
  meters.counter('evpc_balance_rounds_total', 'Rounds of evening the load out, of this gateway as the leader', () => balance.rounds)
}

function addCounts({ registers }: Meters, source: MetricSource): void {
  const takeovers = new Counter({ name: 'evpc_takeovers_total', help: 'Gateways whose sessions were taken over', registers })
  const transfers = new Counter({ name: 'evpc_transfers_total', help: 'Sessions handed from one gateway to another', registers })
  const changes = new Counter({
    name: 'evpc_cluster_events_total',
    help: 'Gateways that came up, were declared down, drain, joined, vote, left; and changes of leader',
    labelNames: ['what'],
    registers,
  })
  source.onEvent(({ type, what }) => {
    if (type === 'takeover') takeovers.inc()
    if (type === 'transfer') transfers.inc()
    if (type === 'gateway') changes.inc({ what })
    if (type === 'leader') changes.inc({ what: 'leader' })
  })
}

function addTakeovers({ registers }: Meters, { control }: MetricSource): void {
  const duration = new Histogram({
    name: 'evpc_takeover_seconds',
    help: "From an incarnation's applied end to its sessions' being open here for their packets: the first of them, each, and the last that had packets within 5 s",
    labelNames: ['until'],
    buckets,
    registers,
  })
  const interruption = new Histogram({
    name: 'evpc_takeover_interruption_seconds',
    help: 'From the last that was heard of the former owner to the opening of a session of its that had a packet: detection, commit and opening',
    buckets,
    registers,
  })
  control.takeovers.listener = {
    opened: ({ isFirst, sinceEndMs, sinceHeardMs }) => {
      if (isFirst) duration.observe({ until: 'first' }, sinceEndMs / 1000)
      duration.observe({ until: 'each' }, sinceEndMs / 1000)
      if (sinceHeardMs !== null) interruption.observe(sinceHeardMs / 1000)
    },
    finished: (lastMs) => duration.observe({ until: 'last' }, lastMs / 1000),
  }
}

function addTransfers(meters: Meters, { control }: MetricSource): void {
  const { registers } = meters
  const duration = new Histogram({
    name: 'evpc_transfer_seconds',
    help: 'Of sessions that this gateway handed over: from the order to its being applied here',
    buckets,
    registers,
  })
  const interruption = new Histogram({
    name: 'evpc_transfer_interruption_seconds',
    help: 'Of the same: for how long of that the session stood still, and its packets were held',
    buckets,
    registers,
  })
  control.onHandedOver = ({ totalMs, frozenMs }) => {
    duration.observe(totalMs / 1000)
    interruption.observe(frozenMs / 1000)
  }
  meters.gauge('evpc_leaving_sessions', 'Sessions that this gateway is handing over now', () => control.leaving.length)
}
