/** What one event did to one client: to its call and to its audio. Pure. */

import type { Sent } from './arrivals.ts'
import { burstRatio, longestGap, missingRuns, sum } from './arrivals.ts'
import type { Codec, Impairment } from './e-model.ts'
import { g711, g711Concealing, meanOpinionScore, rating } from './e-model.ts'
import { FRAME_MS } from './frame.ts'
import { stalledMs } from './player.ts'
import type { ClientTraffic } from './traffic.ts'

/** A clip of eight seconds in which the event falls, and a call of two minutes. */
export const BEFORE_MS = 2_000
export const AFTER_MS = 6_000
const CLIP_MS = BEFORE_MS + AFTER_MS
const CALL_MS = 120_000
/** What a phone waits for late frames, beyond the usual delay; and what the player has buffered when it begins. */
export const JITTER_BUFFER_MS = 60
export const PLAYER_BUFFER_MS = 200

export interface CallSample {
  /** The longest silence since the event, to the client; from the client. Less the 20 ms that are always between two frames. */
  readonly interruptionMs: number
  readonly upInterruptionMs: number
  /** Frames to the client that never arrived, of those sent in the window. */
  readonly lostFrames: number
  readonly upLostFrames: number
  /** 0 to 1: of the clip, of the call; the call has an event like this one, and no other. */
  readonly clipLoss: number
  readonly callLoss: number
  /** Of the clip, by the E-model: frames that are too late to be played are lost, too. */
  readonly r: number
  readonly mos: number
  /** The same without concealment of what is lost. */
  readonly plainMos: number
}

export interface AudioSample {
  /** The longest time without any octet since the event, less the 20 ms that are always between two chunks. */
  readonly interruptionMs: number
  /** That the player was silent. */
  readonly stalledMs: number
  readonly clipSilence: number
  readonly callSilence: number
}

/** `traffic`: of what was sent from `BEFORE_MS` before the event until `untilMs`, at least `AFTER_MS` after it. */
export function callSample({ down, up }: ClientTraffic, atMs: number, untilMs: number): CallSample {
  const clip: Sent = { first: down.sent.first, count: Math.min(down.sent.count, CLIP_MS / FRAME_MS) }
  const call: Sent = { first: down.sent.first, count: Math.min(down.sent.count, CALL_MS / FRAME_MS) }
  const impairment = impairmentOf(clip, down.arrivals)
  return {
    interruptionMs: interruption(down.arrivals.arrivedMs, atMs, untilMs),
    upInterruptionMs: interruption(up.arrivals.arrivedMs, atMs, untilMs),
    lostFrames: sum(missingRuns(down.sent, down.arrivals)),
    upLostFrames: sum(missingRuns(up.sent, up.arrivals)),
    clipLoss: sum(missingRuns(clip, down.arrivals)) / (CLIP_MS / FRAME_MS),
    callLoss: sum(missingRuns(call, down.arrivals)) / (CALL_MS / FRAME_MS),
    r: rating(impairment, g711Concealing),
    mos: score(impairment, g711Concealing),
    plainMos: score(impairment, g711),
  }
}

export function audioSample({ chunks }: ClientTraffic, kbits: number, atMs: number, untilMs: number): AudioSample {
  const player = { octetsPerMs: kbits / 8, bufferMs: PLAYER_BUFFER_MS }
  const fromMs = atMs - BEFORE_MS
  const silence = (lengthMs: number): number => stalledMs(chunks, player, fromMs, Math.min(untilMs, fromMs + lengthMs))
  return {
    interruptionMs: interruption(
      chunks.map(({ timeMs }) => timeMs),
      atMs,
      untilMs,
    ),
    stalledMs: stalledMs(chunks, player, fromMs, untilMs),
    clipSilence: silence(CLIP_MS) / CLIP_MS,
    callSilence: silence(CALL_MS) / CALL_MS,
  }
}

function interruption(times: readonly number[], atMs: number, untilMs: number): number {
  return Math.max(0, longestGap(times, atMs, untilMs) - FRAME_MS)
}

function score(impairment: Impairment, codec: Codec): number {
  return meanOpinionScore(rating(impairment, codec))
}

/** A frame is whole when its 20 ms are over; then come the network and the wait for those that are later. */
function impairmentOf(clip: Sent, arrivals: ClientTraffic['down']['arrivals']): Impairment {
  const delays = arrivals.arrivedMs.map((arrivedMs, i) => arrivedMs - arrivals.sentMs[i]!).toSorted((a, b) => a - b)
  const usualMs = delays[Math.floor(delays.length / 2)] ?? 0
  const runs = missingRuns(clip, arrivals, usualMs + JITTER_BUFFER_MS)
  return {
    delayMs: FRAME_MS + usualMs + JITTER_BUFFER_MS,
    loss: clip.count === 0 ? 1 : sum(runs) / clip.count,
    burstRatio: burstRatio(runs, clip.count),
  }
}
