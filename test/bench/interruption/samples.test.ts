import assert from 'node:assert/strict'
import { test } from 'node:test'
import { audioSample, callSample } from '../../../bench/interruption/samples.ts'
import type { ClientTraffic } from '../../../bench/interruption/traffic.ts'

const EVENT_MS = 10_000
const END_MS = EVENT_MS + 6_000

/** A call at 8 kbit/s with 5 ms on the way, from 2 s before the event on; frames and audio sent within `lostMs` after it are lost and late, in this order. */
function traffic(lostMs: number): ClientTraffic {
  const numbers = Array.from({ length: 400 }, (_, i) => 1000 + i)
  const sentAt = (number: number): number => EVENT_MS - 2000 + 20 * (number - 1000)
  const isHit = (number: number): boolean => sentAt(number) >= EVENT_MS && sentAt(number) < EVENT_MS + lostMs
  const arrived = numbers.filter((number) => !isHit(number))
  const arrivals = { numbers: arrived, sentMs: arrived.map(sentAt), arrivedMs: arrived.map((number) => sentAt(number) + 5) }
  const all = { numbers, sentMs: numbers.map(sentAt), arrivedMs: numbers.map((number) => sentAt(number) + 5) }
  const chunks = numbers.map((number) => ({ timeMs: isHit(number) ? EVENT_MS + lostMs + 5 : sentAt(number) + 5, octets: 20 }))
  return {
    down: { sent: { first: 1000, count: 400 }, arrivals },
    up: { sent: { first: 1000, count: 400 }, arrivals: all },
    chunks,
    reconnections: 0,
  }
}

test('a call that nothing happened to has lost nothing and is as good as G.711 gets', () => {
  const sample = callSample(traffic(0), EVENT_MS, END_MS)
  assert.equal(sample.interruptionMs, 0)
  assert.equal(sample.lostFrames, 0)
  assert.equal(sample.mos.toFixed(2), '4.41')
  assert.equal(sample.plainMos.toFixed(2), '4.41')
})

test('eight frames lost are 160 ms, 2 % of the clip, and a seven hundred and fiftieth of the call', () => {
  const sample = callSample(traffic(160), EVENT_MS, END_MS)
  assert.equal(sample.interruptionMs, 160)
  assert.equal(sample.upInterruptionMs, 0)
  assert.equal(sample.lostFrames, 8)
  assert.equal(sample.upLostFrames, 0)
  assert.equal(sample.clipLoss, 0.02)
  assert.equal(sample.callLoss, 8 / 6000)
  // Ie-eff of 2 % in one run of 8: 95 · 2 ÷ (2 ÷ 7.84 + Bpl).
  assert.equal((93.2 - sample.r).toFixed(2), (190 / (2 / 7.84 + 25.1)).toFixed(2))
  assert.ok(sample.plainMos < sample.mos)
})

test('a frame that comes when its time to be played is over is lost to the ear, though not to the count', () => {
  const { down, ...rest } = traffic(0)
  const arrivedMs = down.arrivals.arrivedMs.map((timeMs, i) => (i === 150 ? timeMs + 61 : timeMs))
  const late = callSample({ ...rest, down: { ...down, arrivals: { ...down.arrivals, arrivedMs } } }, EVENT_MS, END_MS)
  assert.equal(late.lostFrames, 0)
  assert.ok(late.r < 93.2)
})

test('a call without a single frame is worth nothing', () => {
  const { down, ...rest } = traffic(0)
  const none = { sent: down.sent, arrivals: { numbers: [], sentMs: [], arrivedMs: [] } }
  const sample = callSample({ ...rest, down: none }, EVENT_MS, END_MS)
  assert.equal(sample.interruptionMs, 5980)
  assert.equal(sample.clipLoss, 1)
  assert.ok(sample.plainMos < 1.2)
})

test('of a gap in the audio the player lets hear what its 200 ms do not bridge', () => {
  const sample = audioSample(traffic(500), 8, EVENT_MS, END_MS)
  assert.equal(sample.interruptionMs, 500)
  assert.ok(Math.abs(sample.stalledMs - 320) < 1e-6, `got ${sample.stalledMs}`)
  assert.ok(Math.abs(sample.clipSilence - 320 / 8000) < 1e-9)
  assert.ok(Math.abs(sample.callSilence - 320 / 120_000) < 1e-9)
  assert.equal(audioSample(traffic(100), 8, EVENT_MS, END_MS).stalledMs, 0)
})
