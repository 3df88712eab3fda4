import { equal } from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { MAX_EXTENDED_SEQUENCE_NUMBER } from '../../src/context/grants.ts'
import { highOf, inferSequence } from '../../src/esp/extended-sequence.ts'

const SPAN = 2 ** 32

test('of the numbers with the same lower half, the one nearest to the highest so far is meant', () => {
  const numbers = fc.oneof(
    fc.integer({ min: 0, max: MAX_EXTENDED_SEQUENCE_NUMBER }),
    fc.integer({ min: 0, max: 3 * SPAN }),
    fc.integer({ min: -3, max: 3 }).chain((near) => fc.constantFrom(SPAN / 2, SPAN, 1.5 * SPAN, 2 * SPAN).map((at) => at + near)),
  )
  const property = fc.property(numbers, fc.nat(SPAN - 1), (highest, low) => {
    const inferred = inferSequence(low, highest)
    equal(inferred % SPAN, low)
    const others = [-1, 1].map((step) => inferred + step * SPAN).filter((other) => other >= 0)
    for (const other of others)
      equal(Math.abs(inferred - highest) <= Math.abs(other - highest), true, `${low} near ${highest}: ${inferred}`)
  })
  fc.assert(property, { numRuns: 2000, seed: 3 })
})

const cases: readonly [what: string, low: number, highest: number, expected: number][] = [
  ['the next number', 8, 7, 8],
  ['the first one of the next 2^32', 0, SPAN - 1, SPAN],
  ['a late one of the last 2^32', SPAN - 2, SPAN + 5, SPAN - 2],
  ['nothing is below 0: a leap at the beginning is a leap', SPAN - 2, 5, SPAN - 2],
  ['2^31 ahead at most', 5 + 2 ** 31, SPAN + 5, SPAN + 5 + 2 ** 31],
  ['one more is behind', 6 + 2 ** 31, SPAN + 5, 6 + 2 ** 31],
  // RFC 4303 Appendix A2.2 would take it for one of the next 2^32, and its ICV for wrong.
  ['far behind a floor that is ahead of the client, across the border', SPAN - 5000, SPAN + 5000, SPAN - 5000],
]
for (const [what, low, highest, expected] of cases) {
  test(`inferring an extended number: ${what}`, () => {
    equal(inferSequence(low, highest), expected)
    equal(highOf(expected) * SPAN + low, expected)
  })
}
