/**
 * Ten thousand clients connect at one moment, as after an outage, to three gateways that carry three hundred sessions with traffic: how soon all
 * of them are up, whether any starves, and what the established sessions notice. The clients are the built-in ones with a stock client's
 * retransmissions (4 s, × 1.8, five times, then no more). Beside the rate at which they are admitted stands that of the same clients when only so
 * many of them connect at a time as do not wait for one another: what this machine can sustain, the clients' own work included, which it does too.
 *
 * All clients have one address here, so the bounds for one source are lifted, as the demo does it; those for all of them stand as they are.
 */

import type { ChildProcess } from 'node:child_process'
import { setPriority } from 'node:os'
import { setTimeout as delay } from 'node:timers/promises'
import { monotonicMs } from '../src/dataplane/clock.ts'
import type { Bench, BenchOptions, Figure, Measurement } from './bench.ts'
import { figure, percentile } from './bench.ts'
import type { FleetCluster } from './fleet/cluster.ts'
import { crowdOf, scrapeAll, withFleetCluster } from './fleet/cluster.ts'
import { answerOf } from './process/answer.ts'
import { FleetProcess, fleetModule } from './interruption/fleet-talk.ts'
import type { FleetPacket } from './fleet/readiness.ts'
import { cpuSeconds } from './process/cpu-seconds.ts'
import type { Admission, Attempt, Disturbance } from './storm/admission.ts'
import { admissionOf, disturbanceOf } from './storm/admission.ts'
import type { FromStorm, StormSetup } from './storm/crowd-process.ts'
import { drawStorm } from './storm/picture.ts'

const GATEWAYS = 3
const ESTABLISHED = 300
/** Of the established sessions: 49 packets a second each way; the others have one each way every nine seconds. */
const CALLS = 24
/** Of all established sessions, both ways together. */
const PACKETS_PER_SECOND = 2_400
const IN_FLIGHT = 64
const BEFORE_MS = 4_000
const AFTER_MS = 4_000
const LATE_MS = 500
/** A stock client gives up after 165 s. */
const LIMIT_MS = 175_000
const BEGIN_LIMIT_MS = 60_000
const stormModule = new URL('./storm/crowd-process.js', import.meta.url)
/** Of the established sessions' clients where that is permitted: other machines' clients would not wait for these processors. */
const FLEET_NICE = -10

export const stormBench: Bench = {
  name: 'storm',
  question: '10,000 clients connect at once: until all are up, who starves, and what established sessions notice',
  parameters: (options) => ({
    gateways: GATEWAYS,
    clients: sizesOf(options).clients,
    established: ESTABLISHED,
    calls: CALLS,
    packetsPerSecond: PACKETS_PER_SECOND,
    sustainableBy: `${sizesOf(options).paced} clients, ${IN_FLIGHT} at a time`,
  }),
  run,
  picture: (_rows, caption) => (drawn === null ? '' : drawStorm(drawn, caption)),
}

function sizesOf({ isQuick }: BenchOptions): { readonly clients: number; readonly paced: number } {
  return isQuick ? { clients: 2_000, paced: 500 } : { clients: 10_000, paced: 5_000 }
}

/** What one crowd did, and what the established sessions noticed of it. */
export interface Episode {
  readonly attempts: readonly Attempt[]
  readonly beginMs: number
  readonly endMs: number
  /** From some seconds before to some after. */
  readonly packets: readonly FleetPacket[]
  readonly cookies: number
  readonly gatewaySeconds: number
  readonly clientSeconds: number
}

export interface Drawn {
  readonly storm: Episode
  readonly sustainable: Admission
}

let drawn: Drawn | null = null

async function run(options: BenchOptions, report: (row: Measurement) => void): Promise<void> {
  await withFleetCluster(GATEWAYS, async (cluster) => {
    const fleet = await establish(cluster)
    const { clients, paced } = sizesOf(options)
    const calm = await episode(cluster, fleet, { first: ESTABLISHED, count: paced, inFlight: IN_FLIGHT })
    const sustainable = admissionOf(calm.attempts, calm.beginMs)
    report(admissionRow(`${IN_FLIGHT} at a time`, calm, null))
    for (const row of disturbanceRows(`${IN_FLIGHT} at a time`, calm)) report(row)
    const storm = await episode(cluster, fleet, { first: ESTABLISHED + paced, count: clients, inFlight: null })
    drawn = { storm, sustainable }
    report(admissionRow('all at once', storm, sustainable))
    for (const row of disturbanceRows('all at once', storm)) report(row)
  })
}

async function establish({ layout, fork }: FleetCluster): Promise<FleetProcess> {
  const child = fork(fleetModule)
  favour(child)
  const fleet = new FleetProcess(child)
  const { host, inside } = layout
  const crowd = crowdOf(layout, 0, ESTABLISHED)
  await fleet.connect({ type: 'fleet', ...crowd, packetsPerSecond: PACKETS_PER_SECOND, bothWays: true, calls: CALLS, host, inside })
  fleet.tell({ type: 'flow' })
  return fleet
}

/** Only with privileges is anybody given more than others. */
function favour({ pid }: ChildProcess): void {
  try {
    setPriority(pid!, FLEET_NICE)
  } catch (error) {
    const { info } = error as { readonly info?: { readonly code?: string } }
    if (!['EACCES', 'EPERM'].includes(info?.code ?? '')) throw error
  }
}

async function episode(
  cluster: FleetCluster,
  fleet: FleetProcess,
  { first, count, inFlight }: { readonly first: number; readonly count: number; readonly inFlight: number | null },
): Promise<Episode> {
  const pids = cluster.layout.gateways.flatMap(({ id }) => cluster.gateways.pidOf(id) ?? [])
  const child = cluster.fork(stormModule)
  const setup: StormSetup = { type: 'storm', ...crowdOf(cluster.layout, first, count), inFlight, limitMs: LIMIT_MS }
  // The calm before it, of which the clients' own preparations are no part where they have any.
  await delay(BEFORE_MS)
  const calmUntilMs = monotonicMs()
  const cookiesBefore = await cookiesSent(cluster)
  const ask = (type: FromStorm['type'], limitMs: number, question: () => void): Promise<FromStorm> =>
    answerOf<FromStorm>(child, { who: 'the crowd', limitMs, isAnswer: (message) => message.type === type, ask: question })
  let secondsBefore = 0
  const [begins, result] = await Promise.all([
    ask('begins', BEGIN_LIMIT_MS, () => child.send(setup)).then((message) => {
      secondsBefore = cpuSeconds(pids)
      return message
    }),
    ask('done', BEGIN_LIMIT_MS + LIMIT_MS, () => undefined),
  ])
  const endMs = monotonicMs()
  const gatewaySeconds = cpuSeconds(pids) - secondsBefore
  const cookies = (await cookiesSent(cluster)) - cookiesBefore
  await delay(AFTER_MS + LATE_MS)
  if (begins.type !== 'begins' || result.type !== 'done') throw new Error('the crowd answers what nobody asked')
  const { packets } = await fleet.packets(calmUntilMs - BEFORE_MS, endMs + AFTER_MS)
  const beginMs = begins.atMs
  // What is shown before the beginning is the calm, moved up to it.
  const near = packets.flatMap((packet) => moved(packet, calmUntilMs, beginMs))
  return { attempts: result.attempts, beginMs, endMs, packets: near, cookies, gatewaySeconds, clientSeconds: result.processorSeconds }
}

function moved({ sentMs, arrivedMs }: FleetPacket, calmUntilMs: number, beginMs: number): FleetPacket[] {
  if (sentMs >= beginMs) return [{ sentMs, arrivedMs }]
  const byMs = beginMs - calmUntilMs
  return sentMs >= calmUntilMs ? [] : [{ sentMs: sentMs + byMs, arrivedMs: arrivedMs === null ? null : arrivedMs + byMs }]
}

async function cookiesSent(cluster: FleetCluster): Promise<number> {
  const all = await scrapeAll(cluster)
  return all.reduce((sum, scrape) => sum + scrape.value('evpc_ike_cookies_sent_total'), 0)
}

function admissionRow(way: string, episode: Episode, sustainable: Admission | null): Measurement {
  const admission = admissionOf(episode.attempts, episode.beginMs)
  const { up, gaveUp, waiting, allMs, perSecond, connectMs, retransmissions, mostRetransmissions } = admission
  const rate = one('/s', perSecond)
  const at = (percent: number): Figure => one('s', percentile(connectMs, percent) / 1000)
  const peer = { peer: `${IN_FLIGHT} at a time`, figure: one('/s', sustainable?.perSecond ?? 0), goal: { ratioAtLeast: SUSTAINED } }
  return {
    parameters: { way, what: 'clients' },
    figures: {
      up: one('', up),
      'gave up': { ...one('', gaveUp), limit: { atMost: 0 } },
      neither: { ...one('', waiting), limit: { atMost: 0 } },
      'until all are up': one('s', allMs / 1000),
      admitted: sustainable === null ? rate : { ...rate, comparison: peer },
      'a client’s p50': at(50),
      p95: at(95),
      p99: at(99),
      most: at(100),
      retransmissions: one('', retransmissions),
      'most of a client': one('', mostRetransmissions),
      'asked for a cookie': one('', episode.cookies),
      'gateways’ processor time a client': one('ms', (1000 * episode.gatewaySeconds) / Math.max(1, up)),
      'the clients’ own': one('ms', (1000 * episode.clientSeconds) / Math.max(1, up)),
    },
  }
}

/** A storm is to be got through at about the rate that can be sustained. */
const SUSTAINED = 0.8

function disturbanceRows(way: string, { packets, beginMs, endMs }: Episode): Measurement[] {
  const spans = { before: [beginMs - BEFORE_MS, beginMs], during: [beginMs, endMs], after: [endMs, endMs + AFTER_MS] } as const
  return Object.entries(spans).map(([what, [fromMs, toMs]]) => disturbanceRow(way, what, disturbanceOf(packets, fromMs, toMs)))
}

function disturbanceRow(way: string, what: string, { packets, lost, p50, p99, most, senderMs }: Disturbance): Measurement {
  return {
    parameters: { way, what: `established, ${what}` },
    figures: {
      packets: one('', packets),
      lost: { ...one('', lost), limit: { atMost: 0 } },
      'delay p50': one('ms', p50),
      p99: one('ms', p99),
      most: one('ms', most),
      'sender stood still for': one('ms', senderMs),
    },
  }
}

function one(unit: string, value: number): Figure {
  return figure(unit, [value])
}
