import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises'
import { Admission } from '../../../src/cli/serve/admission.ts'
import { CommitTimer } from '../../../src/cli/serve/commit-timer.ts'

/** Clients that wait, on a clock that stands still but for `serveMs` that serving one takes. */
function crowd(waiting: number, serveMs: number) {
  const world = { ms: 1000, waiting, served: 0, commitAgeMs: 0, quickestMs: 1, isThereTime: true }
  const admission = new Admission({
    admit: () => {
      if (world.waiting === 0 || !world.isThereTime) return false
      world.waiting -= 1
      world.served += 1
      world.ms += serveMs
      return true
    },
    waiting: () => world.waiting,
    commitAgeMs: () => world.commitAgeMs,
    quickestCommitMs: () => world.quickestMs,
    nowMs: () => world.ms,
  })
  admission.wake()
  return { world, admission }
}

test('however many wait, everything else has its turn between slices of 2 ms', async () => {
  const { world } = crowd(100, 1)
  const others: number[] = []
  for (let i = 0; i < 3; i++) {
    await turn()
    others.push(world.served)
  }
  assert.deepEqual(others, [2, 4, 6])
})

test('while commits are late nobody is served but one each 25 ms; when they are not any more, all are', async () => {
  const { world, admission } = crowd(50, 0.5)
  world.commitAgeMs = 18
  await turn()
  assert.equal(world.served, 1)
  for (let i = 0; i < 3; i++) await wait(3)
  assert.equal(world.served, 1)
  world.ms += 25
  while (world.served < 2) await wait(1)
  for (let i = 0; i < 3; i++) await wait(3)
  assert.equal(world.served, 2)
  world.commitAgeMs = 17
  while (world.waiting > 0) await wait(1)
  assert.equal(world.served, 50)
  world.waiting = 1
  admission.wake()
  while (world.waiting > 0) await wait(1)
})

test('late is what takes longer than one command alone does here', async () => {
  const { world } = crowd(50, 0.5)
  world.commitAgeMs = 70
  world.quickestMs = 30
  for (let i = 0; i < 20; i++) await turn()
  assert.equal(world.served, 50)
})

test('those for whom there is no time are looked at again', async () => {
  const { world } = crowd(3, 0.5)
  world.isThereTime = false
  for (let i = 0; i < 3; i++) await wait(3)
  assert.equal(world.served, 0)
  world.isThereTime = true
  while (world.waiting > 0) await wait(1)
})

test('after the end nobody is served, neither in the next slice nor when there is time again', async () => {
  for (const [commitAgeMs, turns] of [
    [0, 1],
    [100, 2],
  ] as const) {
    const { world, admission } = crowd(3, 5)
    world.commitAgeMs = commitAgeMs
    for (let i = 0; i < turns; i++) await turn()
    admission.close()
    world.ms += 100
    for (let i = 0; i < 3; i++) await wait(3)
    assert.equal(world.served, 1)
  }
})

test('the age is that of the oldest command under way, and those that were given up do not count; the quickest is one of the last seconds', () => {
  let ms = 5000
  const timer = new CommitTimer(
    () => undefined,
    () => ms,
  )
  assert.deepEqual([timer.ageMs, timer.quickestMs], [0, 0])
  timer.proposed(1)
  ms += 40
  timer.proposed(2)
  ms += 10
  assert.equal(timer.ageMs, 50)
  timer.applied(1)
  assert.deepEqual([timer.ageMs, timer.quickestMs], [10, 50])
  ms += 9990
  assert.equal(timer.ageMs, 10_000)
  timer.proposed(3)
  ms += 3
  timer.givenUp(2)
  assert.equal(timer.ageMs, 3)
  timer.applied(3)
  assert.deepEqual([timer.ageMs, timer.quickestMs], [0, 3])
  for (let i = 4; i < 8; i++) {
    ms += 4000
    timer.proposed(i)
    ms += 20
    timer.applied(i)
  }
  assert.equal(timer.quickestMs, 20)
  timer.proposed(8)
  timer.proposed(9)
  ms += 5
  timer.forget()
  assert.equal(timer.ageMs, 0)
})
