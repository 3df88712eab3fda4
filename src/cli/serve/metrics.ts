/** Prometheus metrics of a gateway: names `evpc_*`, base units. */

import { monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks'
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import { countSessions } from '../../session/view.ts'
import type { GatewayProcess } from './gateway-process.ts'

/** What `timing.gatewayDownMs` may reasonably be, and three times that. */
const patience = [0.15, 0.2, 0.3, 0.45, 0.6, 0.9, 1.5, 3]

/** Returns what renders them in the text format. */
export function gatewayMetrics(gateway: GatewayProcess): () => Promise<string> {
  const registry = new Registry()
  const { control, log, config } = gateway
  const registers = [registry]
  const delay = monitorEventLoopDelay({ resolution: 10 })
  delay.enable()
  const takeovers = new Counter({ name: 'evpc_takeovers_total', help: 'Gateways whose sessions were taken over', registers })
  const transfers = new Counter({ name: 'evpc_transfers_total', help: 'Sessions handed from one gateway to another', registers })
  const changes = new Counter({
    name: 'evpc_cluster_events_total',
    help: 'Gateways that came up, were declared down, drain, joined, vote, left; and changes of leader',
    labelNames: ['what'],
    registers,
  })
  gateway.onEvent(({ type, what }) => {
    if (type === 'takeover') takeovers.inc()
    if (type === 'transfer') transfers.inc()
    if (type === 'gateway') changes.inc({ what })
    if (type === 'leader') changes.inc({ what: 'leader' })
  })
  const commit = new Histogram({
    name: 'evpc_commit_seconds',
    help: 'From the first append of a command of this gateway to its application here',
    labelNames: ['stage'],
    buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5],
    registers,
  })
  gateway.onCommitted = (seconds) => commit.observe({ stage: 'total' }, seconds)
  const silence = new Histogram({
    name: 'evpc_peer_silence_seconds',
    help: 'Between two things heard of another gateway, as the failure detector counts it (clock="ticks") and in truth (clock="monotonic")',
    labelNames: ['gateway', 'clock'],
    buckets: [0.025, 0.05, 0.075, 0.1, ...patience],
    registers,
  })
  control.onSilence = (peer, { countedMs, clockMs }) => {
    silence.observe({ gateway: peer, clock: 'ticks' }, countedMs / 1000)
    silence.observe({ gateway: peer, clock: 'monotonic' }, clockMs / 1000)
  }
  const tick = new Histogram({
    name: 'evpc_tick_interval_seconds',
    help: 'Between two ticks of a thread, which are due every 10 ms (control) and every 5 ms (packets): what is more it stood still',
    labelNames: ['thread'],
    buckets: [0.005, 0.0075, 0.01, 0.0125, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, ...patience],
    registers,
  })
  gateway.onTick = (thread, seconds) => tick.observe({ thread }, seconds)
  observeGarbageCollection(registry)
  const gauge = (name: string, help: string, read: () => number): void => {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read())
      },
    })
  }
  gauge(
    'evpc_sessions',
    'Established sessions that this gateway owns',
    () => countSessions(control.state).get(control.incarnation)?.established ?? 0,
  )
  gauge('evpc_half_open_sessions', 'Half-open sessions of the cluster', () => control.state.sessions.halfOpenCount)
  gauge(
    'evpc_unauthenticated_sessions',
    'Half-open sessions of the cluster, and what is left of those whose client could not authenticate',
    () => control.state.unauthenticated.count,
  )
  gauge(
    'evpc_balance_imbalance_ratio',
    'How far the gateway that is furthest from its share of the load is from it: 0.1 is a tenth',
    () => {
      return control.balance.imbalance
    },
  )
  counter(
    'evpc_balance_moves_total',
    'Sessions that changed hands because this gateway, as the leader, evened the load out',
    registry,
    [],
    () => [[{}, control.balance.moves]],
  )
  counter('evpc_balance_rounds_total', 'Rounds of evening the load out, of this gateway as the leader', registry, [], () => [
    [{}, control.balance.rounds],
  ])
  gauge('evpc_raft_term', 'The current term', () => log.status().term)
  gauge('evpc_raft_is_leader', '1 while this gateway leads', () => (log.status().leader === config.gateway.id ? 1 : 0))
  gauge('evpc_raft_commit_index', 'The commit index', () => log.status().commitIndex)
  gauge('evpc_applied_index', 'Commands applied', () => control.appliedIndex)
  gauge('evpc_ready', '1 while this gateway may be sent traffic', () => (gateway.isReady ? 1 : 0))
  gauge('evpc_event_loop_delay_seconds', 'The longest delay of the main loop since the last scrape', () => {
    const seconds = delay.max / 1e9
    delay.reset()
    return seconds
  })
  counter('evpc_packets_total', 'ESP packets of sessions that this gateway owns', registry, ['direction'], () => [
    [{ direction: 'in' }, control.report?.packetsIn ?? 0],
    [{ direction: 'out' }, control.report?.packetsOut ?? 0],
  ])
  counter('evpc_forwarded_packets_total', 'Packets sent on to their owner, or to the holder of their source', registry, [], () => [
    [{}, control.report?.forwarded ?? 0],
  ])
  counter('evpc_relayed_packets_total', 'Packets of other gateways sent to clients', registry, [], () => [
    [{}, control.report?.relayed ?? 0],
  ])
  counter('evpc_horizon_stalls_total', 'Packets that waited for a horizon', registry, [], () => [[{}, control.report?.horizonStalls ?? 0]])
  counter('evpc_drops_total', 'What was dropped, by reason', registry, ['reason'], () =>
    Object.entries({ ...control.counters.entries(), ...control.report?.drops }).map(([reason, count]) => [{ reason }, count]),
  )
  counter('evpc_transport_refusals_total', 'Connections and frames of other gateways that were refused', registry, ['reason'], () =>
    [...gateway.transportRefusals()].map(([reason, count]) => [{ reason }, count]),
  )
  return () => registry.metrics()
}

/** Of the main thread: how long it stood still for the memory's sake. */
function observeGarbageCollection(registry: Registry): void {
  const pause = new Histogram({
    name: 'evpc_gc_pause_seconds',
    help: 'Pauses of the main thread for garbage collection',
    buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1],
    registers: [registry],
  })
  new PerformanceObserver((list) => list.getEntries().forEach(({ duration }) => pause.observe(duration / 1000))).observe({
    entryTypes: ['gc'],
  })
}

/** A counter that is kept elsewhere and copied when it is scraped. */
function counter<L extends string>(
  name: string,
  help: string,
  registry: Registry,
  labelNames: L[],
  read: () => readonly (readonly [Partial<Record<L, string>>, number])[],
): void {
  new Counter({
    name,
    help,
    registers: [registry],
    labelNames,
    collect() {
      this.reset()
      for (const [labels, value] of read()) this.inc(labels as Record<L, string>, value)
    },
  })
}
