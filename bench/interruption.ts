/**
 * How long voice and audio are interrupted, and what of them is lost, when a session is moved to another gateway (TM), and when its gateway
 * fails (HA: killed, or silent). A published experiment once more: stock strongSwan clients, here beside our cluster and, in the same run,
 * beside a stock server that shares nothing.
 *
 * Every client has one tunnel (AES-128-CBC or AES-128-CTR), and in it a call over UDP both ways, one frame each 20 ms, and audio over HTTP,
 * both at the client's bit rate (8, 48, 96 kbit/s). Network, gateways, faults and clients are those of the lab.
 */

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { carryThrough } from '../chaos/lab/carry-through.ts'
import { LabError, UnfitError } from '../chaos/lab/lab-error.ts'
import { requireLab } from '../chaos/lab/requirements.ts'
import type { Bench, BenchOptions, Measurement } from './bench.ts'
import { measureBaseline } from './interruption/baseline.ts'
import { drawInterruption } from './interruption/box-plot.ts'
import type { Caller } from './interruption/callers.ts'
import { cells } from './interruption/callers.ts'
import type { Condition, Occurrence } from './interruption/events.ts'
import { conditions, occur } from './interruption/events.ts'
import type { Group, Peer, Sample } from './interruption/rows.ts'
import { rowsOf } from './interruption/rows.ts'
import { audioSample, callSample } from './interruption/samples.ts'
import { spreadOf } from './interruption/spread.ts'
import type { Ground } from './interruption/stage.ts'
import { Stage } from './interruption/stage.ts'
import type { ClientTraffic } from './interruption/traffic.ts'

interface Settings {
  readonly clients: number
  readonly bystanders: number
  /** Of each kind. A cell has (clients − bystanders) ÷ 6 samples of each. */
  readonly events: number
  readonly baselineClients: number
}

function settings({ isQuick }: BenchOptions): Settings {
  return isQuick
    ? { clients: 18, bystanders: 3, events: 4, baselineClients: 6 }
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
  const { clients, bystanders, events, baselineClients } = settings(options)
  if (options.isQuick) console.log(`  (--quick: ${events} events of each kind in place of 20)`)
  try {
    await requireLab()
  } catch (error) {
    if (!(error instanceof UnfitError)) throw error
    console.log(`  (${error.message})`)
    return
  }
  const peer = await inLab(async (ground) => baseline(ground, baselineClients, report))
  await inLab(async (ground) => {
    const stage = await Stage.open(ground, clients)
    for (const condition of conditions) await series(stage, condition, { events, bystanders, peer }, report)
  })
}

/** Whatever happens, what was made is gone again; so it is when a signal ends the bench. */
async function inLab<T>(body: (ground: Ground) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  const end = (): void => controller.abort(new LabError('ended by a signal'))
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const name of signals) process.on(name, end)
  const folder = await mkdtemp(join(tmpdir(), 'evpc-interruption-'))
  try {
    const { signal } = controller
    const outcome = await carryThrough(signal, async (prefix, undo) => body({ prefix, folder, undo, signal }))
    if (outcome.type === 'broken') throw new Error(`${outcome.error} (logs: ${folder})`)
    await rm(folder, { recursive: true })
    return outcome.result
  } finally {
    for (const name of signals) process.off(name, end)
  }
}

async function baseline(ground: Ground, clients: number, report: (row: Measurement) => void): Promise<Peer> {
  const { callers, atMs, untilMs, traffic } = await measureBaseline(ground, clients)
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
  for (let round = 0; round < events; round++) {
    const occurrence = await occur(stage, condition, round, condition === 'undisturbed' ? 0 : bystanders)
    samples.push(...samplesOf(occurrence, stage.callers))
    if (occurrence.detectionMs !== null) detections.push(occurrence.detectionMs)
  }
  for (const row of rowsOf(condition, samples, cells, peer)) report(row)
  if (condition === 'undisturbed') return
  for (const row of rowsOf(`bystanders of ${condition}`, samples, [], null)) report(row)
  if (detections.length > 0) reportDetection(condition, detections, report)
}

function samplesOf({ condition, atMs, untilMs, traffic, isBystander }: Occurrence, callers: readonly Caller[]): Sample[] {
  return callers.map((caller, i) => {
    const group: Group = isBystander[i] && condition !== 'undisturbed' ? `bystanders of ${condition}` : condition
    return sampleOf(group, caller, traffic[i]!, atMs, untilMs)
  })
}

function sampleOf(group: Group, { cipher, kbits }: Caller, traffic: ClientTraffic, atMs: number, untilMs: number): Sample {
  return { group, cipher, kbits, call: callSample(traffic, atMs, untilMs), audio: audioSample(traffic, kbits, atMs, untilMs) }
}

function reportDetection(condition: Condition, values: readonly number[], report: (row: Measurement) => void): void {
  const { p50, least, most, count } = spreadOf(values)
  report({
    parameters: { group: condition, what: 'detection' },
    figures: { 'fault to takeover': { unit: 'ms', median: p50, least, most, rounds: count } },
  })
}
