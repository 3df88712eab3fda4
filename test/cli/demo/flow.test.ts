import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FlowSink, FlowSource } from '../../../src/cli/demo/flow.ts'

function sendTo(source: FlowSource, toMs: number, fromMs = 0): number[] {
  const counters: number[] = []
  for (let nowMs = fromMs; nowMs <= toMs; nowMs++) {
    for (let counter = source.due(nowMs); counter !== null; counter = source.due(nowMs)) counters.push(counter)
  }
  return counters
}

test('a source numbers a packet every 20 ms', () => {
  assert.deepEqual(sendTo(new FlowSource(5), 65), [0, 1, 2, 3])
})

test('a source that was held up sends what was due meanwhile', () => {
  const source = new FlowSource(0)
  assert.deepEqual(sendTo(source, 20), [0, 1])
  assert.deepEqual(sendTo(source, 100, 100), [2, 3, 4, 5])
  assert.equal(source.sent, 6)
})

test('a source knows what it sent between two times, as far as it remembers', () => {
  const source = new FlowSource(0)
  sendTo(source, 1000)
  assert.deepEqual(source.sentBetween(100, 200), { first: 5, count: 6 })
  assert.deepEqual(source.sentBetween(101, 119), { first: 6, count: 0 })
  assert.deepEqual(source.sentBetween(-50, 0), { first: 0, count: 1 })
  sendTo(source, 60_000, 1001)
  assert.equal(source.sentBetween(0, 60_000).count, 1024)
  assert.deepEqual(source.sentBetween(59_000, 59_040), { first: 2950, count: 3 })
})

test('a sink counts each packet once and those that came again apart', () => {
  const sink = new FlowSink()
  for (const [i, counter] of [0, 1, 3, 1, 2, 3].entries()) sink.arrive(counter, 10 * i)
  assert.deepEqual([sink.received, sink.duplicated, sink.lastMs], [4, 2, 40])
  assert.deepEqual(sink.since(10), { times: [10, 20, 40], counters: [1, 3, 2] })
})

test('a sink remembers the last arrivals, and every counter', () => {
  const sink = new FlowSink()
  for (let counter = 0; counter < 3000; counter++) sink.arrive(counter, counter)
  assert.equal(sink.since(0).times.length, 1024)
  assert.deepEqual(sink.since(2998), { times: [2998, 2999], counters: [2998, 2999] })
  sink.arrive(0, 4000)
  assert.equal(sink.duplicated, 1)
})
