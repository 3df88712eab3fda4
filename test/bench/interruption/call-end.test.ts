import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CallEnd } from '../../../bench/interruption/call-end.ts'
import { decodeFrame, encodeFrame, frameOctets } from '../../../bench/interruption/frame.ts'
import { History } from '../../../bench/interruption/history.ts'

test('20 ms are 20 octets at 8 kbit/s and 240 at 96', () => {
  assert.deepEqual([8, 48, 96].map(frameOctets), [20, 120, 240])
})

test('a frame says whose it is, its number and when it was sent; what is too short is none', () => {
  const frame = { client: 3, number: 70_000, sentMs: 1234.5 }
  const bytes = encodeFrame(frame, 20)
  assert.equal(bytes.length, 20)
  assert.deepEqual(decodeFrame(bytes), frame)
  assert.equal(decodeFrame(bytes.subarray(0, 15)), null)
})

test('a frame is due every 20 ms, and who is late makes up for it', () => {
  const end = new CallEnd(0, 8, 100)
  const numbersAt = (nowMs: number) => end.due(nowMs).map((bytes) => decodeFrame(bytes)?.number)
  assert.deepEqual(numbersAt(99), [])
  assert.deepEqual(numbersAt(100), [0])
  assert.deepEqual(numbersAt(119), [])
  assert.deepEqual(numbersAt(165), [1, 2, 3])
  assert.equal(end.nextMs, 180)
})

test('what was sent in a window is told by its numbers, and what came in by when the other end sent it', () => {
  const end = new CallEnd(0, 8, 0)
  for (let ms = 0; ms <= 200; ms += 20) end.due(ms)
  assert.deepEqual(end.sentBetween(40, 100), { first: 2, count: 4 })
  assert.deepEqual(end.sentBetween(1000, 2000), { first: 0, count: 0 })
  end.arrive({ client: 0, number: 5, sentMs: 100 }, 130)
  end.arrive({ client: 0, number: 4, sentMs: 80 }, 131)
  end.arrive({ client: 0, number: 9, sentMs: 180 }, 190)
  assert.deepEqual(end.receivedOf(80, 100), { numbers: [5, 4], sentMs: [100, 80], arrivedMs: [130, 131] })
})

test('a history remembers the latest rows, in their order', () => {
  const history = new History(2, 3)
  for (let i = 0; i < 5; i++) history.add(i, 10 * i)
  assert.deepEqual(history.between(0, 0, 100), [
    [2, 3, 4],
    [20, 30, 40],
  ])
  assert.deepEqual(history.between(1, 25, 35), [[3], [30]])
})
