import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Figure, Measurement } from '../../../bench/bench.ts'
import type { Baseline, Better, Guarded } from '../../../bench/guard/compare.ts'
import { compare, guardedOf, isFailure, lineOf, worseBy } from '../../../bench/guard/compare.ts'

const of = (value: number, better: Better = 'less'): Guarded => ({ value, unit: 'octets', better })
const verdict = (was: Guarded, is: Guarded): string => compare({ one: was }, { one: is })[0]!.verdict

test('a figure may get worse by 30 %, whichever way is worse', () => {
  const rows: readonly (readonly [was: number, is: number, better: Better, verdict: string])[] = [
    [100, 100, 'less', 'held'],
    [100, 130, 'less', 'held'],
    [100, 131, 'less', 'fell'],
    [100, 70, 'less', 'held'],
    [100, 69, 'less', 'rose'],
    [100, 70, 'more', 'held'],
    [100, 69, 'more', 'fell'],
    [100, 131, 'more', 'rose'],
  ]
  for (const [was, is, better, wanted] of rows) assert.equal(verdict(of(was, better), of(is, better)), wanted, `${was} ${is} ${better}`)
})

test('what was nothing may not become something, and what is no number is worst', () => {
  assert.equal(verdict(of(0), of(0)), 'held')
  assert.equal(verdict(of(0), of(0.001)), 'fell')
  assert.equal(verdict(of(0, 'more'), of(1, 'more')), 'rose')
  assert.equal(verdict(of(17), of(Infinity)), 'fell')
  assert.equal(verdict(of(17), of(NaN)), 'fell')
  assert.equal(worseBy(of(Infinity), of(NaN)), Infinity)
})

test('the baseline says which way is better, not the figure', () => {
  assert.equal(verdict(of(100, 'more'), of(60, 'less')), 'fell')
})

test('a figure that was not measured fails, and so does one that the baseline does not have', () => {
  const lines = compare({ gone: of(1), stays: of(1) }, { stays: of(1), comes: of(1) })
  assert.deepEqual(
    lines.map(({ name, verdict: found }) => [name, found]),
    [
      ['gone', 'missing'],
      ['stays', 'held'],
      ['comes', 'unknown'],
    ],
  )
  assert.deepEqual(lines.map(isFailure), [true, false, true])
})

test('better than before is no failure', () => {
  assert.equal(isFailure(compare({ one: of(100) }, { one: of(10) })[0]!), false)
})

test('a line says what it was, what it is and by how much it is worse', () => {
  const line = (was: Baseline, is: Baseline): string => lineOf(compare(was, is)[0]!)
  assert.equal(line({ log: of(100) }, { log: of(150) }), 'WORSE    log: 150 octets, baseline 100 (50.0 % worse)')
  assert.equal(line({ log: of(100) }, { log: of(90) }), 'ok       log: 90 octets, baseline 100 (10.0 % better)')
  assert.equal(line({ log: of(100) }, { log: of(100) }), 'ok       log: 100 octets, baseline 100 (the same)')
  assert.equal(line({ log: of(100) }, {}), 'MISSING  log: – octets, baseline 100')
  assert.equal(line({}, { log: of(3) }), 'UNKNOWN  log: 3 octets, baseline –')
})

test('guarded figures are named after bench, parameters and figure; a ratio is to the peer, and more of it is better', () => {
  const plain: Figure = { unit: 'ms', median: 50, least: 40, most: 60, rounds: 3 }
  const peer: Figure = { ...plain, median: 100 }
  const row: Measurement = {
    parameters: { gateways: 3, what: 'log' },
    figures: {
      unguarded: plain,
      octets: { ...plain, unit: 'octets', guard: 'less' },
      rate: { ...plain, guard: 'ratio', comparison: { peer: 'other', figure: peer, goal: null } },
      time: { ...plain, guard: 'ratio', comparison: { peer: 'other', figure: peer, goal: null, isLessBetter: true } },
    },
  }
  assert.deepEqual(guardedOf('scale', [row]), {
    'scale: 3 log: octets': { value: 50, unit: 'octets', better: 'less' },
    'scale: 3 log: rate': { value: 0.5, unit: 'ratio', better: 'more' },
    'scale: 3 log: time': { value: 2, unit: 'ratio', better: 'more' },
  })
})

test('a ratio without its peer is none', () => {
  const alone: Figure = { unit: '/s', median: 50, least: 50, most: 50, rounds: 1, guard: 'ratio' }
  const measured = guardedOf('esp', [{ parameters: {}, figures: { rate: alone } }])
  assert.equal(verdict({ value: 2, unit: 'ratio', better: 'more' }, Object.values(measured)[0]!), 'fell')
})
