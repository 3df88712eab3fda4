/**
 * What the call that can be heard says: a quiet melody over chords that never pauses, cut into packets. It is a pure function of the packet's number, so
 * neither end keeps a state, and whoever has a packet knows what should be in it.
 *
 * The phase of every voice goes on from packet to packet, also from the last to the first, which follows it again: a packet that is missing, twice or in
 * the wrong place is a click and a hole.
 */

import type { Bytes } from '../../kit/bytes.ts'
import { NOMINAL_MS } from './measuring.ts'

/** Samples a second, 16 bits each in network order, one channel: L16 (RFC 3551 §4.5.11). */
export const SAMPLE_RATE = 16_000
export const SAMPLES = (SAMPLE_RATE * NOMINAL_MS) / 1000
export const SOUND_OCTETS = 2 * SAMPLES
/** After so many packets it begins again. */
export const LOOP_PACKETS = 640

const LOOP_SAMPLES = LOOP_PACKETS * SAMPLES
const PEAK = 0.7
/** From one note, and from one chord, to the next. */
const ATTACK_SECONDS = 0.03
const GLIDE_SECONDS = 0.25
/** What is left of a note at its end. */
const SUSTAIN = 0.35

/** In semitones from A4 (440 Hz). Four chords: a pad's three voices, and eight notes above each. */
const pads: readonly (readonly number[])[] = [
  [-14, -17, -21, -19],
  [-7, -10, -9, -12],
  [-2, -2, -5, -3],
]
const lead: readonly number[] = [5, 2, -2, 2, 5, 7, 5, 2, 7, 2, -2, 2, 7, 5, 2, -2, 3, 7, 10, 7, 5, 7, 3, -2, 5, 0, -3, 0, 5, 7, 9, 5]
const LEAD_LEVEL = 0.5
const PAD_LEVEL = 0.2
/** The pads swell so often in the loop, each at another time. */
const SWELLS = 5
const SWELL = 0.3

let loop: Bytes | null = null

/** The sound of the packet with this number: `SOUND_OCTETS`, a view that is not to be changed. */
export function soundOf(number: number): Bytes {
  loop ??= makeLoop()
  const from = (number % LOOP_PACKETS) * SOUND_OCTETS
  return loop.subarray(from, from + SOUND_OCTETS)
}

function makeLoop(): Bytes {
  const mixed = new Float64Array(LOOP_SAMPLES)
  addVoice(mixed, lead, { glideSeconds: ATTACK_SECONDS, level: noteLevel, overtones: [1, 0.22, 0.07] })
  for (const [i, notes] of pads.entries()) {
    const level = (at: number): number => PAD_LEVEL * (1 + SWELL * Math.sin(2 * Math.PI * (SWELLS * (at / LOOP_SAMPLES) + i / pads.length)))
    addVoice(mixed, notes, { glideSeconds: GLIDE_SECONDS, level, overtones: [1, 0.12] })
  }
  const peak = mixed.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  const made = new Uint8Array(2 * LOOP_SAMPLES)
  const view = new DataView(made.buffer)
  for (const [at, value] of mixed.entries()) view.setInt16(2 * at, Math.round((32_767 * PEAK * value) / peak))
  return made
}

interface Voice {
  readonly glideSeconds: number
  readonly overtones: readonly number[]
  readonly level: (at: number) => number
}

/** The frequencies are bent, by less than is heard, so that the loop is a whole number of cycles. */
function addVoice(mixed: Float64Array, notes: readonly number[], { glideSeconds, overtones, level }: Voice): void {
  const cycles = new Float64Array(LOOP_SAMPLES + 1)
  for (let at = 0; at < LOOP_SAMPLES; at++) cycles[at + 1] = cycles[at]! + frequencyAt(at, notes, glideSeconds) / SAMPLE_RATE
  const whole = Math.round(cycles[LOOP_SAMPLES]!) / cycles[LOOP_SAMPLES]!
  for (let at = 0; at < LOOP_SAMPLES; at++) {
    const angle = 2 * Math.PI * whole * cycles[at]!
    let value = 0
    for (const [i, share] of overtones.entries()) value += share * Math.sin((i + 1) * angle)
    mixed[at]! += level(at) * value
  }
}

/** Glides into each note from the one before it. */
function frequencyAt(at: number, notes: readonly number[], glideSeconds: number): number {
  const { index, seconds } = noteAt(at, notes.length)
  const [before, now] = [notes[(index + notes.length - 1) % notes.length]!, notes[index]!]
  return 440 * 2 ** ((before + (now - before) * smooth(seconds / glideSeconds)) / 12)
}

/** Struck, and dying away to where the next one is struck. */
function noteLevel(at: number): number {
  const { seconds, length } = noteAt(at, lead.length)
  const struck = SUSTAIN + (1 - SUSTAIN) * smooth(seconds / ATTACK_SECONDS)
  return LEAD_LEVEL * struck * SUSTAIN ** Math.max(0, (seconds - ATTACK_SECONDS) / (length - ATTACK_SECONDS))
}

function noteAt(at: number, count: number): { index: number; seconds: number; length: number } {
  const length = LOOP_SAMPLES / SAMPLE_RATE / count
  const index = Math.floor(at / SAMPLE_RATE / length)
  return { index, seconds: at / SAMPLE_RATE - index * length, length }
}

/** From 0 to 1 without a corner at either end. */
function smooth(part: number): number {
  const x = Math.min(1, part)
  return x * x * (3 - 2 * x)
}
