import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import type { PingReply } from '../../../chaos/lab/ping-output.ts'
import {
  checkNoDuplicates,
  checkTrafficFlows,
  formatRanges,
  longestGap,
  lostPings,
  parsePing,
  withoutLast,
} from '../../../chaos/lab/ping-output.ts'
import { recorded } from './recordings.ts'

test('a recorded ping gives every reply with its time, and the number sent', () => {
  const record = parsePing(recorded('frozen-gateway.ping.txt'))
  assert.equal(record.replies.length, record.transmitted)
  assert.deepEqual(record.replies[54], { timeMs: 1795478445242.847, sequence: 55 })
  assert.deepEqual([record.duplicates, record.complaints], [0, []])
})

test('a gateway that was frozen for half a second shows as a gap of half a second, and no loss', () => {
  const record = parsePing(recorded('frozen-gateway.ping.txt'))
  const gap = longestGap(record.replies, record.replies.at(-1)?.timeMs ?? 0)
  assert.deepEqual([Math.round(gap.lengthMs), gap.after, gap.before], [509, 55, 56])
  assert.deepEqual(lostPings(record), [])
})

test('replies that never come back are a gap until the sending ended, and are lost', () => {
  const record = parsePing(recorded('empty-gateway.ping.txt'))
  const last = record.replies.at(-1)
  assert.deepEqual(longestGap(record.replies, (last?.timeMs ?? 0) + 5000), { lengthMs: 5000, after: 54, before: null })
  assert.equal(formatRanges(lostPings(record)), '55–143')
})

test('pings that nobody waited for are not lost, and their answers end the gap before them', () => {
  const text = [1, 2, 5, 6].map((sequence) => `[1${sequence}.000000] 64 bytes from 10.50.0.50: icmp_seq=${sequence} ttl=63 time=0.4 ms`)
  const record = parsePing([...text, '9 packets transmitted, 4 received'].join('\n'))
  const ended = withoutLast(record, 3)
  assert.deepEqual(
    [lostPings(record), lostPings(ended)],
    [
      [3, 4, 7, 8],
      [3, 4],
    ],
  )
  assert.deepEqual(longestGap(withoutLast(record, 6).replies, 14_500), { lengthMs: 3_000, after: 2, before: 5 })
  assert.equal(withoutLast(record, 10).transmitted, 0)
})

test('duplicates and complaints are counted apart from replies', () => {
  const text = `[10.000000] 64 bytes from 10.50.0.50: icmp_seq=1 ttl=63 time=0.4 ms
[10.000100] 64 bytes from 10.50.0.50: icmp_seq=1 ttl=63 time=0.5 ms (DUP!)
[10.050000] From 10.99.0.11 icmp_seq=2 Destination Host Unreachable
ping: sendmsg: Network is unreachable
`
  const record = parsePing(text)
  assert.deepEqual(record.replies, [{ timeMs: 10_000, sequence: 1 }])
  assert.equal(record.duplicates, 1)
  assert.equal(record.complaints.length, 2)
  assert.equal(checkNoDuplicates(record).isOk, false)
})

test('the last ping is not lost merely because nobody waited for its answer', () => {
  assert.deepEqual(lostPings({ replies: [{ timeMs: 0, sequence: 1 }], transmitted: 2, duplicates: 0, complaints: [] }), [])
  assert.deepEqual(lostPings({ replies: [{ timeMs: 0, sequence: 1 }], transmitted: 3, duplicates: 0, complaints: [] }), [2])
})

test('traffic that does not flow at the end is found', () => {
  const nothing = { replies: [], transmitted: 18, duplicates: 0, complaints: [] }
  assert.equal(checkTrafficFlows(nothing).isOk, false)
  assert.equal(checkTrafficFlows({ ...nothing, transmitted: 0 }).isOk, false)
  assert.equal(checkTrafficFlows(parsePing(recorded('frozen-gateway.ping.txt'))).isOk, true)
})

test('the longest gap is the greatest of all differences, as a slow search finds it', () => {
  const times = fc.array(fc.nat(10_000), { minLength: 1, maxLength: 40 })
  fc.assert(
    fc.property(times, fc.nat(20_000), (unsorted, after) => {
      const sorted = unsorted.sort((a, b) => a - b)
      const replies = sorted.map((timeMs, i): PingReply => ({ timeMs, sequence: i + 1 }))
      const untilMs = (sorted.at(-1) ?? 0) + after
      const isQuiet = (from: number, to: number) => !sorted.some((timeMs) => timeMs > from && timeMs < to)
      const ends = [...sorted, untilMs]
      const slow = Math.max(...sorted.flatMap((from) => ends.map((to) => (to >= from && isQuiet(from, to) ? to - from : 0))))
      assert.equal(longestGap(replies, untilMs).lengthMs, slow)
    }),
  )
})

test('ranges are written short', () => {
  assert.equal(formatRanges([]), '')
  assert.equal(formatRanges([3, 7, 8, 9, 12, 13]), '3, 7–9, 12–13')
})

test('a pause in the sending is no gap, what is left of it is', () => {
  const replies = [
    { timeMs: 1000, sequence: 1 },
    { timeMs: 1050, sequence: 2 },
    { timeMs: 5080, sequence: 3 },
    { timeMs: 5200, sequence: 4 },
  ]
  const pauses = [{ fromMs: 1060, toMs: 5050 }]
  assert.deepEqual(longestGap(replies, 5250, pauses), { lengthMs: 120, after: 3, before: 4 })
  assert.deepEqual(longestGap(replies.slice(0, 3), 5090, pauses), { lengthMs: 50, after: 1, before: 2 })
  assert.equal(longestGap(replies, 5250, [{ fromMs: 1060, toMs: 2060 }]).lengthMs, 3030)
  assert.equal(longestGap(replies.slice(0, 2), 6050, [{ fromMs: 2050, toMs: 9000 }]).lengthMs, 1000)
})
