/** The bench's rows: a cell's samples by who they are of, with goals and what there is to compare with. Pure. */

import type { Figure, Limit, Measurement } from '../bench.ts'
import type { Cell } from './callers.ts'
import type { AudioSample, CallSample } from './samples.ts'
import type { Spread } from './spread.ts'
import { spreadOf } from './spread.ts'

/**
 * What was done, or to whom it was not done; of the bystanders of a failure those apart whose packets went by the gateway that failed, for it
 * held an address that all share.
 */
export type Group =
  | 'undisturbed'
  | 'transfer'
  | 'kill'
  | 'silence'
  | `bystanders of ${'transfer' | 'kill' | 'silence'}`
  | `bystanders of ${'kill' | 'silence'} of a holder`
  | 'no shared contexts'

export interface Sample extends Cell {
  readonly group: Group
  readonly call: CallSample
  readonly audio: AudioSample
}

/** The best that was published of such clusters, on average, ms: by what is done, of calls (UDP) and of audio (TCP). */
export const published: Readonly<Partial<Record<Group, { readonly udp: number; readonly tcp: number }>>> = {
  transfer: { udp: 1330, tcp: 1700 },
  kill: { udp: 1510, tcp: 2370 },
}

interface Goals {
  readonly lostP50?: Limit
  readonly lostMost?: Limit
  readonly p50?: Limit
  readonly p95?: Limit
}

/** Of calls. Of audio what is heard of it, the silence, is to keep within the same times. */
const goals: Readonly<Partial<Record<Group, Goals>>> = {
  transfer: { lostP50: { atMost: 0 } },
  kill: { p50: { below: 150 }, p95: { below: 400 } },
  silence: { p50: { below: 500 }, p95: { below: 1000 } },
  'bystanders of transfer': { lostMost: { atMost: 0 } },
  'bystanders of kill': { lostMost: { atMost: 0 } },
  'bystanders of silence': { lostMost: { atMost: 0 } },
  'bystanders of kill of a holder': { lostMost: { atMost: 0 } },
  'bystanders of silence of a holder': { lostMost: { atMost: 0 } },
}

/** What is measured of the stock server in the same run; null before it was. */
export interface Peer {
  readonly udp: Spread
  readonly tcp: Spread
}

export const PEER_NAME = 'strongSwan server restarted empty'

/** Two rows for each of `cells`, and before them two over all of them. */
export function rowsOf(group: Group, samples: readonly Sample[], cells: readonly Cell[], peer: Peer | null): Measurement[] {
  const ofGroup = samples.filter((sample) => sample.group === group)
  const rows = [pair(group, 'all ciphers', 'all rates', ofGroup, peer)]
  for (const { cipher, kbits } of cells) {
    const ofCell = ofGroup.filter((sample) => sample.cipher === cipher && sample.kbits === kbits)
    if (ofCell.length > 0) rows.push(pair(group, cipher, `${kbits} kbit/s`, ofCell, peer))
  }
  return rows.flat()
}

function pair(group: Group, cipher: string, rate: string, samples: readonly Sample[], peer: Peer | null): Measurement[] {
  const calls = samples.map(({ call }) => call)
  const audio = samples.map((sample) => sample.audio)
  return [
    { parameters: { group, transport: 'UDP', cipher, rate }, figures: callFigures(group, calls, peer) },
    { parameters: { group, transport: 'TCP', cipher, rate }, figures: audioFigures(group, audio, peer) },
  ]
}

function callFigures(group: Group, calls: readonly CallSample[], peer: Peer | null): Measurement['figures'] {
  const of = (value: (call: CallSample) => number): Spread => spreadOf(calls.map(value))
  const goal = goals[group] ?? {}
  const lost = of(({ lostFrames }) => lostFrames)
  const upLost = of(({ upLostFrames }) => upLostFrames)
  const up = of(({ upInterruptionMs }) => upInterruptionMs)
  return {
    ...boxFigures(
      'interruption',
      of(({ interruptionMs }) => interruptionMs),
      goal,
      peer?.udp ?? null,
      published[group]?.udp ?? null,
    ),
    'to the gateway p50': { ...whole('ms', up), ...limited(goal.p50) },
    'to the gateway p95': { ...single('ms', up.p95), ...limited(goal.p95) },
    'lost p50': { ...whole('frames', lost), ...limited(goal.lostP50) },
    'lost max': { ...single('frames', lost.most), ...limited(goal.lostMost) },
    'lost to the gateway p50': { ...whole('frames', upLost), ...limited(goal.lostP50) },
    'lost to the gateway max': { ...single('frames', upLost.most), ...limited(goal.lostMost) },
    'lost of 8 s': whole(
      '%',
      of(({ clipLoss }) => 100 * clipLoss),
    ),
    'lost of 2 min': whole(
      '%',
      of(({ callLoss }) => 100 * callLoss),
    ),
    R: whole(
      '',
      of(({ r }) => r),
    ),
    MOS: whole(
      '',
      of(({ mos }) => mos),
    ),
    'MOS, no concealment': whole(
      '',
      of(({ plainMos }) => plainMos),
    ),
  }
}

function audioFigures(group: Group, audio: readonly AudioSample[], peer: Peer | null): Measurement['figures'] {
  const of = (value: (audio: AudioSample) => number): Spread => spreadOf(audio.map(value))
  return {
    ...boxFigures(
      'silence',
      of(({ stalledMs }) => stalledMs),
      goals[group] ?? {},
      null,
      null,
    ),
    ...boxFigures(
      'no data',
      of(({ interruptionMs }) => interruptionMs),
      {},
      peer?.tcp ?? null,
      published[group]?.tcp ?? null,
    ),
    'silent of 8 s': whole(
      '%',
      of(({ clipSilence }) => 100 * clipSilence),
    ),
    'silent of 2 min': whole(
      '%',
      of(({ callSilence }) => 100 * callSilence),
    ),
  }
}

function boxFigures(name: string, spread: Spread, goal: Goals, peer: Spread | null, publishedMs: number | null): Measurement['figures'] {
  const p50 = { ...whole('ms', spread), ...limited(goal.p50) }
  const mean = single('ms', spread.mean)
  return {
    [`${name} p50`]:
      peer === null ? p50 : { ...p50, comparison: { peer: PEER_NAME, figure: whole('ms', peer), goal: null, isLessBetter: true } },
    [`${name} p25`]: single('ms', spread.p25),
    [`${name} p75`]: single('ms', spread.p75),
    [`${name} p95`]: { ...single('ms', spread.p95), ...limited(goal.p95) },
    [`${name} max`]: single('ms', spread.most),
    [`${name} mean`]:
      publishedMs === null
        ? mean
        : { ...mean, comparison: { peer: 'best published', figure: single('ms', publishedMs), goal: null, isLessBetter: true } },
  }
}

function limited(limit: Limit | undefined): { readonly limit?: Limit } {
  return limit === undefined ? {} : { limit }
}

function whole(unit: string, { p50, least, most, count }: Spread): Figure {
  return { unit, median: p50, least, most, rounds: count }
}

function single(unit: string, value: number): Figure {
  return { unit, median: value, least: value, most: value, rounds: 1 }
}
