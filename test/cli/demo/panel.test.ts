/** What the panel decides in the browser: how the stream is cut up, when a packet is played, and what was missing. */

import assert from 'node:assert/strict'
import { test } from 'node:test'

interface JitterBuffer {
  readonly played: number
  readonly missing: number
  readonly late: number
  readonly restarts: number
  readonly longestSilenceMs: number
  readonly leadMs: number
  arrive(number: number, samples: Float32Array): void
  play(output: Float32Array): void
}

interface Gap {
  readonly number: number
  readonly count: number
}

interface PacketHistory {
  readonly missing: number
  readonly late: number
  readonly twice: number
  readonly received: number
  add(packet: { number: number; sentMs: number; arrivedMs: number; samples: Float32Array }): void
  at(number: number): { readonly owner: string | null; readonly peaks: number[] } | undefined
  gaps(from: number, to: number): Gap[]
  longestGapMs(from: number, to: number): number
  setOwner(owner: string | null, now: number): void
}

interface Settings {
  readonly sampleRate?: number
  readonly packetMs: number
  readonly depthMs: number
  readonly seconds?: number
}

/** The browser's modules as they are. */
const panel = (name: string): Promise<unknown> => import(new URL(`../../../src/cli/demo/panel/${name}`, import.meta.url).href)
const { JitterBuffer } = (await panel('jitter-buffer.js')) as { JitterBuffer: new (settings: Settings) => JitterBuffer }
const { PacketHistory } = (await panel('packet-history.js')) as { PacketHistory: new (settings: Settings) => PacketHistory }

const SAMPLES = 320
/** 8 ms at a time, as browsers ask for it. */
const BLOCK = 128
const settings = { sampleRate: 16_000, packetMs: 20, depthMs: 80 }

/** Each sample of packet n is (n + 1) / 1000: what is played tells where it is from. */
const packet = (number: number): Float32Array => new Float32Array(SAMPLES).fill((number + 1) / 1000)

/** Which packets were played in so many ms, in order; −1: silence. */
function play(buffer: JitterBuffer, ms: number): number[] {
  const numbers: number[] = []
  for (let block = 0; block < (ms * 16) / BLOCK; block++) {
    const output = new Float32Array(BLOCK)
    buffer.play(output)
    for (const value of output) {
      const number = Math.round(value * 1000) - 1
      if (numbers.at(-1) !== number) numbers.push(number)
    }
  }
  return numbers
}

/** Packets arrive as they are sent but for those that `delayOf` says otherwise of, in packets; null: never. */
function call(buffer: JitterBuffer, count: number, delayOf: (number: number) => number | null = () => 0): number[] {
  const heard: number[] = []
  for (let now = 0; now < count; now++) {
    for (let number = 0; number <= now; number++) {
      const delay = delayOf(number)
      if (delay !== null && number + delay === now) buffer.arrive(number, packet(number))
    }
    // 20 ms are two blocks and a half.
    heard.push(...play(buffer, now % 2 === 0 ? 16 : 24))
  }
  return heard.filter((number, i) => number !== heard[i - 1])
}

test('packets are played in their order after the time of the buffer', () => {
  const buffer = new JitterBuffer(settings)
  assert.deepEqual(call(buffer, 20), [-1, ...Array.from({ length: 16 }, (_, number) => number)])
  assert.deepEqual([buffer.missing, buffer.late, buffer.longestSilenceMs], [0, 0, 0])
})

test('a packet that comes later than its fellows, but within the time of the buffer, is played in its place', () => {
  const buffer = new JitterBuffer(settings)
  assert.deepEqual(call(buffer, 20, (number) => (number === 5 ? 3 : 0)).slice(1, 12), [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
  assert.deepEqual([buffer.missing, buffer.late], [0, 0])
})

test('what is missing is silence for as long, and nothing else is', () => {
  const buffer = new JitterBuffer(settings)
  assert.deepEqual(call(buffer, 20, (number) => (number >= 5 && number < 8 ? null : 0)).slice(1, 10), [0, 1, 2, 3, 4, -1, 8, 9, 10])
  assert.deepEqual([buffer.missing, buffer.late, buffer.longestSilenceMs], [3, 0, 60])
})

test('what comes too late is silence, and is counted', () => {
  const buffer = new JitterBuffer(settings)
  assert.deepEqual(call(buffer, 20, (number) => (number === 5 ? 7 : 0)).slice(1, 9), [0, 1, 2, 3, 4, -1, 6, 7])
  assert.deepEqual([buffer.missing, buffer.late], [1, 1])
})

test('a player whose clock is slower or faster stays with the sender without a gap', () => {
  for (const every of [3001, 2999]) {
    const buffer = new JitterBuffer(settings)
    let played = 0
    // Alike it would be 3000 blocks for 1200 packets; 0.03 % is what bad clocks differ by.
    for (let number = 0; number < 12_000; number++) {
      buffer.arrive(number, packet(number))
      for (; played < ((number + 1) * every) / 1200; played++) buffer.play(new Float32Array(BLOCK))
    }
    assert.deepEqual([buffer.missing, buffer.late, buffer.restarts], [0, 0, 0], `${every}`)
    assert.ok(Math.abs(buffer.leadMs - 80) < 40, `${every}: ${buffer.leadMs} ms`)
  }
})

test('a stream that was away for long, or that begins anew, is played from where it is', () => {
  const buffer = new JitterBuffer(settings)
  call(buffer, 20)
  for (const number of [5000, 0]) {
    buffer.arrive(number, packet(number % 900))
    assert.deepEqual(play(buffer, 96), [-1, number % 900])
  }
  assert.equal(buffer.restarts, 2)
})

/** Packets 0 to 99, 1 ms each on their way, with what `change` says otherwise. */
function historyOf(change: (number: number) => { readonly delayMs?: number; readonly isLost?: boolean } = () => ({})): PacketHistory {
  const history = new PacketHistory({ seconds: 12, packetMs: 20, depthMs: 80 })
  history.setOwner('sg1', 0)
  for (let number = 0; number < 100; number++) {
    const { delayMs = 1, isLost = false } = change(number)
    if (!isLost) history.add({ number, sentMs: 20 * number, arrivedMs: 20 * number + delayMs, samples: packet(number) })
  }
  return history
}

test('gaps are runs of packets that are missing or late', () => {
  const history = historyOf((number) => ({
    isLost: number >= 50 && number < 54,
    delayMs: number === 54 || number === 70 ? 100 : number === 80 ? 60 : 1,
  }))
  assert.deepEqual(history.gaps(0, 100), [
    { number: 50, count: 5 },
    { number: 70, count: 1 },
  ])
  assert.deepEqual([history.missing, history.late, history.longestGapMs(0, 100), history.longestGapMs(60, 100)], [4, 2, 100, 20])
})

test('a packet that comes twice counts once, and apart', () => {
  const history = historyOf()
  history.add({ number: 99, sentMs: 0, arrivedMs: 1, samples: packet(99) })
  assert.deepEqual([history.received, history.twice, history.missing], [100, 1, 0])
})

test('after a gap packets are the new owner’s, although it is told later', () => {
  const history = historyOf((number) => ({ isLost: number >= 88 && number < 92 }))
  history.setOwner('sg2', 100)
  assert.deepEqual(
    [87, 92, 99].map((number) => history.at(number)!.owner),
    ['sg1', 'sg2', 'sg2'],
  )
  history.setOwner('sg3', 110)
  assert.equal(history.at(99)!.owner, 'sg2')
})

test('a demo that is started anew is another call', () => {
  const history = new PacketHistory({ seconds: 1, packetMs: 20, depthMs: 80 })
  for (const number of [1000, 1001, 0, 1]) history.add({ number, sentMs: 0, arrivedMs: 1, samples: packet(1) })
  assert.deepEqual([history.received, history.missing, history.at(1000)], [2, 0, undefined])
})
