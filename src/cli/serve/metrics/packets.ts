/** ESP, and the grants that let it pass. Figures of the packet thread are a second old at most. */

import type { Meters } from './meters.ts'
import type { MetricSource } from './gateway-metrics.ts'

export function addPacketMetrics(meters: Meters, { control }: MetricSource): void {
  meters.counters('evpc_packets_total', 'ESP packets of sessions that this gateway owns', ['direction'], () => [
    [{ direction: 'in' }, control.report?.packetsIn ?? 0],
    [{ direction: 'out' }, control.report?.packetsOut ?? 0],
  ])
  meters.counter(
    'evpc_forwarded_packets_total',
    'Packets sent on to their owner, or to the holder of their source',
    () => control.report?.forwarded ?? 0,
  )
  meters.counter('evpc_relayed_packets_total', 'Packets of other gateways sent to clients', () => control.report?.relayed ?? 0)
  meters.counter('evpc_horizon_stalls_total', 'Packets that waited for a horizon', () => control.report?.horizonStalls ?? 0)
  meters.counter('evpc_ceiling_stalls_total', 'Packets that waited for a ceiling', () => control.report?.ceilingStalls ?? 0)
  meters.counters('evpc_drops_total', 'What was dropped, and other things that happened, by reason', ['reason'], () =>
    Object.entries({ ...control.counters.entries(), ...control.report?.drops }).map(([reason, count]) => [{ reason }, count] as const),
  )
  meters.counters(
    'evpc_grants_total',
    'Ticks, grant records and renewals that this gateway asked of the log, and what became of them',
    ['kind', 'outcome'],
    () => control.grants.entries().map(({ kind, outcome, count }) => [{ kind, outcome }, count] as const),
  )
}
