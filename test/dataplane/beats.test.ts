import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Beats } from '../../src/dataplane/beats.ts'

test('the other thread hears of every beat once, in order', () => {
  const main = new Beats()
  const thread = new Beats(main.memory)
  assert.deepEqual(main.take(), [])
  thread.beat(5)
  thread.beat(7.5)
  assert.deepEqual(main.take(), [5, 7.5])
  assert.deepEqual(main.take(), [])
  for (let i = 0; i < 100; i++) {
    thread.beat(i)
    assert.deepEqual(main.take(), [i])
  }
})

test('who was away for very many beats hears of the last 1,024', () => {
  const main = new Beats()
  const thread = new Beats(main.memory)
  for (let i = 0; i < 1030; i++) thread.beat(i)
  assert.deepEqual(
    main.take(),
    Array.from({ length: 1024 }, (_, i) => i + 6),
  )
  assert.deepEqual(main.take(), [])
})

test('the count goes round', () => {
  const main = new Beats()
  const count = new Uint32Array(main.memory, 0, 1)
  count[0] = 2 ** 32 - 2
  main.take()
  const thread = new Beats(main.memory)
  for (let i = 0; i < 5; i++) thread.beat(i)
  assert.deepEqual(main.take(), [0, 1, 2, 3, 4])
})
