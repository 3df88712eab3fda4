import assert from 'node:assert/strict'
import { test } from 'node:test'
import { makeRoom } from '../../src/kit/make-room.ts'

const numbers = (count: number): Set<number> => new Set(Array.from({ length: count }, (_, i) => i))

test('where there is room nothing is forgotten', () => {
  const kept = numbers(31)
  makeRoom(kept, 32, (oldest) => kept.delete(oldest))
  assert.equal(kept.size, 31)
})

test('of what is full the oldest sixteenth goes', () => {
  const kept = numbers(32)
  kept.delete(0)
  kept.add(0)
  makeRoom(kept, 32, (oldest) => kept.delete(oldest))
  assert.deepEqual([...kept], [...Array.from({ length: 29 }, (_, i) => i + 3), 0])
})

for (const limit of [1, 2, 15]) {
  test(`of ${limit} one goes`, () => {
    const kept = numbers(limit)
    makeRoom(kept, limit, (oldest) => kept.delete(oldest))
    assert.equal(kept.size, limit - 1)
  })
}

test('what forgets more than it was asked to is no harm', () => {
  const kept = new Map(Array.from({ length: 64 }, (_, i) => [i, i]))
  const asked: number[] = []
  makeRoom(kept, 64, (oldest) => {
    asked.push(oldest)
    kept.delete(oldest)
    kept.delete(oldest + 1)
  })
  assert.deepEqual(asked, [0, 2, 4, 6])
})
