import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Chunk } from '../../../bench/interruption/player.ts'
import { stalledMs } from '../../../bench/interruption/player.ts'

/** 8 kbit/s. */
const player = { octetsPerMs: 1, bufferMs: 200 }

/** 20 ms of audio each 20 ms from 0 to `untilMs`, but what was due from `fromMs` on comes at `toMs`. */
function live(untilMs: number, fromMs = untilMs, toMs = untilMs): Chunk[] {
  return Array.from({ length: untilMs / 20 }, (_, i) => {
    const dueMs = 20 * (i + 1)
    return { timeMs: dueMs >= fromMs && dueMs < toMs ? toMs : dueMs, octets: 20 }
  })
}

test('audio that comes at its own pace is never silent', () => {
  assert.equal(stalledMs(live(8000), player, 0, 8000), 0)
})

test('a gap as long as what is buffered is not heard', () => {
  assert.equal(stalledMs(live(8000, 2020, 2200), player, 0, 8000), 0)
})

test('of a longer gap the rest is heard', () => {
  // The last chunk came at 2000 and 200 ms are buffered: silence from 2200 on.
  assert.equal(stalledMs(live(8000, 2020, 2700), player, 0, 8000), 500)
})

test('after a silence it goes on only when the buffer is full again', () => {
  const chunks = [...live(2000), ...Array.from({ length: 200 }, (_, i) => ({ timeMs: 3000 + 20 * i, octets: 20 }))]
  // Empty at 2200; nine more chunks after the one at 3000 until 200 ms are there.
  assert.equal(stalledMs(chunks, player, 0, 6900), 980)
})

test('a gap that does not end is silent to the end', () => {
  assert.equal(stalledMs(live(2000), player, 0, 8000), 5800)
})

test('audio that never comes is silent all the time, but for the wait at the beginning', () => {
  assert.equal(stalledMs([], player, 0, 8000), 7800)
})

test('what came before the window or after it does not count', () => {
  const chunks = [{ timeMs: -5, octets: 1000 }, ...live(1000), { timeMs: 1300, octets: 1000 }]
  assert.equal(stalledMs(chunks, player, 0, 1250), 50)
})

test('it plays never more than it has: playing, silent and the beginning fill the window', () => {
  const chunk = fc.record({ gapMs: fc.integer({ min: 0, max: 400 }), octets: fc.integer({ min: 1, max: 300 }) })
  fc.assert(
    fc.property(fc.array(chunk, { minLength: 1, maxLength: 50 }), (gaps) => {
      let timeMs = 0
      const chunks = gaps.map(({ gapMs, octets }) => ({ timeMs: (timeMs += gapMs), octets }))
      const untilMs = timeMs + 1000
      assert.ok(Math.abs(stalledMs(chunks, player, 0, untilMs) - slowlyStalledMs(chunks, untilMs)) < 1e-6)
    }),
  )
})

/** The slow twin: millisecond by millisecond, as a player does it. */
function slowlyStalledMs(chunks: readonly Chunk[], untilMs: number): number {
  let [buffered, silent, begun, playing] = [0, 0, false, false]
  for (let ms = 0; ms < untilMs; ms++) {
    for (const { timeMs, octets } of chunks) if (timeMs === ms) buffered += octets
    if (buffered >= player.bufferMs) begun = playing = true
    if (playing && buffered > 0) buffered -= 1
    else if (begun) {
      playing = false
      silent += 1
    }
  }
  return begun ? silent : untilMs - player.bufferMs
}
