import assert from 'node:assert/strict'
import { test } from 'node:test'
import { g711, g711Concealing, meanOpinionScore, rating } from '../../../bench/interruption/e-model.ts'

const perfect = { delayMs: 0, loss: 0, burstRatio: 1 }

test('with default values R is 93.2 (G.107 §7.7), which is a score of 4.41', () => {
  assert.equal(rating(perfect, g711), 93.2)
  assert.equal(meanOpinionScore(93.2).toFixed(2), '4.41')
})

/** G.107 Annex B, table B.1: the lower limits of R of each kind of user satisfaction. */
const satisfaction: readonly (readonly [r: number, mos: number])[] = [
  [90, 4.34],
  [80, 4.03],
  [70, 3.6],
  [60, 3.1],
  [50, 2.58],
]

for (const [r, mos] of satisfaction) {
  test(`R ${r} is a score of ${mos} (Annex B, table B.1)`, () => {
    const score = meanOpinionScore(r)
    assert.ok(Math.abs(score - mos) <= 0.0100001, `got ${score}`)
  })
}

test('the score is 1 at the worst and 4.5 at the best (Annex B)', () => {
  assert.equal(meanOpinionScore(-20), 1)
  assert.equal(meanOpinionScore(0), 1)
  assert.equal(meanOpinionScore(100), 4.5)
  assert.equal(meanOpinionScore(120), 4.5)
})

test('delay below 100 ms impairs nothing, and beyond it impairs more and more (§7.4, Idd)', () => {
  const of = (delayMs: number): number => rating({ ...perfect, delayMs }, g711)
  assert.equal(of(100), 93.2)
  // By hand: X is 1 at 200 ms, so 25 (2^(1/6) − 3 (1 + 3^−6)^(1/6) + 2); X is 2 at 400 ms.
  assert.equal((93.2 - of(200)).toFixed(2), '3.04')
  assert.equal((93.2 - of(400)).toFixed(2), '24.07')
  assert.ok(of(101) < 93.2)
})

/** Ie-eff of loss that hits frames independently: Ie + (95 − Ie) Ppl ÷ (Ppl + Bpl), in percent (§7.5). */
const losses: readonly (readonly [percent: number, plain: number, concealing: number])[] = [
  [0, 0, 0],
  [1, 17.92, 3.64],
  [2, 30.16, 7.01],
  [4.3, 47.5, 13.89],
  [100, 91.08, 75.94],
]

for (const [percent, plain, concealing] of losses) {
  test(`${percent} % of frames lost impair G.711 by ${plain}, with concealment by ${concealing} (§7.5, Ie-eff)`, () => {
    const impairment = { ...perfect, loss: percent / 100 }
    assert.equal((93.2 - rating(impairment, g711)).toFixed(2), plain.toFixed(2))
    assert.equal((93.2 - rating(impairment, g711Concealing)).toFixed(2), concealing.toFixed(2))
  })
}

test('loss in bursts is worse than as much loss of single frames (§7.5, BurstR)', () => {
  const of = (burstRatio: number): number => rating({ ...perfect, loss: 0.02, burstRatio }, g711)
  assert.equal((93.2 - of(2)).toFixed(2), ((95 * 2) / (1 + 4.3)).toFixed(2))
  assert.ok(of(5) < of(2))
})

test('worse than useless is useless', () => {
  assert.equal(rating({ delayMs: 100, loss: 0.75, burstRatio: 75 }, g711), 0)
})
