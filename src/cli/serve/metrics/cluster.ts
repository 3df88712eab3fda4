/** The other gateways as this one sees them, and whether it may be sent traffic. */

import { Histogram } from 'prom-client'
import { patienceBuckets } from './meters.ts'
import type { Meters } from './meters.ts'
import type { MetricSource } from './gateway-metrics.ts'

export function addClusterMetrics(meters: Meters, source: MetricSource): void {
  const { control } = source
  meters.gauge('evpc_ready', '1 while this gateway may be sent traffic', () => (source.isReady ? 1 : 0))
  meters.gauges('evpc_mesh_link_up', '1 for a gateway that is heard on the mesh and hears this one', ['gateway'], () =>
    control.links.map(({ gateway, isUp }) => [{ gateway }, isUp ? 1 : 0] as const),
  )
  const silence = new Histogram({
    name: 'evpc_peer_silence_seconds',
    help: 'Between two things heard of another gateway, as the failure detector counts it (clock="ticks") and in truth (clock="monotonic")',
    labelNames: ['gateway', 'clock'],
    buckets: [0.025, 0.05, 0.075, 0.1, ...patienceBuckets],
    registers: meters.registers,
  })
  control.onSilence = (peer, { countedMs, clockMs }) => {
    silence.observe({ gateway: peer, clock: 'ticks' }, countedMs / 1000)
    silence.observe({ gateway: peer, clock: 'monotonic' }, clockMs / 1000)
  }
}
