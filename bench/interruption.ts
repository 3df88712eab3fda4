/**
 * How long voice and audio are interrupted, and what of them is lost, when a session is moved to another gateway (TM), and when its gateway
 * fails (HA: killed, or silent). A published experiment once more: stock strongSwan clients, here beside our cluster and, in the same run,
 * beside a stock server that shares nothing.
 *
 * Every client has one tunnel (AES-128-CBC or AES-128-CTR), and in it a call over UDP both ways, one frame each 20 ms, and audio over HTTP,
 * both at the client's bit rate (8, 48, 96 kbit/s). Network, gateways, faults and clients are those of the lab.
 */

import type { Ground } from '../chaos/lab/carry-through.ts'
import type { Bench, BenchOptions, Figure, Measurement } from './bench.ts'
import { figure } from './bench.ts'
import { inLab, labMissing } from './lab-ground.ts'
import { measureBaseline } from './interruption/baseline.ts'
import { drawInterruption } from './interruption/box-plot.ts'
import type { Caller } from './interruption/callers.ts'
import { cells } from './interruption/callers.ts'
import type { Condition, Occurrence } from './interruption/events.ts'
import { conditions, occur } from './interruption/events.ts'
import type { FleetResult } from './interruption/fleet.ts'
import { measureFleet } from './interruption/fleet.ts'
import type { Group, Peer, Sample } from './interruption/rows.ts'
import { rowsOf } from './interruption/rows.ts'
import { audioSample, callSample } from './interruption/samples.ts'
import { spreadOf } from './interruption/spread.ts'
import { Stage } from './interruption/stage.ts'
import type { ClientTraffic } from './interruption/traffic.ts'
import { loadNow } from './machine.ts'

/** Sessions of the gateway that is killed, with the built-in clients. */
const fleets = [1, 100, 10_000] as const
const ALL_READY_MS = 100

interface Settings {
  readonly clients: number
  readonly bystanders: number
  /** Of each kind, and half as many in which nothing happens. A cell has (clients − bystanders) ÷ 6 samples of each. */
  readonly events: number
  readonly baselineClients: number
}

function settings({ isQuick }: BenchOptions): Settings {
  return isQuick
    ? { clients: 18, bystanders: 3, events: 3, baselineClients: 6 }
    : { clients: 18, bystanders: 3, events: 20, baselineClients: 6 }
}

export const interruptionBench: Bench = {
  name: 'interruption',
  question: 'how long calls and audio of stock clients are interrupted when their session moves or their gateway fails',
  parameters: (options) => ({ gateways: 3, ...settings(options) }),
  run,
  picture: drawInterruption,
}

async function run(options: BenchOptions, report: (row: Measurement) => void): Promise<void> {
  const { events } = settings(options)
  if (options.isQuick) console.log(`  (--quick: ${events} events of each kind in place of ${settings({ isQuick: false }).events})`)
  const failures: unknown[] = []
  // What fails here says nothing of the rest: it is told at the end.
  const killFleets = async (): Promise<void> => {
    for (const sessions of fleets) {
      await measureFleet(sessions).then(
        (result) => report(fleetRow(result)),
        (error: unknown) => failures.push(error),
      )
    }
  }
  const missing = await labMissing()
  if (missing === null) await measureLab(settings(options), killFleets, report)
  else {
    console.log(`  (${missing})`)
    await killFleets()
  }
  if (failures.length > 0) throw new AggregateError(failures, 'gateways with many sessions')
}

async function measureLab(
  { clients, bystanders, events, baselineClients }: Settings,
  meanwhile: () => Promise<void>,
  report: (row: Measurement) => void,
): Promise<void> {
  const peer = await inLab('interruption', async (ground) => baseline(ground, baselineClients, meanwhile, report))
  await inLab('interruption', async (ground) => {
    const stage = await Stage.open(ground, clients)
    for (const condition of conditions) await series(stage, condition, { events, bystanders, peer }, report)
  })
}

async function baseline(
  ground: Ground,
  clients: number,
  meanwhile: () => Promise<void>,
  report: (row: Measurement) => void,
): Promise<Peer> {
  const { callers, atMs, untilMs, traffic } = await measureBaseline(ground, clients, meanwhile)
  const samples = callers.map((caller, i) => sampleOf('no shared contexts', caller, traffic[i]!, atMs, untilMs))
  for (const row of rowsOf('no shared contexts', samples, cells, null)) report(row)
  return {
    udp: spreadOf(samples.map(({ call }) => call.interruptionMs)),
    tcp: spreadOf(samples.map(({ audio }) => audio.interruptionMs)),
  }
}

/** All events of one kind, and their rows. */
async function series(
  stage: Stage,
  condition: Condition,
  { events, bystanders, peer }: { readonly events: number; readonly bystanders: number; readonly peer: Peer },
  report: (row: Measurement) => void,
): Promise<void> {
  const samples: Sample[] = []
  const detections: number[] = []
  const isUndisturbed = condition === 'undisturbed'
  try {
    for (let round = 0; round < (isUndisturbed ? Math.ceil(events / 2) : events); round++) {
      const occurrence = await occur(stage, condition, round, isUndisturbed ? 0 : bystanders)
      samples.push(...samplesOf(occurrence, stage.callers))
      if (occurrence.detectionMs !== null) detections.push(occurrence.detectionMs)
    }
  } finally {
    // Also of a series that breaks off.
    const present = [condition, ...bystandersOf(condition)].filter((group) => samples.some((sample) => sample.group === group))
    for (const group of present) {
      const isBesides = group !== condition
      for (const row of rowsOf(group, samples, isBesides ? [] : cells, isBesides ? null : peer)) report(row)
    }
    report(aboutRow(condition, detections))
  }
}

function bystandersOf(condition: Condition): readonly Group[] {
  if (condition === 'undisturbed') return []
  const all: Group = `bystanders of ${condition}`
  return condition === 'transfer' ? [all] : [all, `bystanders of ${condition} of a holder`]
}

function samplesOf({ condition, heldAddress, atMs, untilMs, traffic, isBystander }: Occurrence, callers: readonly Caller[]): Sample[] {
  const bystanders = bystandersOf(condition)[heldAddress ? 1 : 0]
  return callers.map((caller, i) => {
    const group = isBystander[i] && bystanders !== undefined ? bystanders : condition
    return sampleOf(group, caller, traffic[i]!, atMs, untilMs)
  })
}

function sampleOf(group: Group, { cipher, kbits }: Caller, traffic: ClientTraffic, atMs: number, untilMs: number): Sample {
  return { group, cipher, kbits, call: callSample(traffic, atMs, untilMs), audio: audioSample(traffic, kbits, atMs, untilMs) }
}

/** How soon it was found out, where there was something to find out, and what else the machine did. */
function aboutRow(condition: Condition, detections: readonly number[]): Measurement {
  const { p50, least, most, count } = spreadOf(detections)
  const detection: Figure = { unit: 'ms', median: p50, least, most, rounds: count }
  return {
    parameters: { group: condition, what: 'all events' },
    figures: { ...(count > 0 ? { 'fault to takeover': detection } : {}), 'load of the machine': figure('', [loadNow()]) },
  }
}

function fleetRow(result: FleetResult): Measurement {
  const { sessions, wasLeader, detectionMs, allReadyMs, lostBefore, lostAfter, usualDelayMs, reAuthentications } = result
  const one = (unit: string, value: number): Figure => ({ unit, median: value, least: value, most: value, rounds: 1 })
  return {
    parameters: { group: 'kill', what: `${sessions} sessions`, role: wasLeader ? 'leader' : 'follower' },
    figures: {
      'fault to takeover': one('ms', detectionMs),
      'takeover until all may send': { ...one('ms', allReadyMs), limit: { below: ALL_READY_MS } },
      'lost before the takeover': one('packets', lostBefore),
      'lost after it': one('packets', lostAfter),
      'longest delay before the fault': one('ms', usualDelayMs),
      're-authentications': { ...one('', reAuthentications), limit: { atMost: 0 } },
    },
  }
}
