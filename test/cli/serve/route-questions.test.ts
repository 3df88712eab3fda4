import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import type { RouteQuestion } from '../../../src/cli/serve/route-questions.ts'
import { MAX_QUESTIONS, RouteQuestions } from '../../../src/cli/serve/route-questions.ts'

const question = (spi: number): RouteQuestion => ({ type: 'resolve', key: { type: 'spi', spi } })

function spiOf({ key }: RouteQuestion): number {
  assert.ok(key.type === 'spi')
  return key.spi
}

/** A clock that stands still unless it is put forward, which each answer does by `answerMs`, and what was answered by it. */
function asked(answerMs = 0): { questions: RouteQuestions; answered: (number | string)[]; clock: { ms: number } } {
  const answered: (number | string)[] = []
  const clock = { ms: 1000 }
  const questions = new RouteQuestions(
    (one) => {
      answered.push(spiOf(one))
      clock.ms += answerMs
    },
    () => clock.ms,
  )
  return { questions, answered, clock }
}

test('what is asked is answered once, in the order in which it was asked first', async () => {
  const { questions, answered } = asked()
  for (const spi of [7, 5, 7, 6, 5]) questions.ask(question(spi))
  assert.deepEqual(answered, [])
  while (answered.length < 3) await turn()
  questions.ask(question(7))
  while (answered.length < 4) await turn()
  assert.deepEqual(answered, [7, 5, 6, 7])
})

test('however many there are, everything else has its turn between them', async () => {
  const { questions, answered } = asked(10)
  for (const spi of [1, 2, 3]) questions.ask(question(spi))
  for (let i = 0; i < 3; i++) {
    await turn()
    answered.push('others')
  }
  assert.deepEqual(answered, [1, 'others', 2, 'others', 3, 'others'])
})

test('what the packet core has not asked for again for long comes last: no packet waits for it any more', async () => {
  const { questions, answered, clock } = asked()
  for (const spi of [1, 2, 3]) questions.ask(question(spi))
  clock.ms += 250
  for (const spi of [3, 4, 2]) questions.ask(question(spi))
  while (answered.length < 4) await turn()
  assert.deepEqual(answered, [2, 3, 4, 1])
})

test('beyond their bound the newest are left out, and none is answered after the end', async () => {
  const { questions, answered } = asked()
  for (let spi = 1; spi <= MAX_QUESTIONS + 1; spi++) questions.ask(question(spi))
  while (answered.length < MAX_QUESTIONS) await turn()
  questions.ask(question(1))
  questions.close()
  await turn()
  assert.deepEqual([answered.length, answered.at(-1)], [MAX_QUESTIONS, MAX_QUESTIONS])
})

test('a fresh question is not left out for those that nobody repeats: the oldest of them gives way', async () => {
  const { questions, answered, clock } = asked(10)
  for (let spi = 1; spi <= MAX_QUESTIONS; spi++) questions.ask(question(spi))
  clock.ms += 250
  questions.ask(question(2))
  while (answered.length < 1) await turn()
  for (const spi of [9001, 9002]) questions.ask(question(spi))
  while (answered.length < 4) await turn()
  questions.close()
  assert.deepEqual(answered, [2, 9001, 9002, 3])
})
