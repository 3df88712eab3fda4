/** What metrics there are, without a gateway. */

import { Counter, Gauge, Histogram } from 'prom-client'
import type { MetricSource } from '../../../../src/cli/serve/metrics/gateway-metrics.ts'
import { gatewayMetrics } from '../../../../src/cli/serve/metrics/gateway-metrics.ts'
import { Observations } from '../../../../src/cli/serve/observations.ts'

export interface DeclaredMetric {
  readonly name: string
  readonly type: 'counter' | 'gauge' | 'histogram'
  readonly labels: readonly string[]
  readonly help: string
}

/** In the order of their names. */
export function declaredMetrics(): readonly DeclaredMetric[] {
  const { registry } = gatewayMetrics(nobody as unknown as MetricSource)
  const metrics = registry.getMetricsAsArray() as unknown as readonly { name: string; help: string; labelNames: readonly string[] }[]
  const declared = metrics.map((metric) => ({ name: metric.name, type: typeOf(metric), labels: metric.labelNames, help: metric.help }))
  return declared.sort((a, b) => (a.name < b.name ? -1 : 1))
}

/** Nothing of it is read before a scrape. */
const nobody = {
  config: {},
  control: { takeovers: {}, balance: {} },
  log: {},
  observations: new Observations(),
  onEvent: () => () => undefined,
}

function typeOf(metric: unknown): DeclaredMetric['type'] {
  if (metric instanceof Counter) return 'counter'
  if (metric instanceof Gauge) return 'gauge'
  if (metric instanceof Histogram) return 'histogram'
  throw new Error(`a metric of no known type: ${String(metric)}`)
}

/** The names that a metric has samples under. */
export function sampleNames({ name, type }: DeclaredMetric): readonly string[] {
  return type === 'histogram' ? [`${name}_bucket`, `${name}_sum`, `${name}_count`] : [name]
}
