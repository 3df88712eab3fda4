/**
 * Prometheus metrics of a gateway: ours are named `evpc_*`, in base units; the process' own as everywhere. The table of them is in docs/metrics.md.
 *
 * A scrape costs the same however many sessions there are: sums are kept as things happen or by passes in slices. Every label is one of a few
 * words of ours, or the id of a gateway.
 */

import { Registry } from 'prom-client'
import type { GatewayProcess } from '../gateway-process.ts'
import { addClusterMetrics } from './cluster.ts'
import { addHandoverMetrics } from './handovers.ts'
import { addLogMetrics } from './log.ts'
import { Meters } from './meters.ts'
import { addPacketMetrics } from './packets.ts'
import { addProcessMetrics } from './process.ts'
import { addSessionMetrics } from './sessions.ts'

/** What of a gateway is looked at. */
export type MetricSource = Pick<
  GatewayProcess,
  'config' | 'control' | 'log' | 'observations' | 'onEvent' | 'isReady' | 'now' | 'transportRefusals'
>

/** `render` gives them in the text format. One a process: it measures its event loop and its garbage collection. */
export function gatewayMetrics(gateway: MetricSource): { readonly registry: Registry; readonly render: () => Promise<string> } {
  const registry = new Registry()
  const meters = new Meters(registry)
  for (const add of [addSessionMetrics, addPacketMetrics, addLogMetrics, addHandoverMetrics, addClusterMetrics, addProcessMetrics]) {
    add(meters, gateway)
  }
  return { registry, render: () => registry.metrics() }
}
