import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Entry } from '../../raft/entry.ts'
import { LogTimes } from '../../raft/log-times.ts'

function batch(sequence: number, first: number, last: number) {
  const entries = Array.from({ length: last - first + 1 }, (_, i) => ({ index: first + i }) as Entry)
  return { sequence, entries }
}

test('an entry came into the log with its batch, and is forgotten with what lies before it', () => {
  const times = new LogTimes()
  times.appended(batch(1, 1, 3), 10)
  times.appended(batch(2, 4, 4), 20)
  assert.deepEqual(
    [1, 3, 4, 5].map((index) => times.take(index)),
    [10, 10, 20, null],
  )
  assert.equal(times.take(3), null)
})

test('an entry that was replaced came with what replaced it', () => {
  const times = new LogTimes()
  times.appended(batch(1, 1, 2), 10)
  times.appended(batch(2, 3, 6), 20)
  times.appended(batch(3, 7, 7), 30)
  times.appended(batch(4, 5, 8), 40)
  assert.deepEqual(
    [2, 4, 5, 7, 8].map((index) => times.take(index)),
    [10, 20, 40, 40, 40],
  )
})

test('each batch with entries is told once of how long it took to the disk; a batch without is not one', () => {
  const times = new LogTimes()
  times.appended(batch(1, 1, 2), 10)
  times.appended({ sequence: 2, entries: [] }, 15)
  times.appended(batch(3, 3, 3), 20)
  assert.deepEqual(times.written(2, 25), [15])
  assert.deepEqual(times.written(3, 26), [6])
  assert.deepEqual(times.written(3, 30), [])
})
