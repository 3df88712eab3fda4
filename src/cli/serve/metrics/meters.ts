/** How figures that are kept elsewhere become metrics: they are read when they are scraped. */

import type { Registry } from 'prom-client'
import { Counter, Gauge } from 'prom-client'

type Labels<L extends string> = Readonly<Record<L, string>>
type Rows<L extends string> = Iterable<readonly [Labels<L>, number]>

/** Latencies of a commit and of what is made of it: from a loopback's to those of a cluster in trouble. */
export const latencyBuckets = [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5]
/** What `timing.gatewayDownMs` may reasonably be, and three times that. */
export const patienceBuckets = [0.15, 0.2, 0.3, 0.45, 0.6, 0.9, 1.5, 3]

export class Meters {
  readonly registry: Registry
  /** What a metric that is not read from elsewhere is made with. */
  readonly registers: Registry[]

  constructor(registry: Registry) {
    this.registry = registry
    this.registers = [registry]
  }

  gauge(name: string, help: string, read: () => number): void {
    this.gauges(name, help, [], () => [[{}, read()]])
  }

  gauges<L extends string>(name: string, help: string, labelNames: readonly L[], read: () => Rows<L>): void {
    new Gauge({
      name,
      help,
      registers: this.registers,
      labelNames: [...labelNames],
      collect() {
        this.reset()
        for (const [labels, value] of read()) this.set(labels, value)
      },
    })
  }

  counter(name: string, help: string, read: () => number): void {
    this.counters(name, help, [], () => [[{}, read()]])
  }

  counters<L extends string>(name: string, help: string, labelNames: readonly L[], read: () => Rows<L>): void {
    new Counter({
      name,
      help,
      registers: this.registers,
      labelNames: [...labelNames],
      collect() {
        this.reset()
        for (const [labels, value] of read()) this.inc(labels, value)
      },
    })
  }
}
