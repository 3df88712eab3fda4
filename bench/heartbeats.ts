/**
 * For how long gateways that live are silent to one another, quiet and with the machine loaded: what `timing.gatewayDownMs` has to be longer
 * than. Three gateway processes with calls through them on one machine, and beside them processes that take the processors, or sync the disk.
 * What is measured is the gateways' own histogram, `evpc_peer_silence_seconds`; every figure is of all six pairs together.
 *
 * A gateway would be declared down by mistake when both others find it silent at once, or one of them does for three times as long. How
 * often that happened is counted for several thresholds, from the metrics of each second, rather than provoked: nobody is declared down here.
 */

import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import type { Bench, BenchOptions, Figure, Measurement } from './bench.ts'
import { figure } from './bench.ts'
import type { Burden } from './heartbeats/burden.ts'
import { under } from './heartbeats/burden.ts'
import { HeartbeatCluster } from './heartbeats/cluster.ts'
import { falseAlarms } from './heartbeats/false-alarms.ts'
import type { Silences } from './heartbeats/false-alarms.ts'
import { drawSilences } from './heartbeats/picture.ts'
import type { Above, Scrape } from './heartbeats/scrape.ts'
import { between, bound, together } from './heartbeats/scrape.ts'
import { folderOnDisk } from './raft-commit/disk.ts'

const sessions = 30
const thresholdsMs = [150, 200, 300, 450, 600, 900] as const
/** `nice`: of the gateways; -10 is what they give themselves where that is permitted. */
const burdens: readonly (Burden & { readonly name: string; readonly nice: number })[] = [
  { name: 'quiet', busy: 0, syncing: 0, nice: 0 },
  { name: '2 busy', busy: 2, syncing: 0, nice: 0 },
  { name: '4 busy', busy: 4, syncing: 0, nice: 0 },
  { name: '8 busy', busy: 8, syncing: 0, nice: 0 },
  { name: '16 busy', busy: 16, syncing: 0, nice: 0 },
  { name: '4 syncing', busy: 0, syncing: 4, nice: 0 },
  { name: '8 busy, nice -10', busy: 8, syncing: 0, nice: -10 },
  { name: '16 busy, nice -10', busy: 16, syncing: 0, nice: -10 },
]
/** So long the first code is compiled, again and again, which takes a processor of its own. */
const warmUpMs = 20_000
/** The load is there for so long before it counts. */
const settleMs = 2000
const lookEveryMs = 1000

export const heartbeatsBench: Bench = {
  name: 'heartbeats',
  question: 'silences between live gateways on a quiet and on a loaded machine, and how often they would be mistaken for failures',
  parameters: (options) => ({ gateways: 3, sessions, packetsPerSecond: 2 * 50 * sessions, heartbeatMs: 50, ...settings(options) }),
  run,
  picture: drawSilences,
}

function settings({ isQuick }: BenchOptions): { readonly seconds: number } {
  return { seconds: isQuick ? 20 : 60 }
}

async function run(options: BenchOptions, report: (row: Measurement) => void): Promise<void> {
  const folder = await folderOnDisk()
  const mine = join(folder, 'cluster')
  await mkdir(mine)
  try {
    await HeartbeatCluster.run(mine, sessions, async (cluster) => {
      await delay(warmUpMs)
      for (const burden of burdens) {
        if (!maySetNice(cluster, burden.nice)) continue
        const looks = await under(burden, folder, () => watch(cluster, settings(options).seconds))
        for (const row of rowsOf(burden.name, looks)) report(row)
      }
    })
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Only with privileges is anybody given more than others. */
function maySetNice(cluster: HeartbeatCluster, nice: number): boolean {
  try {
    cluster.setNice(nice)
    return true
  } catch (error) {
    if (!['EACCES', 'EPERM'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
    return false
  }
}

interface Look {
  readonly atMs: number
  readonly metrics: ReadonlyMap<string, Scrape>
  readonly waited: { readonly main: number; readonly others: number }
}

async function watch(cluster: HeartbeatCluster, seconds: number): Promise<readonly Look[]> {
  await delay(settleMs)
  const looks: Look[] = []
  for (const endMs = performance.now() + 1000 * seconds; performance.now() < endMs; await delay(lookEveryMs)) {
    const metrics = await cluster.scrape()
    looks.push({ atMs: performance.now(), metrics, waited: cluster.waited() })
  }
  return looks
}

function rowsOf(burden: string, looks: readonly Look[]): Measurement[] {
  const [first, last] = [looks[0]!, looks.at(-1)!]
  const seconds = (last.atMs - first.atMs) / 1000
  const perHour = (count: number): Figure => figure('/h', [(count * 3600) / seconds])
  const whole = (name: string, isOf: (labels: string) => boolean): Above => together(differences(first, last, name, isOf))
  const silences = whole('evpc_peer_silence_seconds', (labels) => labels.includes('clock="ticks"'))
  const alarms = falseAlarms(windows(looks), thresholdsMs)
  const elections = [...last.metrics].map(([id, scrape]) => scrape.value('evpc_raft_term') - first.metrics.get(id)!.value('evpc_raft_term'))
  return [
    {
      parameters: { burden, what: 'longer than' },
      figures: Object.fromEntries([...silences.above].map(([limit, count]) => [`${1000 * limit} ms`, perHour(count)])),
    },
    {
      parameters: { burden, what: 'false alarms' },
      figures: {
        ...Object.fromEntries(alarms.map(({ thresholdMs, count }) => [`at ${thresholdMs} ms`, perHour(count)])),
        elections: perHour(Math.max(...elections)),
      },
    },
    { parameters: { burden, what: 'silence' }, figures: spread(silences) },
    ...(['control', 'packets'] as const).map((thread) => ({
      parameters: { burden, what: `${thread} thread` },
      figures: {
        ...spread(whole('evpc_tick_interval_seconds', (labels) => labels.includes(thread))),
        'waited for a processor': figure('ms/s', [(1000 * waitedBetween(first, last, thread)) / seconds / last.metrics.size]),
      },
    })),
    { parameters: { burden, what: 'gc' }, figures: spread(whole('evpc_gc_pause_seconds', () => true)) },
  ]
}

/** `others` are the packet thread and those of the pool, which do next to nothing beside it. */
function waitedBetween(first: Look, last: Look, thread: 'control' | 'packets'): number {
  return thread === 'control' ? last.waited.main - first.waited.main : last.waited.others - first.waited.others
}

/** What came at each gateway between two looks, of a histogram's labels that are wanted. */
function differences(earlier: Look, later: Look, name: string, isWanted: (labels: string) => boolean): Above[] {
  return [...later.metrics].flatMap(([id, scrape]) => {
    const before = earlier.metrics.get(id)!.histogram(name)
    return [...scrape.histogram(name)].flatMap(([labels, now]) => (isWanted(labels) ? [between(before.get(labels), now)] : []))
  })
}

/** Who was found silent by whom, between each look and the next. */
function windows(looks: readonly Look[]): Silences[][] {
  const name = 'evpc_peer_silence_seconds'
  return looks.slice(1).map((later, i) =>
    [...later.metrics].flatMap(([observer, scrape]) => {
      const before = looks[i]!.metrics.get(observer)!.histogram(name)
      return [...scrape.histogram(name)].flatMap(([labels, now]) => {
        const silent = /gateway="([^"]+)"/.exec(labels)?.[1]
        return silent !== undefined && labels.includes('clock="ticks"') ? [{ observer, silent, ...between(before.get(labels), now) }] : []
      })
    }),
  )
}

/** Upper bounds, since that is what a histogram knows. */
function spread(all: Above): Record<string, Figure> {
  const at = (share: number): Figure => figure('ms', [1000 * bound(all, share)])
  return { 'p50 at most': at(0.5), p99: at(0.01), 'p99.9': at(0.001), most: at(0) }
}
