/** The process: its version, its two threads, memory and files. */

import { monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks'
import { Histogram, Registry, collectDefaultMetrics } from 'prom-client'
import { TICK_MS } from '../../../dataplane/packet-host.ts'
import { version } from '../../version.ts'
import { patienceBuckets } from './meters.ts'
import type { Meters } from './meters.ts'
import type { MetricSource } from './gateway-metrics.ts'

/** Of prom-client's default metrics, under their usual names, those that are not measured here already. */
const usual = [
  'process_cpu_user_seconds_total',
  'process_cpu_system_seconds_total',
  'process_cpu_seconds_total',
  'process_start_time_seconds',
  'process_resident_memory_bytes',
  'process_virtual_memory_bytes',
  'process_heap_bytes',
  'process_open_fds',
  'process_max_fds',
  'nodejs_heap_size_total_bytes',
  'nodejs_heap_size_used_bytes',
  'nodejs_external_memory_bytes',
  'nodejs_version_info',
]

/** A delay is shown for so long at least, and until the scrape after that: whoever scrapes sees it, and two who scrape do not take it from one another. */
const WINDOW_MS = 15_000
const RESOLUTION_MS = 10

export function addProcessMetrics(meters: Meters, source: MetricSource): void {
  meters.gauges('evpc_build_info', '1, with the version of this program', ['version'], () => [[{ version }, 1]])
  const all = new Registry()
  collectDefaultMetrics({ register: all })
  for (const name of usual) {
    const metric = all.getSingleMetric(name)
    if (metric !== undefined) meters.registry.registerMetric(metric)
  }
  addThreads(meters, source)
  observeGarbageCollection(meters)
}

function addThreads(meters: Meters, { observations }: MetricSource): void {
  const tick = new Histogram({
    name: 'evpc_tick_interval_seconds',
    help: 'Between two ticks of a thread, which are due every 10 ms (control) and every 5 ms (packets): what is more it stood still',
    labelNames: ['thread'],
    buckets: [0.005, 0.0075, 0.01, 0.0125, 0.015, 0.02, 0.03, 0.05, 0.075, 0.1, ...patienceBuckets],
    registers: meters.registers,
  })
  const loop = monitorEventLoopDelay({ resolution: RESOLUTION_MS })
  loop.enable()
  const control = new LongestDelay()
  const packets = new LongestDelay()
  observations.onTick = (thread, seconds) => {
    tick.observe({ thread }, seconds)
    if (thread === 'packets') packets.add(seconds - TICK_MS / 1000)
  }
  meters.gauges(
    'evpc_event_loop_delay_seconds',
    'The longest delay of a thread within the last 15 s or more: of the event loop (control), of the ticks (packets)',
    ['thread'],
    () => {
      // It measures its own timer, which is due after so long.
      control.add(loop.max / 1e9 - RESOLUTION_MS / 1000)
      loop.reset()
      return [
        [{ thread: 'control' }, control.read()],
        [{ thread: 'packets' }, packets.read()],
      ]
    },
  )
}

/** The longest of what was added in the present window and in the one before. */
class LongestDelay {
  #before = 0
  #now = 0
  #sinceMs = performance.now()

  add(seconds: number): void {
    this.#now = Math.max(this.#now, seconds)
  }

  read(): number {
    const longest = Math.max(this.#before, this.#now)
    if (performance.now() - this.#sinceMs >= WINDOW_MS) {
      this.#before = this.#now
      this.#now = 0
      this.#sinceMs = performance.now()
    }
    return longest
  }
}

/** Of the main thread: how long it stood still for the memory's sake. */
function observeGarbageCollection({ registers }: Meters): void {
  const pause = new Histogram({
    name: 'evpc_gc_pause_seconds',
    help: 'Pauses of the main thread for garbage collection',
    buckets: [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1],
    registers,
  })
  new PerformanceObserver((list) => list.getEntries().forEach(({ duration }) => pause.observe(duration / 1000))).observe({
    entryTypes: ['gc'],
  })
}
